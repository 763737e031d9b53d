"""`crop`: the centre of each picture of any dataset, in both parts, before anything else is made of it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from ramp import Ramp

from gan_bench.api.kinds import ArrayPart, Parts, SkipSample, Undivided, said
from gan_bench.data.centre import centre
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError, ParameterError


def pictures(count: int = 12, shape: tuple[int, int, int] = (3, 8, 8)) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(count, *shape)).astype(np.uint8)


class Noise(Ramp):
    """Pictures of noise."""

    name = "noise"
    undivided: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, 8, 8)

    def load(self) -> Parts | Undivided:  # type: ignore[override]
        self.decoded.append(self.name)
        found = pictures()
        if self.undivided:
            return Undivided(ArrayPart(np.repeat(found, 2, 0)), 0.25, treatment="upright")
        return Parts(ArrayPart(found[:8], [0, 1] * 4), ArrayPart(found[8:], [0, 1, 0, 1]))


def by_pillow(picture: np.ndarray, cut: int) -> np.ndarray:
    image = Image.fromarray(picture.transpose(1, 2, 0)).crop((4 - cut, 4 - cut, 4 + cut, 4 + cut))
    return np.asarray(image.resize((8, 8), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


@pytest.mark.parametrize("crop", [0.5, 4])
def test_the_centre_of_both_parts_is_brought_back_to_the_shape(crop: float | int, decoded: list[str]) -> None:
    data = prepare(Noise(crop=crop))
    whole = pictures()
    for found, known in zip((*data.training.data, *data.held_out.data), whole, strict=True):
        assert (found.numpy() == by_pillow(known, 2)).all()
    assert data.whole is data
    assert data.fingerprint != prepare(Noise()).fingerprint
    assert data.held_out_fingerprint != prepare(Noise()).held_out_fingerprint
    assert len(decoded) == 2, "it is decoded again"
    assert data.reading is not None
    size = "0.5 of its sides" if crop == 0.5 else "4x4 pixels"
    assert data.reading.treatment == f"the centre of each, {size}, resized to 8x8 (bicubic, antialiased)"


def test_what_is_all_of_it_stays_as_it_is() -> None:
    picture = pictures(1)[0]
    assert (centre(picture, 8) == picture).all()
    assert (centre(picture, 1.0) == picture).all()
    assert prepare(Noise(crop=1.0)).fingerprint == prepare(Noise()).fingerprint


def test_shares_are_of_each_side_and_the_rest_is_halved() -> None:
    picture = np.zeros((1, 10, 20), np.uint8)
    picture[:, 2:8, 4:16] = 200
    assert (centre(picture, 0.6) == 200).all()
    assert (centre(picture, 6) == 200).all()
    assert centre(picture, 0.6).shape == (1, 10, 20)
    assert (centre(picture, 0.8) != 200).any()
    assert centre(picture, 1e-9).shape == (1, 10, 20), "a pixel at least"


def test_equal_centres_share_a_part() -> None:
    data = prepare(Noise(crop=0.5, undivided=True))
    assert (len(data.training), len(data.held_out)) == (18, 6)
    assert data.reading is not None
    assert data.reading.treatment.startswith("upright; the centre of each")
    assert data.reading.equal is not None
    assert data.reading.equal.across == 0


def test_more_pixels_than_there_are_is_an_error() -> None:
    with pytest.raises(ParameterError, match=r"dataset noise: samples of 8x8 pixels have no square of 9x9") as error:
        prepare(Noise(crop=9))
    assert error.value.parameter == "crop"


class Broken(Noise):
    """Gives what is no sample."""

    name = "broken"
    item: ClassVar[Any] = None

    def load(self) -> Parts:
        class Part:
            def __len__(self) -> int:
                return 3

            def __getitem__(part, index: int) -> Any:
                if index == 0:
                    raise SkipSample("x.png: torn")
                return Broken.item

        return Parts(ArrayPart(pictures()), Part())


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (7, "sample 1: found int, expected a tuple"),
        ((), "sample 1: found tuple, expected a tuple"),
        ((np.zeros((3, 8, 9), np.uint8), 0), r"sample 1: found uint8 of shape \(3, 8, 9\)"),
        ((np.zeros((3, 8, 8)), 0), r"sample 1: found float64 of shape \(3, 8, 8\)"),
    ],
)
def test_what_is_no_sample_is_told_as_ever(item: Any, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "item", item)
    with pytest.raises(GanBenchError, match=rule):
        prepare(Broken(crop=0.5))


def test_facts_and_labels_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "item", (pictures(1)[0], 1, {"mode": "RGB"}))
    with pytest.warns(UserWarning, match="1 of 15 samples can't be read"):
        data = prepare(Broken(crop=0.5))
    assert data.held_out.labels is not None
    assert data.held_out.labels.tolist() == [1, 1]
    assert data.reading is not None
    assert data.reading.counts == {"mode": {"RGB": 2}}
    assert data.skipped == ("x.png: torn",)


class Own(Noise):
    """Has a parameter of that name already."""

    name = "own"
    crop: int = 3  # type: ignore[assignment]


def test_a_plugin_s_own_crop_stays_its_own() -> None:
    own = Own(crop=5)
    assert (said(own), own.settings()["crop"], Own().settings()["crop"]) == ({}, 5, 3)
    assert prepare(own).fingerprint == prepare(Noise()).fingerprint
