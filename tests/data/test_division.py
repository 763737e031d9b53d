"""Which samples are held out where the core divides them, and which pictures of the parts are alike."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from dataset_files import pictures
from PIL import Image

from gan_bench.api.samples import Samples
from gan_bench.data.division import equal_samples, held_out_of
from gan_bench.data.near import near_duplicates


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(2**64, size=count, dtype=np.uint64)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("count", [2, 10, 1000])
def test_the_share_is_held_out(count: int, share: float) -> None:
    held_out = held_out_of(drawn(count), np.full(count, -1), share)
    assert held_out.sum() == min(max(1, round(count * share)), count - 1)


def test_equal_ones_stand_in_one_part_whatever_their_classes_are() -> None:
    hashes = drawn(50)[np.random.default_rng(1).integers(50, size=400)]
    held_out = held_out_of(hashes, np.arange(400) % 7, 0.3)
    for value in np.unique(hashes):
        assert len(set(held_out[hashes == value])) == 1
    assert equal_samples(hashes[~held_out], hashes[held_out]).across == 0


def test_classes_are_held_out_in_proportion_and_keep_a_sample_to_train_on() -> None:
    labels = np.repeat(np.arange(60), [500, 100, *[3] * 50, *[1] * 8])
    held_out = held_out_of(drawn(len(labels)), labels, 0.2)
    sizes, own = np.bincount(labels), np.bincount(labels[held_out], minlength=60)
    assert (abs(own - 0.2 * sizes) <= np.maximum(1, 0.06 * sizes)).all()
    assert (own[:52] < sizes[:52]).all()
    assert own[2:52].sum() in range(15, 46), "classes that have few come in turns"


def test_a_further_sample_moves_few_of_the_others() -> None:
    hashes, labels = drawn(1001), np.arange(1001) % 3
    before, after = held_out_of(hashes[1:], labels[1:], 0.1), held_out_of(hashes, labels, 0.1)[1:]
    assert (before != after).sum() <= 6


def test_the_order_of_samples_means_nothing() -> None:
    hashes, labels, order = drawn(300), np.arange(300) % 4, np.random.default_rng(2).permutation(300)
    assert (held_out_of(hashes, labels, 0.2)[order] == held_out_of(hashes[order], labels[order], 0.2)).all()


def test_equal_ones_are_counted() -> None:
    training, held_out = np.array([1, 1, 1, 2, 3], np.uint64), np.array([3, 3, 4, 5], np.uint64)
    counted = equal_samples(training, held_out)
    assert (counted.training, counted.held_out, counted.across) == (2, 1, 2)


def samples(images: np.ndarray) -> Samples:
    return Samples(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), None)


def photos(count: int, seed: int) -> np.ndarray:
    """Pictures of large smooth shapes, as photographs are rather than noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in coarse])


def test_pictures_saved_again_are_found_and_others_are_not() -> None:
    training = photos(300, 0)

    def again(image: np.ndarray, quality: int) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "jpeg", quality=quality, subsampling=0)
        return np.asarray(Image.open(buffer))

    def smaller(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((24, 24)).resize((32, 32)))

    brighter = np.clip(training[40:50].astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    held_out = np.concatenate(
        [
            np.stack([again(image, 70) for image in training[:10]]),
            np.stack([smaller(image) for image in training[20:30]]),
            brighter,
            training[60:70],  # equal ones are counted elsewhere
            photos(100, 1),
        ]
    )
    found = near_duplicates(samples(training), samples(held_out))
    assert (found.count, found.looked_at) == (30, 140)


def test_flat_pictures_are_like_none() -> None:
    flat = np.full((20, 16, 16, 1), 7, np.uint8)
    flat[10:, 3, 3] += 1
    assert near_duplicates(samples(flat), samples(flat[::-1])).count == 0


def test_noise_and_shapes_are_not_alike() -> None:
    images = pictures(200, 16, 10)[0]
    assert near_duplicates(samples(images[:150]), samples(images[150:])).count == 0


def test_many_are_looked_at_in_equal_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_bench.data.near.MOST", 10)
    monkeypatch.setattr("gan_bench.data.near.VALUES", 7 * 3 * 32 * 32)
    training = photos(50, 0)
    found = near_duplicates(samples(training), samples(np.repeat(training[:25] // 2 + 50, 4, axis=0)))
    assert (found.count, found.looked_at) == (10, 10)
