"""Small files in the formats of the published datasets."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pictures(count: int, size: int, classes: int, channels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, size, size, channels) uint8 and labels: a bright bar, whose height tells the class, on noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = random.integers(0, 60, (count, size, size, channels), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top = int(label) * size // classes
        image[top : top + max(2, size // classes), size // 4 : 3 * size // 4] = 250
    return images, labels


def write_mnist(root: Path, n_train: int, n_test: int, collection: str = "MNIST", packed: bool = False) -> Path:
    """The four IDX files of `collection` ("MNIST", "FashionMNIST", "KMNIST") below a root; gives their folder."""
    raw = root / collection / "raw"
    raw.mkdir(parents=True)
    for part, count, seed in (("train", n_train, 0), ("t10k", n_test, 1)):
        images, labels = pictures(count, 28, 10, 1, seed)
        _write_idx(raw, part, images[..., 0], labels, packed)
    return raw


def write_emnist(root: Path, split: str, classes: int, n_train: int, n_test: int, first_label: int = 0) -> Path:
    """The four packed IDX files of a split of EMNIST, whose pictures are transposed; gives their folder."""
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for part, count, seed in (("train", n_train, 0), ("test", n_test, 1)):
        images, labels = pictures(count, 28, classes, 1, seed)
        _write_idx(raw, f"emnist-{split}-{part}", images[..., 0].transpose(0, 2, 1), labels + first_label, packed=True)
    return raw


def _write_idx(folder: Path, part: str, images: np.ndarray, labels: np.ndarray, packed: bool) -> None:
    for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
        # Two zero bytes, 8 for uint8, the number of dimensions, and each as a big-endian int32; then the values.
        content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
        file = folder / f"{part}-{name}-ubyte"
        if packed:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(content))
        else:
            file.write_bytes(content)


def write_cifar10(root: Path, per_batch: int, monkeypatch: Any) -> Path:
    """The pickled batches of CIFAR-10, and torchvision's checksums changed to theirs; gives their folder."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    sums = {}
    for seed, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        images, labels = pictures(per_batch, 32, 10, 3, seed)
        rows = images.transpose(0, 3, 1, 2).reshape(per_batch, -1)
        sums[name] = _pickle(folder / name, {"data": rows, "labels": labels.tolist()})
    sums["batches.meta"] = _pickle(folder / "batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    return folder


def write_cifar100(root: Path, n_train: int, n_test: int, monkeypatch: Any) -> Path:
    """The two pickles of CIFAR-100, and torchvision's checksums changed to theirs; gives their folder.

    Coarse labels are the fine ones modulo 20, which they are not in the published files.
    """
    from torchvision.datasets import CIFAR100

    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    sums = {}
    for name, count, seed in (("train", n_train, 0), ("test", n_test, 1)):
        images, labels = pictures(count, 32, 100, 3, seed)
        rows = images.transpose(0, 3, 1, 2).reshape(count, -1)
        entry = {"data": rows, "fine_labels": labels.tolist(), "coarse_labels": (labels % 20).tolist()}
        sums[name] = _pickle(folder / name, entry)
    sums["meta"] = _pickle(folder / "meta", {"fine_label_names": [f"class {i}" for i in range(100)]})
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": sums["meta"]})
    return folder


def write_stl10(root: Path, n_train: int, n_test: int, n_unlabelled: int, monkeypatch: Any) -> Path:
    """The binary files of STL-10, pictures by columns and labels from 1, and torchvision's checksums changed to theirs."""
    from torchvision.datasets import STL10

    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for seed, (part, count) in enumerate((("train", n_train), ("test", n_test), ("unlabeled", n_unlabelled))):
        images, labels = pictures(count, 96, 10, 3, seed)
        images.transpose(0, 3, 2, 1).tofile(folder / f"{part}_X.bin")
        if part != "unlabeled":
            (labels + 1).astype(np.uint8).tofile(folder / f"{part}_y.bin")
    for known in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, known, [[name, _md5(folder / name)] for name, _ in getattr(STL10, known)])
    return folder


def write_imagenet(root: Path, wnids: list[str], n_train: int, n_val: int) -> Path:
    """`train` and `val` with a folder a class and so many pictures each, called as ImageNet's are; gives the root."""
    images, _ = pictures(len(wnids) * (n_train + n_val), 40, len(wnids))
    left = iter(images)
    for part, count in (("train", n_train), ("val", n_val)):
        for label, wnid in enumerate(wnids):
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for index in range(count):
                number = index * len(wnids) + label + 1  # so that numbers and classes are not in one order
                name = f"{wnid}_{number}.JPEG" if part == "train" else f"ILSVRC2012_val_{number:08}.JPEG"
                Image.fromarray(next(left)).save(folder / name, "png")
    return root


def write_svhn(root: Path, n_train: int, n_test: int, monkeypatch: Any) -> None:
    """The two .mat files of SVHN, in which 10 stands for the digit 0, and torchvision's checksums changed to theirs."""
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    root.mkdir(parents=True, exist_ok=True)
    known = dict(SVHN.split_list)
    for part, count, seed in (("train", n_train, 0), ("test", n_test, 1)):
        images, labels = pictures(count, 32, 10, 3, seed)
        file = root / f"{part}_32x32.mat"
        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": np.where(labels == 0, 10, labels)[:, None]})
        known[part] = [known[part][0], file.name, _md5(file)]
    monkeypatch.setattr(SVHN, "split_list", known)


def write_celeba(root: Path, n_train: int, n_test: int, monkeypatch: Any) -> Path:
    """The lists and aligned pictures of CelebA, torchvision's checksums changed to theirs; gives their folder."""
    from torchvision.datasets import CelebA

    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    count = n_train + n_test
    names = [f"{i:06d}.jpg" for i in range(1, count + 1)]
    images, labels = pictures(count, 218, 2)
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image[:, :178]).save(folder / "img_align_celeba" / name)
    attributes = [f"{1 if label else -1} -1" for label in labels]
    lists = {
        "list_eval_partition.txt": ["0"] * n_train + ["2"] * n_test,
        "identity_CelebA.txt": [str(i) for i in range(count)],
        "list_bbox_celeba.txt": ["1 2 3 4"] * count,
        "list_landmarks_align_celeba.txt": ["0 1 2 3 4 5 6 7 8 9"] * count,
        "list_attr_celeba.txt": attributes,
    }
    heads = {
        "list_bbox_celeba.txt": "image_id x_1 y_1 width height",
        "list_landmarks_align_celeba.txt": "lefteye_x lefteye_y",
        "list_attr_celeba.txt": "Smiling Male",
    }
    for file, values in lists.items():
        lines = [f"{count}", heads[file]] if file in heads else []
        lines += [f"{name} {value}" for name, value in zip(names, values, strict=True)]
        (folder / file).write_text("\n".join(lines) + "\n")
    sums = [(key, _md5(folder / name) if name in lists else md5, name) for key, md5, name in CelebA.file_list]
    monkeypatch.setattr(CelebA, "file_list", sums)
    return folder


def write_oxford_pets(root: Path, n_train: int, n_test: int) -> Path:
    """The lists and photographs of the Oxford pets, half of them cats; gives their folder."""
    folder = root / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for part, count in (("trainval", n_train), ("test", n_test)):
        images, labels = pictures(count, 80, 2)
        lines = []
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{'beagle' if label else 'Bengal'}_{part}_{index}"
            Image.fromarray(image[: 60 + 5 * (index % 5)]).save(folder / "images" / f"{name}.jpg")
            lines.append(f"{name} {label + 1} {label + 1} 1")  # breed, 1 cat or 2 dog, breed among its kind
        (folder / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


def _pickle(file: Path, content: Any) -> str:
    file.write_bytes(pickle.dumps(content))
    return _md5(file)


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()
