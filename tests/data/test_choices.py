"""`flip`, `balance` and all choices together: one index of the decoded samples, in a fixed order, told in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from ramp import Ramp

from gan_bench.api.kinds import ArrayPart, Parts, choice
from gan_bench.api.samples import Samples
from gan_bench.data.batches import Batches
from gan_bench.data.cache import choice_fingerprint, open_prepared
from gan_bench.data.prepare import prepare
from gan_bench.data.training_set import balanced
from gan_bench.errors import ParameterError

SIZES = [3, 10, 4]  # of the classes


class Slope(Ramp):
    """No sample is its own mirror image: sample i has i, i + 1, i + 2 in its columns. Of class 0 there are 3, and so on."""

    name = "slope"
    sizes: tuple[int, ...] = tuple(SIZES)
    unlabelled: int = 0  # so many have no class

    def classes(self) -> tuple[str, ...]:
        return tuple(f"class {label}" for label in range(len(self.sizes)))

    def load(self) -> Parts:
        self.decoded.append(self.name)
        labels = np.repeat(np.arange(len(self.sizes)), self.sizes)
        labels[: self.unlabelled] = -1
        samples = (np.arange(len(labels))[:, None, None, None] + np.arange(3) + np.zeros((1, 1, 2, 1))).astype(np.uint8)
        return Parts(ArrayPart(samples, labels), ArrayPart(samples[:5], labels[:5]))


def mirrored(data: torch.Tensor) -> torch.Tensor:
    return torch.cat([data, data.flip(-1)])


def rows(samples: Samples) -> list[list[int]]:
    return samples.data[:, 0, 0].tolist()


def test_flip_doubles_the_training_part_alone(decoded: list[str]) -> None:
    whole, flipped = prepare(Slope()), prepare(Slope(flip=True))
    assert torch.equal(flipped.training.data, mirrored(whole.training.data))
    assert rows(flipped.training)[18] == [3, 2, 1], "sample 1 + 17 is sample 1 mirrored"
    assert flipped.training.labels is not None
    assert whole.training.labels is not None
    assert flipped.training.labels.equal(whole.training.labels.repeat(2))
    assert torch.equal(flipped.held_out.data, whole.held_out.data)
    assert flipped.held_out_fingerprint == whole.held_out_fingerprint
    assert flipped.whole.fingerprint == whole.fingerprint != flipped.fingerprint
    assert flipped.chosen == ("flip: 17 training samples doubled to 34, mirrored left to right",)
    assert (len(decoded), whole.chosen) == (1, ())


def test_mirrored_samples_are_like_others() -> None:
    random = torch.Generator().manual_seed(0)
    stored = Samples(torch.randint(256, (12, 3, 2, 4), generator=random).to(torch.uint8), torch.arange(12))
    some = stored.chosen(torch.tensor([1, 4, 5, 16, 9, 1]))  # 16 is 4 mirrored
    alike = stored.data[[1, 4, 5, 4, 9, 1]].clone()
    alike[3] = alike[3].flip(-1)
    assert some.data.equal(alike)
    assert some.labels is not None
    assert some.labels.tolist() == [1, 4, 5, 4, 9, 1]
    copy = Samples(alike, None)
    indices = torch.tensor([3, 0, 3, 5])
    assert some.batch(indices).equal(copy.batch(indices))
    assert torch.cat(list(some.batches(4))).equal(torch.cat(list(copy.batches(4))))
    again = some.chosen(torch.tensor([9, 3, 6, 1]))  # 9 is the mirrored one mirrored
    assert again.data.equal(torch.stack([stored.data[4], alike[3], alike[0].flip(-1), alike[1]]))
    assert some.chosen(torch.tensor([0, 1])).data.equal(alike[:2])
    assert some.to("cpu") is some


def test_a_device_gets_each_sample_once() -> None:
    stored = Samples(torch.arange(96, dtype=torch.uint8).view(12, 1, 2, 4), torch.arange(12))
    flipped, repeated = stored.chosen(torch.arange(24)), stored.chosen(torch.tensor([3, 3, 7, 7, 7]))
    assert flipped.nbytes == 12 * 8 + 24 * 8, "samples and an index"
    assert repeated.nbytes == 2 * 8 + 5 * 8
    assert stored.chosen(torch.tensor([3, 19])).nbytes == 2 * 8, "none is taken twice"
    for samples, kept in ((flipped, 12), (repeated, 2)):
        moved = samples.to("meta")
        assert moved._stored.shape == (kept, 1, 2, 4)
        assert (len(moved), moved.data.shape, moved.device.type) == (len(samples), samples.data.shape, "meta")
        assert moved.batch(torch.empty(2, dtype=torch.int64, device="meta")).shape == (2, 1, 2, 4)


def resident(samples: Samples, device: str) -> Samples:
    """On a device, also where that is the CPU, to which nothing has to be moved."""
    if device != "cpu":
        return samples.to(device)
    (kept, index) = samples._often() or pytest.fail("each is taken once")
    return Samples(samples._stored[kept].clone(), samples.labels, index, samples._mirrored)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_resident_samples_have_the_same_bits(device: str) -> None:
    random = torch.Generator().manual_seed(0)
    stored = Samples(torch.randint(256, (30, 3, 4, 5), generator=random).to(torch.uint8), None)
    index = torch.randint(60, (200,), generator=random)
    samples = stored.chosen(index)
    moved = resident(samples, device)
    assert moved.data.cpu().equal(samples.data)
    indices = torch.randint(200, (50,), generator=random)
    assert moved.batch(indices.to(device)).cpu().equal(samples.batch(indices))


@pytest.mark.gpu
def test_a_graph_takes_mirrored_samples() -> None:
    stored = Samples(torch.randint(256, (30, 3, 4, 5)).to(torch.uint8), None)
    samples = stored.chosen(torch.arange(60)).to("cuda")
    indices = torch.arange(8, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        samples.batch(indices)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        taken = samples.batch(indices)
    for start in (0, 20, 45):
        indices.copy_(torch.arange(start, start + 8))
        graph.replay()
        torch.cuda.synchronize()
        assert taken.cpu().equal(stored.chosen(torch.arange(60)).batch(torch.arange(start, start + 8)))


@pytest.mark.parametrize("resident", [False, True])
def test_an_epoch_is_the_doubled_part_once(resident: bool) -> None:
    flipped = prepare(Slope(flip=True)).training
    batches, alike = (
        Batches(s, 17, 0, torch.contiguous_format, resident) for s in (flipped, Samples(flipped.data, None))
    )
    first = [batches(), batches()]
    assert torch.cat(first).equal(torch.cat([alike(), alike()]))
    seen = ((torch.cat(first)[:, 0, 0] + 1) * 127.5).round().int().tolist()
    assert sorted(seen) == sorted(rows(flipped))


def test_balance_repeats_samples_until_classes_are_equal(decoded: list[str]) -> None:
    whole, even = prepare(Slope()), prepare(Slope(balance=True))
    labels = even.training.labels
    assert labels is not None
    assert labels.bincount().tolist() == [10, 10, 10]
    for label, size in enumerate(SIZES):
        own = even.training.data[labels == label].unique(dim=0, return_counts=True)[1]
        assert len(own) == size
        assert own.max() - own.min() <= 1
    assert torch.equal(even.held_out.data, whole.held_out.data)
    assert even.chosen == ("balance: 17 training samples repeated to 30, as many of each class",)
    assert prepare(Slope(balance=True)).fingerprint == even.fingerprint
    assert len(decoded) == 1


def test_which_are_taken_once_more_is_no_matter_of_their_order() -> None:
    labels = torch.tensor([0] * 100 + [1] * 150)
    counts = balanced(labels, torch.arange(250)).bincount()
    assert counts[100:].eq(1).all()
    assert 15 <= int((counts[:50] == 2).sum()) <= 35, "50 of the 100, from either half"


def test_classes_that_are_equal_stay_as_they_are() -> None:
    equal = prepare(Slope(sizes=(4, 4), balance=True))
    assert equal.whole is equal
    assert equal.chosen == ()


@pytest.mark.parametrize(("unlabelled", "found"), [(17, "17 of 17"), (2, "2 of 17")])
def test_what_has_no_class_is_not_balanced(unlabelled: int, found: str) -> None:
    with pytest.raises(
        ParameterError, match=f"dataset slope: {found} training samples have no class.* leave it out"
    ) as error:
        prepare(Slope(balance=True, unlabelled=unlabelled))
    assert error.value.parameter == "balance"


def test_each_is_applied_to_what_those_before_it_leave() -> None:
    settings = {"subset": 9, "select": {"keep": 0.5, "features": "pixels"}, "balance": True, "flip": True}
    data = prepare(Slope(**settings))
    assert data.chosen == (
        "subset: 9 of 17 training samples",
        "select: 4 of 9 training samples, the likeliest by pixels features",
        "balance: 4 training samples repeated to 6, as many of each class",
        "flip: 6 training samples doubled to 12, mirrored left to right",
    )
    assert data.training.labels is not None
    assert len(data.training) == 12
    known = prepare(Slope(subset=9)).training.data.unbind()
    half = data.training.data[:6]
    assert all(any(sample.equal(one) for one in known) for sample in half)
    assert data.training.data.equal(mirrored(half))
    assert choice(Slope(**settings)) == settings | {"select": {"keep": 0.5, "features": {"name": "pixels"}}}


def test_a_choice_is_one_small_folder(decoded: list[str]) -> None:
    data = prepare(Slope(subset=0.5, flip=True))
    opened = open_prepared(data.folder)
    assert (opened.fingerprint, opened.folder, opened.chosen) == (data.fingerprint, data.folder, data.chosen)
    assert opened.training.data.equal(data.training.data)
    assert opened.training._stored.untyped_storage().nbytes() == 17 * 6, "the decoded file itself"
    assert sum(file.stat().st_size for file in data.folder.iterdir()) < 1200
    assert prepare(Slope(subset=0.5, flip=True)).folder == data.folder
    folders = {prepare(Slope(**asked)).folder for asked in ({"flip": True}, {"subset": 0.5}, {"balance": True})}
    assert len(folders | {data.folder}) == 4
    assert len(decoded) == 1


def test_subsets_are_those_of_before(decoded: list[str]) -> None:
    """Stores rest on their fingerprints, and their folders may be there already, without a word of what was chosen."""
    data = prepare(Ramp(subset=100))
    index = torch.from_numpy(np.load(data.folder / "chosen.npy"))
    assert data.folder.name == f"{data.whole.folder.name}-subset-100"
    assert data.fingerprint == choice_fingerprint(data.whole, index)
    meta = json.loads((data.folder / "meta.json").read_text())
    (data.folder / "meta.json").write_text(json.dumps({key: meta[key] for key in ("of", "fingerprint")}))
    assert open_prepared(data.folder).fingerprint == data.fingerprint
    assert prepare(Ramp(subset=100)).chosen == ("subset: 100 of 256 training samples",)
    assert open_prepared(data.folder).chosen == ("subset: 100 of 256 training samples",)


def test_settings_say_nothing_of_what_is_at_its_default() -> None:
    defaults = {"subset": 1.0, "select": 1, "balance": False, "flip": False, "crop": 1.0}
    assert Ramp(**defaults).settings() == Ramp().settings() == {"name": "ramp", "root": None, "brightness": 0}
    said = Ramp(select={"keep": 0.5}, flip=True, crop=2).settings()
    assert {name: said[name] for name in defaults.keys() & said} == {"select": 0.5, "flip": True, "crop": 2}
