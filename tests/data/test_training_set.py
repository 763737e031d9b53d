"""Which training samples are trained on: any share or number of them, nested, in proportion, and without a copy."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ramp import Ramp

from gan_bench.api.kinds import ArrayPart, Parts, choice
from gan_bench.api.samples import Samples
from gan_bench.data.batches import Batches
from gan_bench.data.cache import open_prepared
from gan_bench.data.prepare import prepare
from gan_bench.data.training_set import nested
from gan_bench.errors import GanBenchError, ParameterError


def values(samples: Samples) -> list[int]:
    return samples.data[:, 0, 0, 0].tolist()


def test_smaller_ones_lie_in_larger_ones_and_only_the_training_part_is_chosen(decoded: list[str]) -> None:
    whole = prepare(Ramp())
    found: list[set[int]] = []
    for subset in (2, 0.1, 40, 0.5, 255):
        chosen = prepare(Ramp(subset=subset))
        found.append(set(values(chosen.training)))
        assert len(found[-1]) == len(chosen.training) == (subset if isinstance(subset, int) else round(256 * subset))
        assert (chosen.held_out_fingerprint, chosen.spec) == (whole.held_out_fingerprint, whole.spec)
        assert torch.equal(chosen.held_out.data, whole.held_out.data)
        assert chosen.whole.fingerprint == whole.fingerprint != chosen.fingerprint
        assert values(chosen.training) == sorted(found[-1]), "in the order in which they are stored"
        assert chosen.training.labels is not None
        assert chosen.training.labels.tolist() == [value % 2 for value in values(chosen.training)]
    assert all(small < large for small, large in itertools.pairwise(found))
    assert len(decoded) == 1, "nothing is decoded again"


@pytest.mark.parametrize("asked", [1.0, 256, 0.999])
def test_all_of_them_are_the_dataset_itself(asked: float | int) -> None:
    whole, chosen = prepare(Ramp()), prepare(Ramp(subset=asked))
    assert (chosen.fingerprint, chosen.folder) == (whole.fingerprint, whole.folder)
    assert chosen.whole is chosen


def test_a_share_is_at_least_one_sample() -> None:
    assert len(prepare(Ramp(subset=1e-9)).training) == 1


def test_more_than_there_are_is_an_error_that_says_how_many() -> None:
    with pytest.raises(ParameterError, match=r"dataset ramp: there are 256 training samples.* can't have 1,000"):
        prepare(Ramp(subset=1000))


@pytest.mark.parametrize("total", [10, 97, 1000])
def test_classes_stand_in_proportion_however_many_are_taken(total: int) -> None:
    random = torch.Generator().manual_seed(total)
    labels = torch.randint(7, (total,), generator=random).pow(2) % 5 - 1  # of very different sizes, some without
    order = nested(labels, total)
    assert order.sort().values.equal(torch.arange(total))
    assert order.equal(nested(labels, total)), "it is drawn once and for all"
    sizes = (labels + 1).bincount(minlength=5)
    for count in range(1, total + 1):
        own = (labels[order[:count]] + 1).bincount(minlength=5)
        assert (own - sizes * count / total).abs().max() < 2


def test_classes_with_a_single_sample_are_not_all_taken_at_once() -> None:
    order = nested(torch.cat([torch.zeros(500), torch.arange(1, 501)]).long(), 1000)
    assert ((order[:250] < 500).sum() - 125).abs() < 30


def test_equal_classes_come_in_turns_and_not_in_the_order_of_their_labels() -> None:
    labels = torch.arange(10).repeat(30)
    order = labels[nested(labels, 300)].view(30, 10)
    assert (order.sort(1).values == torch.arange(10)).all()
    assert len(order.unique(dim=0)) > 25


def test_without_labels_they_are_drawn_by_lot() -> None:
    order = nested(None, 100)
    assert order.sort().values.equal(torch.arange(100))
    assert (order[:20] < 50).sum() in range(3, 18)


def test_it_is_an_index_that_workers_open(decoded: list[str]) -> None:
    chosen = prepare(Ramp(subset=0.25))
    opened = open_prepared(chosen.folder)
    assert (opened.fingerprint, opened.folder) == (chosen.fingerprint, chosen.folder)
    assert values(opened.training) == values(chosen.training)
    assert opened.whole.folder == prepare(Ramp()).folder
    assert sum(file.stat().st_size for file in chosen.folder.iterdir()) < 1000
    stored = opened.whole.training.data.data_ptr()
    assert opened.training._stored.untyped_storage().nbytes() == 256 * 6
    assert opened.training.to("cpu") is opened.training, "on the CPU they stay mapped"
    assert opened.whole.training.data.data_ptr() == stored


def test_samples_that_were_chosen_are_like_others() -> None:
    stored = Samples(torch.arange(24, dtype=torch.uint8).view(12, 1, 1, 2), torch.arange(12) % 3)
    chosen, alike = stored.chosen(torch.tensor([1, 4, 5, 9])), Samples(stored.data[[1, 4, 5, 9]], None)
    assert (len(chosen), chosen.nbytes, chosen.device) == (len(alike), alike.nbytes, alike.device)
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [1, 1, 2, 0]
    assert chosen.batch(torch.tensor([3, 0, 3])).equal(alike.batch(torch.tensor([3, 0, 3])))
    assert torch.cat(list(chosen.batches(3))).equal(torch.cat(list(alike.batches(3))))
    again = chosen.chosen(torch.tensor([0, 3]))
    assert again.data.equal(stored.data[[1, 9]])
    assert (moved := chosen.to("meta")).data.shape == (4, 1, 1, 2)
    assert moved.nbytes == 8


@pytest.mark.parametrize("resident", [False, True])
def test_an_epoch_is_the_subset_once(resident: bool) -> None:
    chosen = prepare(Ramp(subset=30)).training
    copied = Samples(chosen.data.clone(), None)
    batches, alike = (Batches(s, 7, 0, torch.contiguous_format, resident) for s in (chosen, copied))
    taken = torch.cat([batches() for _ in range(30)])
    assert taken.equal(torch.cat([alike() for _ in range(30)])), "the same bits as of a dataset that has no others"
    for epoch in taken.split(30):
        seen = ((epoch[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
        assert sorted(seen) == values(chosen)


def break_index(folder: Path) -> None:
    index = np.load(folder / "chosen.npy")
    index[0] += 1
    np.save(folder / "chosen.npy", index)


def cut_index(folder: Path) -> None:
    (folder / "chosen.npy").write_bytes((folder / "chosen.npy").read_bytes()[:-8])


def lose_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


@pytest.mark.parametrize("damage", [break_index, cut_index, lose_meta])
def test_a_damaged_choice_is_made_again(damage: Any, decoded: list[str]) -> None:
    first = prepare(Ramp(subset=0.25))
    damage(first.folder)
    with pytest.raises(GanBenchError, match="no complete cache"):
        open_prepared(first.folder)
    assert prepare(Ramp(subset=0.25)).fingerprint == first.fingerprint
    assert values(open_prepared(first.folder).training) == values(first.training)
    assert len(decoded) == 1


def test_a_choice_of_data_that_were_decoded_otherwise_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(Ramp(subset=0.25))
    (first.whole.folder / "meta.json").unlink()
    samples = np.full((8, 1, 2, 3), 7, np.uint8)
    monkeypatch.setattr(Ramp, "load", lambda self: Parts(ArrayPart(samples), ArrayPart(samples)))
    with pytest.raises(GanBenchError, match="no complete cache"):
        open_prepared(first.folder)
    with pytest.warns(UserWarning, match="decoded again"):
        again = prepare(Ramp(subset=0.25))
    assert values(again.training) == [7, 7]
    assert again.fingerprint != first.fingerprint


def test_caches_from_before_stay_usable(decoded: list[str]) -> None:
    first = prepare(Ramp())
    meta = json.loads((first.folder / "meta.json").read_text())
    del meta["fingerprints"]
    (first.folder / "meta.json").write_text(json.dumps(meta))
    assert open_prepared(first.folder).held_out_fingerprint == first.held_out_fingerprint
    assert len(prepare(Ramp(subset=10)).training) == 10
    assert len(decoded) == 1


def test_parts_have_fingerprints_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.arange(240, dtype=np.uint8).reshape(40, 1, 2, 3)

    def made(training: slice, held_out: slice, brightness: int) -> tuple[str, str]:
        parts = Parts(ArrayPart(samples[training]), ArrayPart(samples[held_out]))
        monkeypatch.setattr(Ramp, "load", lambda self: parts)
        data = prepare(Ramp(brightness=brightness))
        return data.held_out_fingerprint, data.fingerprint

    few, many, others = (
        made(slice(10), slice(30, 40), 1),
        made(slice(20), slice(30, 40), 2),
        made(slice(20), slice(20, 30), 3),
    )
    assert few[0] == many[0] != others[0]
    assert len({few[1], many[1], others[1]}) == 3


class Own(Ramp):
    """Has a parameter of that name already."""

    name = "own"
    subset: str = "train"  # type: ignore[assignment]


def test_a_plugin_s_own_subset_stays_its_own() -> None:
    own = Own(subset="test")
    assert (choice(own), own.settings()["subset"], Own().settings()["subset"]) == ({}, "test", "train")
    assert len(prepare(own).training) == 256
    assert prepare(own).folder != prepare(Own()).folder


def test_settings_say_nothing_of_it_where_all_is_trained_on() -> None:
    assert Ramp().settings() == Ramp(subset=1.0).settings() == {"name": "ramp", "root": None, "brightness": 0}
    assert Ramp(subset=0.5).settings()["subset"] == 0.5
