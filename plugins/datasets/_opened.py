"""A picture of a file's bytes, wherever these lie."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

FORMATS = (
    "AVIF",
    "BMP",
    "GIF",
    "JPEG",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
)  # Pillow knows others, some of which start programs


def opened(content: bytes) -> Image.Image:
    """A picture, opened but not decoded. Whatever Pillow raises: it can't be read."""
    from PIL import Image

    return Image.open(io.BytesIO(content), formats=FORMATS)
