"""Pictures in .npy, .npz and .pt files: the right pictures, labels and levels of grey, or a refusal with the cure."""

from __future__ import annotations

import pickle
import resource
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz import damaged_bytes, fuzz
from PIL import Image
from piles import arrays, decode, left_out, notes, read_as_far_as_it_goes, refused, samples

from gan_bench_plugins.datasets import _arrays
from gan_bench_plugins.datasets.folder import PictureFolder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


def saved(file: Path, images: Any, labels: Any = None) -> Path:
    """As the ending says."""
    if file.suffix == ".npy":
        np.save(file, images)
    elif file.suffix == ".pt":
        torch.save(torch.from_numpy(np.ascontiguousarray(images)), file)
    else:
        np.savez(file, images=images, **({} if labels is None else {"labels": labels}))
    return file


# Shapes and forms.


@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt"])
@pytest.mark.parametrize("order", ["hwc", "chw"])
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_read_as_the_same_pictures_in_a_folder(
    tmp_path: Path, ending: str, order: str, channels: int
) -> None:
    images, _ = arrays(12, 16, channels)
    (tmp_path / "pile").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image if channels == 3 else image[..., 0]).save(tmp_path / "pile" / f"{index:02}.png")
    file = saved(tmp_path / f"x{ending}", images if order == "hwc" else images.transpose(0, 3, 1, 2))
    array, folder = decode(file, channels=channels), decode(tmp_path / "pile", channels=channels)
    assert array.fingerprint == folder.fingerprint
    assert array.reading
    assert "12 pictures of 16x16" in notes(array)
    assert array.reading.ranges["width"] == (16, 16)


def test_greys_without_a_channel_and_another_size(tmp_path: Path) -> None:
    images, _ = arrays(12, 28, 1)
    flat = decode(saved(tmp_path / "x.npy", images[..., 0]), channels=1)
    assert flat.fingerprint == decode(saved(tmp_path / "y.npy", images), channels=1).fingerprint
    assert flat.spec.shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("kind", "taken"),
    [("grey", "28 rows of 28, grey"), ("chw", "one colour after the other"), ("hwc", "one pixel after the other")],
)
def test_rows_of_numbers_are_squares(tmp_path: Path, kind: str, taken: str) -> None:
    images, _ = arrays(12, 28, 1 if kind == "grey" else 3)
    images = np.cumsum(images, axis=1, dtype=np.float64)  # smooth from top to bottom, as pictures are
    images = np.round(images / images.max() * 255).astype(np.uint8)
    rows = (images.transpose(0, 3, 1, 2) if kind == "chw" else images).reshape(12, -1)
    prepared = decode(saved(tmp_path / "x.npz", rows), size=28)
    assert taken in notes(prepared)
    assert prepared.fingerprint == decode(saved(tmp_path / "y.npy", images), size=28).fingerprint


def test_alpha_is_a_pictures_alpha(tmp_path: Path) -> None:
    images = np.concatenate([arrays(6)[0], np.zeros((6, 16, 16, 1), np.uint8)], axis=3)
    images[0, ..., 3] = 255
    prepared = decode(saved(tmp_path / "x.npy", images))
    assert prepared.reading
    assert prepared.reading.counts["mode"] == {"RGBA": 6}
    assert sum(sample == bytes([255]) * 768 for sample, _ in samples(prepared)) == 5


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((8, 3, 3, 3), "first and last alike"),
        ((8, 3, 20, 3), "first and last alike"),
        ((20, 20, 3), "one picture, or many of one channel"),
        ((3, 20, 20), "one picture, or many of one channel"),
        ((8, 20, 20, 5), r"neither first nor last. Save it .* channels last"),
        ((8, 2, 20, 20), "neither first nor last"),
        ((8, 777), "a square of 1 or 3 channels"),
        ((8, 2, 3, 16, 16), r"pictures are \(N, H, W\)"),
        ((800,), r"pictures are \(N, H, W\)|no array is known as the pictures"),
        ((0, 16, 16), "empty|no values|one picture"),
    ],
)
def test_shapes_that_could_be_anything_are_refused(tmp_path: Path, shape: tuple[int, ...], match: str) -> None:
    refused(saved(tmp_path / "x.npz", np.zeros(shape, np.uint8)), match)
    if shape[0]:
        refused(tmp_path / "x.npz", r"uint8 of shape \(" + str(shape[0]))


def test_fortrans_order_is_read(tmp_path: Path) -> None:
    images, _ = arrays(10)
    for write, name in ((np.save, "x.npy"), (np.savez, "x.npz"), (np.savez_compressed, "y.npz")):
        write(tmp_path / name, np.asfortranarray(images))
        assert decode(tmp_path / name).fingerprint == decode(saved(tmp_path / "z.npy", images)).fingerprint


# Levels.

LEVELS = np.linspace(0, 255, 6 * 8 * 8).round().astype(np.uint8).reshape(6, 8, 8)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (LEVELS, ""),
        (LEVELS.astype(">i8"), "taken as 0 to 255"),
        (LEVELS.astype(np.uint16), ""),
        (LEVELS.astype(np.float64), "whole numbers from 0 to 255, are taken as 0 to 255"),
        ((LEVELS / 255).astype(np.float32), r"taken as of [0, 1]"),
        (LEVELS / 127.5 - 1, r"taken as of [-1, 1]"),
        (((LEVELS / 127.5 - 1) * 1.0005).astype(np.float32), r"taken as of [-1, 1]"),
    ],
)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_levels_of_grey(tmp_path: Path, values: np.ndarray, told: str, ending: str) -> None:
    prepared = decode(saved(tmp_path / f"x{ending}", values), size=8, channels=1)
    assert [sample for sample, _ in samples(prepared)] == sorted(image.tobytes() for image in LEVELS)
    assert told in notes(prepared)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_noughts_and_ones_are_black_and_white(tmp_path: Path, dtype: type) -> None:
    prepared = decode(saved(tmp_path / "x.npz", (LEVELS > 99).astype(dtype)), size=8, channels=1)
    assert {value for sample, _ in samples(prepared) for value in sample} == {0, 255}


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (LEVELS.astype(np.uint16) * 257, r"whole numbers from 0 to 65535\). Say it with value_range = \[0, 65535\]"),
        (LEVELS.astype(np.int16) - 128, "whole numbers from -128 to 127"),
        (LEVELS // 16, r"above 31 \(found: whole numbers from 0 to 15"),
        (LEVELS + 0.5, "floats from 0.5 to 255.5"),
        ((LEVELS / 255 - 0.48) / 0.23, "value_range"),
        (np.where(LEVELS == 255, np.nan, LEVELS / 255), "are not finite"),
        (LEVELS.astype(np.complex64), "holds no numbers"),
        (LEVELS.astype("U3"), "holds no numbers"),
    ],
)
def test_unknown_ranges_are_refused_with_the_cure(tmp_path: Path, values: np.ndarray, match: str) -> None:
    refused(saved(tmp_path / "x.npy", values), match)


def test_parts_have_one_scale(tmp_path: Path) -> None:
    """Of floats from -1 to 1 one part may have positive ones alone."""
    images = LEVELS / 127.5 - 1
    np.savez(tmp_path / "x.npz", x_train=images, x_test=np.abs(images[1:]))
    assert "[-1, 1]" in notes(decode(tmp_path / "x.npz"))


# Keys, parts and labels.


def split_arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return *arrays(12, seed=1), *arrays(6, seed=2)


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("trainX", "trainY", "testX", "testY"),
        ("xtrain", "ytrain", "xtest", "ytest"),
        ("training/data", "training/targets", "test/data", "test/targets"),
    ],
)
def test_published_parts(tmp_path: Path, keys: tuple[str, ...]) -> None:
    parts = split_arrays()
    np.savez_compressed(tmp_path / "x.npz", **dict(zip(keys, parts, strict=True)))
    prepared = decode(tmp_path / "x.npz")
    assert prepared.spec.classes == ("0", "1", "2")
    for part, images, labels in ((prepared.training, *parts[:2]), (prepared.held_out, *parts[2:])):
        assert part.labels is not None
        assert part.labels.tolist() == labels.tolist()
        assert [np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes() for image in images] == [
            sample.numpy().tobytes() for sample in part.data
        ]
    assert "The training part is trained on, the test part held out." in notes(prepared)


def test_medmnist(tmp_path: Path) -> None:
    """Three parts with labels (N, 1): the third is left out, or taken where `split` says so."""
    x, y, tx, ty = split_arrays()
    val, _ = arrays(4, seed=3)
    np.savez(
        tmp_path / "x.npz",
        **{"train_images": x, "train_labels": y[:, None], "val_images": val, "val_labels": ty[:4, None]},
        **{"test_images": tx, "test_labels": ty[:, None]},
    )
    prepared = decode(tmp_path / "x.npz")
    assert prepared.reading
    assert (len(prepared.training), len(prepared.held_out)) == (12, 6)
    assert [(one.reason, one.count) for one in prepared.reading.left_out] == [
        ("of the part validation, for test is held out", 4)
    ]
    both = decode(tmp_path / "x.npz", split={"training": ["train", "val"], "held_out": "test"})
    assert (len(both.training), len(both.held_out)) == (16, 6)
    assert len(decode(tmp_path / "x.npz", split="random", held_out=0.5).held_out) == 11
    refused(tmp_path / "x.npz", "there is no part 'extra'", split={"training": "extra"})


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(12) % 3, ("0", "1", "2")),
        ((np.arange(12) % 3).astype(np.float64)[:, None], ("0", "1", "2")),
        (np.eye(3)[np.arange(12) % 3], ("0", "1", "2")),
        (np.array(["cat", "dog", "élan"])[np.arange(12) % 3], ("cat", "dog", "élan")),
        (np.array([b"cat", b"dog"])[np.arange(12) % 2], ("cat", "dog")),
        (np.array([3, 30, 4])[np.arange(12) % 3], ("3", "4", "30")),
        (np.array([-1, 1])[np.arange(12) % 2], ("-1", "1")),
        ((np.arange(12) % 2).astype(bool), ("False", "True")),
        (np.arange(12), None),
        (np.zeros(12, int), None),
        (np.linspace(0, 1, 12), None),
        (np.ones((12, 3)), None),
    ],
)
def test_labels_of_every_form(tmp_path: Path, labels: np.ndarray, classes: tuple[str, ...] | None) -> None:
    prepared = decode(saved(tmp_path / "x.npz", arrays(12)[0], labels))
    assert prepared.spec.classes == classes
    assert ("There are no classes" in notes(prepared)) == (classes is None)


def test_names_of_the_classes(tmp_path: Path) -> None:
    images, labels = arrays(12)
    np.savez(tmp_path / "x.npz", images=images, labels=labels, class_names=["cat", "dog", "elk", "fox"])
    assert decode(tmp_path / "x.npz").spec.classes == ("cat", "dog", "elk", "fox")


def test_names_of_features_are_none_of_classes(tmp_path: Path) -> None:
    """scikit-learn's datasets have both."""
    images = np.random.default_rng(0).integers(256, size=(40, 8, 8), dtype=np.uint8)
    names = {"feature_names": np.array(["a"] * 64), "target_names": np.array(["zero", "one"])}
    np.savez(tmp_path / "a.npz", data=images, target=np.arange(40) % 2, **names)
    assert PictureFolder(root=tmp_path / "a.npz").classes() == ("zero", "one")


def test_samples_without_a_label_are_left_out(tmp_path: Path) -> None:
    images, labels = arrays(12)
    labels[5] = -1
    prepared = decode(saved(tmp_path / "x.npz", images, labels))
    assert prepared.reading
    assert [(one.reason, one.count, one.examples) for one in prepared.reading.left_out] == [
        ("without a label", 1, ("images[5]",))
    ]
    assert len(prepared.training) + len(prepared.held_out) == 11
    assert len(samples(decode(tmp_path / "x.npz", labels="none"))) == 12


def test_a_test_part_without_labels_is_not_held_out(tmp_path: Path) -> None:
    x, y, tx, _ = split_arrays()
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=tx)
    prepared = decode(tmp_path / "x.npz", held_out=0.25)
    assert (len(prepared.training), len(prepared.held_out)) == (9, 3)
    assert len(decode(tmp_path / "x.npz", labels="none").held_out) == 6


def test_positional_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", *arrays(12))
    assert decode(tmp_path / "x.npz").spec.classes == ("0", "1", "2")


def test_several_labels_need_a_name(tmp_path: Path) -> None:
    images, labels = arrays(12)
    np.savez(tmp_path / "x.npz", images=images, fine_labels=labels, coarse_labels=labels // 2)
    refused(tmp_path / "x.npz", r"2 arrays could be the labels: fine_labels: .*labels = \.\.\.")
    assert decode(tmp_path / "x.npz", labels="coarse_labels").spec.classes == ("0", "1")
    refused(tmp_path / "x.npz", "has no array 'colour' for `labels`; it holds images", labels="colour")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            {"foo": (12, 16, 16), "bar": (12, 16, 16)},
            r"no array is known as the pictures; it holds foo: uint8 of shape",
        ),
        ({"images": (12, 16, 16), "pictures": (12, 16, 16)}, "2 arrays could be the pictures"),
        ({"images": (12, 16, 16), "labels": (11,)}, r"11 labels \(labels\) for 12 pictures"),
        ({"labels": (12,)}, "no array is known as the pictures"),
        ({"x_train": (12, 16, 16), "images": (12, 16, 16)}, "some pictures belong to a part and others to none"),
        ({"x_train": (12, 16, 16), "x_test": (9, 16, 16), "y_test": (9,)}, "no labels of the part training"),
    ],
)
def test_keys_that_could_be_anything_are_refused(tmp_path: Path, content: dict[str, Any], match: str) -> None:
    np.savez(tmp_path / "x.npz", **{key: np.zeros(shape, np.uint8) for key, shape in content.items()})
    refused(tmp_path / "x.npz", match)


def test_what_is_not_used_is_told(tmp_path: Path) -> None:
    """dSprites holds pictures, their latents, and a pickle of Python objects."""
    images = (arrays(12, 16, 1)[0][..., 0] > 100).astype(np.uint8)
    np.savez(
        tmp_path / "x.npz", imgs=images, latents_values=np.zeros((12, 6)), metadata=np.array({"a": 1}, dtype=object)
    )
    assert "Not used: latents_values: float64 of shape (12, 6)" in notes(decode(tmp_path / "x.npz"))


def test_arrays_beside_each_other_in_a_folder(tmp_path: Path) -> None:
    x, y, tx, ty = split_arrays()
    (tmp_path / "pile").mkdir()
    for name, array in (("X_train", x), ("y_train", y), ("X_test", tx), ("y_test", ty)):
        np.save(tmp_path / "pile" / f"{name}.npy", array)
    prepared = decode(tmp_path / "pile")
    assert (len(prepared.training), len(prepared.held_out), prepared.spec.classes) == (12, 6, ("0", "1", "2"))
    np.save(tmp_path / "alone.npy", x)
    np.save(tmp_path / "their-labels.npy", y)
    assert decode(tmp_path / "alone.npy", labels="their-labels.npy").spec.classes == ("0", "1", "2")
    assert decode(tmp_path / "alone.npy").spec.classes is None


def test_what_else_lies_beside_arrays_is_told(tmp_path: Path) -> None:
    (tmp_path / "pile").mkdir()
    np.save(tmp_path / "pile" / "images.npy", arrays(12)[0])
    (tmp_path / "pile" / "README.md").write_text("?")
    assert left_out(decode(tmp_path / "pile")) == {"no pictures (.md)": 1}


def test_a_range_that_is_asked_for(tmp_path: Path) -> None:
    file = saved(tmp_path / "x.npy", (LEVELS * 16.0).astype(np.uint16))
    prepared = decode(file, size=8, channels=1, value_range=[0, 4080])
    assert [sample for sample, _ in samples(prepared)] == sorted(image.tobytes() for image in LEVELS)
    assert "whole numbers from 0 to 4080, are scaled as value_range says" in notes(prepared)
    refused(file, r"values lie outside value_range = \[0, 4000\] \(found: .* 4080\)", value_range=[0, 4000])


# PyTorch's files.


@pytest.mark.parametrize("form", ["pair", "dict", "nested", "lists", "old"])
def test_files_of_torch(tmp_path: Path, form: str) -> None:
    images, labels = arrays(12, 28, 1)
    pictures, numbers = torch.from_numpy(images[..., 0]), torch.from_numpy(labels)
    content = {
        "pair": (pictures, numbers),
        "dict": {"images": pictures, "labels": numbers, "classes": ["cat", "dog", "elk"]},
        "nested": {"data": {"images": pictures, "targets": numbers}, "epoch": 3},
        "lists": {"images": pictures, "labels": labels.tolist()},
        "old": (pictures, numbers),
    }[form]
    torch.save(content, tmp_path / "training.pt", _use_new_zipfile_serialization=form != "old")
    prepared = decode(tmp_path / "training.pt", channels=1, size=28, held_out=0.25)
    assert prepared.spec.classes == (("cat", "dog", "elk") if form == "dict" else ("0", "1", "2"))
    assert samples(prepared) == sorted(zip((image.tobytes() for image in images), labels.tolist(), strict=True))


def test_mnists_two_files(tmp_path: Path) -> None:
    x, y, tx, ty = split_arrays()
    for name, pair in (("training.pt", (x, y)), ("test.pt", (tx, ty))):
        (tmp_path / "processed").mkdir(exist_ok=True)
        torch.save(tuple(map(torch.from_numpy, pair)), tmp_path / "processed" / name)
    prepared = decode(tmp_path / "processed")
    assert (len(prepared.training), len(prepared.held_out)) == (12, 6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_floats(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.save(torch.from_numpy(LEVELS / 255).to(dtype), tmp_path / "x.pt")
    assert len(samples(decode(tmp_path / "x.pt", size=8))) == 6


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("evil"),))


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"images": torch.zeros(3), "evil": Evil()}, "x.pt")
    refused(
        tmp_path / "x.pt",
        "holds more than tensors, numbers and text, which is not loaded, for it can run code; torch.save",
    )
    torch.save({"images": torch.zeros(3), "evil": Evil()}, "old.pt", _use_new_zipfile_serialization=False)
    refused(tmp_path / "old.pt", "for it can run code")
    np.save("x.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    refused(tmp_path / "x.npy", "Python objects, which are not loaded")
    np.savez("x.npz", images=np.array([Evil()], dtype=object))
    refused(tmp_path / "x.npz", "images: it holds Python objects, which are not loaded")
    (tmp_path / "y.pt").write_bytes(pickle.dumps(Evil()))
    refused(tmp_path / "y.pt", "can't be read")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [3, "text", {"epoch": 1}, torch.zeros(4, 8, 8).to_sparse(), [torch.zeros(3)] * 3])
def test_other_contents_of_torch_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "holds no tensors|no array of pictures")


def test_a_tensor_of_more_than_its_file_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(1, dtype=torch.uint8).expand(10**9, 16, 16), tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "more than the file has")


# Damage, and size.


def test_arrays_that_lie_about_their_size(tmp_path: Path) -> None:
    images, _ = arrays(12)
    content = saved(tmp_path / "x.npy", images).read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[:-1])
    refused(tmp_path / "cut.npy", r"cut\.npy can't be read: it ends too early")
    for name, wrong, match in (
        ("more", content.replace(b"(12,", b"(99,"), "ends too early"),
        ("less", content.replace(b"(12,", b"( 9,"), "longer than its shape"),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", wrong)
        refused(tmp_path / f"{name}.npz", match)


def test_a_damaged_checksum_is_told_before_anything_is_decoded(tmp_path: Path) -> None:
    images, _ = arrays(12)
    content = saved(tmp_path / "x.npz", images).read_bytes()
    place = content.index(images[5].tobytes())
    (tmp_path / "x.npz").write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    refused(tmp_path / "x.npz", "Bad CRC-32")


def test_an_encrypted_array_is_told(tmp_path: Path) -> None:
    content = bytearray(saved(tmp_path / "x.npz", arrays(4)[0]).read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.npz").write_bytes(content)
    refused(tmp_path / "x.npz", "it is encrypted. Unpack it with its password")


def test_rows_in_any_order_and_from_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arrays, "BLOCK", 2000)  # two pictures
    images, _ = arrays(60)
    np.savez_compressed(tmp_path / "x.npz", images=images)
    array = _arrays.read_arrays(tmp_path / "x.npz")["images"]
    for index in [*range(60), 59, 0, 31, 30, 33, 2, 59]:
        assert (array[index] == images[index]).all()


@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt"])
def test_damaged_files_are_told_in_one_line(tmp_path: Path, ending: str) -> None:
    file = saved(tmp_path / f"x{ending}", arrays(6, 8)[0], np.arange(6) % 2)

    def check(content: bytes) -> None:
        file.write_bytes(content)
        read_as_far_as_it_goes(file)

    fuzz(60, damaged_bytes(file.read_bytes()), check)


@pytest.mark.slow
@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed, np.save])
def test_memory_stays_flat(tmp_path: Path, pack: Any) -> None:
    """300 MB of pictures are decoded in less than 100 MB more than a few are."""
    pixels = np.zeros((75_000, 64, 64), np.uint8)
    pixels[:, 0, :4] = np.arange(75_000, dtype="<u4").view(np.uint8).reshape(-1, 4)
    pixels[:, 1] = 255
    name = "x.npy" if pack is np.save else "x.npz"
    pack(tmp_path / "few" if pack is not np.save else tmp_path / "few.npy", pixels[:500])
    pack(tmp_path / name, pixels)
    del pixels
    used = []
    for file in (tmp_path / f"few{name[1:]}", tmp_path / name):
        source = PictureFolder(root=file, size=4, channels=1).load()
        for index in range(len(source.samples)):  # type: ignore[union-attr]
            source.samples[index]  # type: ignore[union-attr]
        used.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
    assert used[1] - used[0] < 100e6
