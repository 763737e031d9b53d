"""Colours as a page shows them: of any mode, by the profile that is embedded, on a background where they are transparent."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_bench.errors import did_you_mean

if TYPE_CHECKING:
    from PIL import Image

SRGB = 3  # of 255: a profile that moves no colour by more is sRGB, of which many forms are about
SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "LAB": "Lab"}  # as ICC calls them


def check_colour(colour: str) -> str:
    """The same. ValueError: it is neither a colour's name nor "#rrggbb"."""
    from PIL import ImageColor

    if colour.startswith("#") and len(colour) == 7 and all(digit in "0123456789abcdef" for digit in colour[1:].lower()):
        return colour
    if colour not in ImageColor.colormap:
        near = did_you_mean(colour, ImageColor.colormap) if len(colour) < 30 else ""
        hint = f". {near}" if near.startswith("Did") else ""
        raise ValueError(f'must be a colour\'s name, as "white" or "grey", or "#rrggbb"{hint}')
    return colour


def in_colours(image: Image.Image, mode: str, background: str, facts: dict[str, str | float]) -> Image.Image:
    """A picture of 8 bits and any mode as one of `mode`, L or RGB; what was out of the ordinary is added to the facts."""
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    if profile or image.mode == "LAB":
        image = _in_srgb(image, profile, facts)
    if image.mode in ("LA", "RGBA"):
        image = _on(background, image.convert("RGBA"), facts)
    return image.convert(mode)


def _on(background: str, image: Image.Image, facts: dict[str, str | float]) -> Image.Image:
    from PIL import Image

    if image.getchannel("A").getextrema()[0] == 255:  # transparent nowhere
        return image
    facts["transparency"] = f"on {background}"
    return Image.alpha_composite(Image.new("RGBA", image.size, background), image)


def _in_srgb(image: Image.Image, profile: bytes | None, facts: dict[str, str | float]) -> Image.Image:
    """The picture as its profile says, in sRGB; as it is where that can't be used."""
    if image.mode == "LAB":
        profile = None  # its colours are CIE's, whatever else it says
    elif image.mode not in SPACES:
        image = image.convert("L" if image.mode == "1" else "RGB")
    transform, told = _transform(profile, image.mode.removesuffix("A"))
    if told:
        facts["profile"] = told
    if transform is None:
        return image
    if image.mode not in ("LA", "RGBA"):
        return transform.apply(image)
    alpha = image.getchannel("A")
    image = transform.apply(image.convert(image.mode[:-1]))
    image.putalpha(alpha)
    return image


@lru_cache(maxsize=64)
def _transform(profile: bytes | None, mode: str) -> tuple[Any, str]:
    """What makes sRGB of colours of a mode, None where nothing is to be done; and what is told of the profile.

    It may be used by several threads at once (as LittleCMS says of its cmsDoTransform).
    """
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        if profile and (space := source.profile.xcolor_space.strip()) != SPACES[mode]:
            return None, f"of {_readable(space)} in a picture of {mode}, ignored"
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        name = _readable(ImageCms.getProfileDescription(source)) if profile else "CIELAB"
    except (ImageCms.PyCMSError, OSError, ValueError, ImportError):
        return None, "broken, ignored"
    if mode in ("L", "RGB"):
        colours = _some_colours(len(mode))
        moved = np.asarray(transform.apply(Image.fromarray(colours))).astype(int)
        plain = np.asarray(Image.fromarray(colours).convert("RGB"))
        if np.abs(moved - plain).max() <= SRGB:
            return None, ""
    return transform, f"{name}, converted to sRGB"


def _readable(text: str) -> str:
    """A profile's word for something, which may be any bytes, as a short one of letters that can be shown."""
    return "".join(filter(str.isprintable, text)).strip()[:60] or "unnamed"


def _some_colours(channels: int) -> np.ndarray:
    """Colours from all of the cube, or all greys: uint8 of (H, W, 3) or (1, 256)."""
    if channels == 1:
        return np.arange(256, dtype=np.uint8)[None]
    steps = np.linspace(0, 255, 16).astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(64, 64, 3)
