"""Samples as files that others' tools read and write: pictures in a folder or .zip, an array in an .npz or .npy.

They may be a stranger's: nothing in them is run (no pickles), unpacked to disk or waited for, and what they claim to hold is
held against this machine's memory first.
"""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import uuid
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from gan_bench.api.array_files import array_header
from gan_bench.api.pictures import to_uint8
from gan_bench.errors import GanBenchError, message
from gan_bench.files import check_regular, flush, move, replace_file
from gan_bench.scoring.samples import BATCH

Progress = Callable[[int, int], object]  # how many samples are read, of how many

ENDINGS = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # Pillow knows others, some of which start programs
GREY, COLOUR = ("1", "L"), ("P", "RGB", "YCbCr", "CMYK", "LA", "PA", "RGBA")  # 8 bits each
KEYS = ("arr_0", "samples", "images")  # of an .npz: the first of them that it has
PICTURE_BYTES = 2**28  # of a picture's file
SCORING = 9  # bytes a value while samples are scored: one as kept, and twice a float32
SLACK = 1e-3  # beyond a range of floats, less than half of one of 255 levels


@dataclass(frozen=True)
class SampleSet:
    """Samples of a generator, as they are scored."""

    samples: Tensor  # pictures (N, C, H, W) uint8, or points (N, D) float32
    there: int  # samples in the file or folder, of which these are all or some
    taken_as: str  # what they were there, and in which order they are
    remarks: tuple[str, ...] = ()  # whole sentences


def read_samples(
    source: Path, count: int | None = None, seed: int | None = None, progress: Progress | None = None
) -> SampleSet:
    """The samples of a folder or .zip of pictures, or of the array of an .npz or .npy file, told apart by their content.

    They keep their order where they have one (arrays, numbered pictures of one folder). With a `seed`, in other folders and
    where `count` is fewer than there are it is drawn at random: some metrics pair or split samples as they come, which must not
    be class by class. GanBenchError: no samples, damaged ones, of several sizes, or too large for this machine.
    """
    if source.is_dir():
        return _pictures(_in_folder(source), source, count, seed, progress)
    with _told(source):
        check_regular(source)
        with source.open("rb") as file:
            magic = file.read(6)
            file.seek(0)
            if magic == b"\x93NUMPY":
                array_header(file)
                return from_array(np.load(source, mmap_mode="r", allow_pickle=False), count, seed, source, progress)
            if not magic.startswith(b"PK"):
                raise GanBenchError(f"{source} is no folder of pictures, .zip, .npz or .npy file")
            with zipfile.ZipFile(file) as archive:
                arrays = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
                if not arrays:
                    return _pictures(_in_zip(archive), source, count, seed, progress)
                key = next((key for key in KEYS if key in arrays), arrays[0])
                if key not in KEYS and len(arrays) > 1:
                    rule = f"holds the arrays {', '.join(arrays)}, of which none is called {' or '.join(KEYS)}"
                    raise GanBenchError(f"{source} {rule}")
                with archive.open(f"{key}.npy") as member:
                    _check_room(array_header(member).nbytes, source)
                file.seek(0)
                with np.load(file, allow_pickle=False) as loaded:
                    return from_array(loaded[key], count, seed, f"{source}, array {key}", progress)


def from_array(
    values: Any,
    count: int | None = None,
    seed: int | None = None,
    place: object = "array",
    progress: Progress | None = None,
) -> SampleSet:
    """Samples of an array or tensor, as `read_samples` takes them.

    Pictures are (N, H, W), (N, H, W, C) or (N, C, H, W), C being 1 or 3: whole numbers from 0 to 255, or floats
    in [0, 1], or in [-1, 1] where one is negative. Points are (N, D). GanBenchError: it is nothing of this.
    """
    values = (
        values.detach().cpu().float().numpy() if isinstance(values, Tensor) and values.is_floating_point() else values
    )
    values = np.asanyarray(values)
    found = f"{values.dtype} of shape {values.shape}"
    if values.dtype.kind not in "uif" or values.ndim not in (2, 3, 4) or not values.size:
        kinds = "pictures (N, H, W), (N, H, W, C) or (N, C, H, W), or points (N, D), as whole numbers or floats"
        raise GanBenchError(f"{place}: samples are {kinds} (found: {found})")
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low + high):
        raise GanBenchError(f"{place}: some values are not finite")
    shape = values.shape[1:] if values.ndim == 2 else _channels_first(values[:1], place).shape[1:]
    kept, order = _chosen(len(values), count, seed, ordered=True)
    _check_room(SCORING * len(kept) * math.prod(shape), place)
    if values.ndim == 2:
        points = torch.from_numpy(values[kept].astype(np.float32))
        return SampleSet(points, len(values), f"{len(values):,} points of {shape[0]} numbers, {order}")
    scale = _scale(values.dtype.kind, low, high, place)
    pixels = np.empty((len(kept), *shape), np.uint8)
    for start in range(0, len(kept), BATCH):
        some = _channels_first(values[kept[start : start + BATCH]], place)
        pixels[start : start + BATCH] = _levels(some, scale)
        if progress:
            progress(start + len(some), len(kept))
    remarks: tuple[str, ...] = ()
    if values.dtype.kind != "f" and high == 1:
        remarks = (f"No value of {place} is above 1, of 255: pictures of [0, 1] that were saved as bytes are black.",)
    size = "x".join(map(str, shape))
    taken = f"{len(values):,} samples of {size}, {values.dtype} {low:.3g} to {high:.3g} taken as {scale}, {order}"
    return SampleSet(torch.from_numpy(pixels), len(values), taken, remarks)


def _channels_first(values: np.ndarray, place: object) -> np.ndarray:
    """(B, C, H, W) of an array of pictures."""
    if values.ndim == 3:
        return values[:, None]
    if values.shape[3] in (1, 3):
        return values.transpose(0, 3, 1, 2)
    if values.shape[1] in (1, 3):
        return values
    raise GanBenchError(f"{place}: pictures have 1 or 3 channels, first or last (found: shape {values.shape[1:]})")


def _scale(kind: str, low: float, high: float, place: object) -> str:
    """The range that values from `low` to `high` are taken to have."""
    if kind != "f" and low >= 0 and high <= 255:
        return "0 to 255"
    if kind == "f" and low >= -1 - SLACK and high <= 1 + SLACK:
        return "[0, 1]" if low >= -SLACK else "[-1, 1]"
    rule = "values must be whole numbers from 0 to 255, or floats in [0, 1] or [-1, 1]"
    raise GanBenchError(
        f"{place}: {rule} (found: {'floats' if kind == 'f' else 'whole numbers'} from {low:.6g} to {high:.6g})"
    )


def _levels(values: np.ndarray, scale: str) -> np.ndarray:
    """As uint8."""
    if scale == "0 to 255":
        return values.astype(np.uint8)
    floats = torch.from_numpy(values.astype(np.float32))
    return to_uint8(2 * floats - 1 if scale == "[0, 1]" else floats).numpy()


def _chosen(there: int, count: int | None, seed: int | None, *, ordered: bool) -> tuple[np.ndarray, str]:
    """The indices of the samples that are taken, and a word on their order."""
    if ordered and seed is None and (count is None or count >= there):
        return np.arange(there), "in their order"
    drawn = torch.randperm(there, generator=torch.Generator().manual_seed(seed or 0))[:count].numpy()
    some = f"{len(drawn):,} of them" if len(drawn) < there else "in an order"
    return drawn, f"{some} drawn by seed {seed or 0}"


def _pictures(
    entries: Mapping[str, Callable[[], bytes]],
    source: Path,
    count: int | None,
    seed: int | None,
    progress: Progress | None,
) -> SampleSet:
    """Pictures by name, read one after the other."""
    if not entries:
        raise GanBenchError(f"{source} holds no pictures (names that end in {' '.join(sorted(ENDINGS))})")
    names = sorted(entries, key=_by_numbers)
    kept, order = _chosen(len(names), count, seed, ordered=_numbered(names))
    formats, grey = Counter[str](), True
    first, pixels = "", np.empty((0, 0, 0, 3), np.uint8)
    for done, name in enumerate((names[index] for index in kept), 1):
        with _told(f"{source}, {name}"):
            picture, format = _picture(entries[name]())
            if done == 1:
                _check_room(SCORING * len(kept) * 3 * picture.width * picture.height, source)
                first, pixels = name, np.empty((len(kept), picture.height, picture.width, 3), np.uint8)
            height, width = pixels.shape[1:3]
            if picture.size != (width, height):
                sizes = f"{first} is {width}x{height}, {name} is {picture.width}x{picture.height} (width x height)"
                raise GanBenchError(f"{source}: samples of one generator have one size, and {sizes}")
            grey = grey and picture.mode in GREY
            pixels[done - 1] = np.asarray(picture.convert("RGB"))
        formats[format] += 1
        if progress:
            progress(done, len(kept))
    samples = torch.from_numpy(pixels).permute(0, 3, 1, 2)[:, : 1 if grey else 3].contiguous()
    remarks: tuple[str, ...] = ()
    if lossy := formats["JPEG"]:
        effect = "what JPEG leaves out and adds is scored with them (Parmar et al. 2022). Save them as PNG"
        remarks = (f"{lossy:,} of {len(kept):,} samples are JPEG files: {effect}.",)
    what = f"{'grey' if grey else 'colour'} pictures ({', '.join(sorted(formats))})"
    return SampleSet(samples, len(names), f"{len(names):,} {what} of {width}x{height}, {order}", remarks)


_DIGITS = re.compile("([0-9]+)")  # by which a text splits into what is none and what is, in turns


def _by_numbers(name: str) -> list[str | tuple[int, str]]:
    """What puts 2.png before 10.png."""
    digits = _DIGITS.split(name)
    return [(len(part.lstrip("0")), part.lstrip("0")) if turn % 2 else part for turn, part in enumerate(digits)]


def _numbered(names: list[str]) -> bool:
    """Whether the names are one series of numbers, such as 000.png, 001.png: not of several classes or folders."""
    parts = [_DIGITS.split(name) for name in names]
    return all(len(own) == 3 for own in parts) and len({(before, after) for before, _, after in parts}) == 1


def _picture(content: bytes) -> tuple[Image.Image, str]:
    """A picture and its format. ValueError: not one opaque picture of 8 bits a channel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # of 89 million pixels or more
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError:
            raise ValueError(f"it is no picture ({', '.join(FORMATS)})") from None
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"it holds {frames} pictures, and a sample is one")
        if image.mode not in GREY + COLOUR:
            raise ValueError(f"its pixels are of mode {image.mode}, and samples have 8 bits a channel")
        if any(";16" in str(args) for *_, args in image.tile):  # which Pillow would cut to 8
            raise ValueError("it has 16 bits a channel, and samples have 8")
        image.load()
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255:
            raise ValueError("it is transparent in places")
        return ImageOps.exif_transpose(image), str(image.format)


def _in_folder(folder: Path) -> dict[str, Callable[[], bytes]]:
    """Readers of the pictures in a folder and its subfolders, by path below it; hidden ones and what links lead to left out."""
    found: dict[str, Callable[[], bytes]] = {}
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in filter(_is_picture, names):
            path = os.path.join(place, name)
            found[os.path.relpath(path, folder)] = partial(_read_file, Path(path))
    return found


def _read_file(path: Path) -> bytes:
    check_regular(path)
    _check_size(path.stat().st_size)
    return path.read_bytes()


def _in_zip(archive: zipfile.ZipFile) -> dict[str, Callable[[], bytes]]:
    """Readers of the pictures in a .zip, by name. A name is no path here: nothing is written."""

    def read(entry: zipfile.ZipInfo) -> bytes:
        _check_size(entry.file_size)  # more than it says is not read
        return archive.read(entry)

    parts = {entry: entry.filename.split("/") for entry in archive.infolist()}
    shown = [entry for entry, own in parts.items() if _is_picture(own[-1]) and "__MACOSX" not in own]
    for name, times in Counter(entry.filename for entry in shown).most_common(1):
        if times > 1:  # as `zip -g` and Python append
            raise ValueError(f"it holds {times} pictures that are called {name}")
    return {entry.filename: partial(read, entry) for entry in shown}


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in ENDINGS


def _check_size(size: int) -> None:
    if size > PICTURE_BYTES:
        raise ValueError(f"it has {size:,} bytes; a picture has at most {PICTURE_BYTES:,}")


def _check_room(needed: int, place: object) -> None:
    """GanBenchError: this machine has not so many bytes of memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        sizes = f"take {needed / 2**30:,.1f} GiB of memory, and this machine has {memory / 2**30:,.1f}"
        raise GanBenchError(f"{place}: its samples {sizes}. Take fewer (--samples)")


@contextmanager
def _told(place: object) -> Iterator[None]:
    """GanBenchError in place of whatever damaged or hostile bytes make the readers of files raise."""
    try:
        yield
    except GanBenchError:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, ValueError) else getattr(error, "strerror", None) or message(error)
        raise GanBenchError(f"{place} can't be read: {reason}") from error


def save_npz(samples: Tensor, file: Path, labels: Tensor | None = None) -> None:
    """Write samples as others' tools read them, under `arr_0`: pictures in [-1, 1] as uint8 (N, H, W, C), points as they are.

    Labels (N,) int64, if any, stand under `arr_1`.
    """
    values = samples.numpy() if samples.dim() == 2 else to_uint8(samples).permute(0, 2, 3, 1).contiguous().numpy()

    def write(beside: Path) -> None:
        with beside.open("wb") as opened:  # by its name numpy would add an ending
            np.savez(opened, values, *([] if labels is None else [labels.numpy()]))

    replace_file(file, write)


def save_pictures(samples: Tensor, folder: Path) -> None:
    """Write pictures (N, C, H, W) in [-1, 1] into a new folder: 000000.png, 000001.png, ...

    GanBenchError: the folder is not empty, or samples are no pictures that a PNG can hold.
    """
    if samples.dim() != 4 or samples.shape[1] not in (1, 3):
        raise GanBenchError(
            f"samples of shape {tuple(samples.shape[1:])} are no grey or colour pictures: write an .npz"
        )
    if folder.exists() and any(folder.iterdir()):
        raise GanBenchError(f"{folder} is not empty: pictures are written into a new folder")
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    beside.mkdir(parents=True)
    try:
        for index, pixels in enumerate(to_uint8(samples).permute(0, 2, 3, 1).numpy()):
            picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
            picture.save(beside / f"{index:06}.png")
        flush(beside)
        move(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
