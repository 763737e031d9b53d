"""Datasets that torchvision reads, on small files in their own formats."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import pictures, write_celeba, write_cifar10, write_mnist, write_oxford_pets, write_svhn

from gan_bench.api.samples import Samples
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets.celeba import CelebA
from gan_bench_plugins.datasets.cifar10 import Cifar10
from gan_bench_plugins.datasets.mnist import FILES, FashionMnist, Kmnist, Mnist
from gan_bench_plugins.datasets.oxford_pets import OxfordPets
from gan_bench_plugins.datasets.svhn import Svhn


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAN_BENCH_DATA", raising=False)


def labels(samples: Samples) -> list[int]:
    assert samples.labels is not None
    return samples.labels.tolist()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("dataset", "collection"), [(Mnist, "MNIST"), (FashionMnist, "FashionMNIST"), (Kmnist, "KMNIST")]
)
def test_mnist_and_its_kin(tmp_path: Path, dataset: type[Mnist], collection: str, packed: bool) -> None:
    write_mnist(tmp_path, 30, 12, collection, packed)
    prepared = prepare(dataset(root=tmp_path))
    assert prepared.spec.shape == (1, 28, 28)
    assert prepared.spec.classes == dataset.labels
    assert len(dataset.labels) == 10
    images, expected = pictures(30, 28, 10, 1)
    assert np.array_equal(prepared.training.data[:, 0].numpy(), images[..., 0]), "at its own size nothing is resampled"
    assert labels(prepared.training) == expected.tolist()
    assert np.array_equal(prepared.held_out.data[:, 0].numpy(), pictures(12, 28, 10, 1, seed=1)[0][..., 0])


@pytest.mark.parametrize("packed", [False, True])
def test_files_that_lie_in_the_root_itself_are_read_there_and_nothing_is_written(tmp_path: Path, packed: bool) -> None:
    raw = write_mnist(tmp_path, 30, 12, packed=packed).rename(tmp_path / "debian")
    files = {file: file.stat().st_mtime_ns for file in raw.iterdir()}
    raw.chmod(0o555)
    assert len(prepare(Mnist(root=raw)).held_out) == 12
    assert prepare(FashionMnist(root=raw)).spec.classes == FashionMnist.labels
    assert {file: file.stat().st_mtime_ns for file in raw.iterdir()} == files, "root could write here all the same"


def test_torchvision_s_folder_comes_first_where_it_is_complete(tmp_path: Path) -> None:
    for file in write_mnist(tmp_path, 30, 12, packed=True).iterdir():
        file.rename(tmp_path / file.name)
    (tmp_path / "MNIST" / "raw").rmdir()
    write_mnist(tmp_path / "other", 20, 5)
    half = tmp_path / "MNIST" / "raw"
    half.mkdir()
    other = tmp_path / "other" / "MNIST" / "raw"
    for count, name in enumerate(FILES, 1):
        (half / name).write_bytes((other / name).read_bytes())
        assert len(prepare(Mnist(root=tmp_path)).training) == (20 if count == 4 else 30), "parts of two sets never mix"


def test_size_and_channels(tmp_path: Path) -> None:
    write_mnist(tmp_path, 10, 10)
    prepared = prepare(Mnist(root=tmp_path, size=16, channels=3))
    assert prepared.training.data.shape == (10, 3, 16, 16)
    assert (prepared.training.data[:, 0] == prepared.training.data[:, 2]).all()


def test_the_environment_says_where_data_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "all", 10, 10)
    monkeypatch.setenv("GAN_BENCH_DATA", str(tmp_path / "all"))
    assert len(prepare(Mnist()).training) == 10


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, 10, monkeypatch)
    prepared = prepare(Cifar10(root=tmp_path))
    assert (len(prepared.training), len(prepared.held_out), prepared.spec.shape) == (50, 10, (3, 32, 32))
    assert np.array_equal(prepared.training.data[:10].numpy(), pictures(10, 32, 10)[0].transpose(0, 3, 1, 2))
    assert labels(prepared.held_out) == list(range(10))


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, 20, 10, monkeypatch)
    prepared = prepare(Svhn(root=tmp_path))
    assert np.array_equal(prepared.training.data.numpy(), pictures(20, 32, 10)[0].transpose(0, 3, 1, 2))
    assert labels(prepared.held_out) == list(range(10)), "10 stands for 0"


def test_celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(tmp_path, 6, 4, monkeypatch)
    plain = prepare(CelebA(root=tmp_path))
    assert (len(plain.training), len(plain.held_out), plain.spec.shape) == (6, 4, (3, 64, 64))
    assert plain.spec.classes is None
    assert plain.training.labels is None
    smiling = prepare(CelebA(root=tmp_path, attribute="Smiling", size=16))
    assert smiling.spec.classes == ("not Smiling", "Smiling")
    assert labels(smiling.training) == [0, 1] * 3
    with pytest.raises(GanBenchError, match=r"no attribute 'Smilin'\. Did you mean 'Smiling'"):
        prepare(CelebA(root=tmp_path, attribute="Smilin"))


def test_oxford_pets(tmp_path: Path) -> None:
    write_oxford_pets(tmp_path, 8, 4)
    prepared = prepare(OxfordPets(root=tmp_path, size=28, channels=1))
    assert (prepared.spec.shape, prepared.spec.classes) == ((1, 28, 28), ("cat", "dog"))
    assert labels(prepared.training) == [0, 1] * 4
    assert len(prepared.held_out) == 4


# What is missing.


@pytest.mark.parametrize("dataset", [Mnist, FashionMnist, Kmnist, Cifar10, Svhn, CelebA, OxfordPets])
def test_nothing_is_downloaded_unasked(dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a download")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(GanBenchError) as error:
        prepare(dataset(root=tmp_path / "none"))
    for name in dataset.required:
        assert name in str(error.value)
    assert str(tmp_path / "none") in str(error.value)
    assert "download = true" in str(error.value)


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    (write_mnist(tmp_path, 10, 10) / FILES[3]).unlink()
    with pytest.raises(GanBenchError) as error:
        prepare(Mnist(root=tmp_path))
    assert FILES[3] in str(error.value)
    assert FILES[0] not in str(error.value)


def test_a_download_is_made_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    write_mnist(tmp_path / "site", 10, 10, packed=True)

    def fetch(url: str, download_root: str, filename: str, md5: str) -> None:
        content = (tmp_path / "site" / "MNIST" / "raw" / filename).read_bytes()
        (Path(download_root) / filename.removesuffix(".gz")).write_bytes(gzip.decompress(content))

    monkeypatch.setattr(datasets.mnist, "download_and_extract_archive", fetch)
    assert len(prepare(Mnist(root=tmp_path / "here", download=True)).training) == 10


def test_a_failed_download_says_what_to_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import SVHN

    def offline(self: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(SVHN, "download", offline)
    with pytest.raises(GanBenchError, match=r"the download failed .*not known.* train_32x32.mat"):
        prepare(Svhn(root=tmp_path, download=True))


# What is damaged.


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 3, 20])
def test_a_truncated_mnist_file(tmp_path: Path, name: str, kept: int) -> None:
    os.truncate(write_mnist(tmp_path, 50, 50) / name, kept)
    with pytest.raises(GanBenchError, match=f"can't be read .*Delete .*{re.escape(name)}.*place these files"):
        prepare(Mnist(root=tmp_path))


def test_labels_of_another_part(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path, 20, 10)
    (raw / FILES[1]).write_bytes((raw / FILES[3]).read_bytes())
    with pytest.raises(GanBenchError, match="20 pictures but 10 labels"):
        prepare(Mnist(root=tmp_path))


def test_a_truncated_archive_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path, 20, 10, packed=True)
    packed = raw / f"{FILES[0]}.gz"
    os.truncate(packed, packed.stat().st_size // 2)
    with pytest.raises(GanBenchError, match=f"{FILES[0]}.gz can't be read"):
        prepare(Mnist(root=tmp_path))
    assert not [path for path in raw.iterdir() if path.suffix != ".gz"]


def test_only_the_damaged_cifar10_batch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_cifar10(tmp_path, 10, monkeypatch)
    os.truncate(folder / "data_batch_3", 1000)
    with pytest.raises(GanBenchError, match=f"Delete {folder}/data_batch_3; then unpack cifar-10-python.tar.gz"):
        prepare(Cifar10(root=tmp_path))


def test_a_damaged_svhn_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, 10, 10, monkeypatch)
    os.truncate(tmp_path / "test_32x32.mat", 1000)
    with pytest.raises(GanBenchError, match=f"Delete {tmp_path}/test_32x32.mat; then"):
        prepare(Svhn(root=tmp_path))


def test_a_damaged_celeba_picture_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = write_celeba(tmp_path, 6, 4, monkeypatch) / "img_align_celeba" / "000008.jpg"
    os.truncate(picture, 1000)
    with pytest.raises(GanBenchError, match=f"{picture} can't be read .* Delete {picture}; then place"):
        prepare(CelebA(root=tmp_path))


@pytest.mark.parametrize("kept", [0, 1000])
def test_a_damaged_pet_is_named(tmp_path: Path, kept: int) -> None:
    picture = write_oxford_pets(tmp_path, 8, 4) / "images" / "Bengal_trainval_4.jpg"
    os.truncate(picture, kept)
    with pytest.raises(GanBenchError, match=f"{picture} can't be read"):
        prepare(OxfordPets(root=tmp_path))


def test_a_damaged_list_of_pets(tmp_path: Path) -> None:
    (write_oxford_pets(tmp_path, 8, 4) / "annotations" / "test.txt").write_text("<html>not found</html>")
    with pytest.raises(GanBenchError, match=r"can't be read .*annotations/test.txt"):
        prepare(OxfordPets(root=tmp_path))
