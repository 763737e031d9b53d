"""Damaged pictures and published files: a sample is left out, or one error is told; nothing else is raised."""

from __future__ import annotations

import gzip
import io
import itertools
import shutil
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import pictures, write_celeba, write_imagenet, write_mnist, write_oxford_pets, write_stl10
from fuzz import damaged_bytes, fuzz
from hypothesis import strategies as st
from picture_files import ink_profile, png_16, pnm_16, saved, swapped_profile, tiff
from PIL import Image

from gan_bench.api.kinds import Dataset, SkipSample
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets._formats import open_picture
from gan_bench_plugins.datasets.celeba import CelebA
from gan_bench_plugins.datasets.folder import PictureFolder
from gan_bench_plugins.datasets.imagenet import ImageNet
from gan_bench_plugins.datasets.mnist import FILES, Mnist
from gan_bench_plugins.datasets.oxford_pets import OxfordPets
from gan_bench_plugins.datasets.stl10 import Stl10


def files() -> list[bytes]:
    """A small picture in every format and mode that a folder may hold."""
    colour = Image.fromarray(pictures(1, 24, 3)[0][0])
    animation = [Image.new("RGB", (24, 24), name) for name in ("red", "green", "blue")]
    found = []
    for image, form, options in [
        (colour, "png", {}),
        (colour.convert("P"), "png", {"transparency": bytes(range(256))}),
        (colour.convert("RGBA"), "png", {}),
        (Image.fromarray(np.arange(576, dtype=np.uint16).reshape(24, 24) * 100), "png", {}),
        (animation[0], "png", {"save_all": True, "append_images": animation[1:]}),
        (colour, "jpeg", {"exif": Image.Exif()}),
        (colour.convert("CMYK"), "jpeg", {}),
        (colour, "jpeg", {"progressive": True}),
        (animation[0], "gif", {"save_all": True, "append_images": animation[1:]}),
        (colour, "bmp", {}),
        (colour, "tiff", {}),
        (colour, "tiff", {"compression": "tiff_lzw"}),
        (colour, "webp", {}),
        (animation[0], "webp", {"save_all": True, "append_images": animation[1:]}),
        (colour, "ppm", {}),
        (colour.convert("L"), "ppm", {}),
        (colour, "jpeg2000", {}),
        (colour, "avif", {}),
        (colour, "png", {"icc_profile": swapped_profile()}),
        (colour.convert("CMYK"), "tiff", {"icc_profile": ink_profile()}),
        (colour.convert("YCbCr"), "tiff", {}),
    ]:
        content = saved(image, form, **options)
        with suppress(OSError):  # Pillow 12.3 can't read the YCbCr TIFF that it writes
            Image.open(io.BytesIO(content)).load()
            found.append(content)
    assert len(found) >= 20
    deep = np.arange(1728, dtype=np.uint16).reshape(24, 24, 3) * 37
    found += [png_16(deep), png_16(deep[..., :2]), pnm_16(deep, 65_535), pnm_16(deep[..., :1], 64_000, plain=True)]
    found += [
        tiff(deep),
        tiff(deep, order=">", packed=True),
        tiff(deep, planes=True),
        tiff(deep[..., :1], orientation=6),
    ]
    found += [tiff((deep[..., :1] / 64_000).astype(np.float32)), tiff(deep.astype(np.uint8), photometric=8)]
    try:
        import pillow_heif
    except ImportError:
        return found
    heif = io.BytesIO()
    pillow_heif.from_pillow(colour).save(heif)
    return [*found, heif.getvalue()]


@pytest.mark.parametrize("inputs", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_damaged_picture(inputs: int) -> None:
    outcomes: Counter[str] = Counter()

    class Source:
        """One picture, of these bytes."""

        def __init__(self, content: bytes) -> None:
            self.content = content

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return open_picture(io.BytesIO(self.content)), 0

    def check(content: bytes) -> None:
        part = PictureFolder(root=Path(), size=8).part(Source(content), lambda index, error: SkipSample(str(error)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as `decode` does
            try:
                sample, label, _ = part[0]
            except SkipSample:
                outcomes["left out"] += 1
            else:
                outcomes["read"] += 1
                assert (sample.shape, sample.dtype, label) == ((3, 8, 8), np.uint8, 0)

    for content in files():
        check(content)
    assert outcomes == {"read": len(files())}
    fuzz(inputs, st.sampled_from(files()).flatmap(damaged_bytes), check)
    print(dict(outcomes))
    assert min(outcomes.values()) > inputs / 10


@pytest.mark.parametrize("inputs", [60, pytest.param(250, marks=pytest.mark.slow)])
def test_a_damaged_profile(inputs: int) -> None:
    """It is used or ignored, and the picture read."""
    told: Counter[str] = Counter()
    pictures = [(Image.new("RGB", (8, 8), "red"), swapped_profile()), (Image.new("CMYK", (8, 8)), ink_profile())]

    def check(image: Image.Image, profile: bytes) -> None:
        image.info["icc_profile"] = profile
        told[str(PictureFolder(root=Path(), size=8).as_sample(image.copy())[1].get("profile"))] += 1

    for image, profile in pictures:
        fuzz(inputs, damaged_bytes(profile), lambda content, image=image: check(image, content))
    print(dict(told))
    assert all(text.isprintable() for text in told)
    assert told["broken, ignored"] > inputs / 10
    assert told["of a test, converted to sRGB"] > inputs / 100


def prepared_or_refused(dataset: Dataset, outcomes: Counter[str]) -> None:
    """Prepare a dataset, which may be refused in one line."""
    told = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prepare(dataset)
        except GanBenchError as error:
            told = str(error)
    outcomes["refused" if told else "read"] += 1
    assert "\n" not in told
    assert told.startswith(f"dataset {dataset.name}") or not told


@pytest.mark.parametrize("inputs", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("packed", [False, True], ids=["idx", "gz"])
@pytest.mark.parametrize("name", FILES[:2], ids=["pictures", "labels"])
def test_damaged_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packed: bool, inputs: int) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    whole = write_mnist(tmp_path / "whole", 6, 3, packed=packed)
    file = f"{name}.gz" if packed else name
    outcomes: Counter[str] = Counter()

    def check(content: bytes) -> None:
        raw = tmp_path / "data" / "MNIST" / "raw"
        shutil.rmtree(raw, ignore_errors=True)
        shutil.copytree(whole, raw)
        (raw / file).write_bytes(content)
        prepared_or_refused(Mnist(root=tmp_path / "data"), outcomes)

    fuzz(inputs, damaged_bytes((whole / file).read_bytes()), check)
    print(dict(outcomes))
    assert outcomes["refused"] > inputs / 4


def pets(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Path]:
    return OxfordPets(root=root, size=8), write_oxford_pets(root, 4, 2) / "annotations" / "trainval.txt"


def celeba(name: str) -> Any:
    """CelebA with one of Kaggle's lists, of which no sum is known."""

    def written(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Path]:
        folder = write_celeba(root, 3, 2, monkeypatch)
        heads = {"list_eval_partition": "image_id,partition", "list_attr_celeba": "image_id,Smiling,Male"}
        for each, head in heads.items():
            lines = (folder / f"{each}.txt").read_text().splitlines()
            rows = [line.replace(" ", ",") for line in lines if line[6:10] == ".jpg"]
            (folder / f"{each}.csv").write_text("\n".join([head, *rows]))
            (folder / f"{each}.txt").unlink()
        return CelebA(root=root, size=8, attribute="Male"), folder / name

    return written


def imagenet(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Path]:
    write_imagenet(root, ["n01440764", "n02012849"], 2, 2)
    rows = ["ImageId,PredictionString"]
    for file in [*(root / "val").rglob("*.JPEG")]:
        rows.append(f"{file.stem},{file.parent.name} 1 2 3 4 ")
        file.rename(root / "val" / file.name)
    for wnid in ("n01440764", "n02012849"):
        (root / "val" / wnid).rmdir()
    (root / "LOC_val_solution.csv").write_text("\n".join(rows))
    return ImageNet(root=root, size=8), root / "LOC_val_solution.csv"


def stl10(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Path]:
    return Stl10(root=root, size=8), write_stl10(root, 3, 3, 1, monkeypatch) / "train_y.bin"


@pytest.mark.parametrize("inputs", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "written",
    [pets, celeba("list_eval_partition.csv"), celeba("list_attr_celeba.csv"), imagenet, stl10],
    ids=["pets", "celeba's parts", "celeba's attributes", "imagenet's solution", "stl10's labels"],
)
def test_a_damaged_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Any, inputs: int) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    dataset, file = written(tmp_path / "data", monkeypatch)
    whole, outcomes, count = file.read_bytes(), Counter[str](), itertools.count()
    prepare(dataset)

    def check(content: bytes) -> None:
        file.write_bytes(content)
        monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / f"cache {next(count)}"))
        prepared_or_refused(dataset, outcomes)

    fuzz(inputs, damaged_bytes(whole), check)
    print(dict(outcomes))
    assert outcomes["refused"] > inputs / 4


def test_an_archive_that_unpacks_to_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write_mnist(tmp_path, 6, 3, packed=True)
    bomb: Any = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as archive:
        for _ in range(150):
            archive.write(bytes(2**20))
    (raw / f"{FILES[0]}.gz").write_bytes(bomb.getvalue())
    assert len(bomb.getvalue()) < 2**20
    with pytest.raises(GanBenchError, match=r"can't be read \(it has more than 100,000,000 bytes\)"):
        prepare(Mnist(root=tmp_path))
