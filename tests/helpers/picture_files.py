"""Picture files that Pillow reads and can't write: deep ones, of odd layouts, and with colour profiles."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageCms

from gan_bench_plugins.datasets._formats import open_picture
from gan_bench_plugins.datasets.folder import PictureFolder


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """A file's bytes, as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_16(values: np.ndarray, transparent: tuple[int, ...] = ()) -> bytes:
    """A PNG of 16 bits, of values (H, W, C): grey, with alpha, in colour, with alpha; a value may be transparent."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        *([(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))] if transparent else []),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def tiff(
    values: np.ndarray,
    *,
    order: Literal["<", ">"] = "<",
    planes: bool = False,
    packed: bool = False,
    photometric: int | None = None,
    alpha: int | None = None,
    orientation: int | None = None,
    bits: int | None = None,
) -> bytes:
    """A TIFF of values (H, W, C) of any dtype, or of bytes (H, N, 1) that hold numbers of so many bits.

    `photometric`: 0 white is zero, 1 black is zero, 2 colours, 8 CIELAB; `alpha`: 1 premultiplied, 2 not.
    """
    height, width, channels = values.shape
    width = width if bits is None else width * 8 // bits
    pieces = [values[..., channel] for channel in range(channels)] if planes else [values]
    strips = [piece.astype(values.dtype.newbyteorder(order)).tobytes() for piece in pieces]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    number = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    if photometric is None:
        photometric = 2 if channels >= 3 else 1
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("H", [width]),
        257: ("H", [height]),
        258: ("H", [bits or 8 * values.dtype.itemsize] * channels),
        259: ("H", [8 if packed else 1]),
        262: ("H", [photometric]),
        273: ("I", [0] * len(strips)),
        277: ("H", [channels]),
        278: ("H", [height]),
        279: ("I", [len(strip) for strip in strips]),
        284: ("H", [2 if planes else 1]),
        339: ("H", [number] * channels),
    }
    if alpha is not None:
        tags[338] = ("H", [alpha])
    if orientation is not None:
        tags[274] = ("H", [orientation])
    place = 8 + 2 + 12 * len(tags) + 4
    tags[273] = ("I", [place + sum(map(len, strips[:index])) for index in range(len(strips))])
    content = b"".join(strips)
    directory = struct.pack(f"{order}H", len(tags))
    for tag, (form, numbers) in sorted(tags.items()):
        body = struct.pack(f"{order}{len(numbers)}{form}", *numbers)
        directory += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[form], len(numbers))
        if len(body) > 4:
            directory += struct.pack(f"{order}I", place + len(content))
            content += body
        else:
            directory += body.ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    return struct.pack(f"{order}2sHI", mark, 42, 8) + directory + bytes(4) + content


def pnm_16(values: np.ndarray, white: int, plain: bool = False) -> bytes:
    """A PGM or PPM of values (H, W, C), of which `white` is the largest."""
    height, width, channels = values.shape
    mark = {1: 2, 3: 3}[channels] + (0 if plain else 3)
    body = " ".join(map(str, values.ravel())).encode() if plain else values.astype(">u2").tobytes()
    return f"P{mark} {width} {height} {white}\n".encode() + body


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2, of a device whose colours are in this space (ICC.1:2001-04, section 6)."""
    tags = {
        b"desc": _description(b"of a test"),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz(0.9642, 1, 0.8249),
        **tags,
    }
    place = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, place + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    connection = b"Lab " if b"A2B0" in tags else b"XYZ "
    header = struct.pack(">I4xI4s4s4s12x4s4x", place + len(bodies), 0x02400000, b"mntr", space, connection, b"acsp")
    return header.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061) + bytes(48) + table + bodies


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + bytes(1 + 4 + 4 + 2 + 1 + 67)


def _xyz(*numbers: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(number * 65536) for number in numbers))


def _gamma(power: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(power * 256))


def swapped_profile() -> bytes:
    """Of a screen whose red is sRGB's green and whose green is its red; gamma 2.2."""
    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    primaries = {b"rXYZ": _xyz(*green), b"gXYZ": _xyz(*red), b"bXYZ": _xyz(*blue)}
    return profile(b"RGB ", {**primaries, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(2.2))})


def grey_profile(power: float) -> bytes:
    """Of greys with this gamma."""
    return profile(b"GRAY", {b"kTRC": _gamma(power)})


def ink_profile() -> bytes:
    """Of a press that prints black, whatever the other inks, where there is black ink, and else a red of L 50, a 80, b 0."""
    black, red = (0, 128, 128), (128, 208, 128)
    corners = [black if index & 1 else red for index in range(16)]  # of the grid, on which the last ink varies first
    identity = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    table = bytes(value for corner in corners for value in corner)
    lut = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + identity + bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    return profile(b"CMYK", {b"A2B0": lut})


def srgb_profile() -> bytes:
    """sRGB itself, as LittleCMS writes it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def shown(content: bytes, **settings: Any) -> tuple[np.ndarray, dict[str, str | float]]:
    """What a file becomes, as (height, width, channels), and its facts; in 8x8 pixels unless another size is asked for."""
    dataset = PictureFolder(root=Path(), **{"size": 8, **settings})
    with warnings.catch_warnings(action="ignore"):
        part = dataset.part(Files([content]), lambda index, error: error)
        sample, label, facts = part[0]
    assert (sample.dtype, sample.shape, label) == (np.uint8, dataset.shape, 0)
    return sample.transpose(1, 2, 0), facts


class Files:
    """Files' bytes as a source of pictures."""

    def __init__(self, contents: list[bytes]) -> None:
        self.contents = contents

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return open_picture(io.BytesIO(self.contents[index])), index


def sixteen(channels: int, alpha: bool = False) -> np.ndarray:
    values = np.random.default_rng(2).integers(0, 65_536, (8, 8, channels), dtype=np.uint16)
    if alpha:
        values[..., -1] = 65_535
    return values


def twelve(channels: int, dtype: Any = np.uint16) -> np.ndarray:
    return (sixteen(channels) >> 4).astype(dtype)


def write(root: Path, contents: list[bytes], ending: str) -> Path:
    root.mkdir(exist_ok=True)
    for index, content in enumerate(contents):
        (root / f"{index}{ending}").write_bytes(content)
    return root


def scaled(values: np.ndarray, count: int = 4) -> list[np.ndarray]:
    """Several pictures, all different."""
    return [np.roll(values, index, axis=0) for index in range(count)]


def folder(**settings: Any) -> PictureFolder:
    return PictureFolder(root=Path(), **settings)
