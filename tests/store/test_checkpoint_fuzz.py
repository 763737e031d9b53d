"""Checkpoints that are damaged in every way: what is read is the state that was saved, the one before it, or none."""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz import damaged_bytes, fuzz
from hypothesis.strategies import SearchStrategy
from small_runs import make_loop
from stores import assert_equal

from gan_bench.files import read_tensors
from gan_bench.store.folder import RunFolder
from gan_bench_plugins.architectures.dcgan import gan_bench_architectures


def states() -> list[dict[str, Any]]:
    """The states of a small run after one step and after two."""
    loop = make_loop(gan_bench_architectures()[0](depth=1, width=2, latent=2), batch_size=2)
    found = []
    for steps in (1, 2):
        loop.step()
        state = {
            "steps": steps,
            "seconds": {"training": 0.5 * steps},
            "generator": loop.recipe.generator.state_dict(),
            "d_optimizer": loop.d_optimizer.state_dict(),
            "streams": loop.streams.state_dict(),
            "window": loop.window.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        buffer.seek(0)
        found.append(torch.load(buffer, weights_only=True))
    return found


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A run folder with both checkpoints, and their states."""
    folder, kept = RunFolder(tmp_path_factory.mktemp("run")), states()
    for state in kept:
        folder.save_checkpoint(state)
    return folder.path, kept


def is_equal(found: Any, state: Any) -> bool:
    """Equal to the last bit."""
    try:
        assert_equal(found, state)
    except AssertionError:
        return False
    return True


class Touch:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("inputs", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_damaged_checkpoint(saved: tuple[Path, list[dict[str, Any]]], tmp_path: Path, inputs: int) -> None:
    whole, (before, last) = saved
    content = (whole / "checkpoint.pt").read_bytes()
    outcomes = {"the last": 0, "the one before": 0}

    def check(damaged: bytes) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "run")
        folder = RunFolder(tmp_path / "run")
        folder.checkpoint_file.write_bytes(damaged)
        found, faults = folder.load_checkpoint()
        aside = folder.path / "checkpoint.damaged.pt"
        if is_equal(found, last):
            outcomes["the last"] += 1
            assert not aside.exists()
            assert not faults
        else:
            assert is_equal(found, before), "neither of the states that were saved"
            outcomes["the one before"] += 1
            assert aside.read_bytes() == damaged
            assert [fault.file for fault in faults] == [folder.checkpoint_file]
        assert folder.read().steps >= 0

    fuzz(inputs, damaged_bytes(content), check)
    print(outcomes)
    assert outcomes["the one before"] > inputs / 2, "most damage matters"


def forged(archive: bytes) -> SearchStrategy[bytes]:
    """A checkpoint whose sums are right and whose pickle is damaged, so that the reader of pickles gets to see it."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    name = next(name for name in parts if name.endswith("data.pkl"))

    def packed(content: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            for part, own in parts.items():
                target.writestr(part, content if part == name else own)
        return buffer.getvalue()

    return damaged_bytes(parts[name]).map(packed)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("inputs", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_forged_checkpoint_raises_nothing(
    saved: tuple[Path, list[dict[str, Any]]], tmp_path: Path, inputs: int
) -> None:
    content = (saved[0] / "checkpoint.pt").read_bytes()
    file = tmp_path / "checkpoint.pt"

    def check(bad: bytes) -> None:
        file.write_bytes(bad)
        told = ""
        try:
            read_tensors(file)
        except ValueError as error:
            told = str(error)
        assert "\n" not in told

    fuzz(inputs, forged(content), check)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("form", ["checkpoint", "bare pickle", "pickle in a zip file", "module"])
def test_code_in_a_checkpoint_is_not_executed(
    saved: tuple[Path, list[dict[str, Any]]], tmp_path: Path, form: str, protocol: int
) -> None:
    whole, (before, _) = saved
    shutil.copytree(whole, tmp_path / "run")
    folder, trace = RunFolder(tmp_path / "run"), tmp_path / "executed"
    evil = pickle.dumps({"steps": 3, "x": Touch(trace)}, protocol)
    if form == "checkpoint":
        torch.save({"steps": 3, "x": Touch(trace)}, folder.checkpoint_file, pickle_protocol=max(protocol, 1))
    elif form == "bare pickle":
        folder.checkpoint_file.write_bytes(evil)
    elif form == "pickle in a zip file":
        with zipfile.ZipFile(folder.checkpoint_file, "w") as archive:
            archive.writestr("archive/data.pkl", evil)
            archive.writestr("archive/version", "3\n")
    else:
        torch.save(torch.nn.Linear(2, 2), folder.checkpoint_file, pickle_protocol=max(protocol, 1))
    found, faults = folder.load_checkpoint()
    assert_equal(found, before)
    assert len(faults) == 1
    assert not trace.exists()
    pickle.loads(evil)
    assert trace.exists(), "the file does hold code"
