"""Which files are pictures, and how one is opened: by decoders alone, none of which starts a program."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = {  # of each of Pillow's formats that are read; it knows others, some of which start programs
    "AVIF": {".avif"},
    "BMP": {".bmp"},
    "DIB": {".dib"},
    "GIF": {".gif"},
    "JPEG": {".jfif", ".jpe", ".jpeg", ".jpg"},
    "JPEG2000": {".j2c", ".j2k", ".jp2", ".jpf", ".jpx"},
    "PNG": {".apng", ".png"},
    "PPM": {".pbm", ".pfm", ".pgm", ".pnm", ".ppm"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
}
BY_NAME = {".tga": "TGA"}  # which begins with nothing of its own, so that any damaged file might pass for one
HEIF = {".heic", ".heif", ".hif"}  # as telephones have it; read by pillow-heif
HEIF_CURE = "pip install 'gan-bench[heif]' reads them"
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def readable_endings() -> frozenset[str]:
    """The endings of pictures' names, small letters, that can be read here: HEIF's where pillow-heif is installed."""
    heif = HEIF if find_spec("pillow_heif") else set()
    return frozenset().union(*ENDINGS.values(), BY_NAME, heif)


def open_picture(file: str | IO[bytes], name: str = "") -> Image.Image:
    """A picture, opened but not decoded, of a path or of a stream that has a name, in whatever format it really is.

    Whatever Pillow raises: it can't be read. ModuleNotFoundError: it takes pillow-heif, and the cure.
    """
    from PIL import Image, UnidentifiedImageError

    ending = os.path.splitext(name or (file if isinstance(file, str) else ""))[1].lower()
    try:
        return Image.open(file, formats=[*ENDINGS, *([BY_NAME[ending]] if ending in BY_NAME else [])])
    except UnidentifiedImageError:
        if not _is_heif(file):
            raise UnidentifiedImageError(
                "it is no picture of a format that is read"
            ) from None  # Pillow names an address
    try:
        from pillow_heif import HeifImageFile  # not registered with Pillow, which other code may have other wishes for
    except ImportError:
        raise ModuleNotFoundError(f"it is a HEIF picture; {HEIF_CURE}") from None
    return HeifImageFile(file)


def _is_heif(file: str | IO[bytes]) -> bool:
    if isinstance(file, str):
        with open(file, "rb") as opened:
            begin = opened.read(12)
    else:
        file.seek(0)
        begin = file.read(12)
        file.seek(0)
    return begin[4:8] == b"ftyp" and begin[8:12] in HEIF_BRANDS
