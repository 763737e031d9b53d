"""Where files of published datasets are found, and what is said of a wrong place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_files import (
    write_celeba,
    write_cifar10,
    write_cifar100,
    write_emnist,
    write_imagenet,
    write_mnist,
    write_oxford_pets,
    write_stl10,
    write_svhn,
)

from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets._published import PublishedDataset
from gan_bench_plugins.datasets.celeba import CelebA
from gan_bench_plugins.datasets.cifar10 import Cifar10
from gan_bench_plugins.datasets.cifar100 import Cifar100
from gan_bench_plugins.datasets.emnist import Emnist
from gan_bench_plugins.datasets.imagenet import ImageNet
from gan_bench_plugins.datasets.lsun import Lsun
from gan_bench_plugins.datasets.mnist import FILES, FashionMnist, Kmnist, Mnist
from gan_bench_plugins.datasets.oxford_pets import OxfordPets
from gan_bench_plugins.datasets.stl10 import Stl10
from gan_bench_plugins.datasets.svhn import Svhn

Write = Callable[[Path, pytest.MonkeyPatch], object]
WRITTEN: dict[type[PublishedDataset], Write] = {
    Mnist: lambda root, _: write_mnist(root, 10, 10, packed=True),
    FashionMnist: lambda root, _: write_mnist(root, 10, 10, "FashionMNIST"),
    Kmnist: lambda root, _: write_mnist(root, 10, 10, "KMNIST"),
    Emnist: lambda root, _: write_emnist(root, "balanced", 47, 10, 10),
    Cifar10: lambda root, monkeypatch: write_cifar10(root, 2, monkeypatch),
    Cifar100: lambda root, monkeypatch: write_cifar100(root, 4, 4, monkeypatch),
    Stl10: lambda root, monkeypatch: write_stl10(root, 2, 2, 2, monkeypatch),
    Svhn: lambda root, monkeypatch: write_svhn(root, 4, 4, monkeypatch),
    CelebA: lambda root, monkeypatch: write_celeba(root, 2, 2, monkeypatch),
    OxfordPets: lambda root, _: write_oxford_pets(root, 2, 2),
    ImageNet: lambda root, _: write_imagenet(root / "ILSVRC" / "Data" / "CLS-LOC", ["n01440764", "n02012849"], 1, 1),
    Lsun: lambda root, _: (root / "data0" / "lsun" / "bedroom_train").mkdir(parents=True),
}
every = pytest.mark.parametrize("dataset", WRITTEN, ids=lambda dataset: dataset.name)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAN_BENCH_DATA", raising=False)


def refusal(dataset: PublishedDataset) -> str:
    with pytest.raises(GanBenchError) as error:
        dataset.files()
    assert "\n" not in str(error.value)
    return str(error.value)


@every
def test_each_folder_on_the_way_to_the_files_will_do_as_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: type[PublishedDataset]
) -> None:
    WRITTEN[dataset](tmp_path / "data", monkeypatch)
    place = dataset(root=tmp_path / "data").place()
    assert place == tmp_path / "data" / dataset.homes[0]
    for root in (place, *place.parents):
        assert dataset(root=root).place() == place
        if root == tmp_path / "data":
            break


@every
def test_files_in_a_folder_called_as_the_dataset_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: type[PublishedDataset]
) -> None:
    WRITTEN[dataset](tmp_path / "away", monkeypatch)
    place = tmp_path / "data" / dataset.name.upper().replace("_", "-") / "version-1"
    place.parent.mkdir(parents=True)
    (tmp_path / "away" / dataset.homes[0]).rename(place)
    for other in ("another", ".hidden"):
        (tmp_path / "data" / other).mkdir()
    assert dataset(root=tmp_path / "data").place() == place
    shutil.copytree(place, place.with_name("version-2"))
    told = refusal(dataset(root=tmp_path / "data"))
    assert f"They lie in {place} and in {place.with_name('version-2')}: give root = {str(place)!r}" in told


@every
def test_files_elsewhere_are_told_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: type[PublishedDataset]
) -> None:
    WRITTEN[dataset](tmp_path / "away", monkeypatch)
    place = tmp_path / "data" / "x" / "y"
    place.parent.mkdir(parents=True)
    (tmp_path / "away" / dataset.homes[0]).rename(place)
    told = refusal(dataset(root=tmp_path / "data"))
    assert f"{tmp_path / 'data'} lacks {dataset.homes[0]}" in told
    assert told.endswith(f"They lie in {place}: give root = {str(place)!r}")
    assert dataset(root=place).place() == place
    for wrong in (place / "none", place / "none" / "none"):
        assert f"They lie in {place}: give root" in refusal(dataset(root=wrong)), "also where the root is too deep"


@every
def test_a_file_as_root_is_answered_with_what_is_wanted(tmp_path: Path, dataset: type[PublishedDataset]) -> None:
    file = tmp_path / "archive.zip"
    file.touch()
    told = refusal(dataset(root=file))
    assert told.startswith(
        f"dataset {dataset.name}: {file} is a file. Give `root` a folder instead, and {dataset.origin}"
    )
    assert all(name in told for name in dataset(root=file).wanted())
    if "download" in dataset.model_fields:
        assert refusal(dataset(root=file, download=True)) == told  # type: ignore[call-arg]


@every
def test_a_packed_file_as_root_beside_what_was_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: type[PublishedDataset]
) -> None:
    WRITTEN[dataset](tmp_path, monkeypatch)
    file = tmp_path / "archive.zip"
    file.touch()
    place = tmp_path / dataset.homes[0]
    assert refusal(dataset(root=file)).endswith(f"{file} is a file. They lie in {place}: give root = {str(place)!r}")


@every
def test_a_damaged_file_alone_is_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: type[PublishedDataset]
) -> None:
    if dataset in (ImageNet, Lsun):
        pytest.skip("pictures that can't be read are left out")
    WRITTEN[dataset](tmp_path, monkeypatch)
    found = dataset(root=tmp_path)
    for file in map(found.place().joinpath, found.wanted()):
        for path in (file, file.with_name(f"{file.name}.gz")):
            if path.is_file():
                content = path.read_bytes()
                path.write_bytes(content[: len(content) // 2] + b"?")
                with pytest.raises(GanBenchError, match=rf"can't be read .* Delete {path}[;,]") as error:
                    found.load()
                assert str(error.value).count("Delete") == 1
                others = [name for name in found.wanted() if str(found.place() / name) in str(error.value)]
                assert len(others) <= 2, "the file, or pictures and labels of other numbers"
                path.write_bytes(content)
    found.load()


@every
def test_what_stands_for_the_files_is_told(tmp_path: Path, dataset: type[PublishedDataset]) -> None:
    assert dataset().stand_ins()
    for index, (name, cure) in enumerate(dataset().stand_ins().items()):
        file = tmp_path / str(index) / name
        file.parent.mkdir(parents=True)
        file.touch()
        assert refusal(dataset(root=tmp_path / str(index))).endswith(f". {file} {cure}")


def test_a_search_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks neither deep nor through thousands of folders nor at each of many files."""
    from gan_bench_plugins.datasets import _published

    looked: list[Path] = []
    monkeypatch.setattr(Cifar10, "missing", lambda self, folder: looked.append(folder) or ["data_batch_1"])
    root = tmp_path / "data"
    (root / "a" / "b" / "c" / "d").mkdir(parents=True)
    (root / "a" / "circle").symlink_to(root, target_is_directory=True)
    refusal(Cifar10(root=root))
    depths = [len(folder.relative_to(root).parts) for folder in looked if folder.is_relative_to(root / "a")]
    assert (root / "a" / "b" / "c" in looked, depths) == (True, sorted(depths))
    assert max(depths) == _published.DEPTH
    looked.clear()
    for index in range(_published.FOLDERS + 20):
        (root / f"folder {index}").mkdir()
    refusal(Cifar10(root=root))
    assert root / "a" / "b" not in looked
    assert _published.FOLDERS < len(looked) < _published.FOLDERS + 20


# MNIST and its kin have files of the same names.


@pytest.mark.parametrize("packed", [True, False])
def test_names_as_kaggle_has_them(tmp_path: Path, packed: bool) -> None:
    write_mnist(tmp_path / "away", 30, 12, packed=packed)
    for index, file in enumerate(sorted((tmp_path / "away" / "MNIST" / "raw").iterdir())):
        if index % 2:
            file.rename(tmp_path / file.name.replace("-idx", ".idx"))
        else:
            (tmp_path / file.name.removesuffix(".gz")).mkdir()
            file.rename(tmp_path / file.name.removesuffix(".gz") / file.name)
    data = prepare(Mnist(root=tmp_path))
    assert (len(data.training), len(data.held_out)) == (30, 12)


@pytest.mark.parametrize("called", ["FashionMNIST/raw", "fashion-mnist", "KMNIST", "kmnist/raw"])
def test_a_kins_files_are_not_taken_for_ones_own(tmp_path: Path, called: str) -> None:
    write_mnist(tmp_path / "away", 10, 10)
    place = tmp_path / "data" / called
    place.parent.mkdir(parents=True)
    (tmp_path / "away" / "MNIST" / "raw").rename(place)
    kin = "kmnist" if called.lower().startswith("k") else "fashion_mnist"
    for root in (place, place.parent if "/" in called else place):
        told = refusal(Mnist(root=root))
        assert (
            f"{place} is called as those of {kin} are" in told or f"Those in {place} are of the dataset {kin}" in told
        )
    assert f"(Those in {place} are of the dataset {kin}.)" in refusal(Mnist(root=tmp_path / "data"))
    assert {cls.name: cls(root=place) for cls in (FashionMnist, Kmnist)}[kin].place() == place


@pytest.mark.parametrize(
    ("dataset", "first", "theirs"),
    [(Mnist, [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], "fashion_mnist"), (Kmnist, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], "mnist")],
)
def test_a_kins_labels_are_known_wherever_they_lie(
    tmp_path: Path, dataset: type[Mnist], first: list[int], theirs: str
) -> None:
    raw = write_mnist(tmp_path, 10, 10).rename(tmp_path / "files")
    content = (raw / FILES[1]).read_bytes()
    (raw / FILES[1]).write_bytes(content[:8] + bytes(first))
    with pytest.raises(
        GanBenchError, match=rf'{raw} has the files of the dataset {theirs}, .* Use dataset = "{theirs}"'
    ):
        dataset(root=raw).load()
    (raw / FILES[1]).write_bytes(content)
    assert len(dataset(root=raw).load().training) == 10


def test_celebas_pictures_as_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_celeba(tmp_path, 2, 2, monkeypatch)
    told = refusal(CelebA(root=folder / "img_align_celeba"))
    assert told.endswith(f"They lie in {folder}: give root = {str(folder)!r}")


def test_imagenets_class_as_the_root(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path, ["n01440764", "n02012849"], 1, 1)
    for wrong in (root / "train", root / "train" / "n01440764"):
        assert f"They lie in {root}: give root = {str(root)!r}" in refusal(ImageNet(root=wrong))
    (root / "train").rename(root / "pictures")
    (root / "train" / "cats").mkdir(parents=True)
    assert f"{root} lacks train/. Unpack" in refusal(ImageNet(root=root)), "its folders are not called as ImageNet's"


def test_a_download_goes_to_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cifar10, "fetch", lambda self, root: write_cifar10(root, 2, monkeypatch))
    files = Cifar10(root=tmp_path / "here", download=True).files()
    assert {file.parent for file in files} == {tmp_path / "here" / "cifar-10-batches-py"}
    monkeypatch.setattr(Cifar10, "fetch", lambda self, root: pytest.fail("a download"))
    assert Cifar10(root=tmp_path / "here", download=True).files() == files
