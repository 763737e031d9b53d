"""A picture's place: turned upright, cropped, and brought to a sample's shape by Pillow's bicubic filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112  # the tag of EXIF and TIFF
UPRIGHT = {  # what turns a picture upright, by its orientation in EXIF, where that is not 1
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}

Fit = Literal["crop", "pad", "stretch"]


def orientation_of(image: Image.Image) -> int:
    """What is left to do of what a picture that is decoded says of its orientation; 1: nothing."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - for broken ones Pillow raises nearly anything, and viewers take no notice
        return 1


def turned_while_decoded(image: Image.Image) -> bool:
    """Whether decoding turns it, as Pillow does with TIFF and pillow-heif with HEIF."""
    tags = getattr(image, "tag_v2", {})
    return (tags.get(ORIENTATION) or image.info.get("original_orientation")) in UPRIGHT


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """A picture of this orientation as it was meant to be seen."""
    from PIL import Image

    return image.transpose(Image.Transpose[UPRIGHT[orientation]]) if orientation in UPRIGHT else image


def centre(image: Image.Image, crop: float) -> Image.Image:
    """The middle of a picture: a share (a float) of its height and width, or a square of so many pixels (an int).

    Where it has fewer pixels than that in a direction, all of them.
    """
    width, height = (
        min(crop, side) if isinstance(crop, int) else max(1, round(crop * side)) for side in (image.width, image.height)
    )
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def fitted(image: Image.Image, size: tuple[int, int], fit: Fit = "crop", background: str = "white") -> Image.Image:
    """A picture of mode L or RGB as one of this height and width."""
    from PIL import Image, ImageOps

    height, width = size
    if fit == "crop":  # the largest part of the wanted shape
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    if fit == "stretch":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    padded = Image.new(image.mode, (width, height), background)
    padded.paste(image.resize(inner, Image.Resampling.BICUBIC), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return padded
