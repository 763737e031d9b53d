"""The checkpoint: written beside, the one before kept, damage found by its sums, no code executed."""

from __future__ import annotations

import os
import random
import re

import pytest
import torch
from stores import assert_equal

from gan_bench.files import read_tensors, write_tensors
from gan_bench.store.folder import RunFolder


def state(steps: int) -> dict[str, object]:
    return {"steps": steps, "weights": torch.full((100, 7), float(steps)), "text": "words", "list": [1, None, 2.5]}


@pytest.fixture
def folder(tmp_path):
    """A run folder with two checkpoints, of step 1 and step 2."""
    folder = RunFolder(tmp_path)
    for steps in (1, 2):
        folder.save_checkpoint(state(steps))
    return folder


def flip(content: bytes) -> bytes:
    place = content.index(torch.full((7,), 2.0).numpy().tobytes())
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_the_one_before_is_kept(folder):
    assert_equal(folder.load_checkpoint(), (state(2), []))
    assert_equal(read_tensors(folder.previous_file), state(1))
    assert folder.read().steps == 2
    folder.drop_previous_checkpoint()
    assert [file.name for file in folder.path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize(
    "damage",
    [flip, lambda content: content[:-100], lambda content: content[: len(content) // 2], lambda _: b""],
    ids=["a flipped bit", "the end is lost", "half is lost", "empty"],
)
def test_a_damaged_one_is_set_aside_and_the_one_before_is_taken(folder, damage):
    damaged = damage(folder.checkpoint_file.read_bytes())
    folder.checkpoint_file.write_bytes(damaged)
    folder.drop_previous_checkpoint()
    found, (fault,) = folder.load_checkpoint()
    assert_equal(found, state(1))
    assert fault.file == folder.checkpoint_file
    assert re.search(r"checkpoint.pt can't be used .* set aside as checkpoint.damaged.pt", str(fault))
    assert (folder.path / "checkpoint.damaged.pt").read_bytes() == damaged
    assert folder.read().steps == 1
    folder.save_checkpoint(state(3))
    assert_equal(folder.load_checkpoint(), (state(3), []))


def test_both_damaged_is_a_new_start(folder):
    for file in (folder.checkpoint_file, folder.previous_file):
        file.write_bytes(b"PK rubbish")
    found, faults = folder.load_checkpoint()
    assert found is None
    assert [fault.file for fault in faults] == [folder.checkpoint_file, folder.previous_file]
    assert folder.read().steps == 0


class Malicious:
    """Pickled, it is an order to run a command."""

    def __init__(self, trace: object) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_no_code_is_executed(folder, tmp_path):
    trace = tmp_path / "executed"
    torch.save({"steps": 5, "evil": Malicious(trace)}, folder.checkpoint_file)
    assert folder.read().steps == 1
    found, (fault,) = folder.load_checkpoint()
    assert_equal(found, state(1))
    assert "holds more than tensors" in fault.wrong
    assert not trace.exists()


def test_any_flipped_bit_is_found_or_harmless(tmp_path):
    file, count = tmp_path / "state.pt", 300
    write_tensors(file, state(3))
    content, chance, found = file.read_bytes(), random.Random(0), 0
    for _ in range(count):
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        try:
            assert_equal(read_tensors(file), state(3))
        except ValueError:
            found += 1
    assert found > count / 2


def test_strides_are_kept(tmp_path):
    weights = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    write_tensors(tmp_path / "state.pt", {"weights": weights})
    assert_equal(read_tensors(tmp_path / "state.pt"), {"weights": weights})
