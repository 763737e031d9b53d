"""PNGs made smaller for the page, without loss: their first samples alone, fewer bits, or as a mask of ink."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

DECODED = 2**25  # pixels of a picture that is opened here: a hundred samples of 512 x 512 are fewer
MASKED = 2**22  # and of a picture of points, which has 240 x 240
Size = tuple[int, int]


def first_samples(content: bytes, size: Size) -> bytes:
    """The upper left part of a PNG, of this width and height. ValueError: it is damaged."""
    return _smallest(_open(content).crop((0, 0, *size)))


def as_mask(content: bytes) -> bytes:
    """A picture of points with its ink as opacity, so that a page can give it a colour. ValueError: it is damaged."""
    opacity = 255 - np.asarray(_open(content, MASKED).convert("L"))
    levels, places = np.unique(opacity, return_inverse=True)
    picture = Image.fromarray(places.reshape(opacity.shape).astype(np.uint8), "P")
    picture.putpalette(bytes(3 * len(levels)))
    return _saved(picture, transparency=levels.tobytes())


def _open(content: bytes, most: int = DECODED) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content), formats=("PNG",))
        if picture.width * picture.height > most:
            raise ValueError(f"it has more than {most:,} pixels")
        picture.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
    return picture


def _smallest(picture: Image.Image) -> bytes:
    """Grey where all of it is grey, and a palette where it has few colours."""
    if picture.mode not in ("L", "RGB"):
        return _saved(picture)
    pixels = np.asarray(picture.convert("RGB"))
    if (pixels == pixels[:, :, :1]).all():
        picture = picture.convert("L")
    packed = pixels.astype(np.uint32) @ np.array([2**16, 2**8, 1], dtype=np.uint32)
    colours, places = np.unique(packed, return_inverse=True)
    # Eight bits of grey need no palette; a palette of up to sixteen colours takes four bits a pixel or fewer.
    if len(colours) <= (16 if picture.mode == "L" else 256):
        picture = Image.fromarray(places.reshape(packed.shape).astype(np.uint8), "P")
        picture.putpalette(
            np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8).tobytes()
        )
    return _saved(picture)


def _saved(picture: Image.Image, **options: bytes) -> bytes:
    file = io.BytesIO()
    picture.save(file, "png", optimize=True, **options)
    return file.getvalue()
