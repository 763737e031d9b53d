"""Deep pictures, of more than 8 bits a channel: their values as the file has them, and as 8 bits."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_bench import Reading
from gan_bench.errors import ParameterError

if TYPE_CHECKING:
    from PIL import Image

Range = tuple[float, float]

WHITE = {"16-bit": 65_535, "32-bit": 65_535, "float": 1}  # by the kind of numbers, where nothing says another value
BITS_16 = re.compile(r"(LA|RGB|RGBA|RGBa|RGBX);16([BLN])")  # of these Pillow decodes but the high bytes
NATIVE = {"F;32BF": "F;32NF", "I;32BS": "I;32NS", "I;16BS": "I;16NS"}  # what libtiff gives, whatever a file's order
BITS, PHOTOMETRIC, PLANES = 258, 262, 284  # TIFF's tags


@dataclass(frozen=True)
class Deep:
    """A picture's values, as the file has them."""

    values: np.ndarray  # (H, W) or (H, W, 3)
    kind: str  # of WHITE
    white: float | None = None  # the value of white, where the file says it
    alpha: np.ndarray | None = None  # (H, W) bool or uint16
    inverted: bool = False  # the file says that its lowest value is white

    def facts(self, asked: Range | None) -> dict[str, str | float]:
        """What it is, and the range of its values where that is to be judged (`check_depths`)."""
        if asked is None and self.white is not None:
            return {"depth": f"{self.kind}, white is {self.white:g}"}
        low, high = float(self.values.min()), float(self.values.max())
        return {"depth": self.kind, f"lowest {self.kind} value": low, f"highest {self.kind} value": high}

    def in_8_bits(self, asked: Range | None) -> Image.Image:
        """The picture, of mode L, RGB, LA or RGBA, in which the range asked for goes from black to white."""
        from PIL import Image

        # What is asked for cuts values off. Where they go on beyond what is taken for black and white, all will be refused, and
        # are told apart until then.
        low, high = asked or (min(0, self.values.min()), max(self.white or WHITE[self.kind], self.values.max()))
        values = np.round((self.values.astype(np.float64) - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(255 - values if self.inverted else values)
        if self.alpha is not None:
            scale = 1 if self.alpha.dtype == bool else 65_535
            image.putalpha(Image.fromarray(np.round(self.alpha * (255 / scale)).astype(np.uint8)))
        return image


def deep(image: Image.Image) -> Deep | None:
    """A deep picture's values; None: it has 8 bits or fewer. ValueError: it can't be read as deep as it is.

    `image` is as `PIL.Image.open` gives it, not yet decoded.
    """
    codec, offset, rawmode, rest = _tile(image)
    tags = getattr(image, "tag_v2", {})
    planes = tags.get(PLANES) == 2 and max(tags.get(BITS, (1,))) > 8
    colours = image.mode in ("RGB", "RGBA")
    if planes and colours != (codec == "raw"):  # Pillow takes numbers for others, and there is no form to say it in
        raise ValueError("it is a TIFF of deep channels, each in a plane of its own; save it with interleaved channels")
    if codec == "ppm" and rest[1] > 255:
        found = _pnm(image, offset, rest[1])
    elif (known := BITS_16.fullmatch(rawmode)) or (planes and codec == "raw"):
        found = _colours(image, known)
    elif image.mode[0] in "IF":
        found = _greys(image, codec, rawmode, rest)
    else:
        return None
    if found.values.dtype.kind == "f" and not np.isfinite(found.values).all():
        raise ValueError("it has values that are no numbers")
    return found


def _tile(image: Image.Image) -> tuple[str, int, str, tuple[Any, ...]]:
    """Of the data that Pillow will decode: decoder, offset, form of the pixels, and all that the decoder is told."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return "", 0, "", ()
    codec, _, offset, args = tiles[0]
    args = args if isinstance(args, tuple) else (args,)
    return codec, offset, args[0] if isinstance(args[0], str) else "", args


def _with_form(image: Any, change: Any) -> None:
    """Have Pillow decode the data as another form of pixels."""
    for index, tile in enumerate(image.tile):
        new = (change(tile.args[0]), *tile.args[1:]) if isinstance(tile.args, tuple) else change(tile.args)
        image.tile[index] = image.tile[index]._replace(args=new)


def _pnm(image: Any, offset: int, white: int) -> Deep:
    """A binary PGM or PPM; Pillow scales the values as it reads them, and those of colours to 8 bits."""
    bands, shape = len(image.getbands()), (image.height, image.width)
    image.fp.seek(offset)
    count = image.height * image.width * bands
    content = image.fp.read(2 * count)
    if len(content) < 2 * count:
        raise ValueError("image file is truncated")
    values = np.frombuffer(content, ">u2").reshape(*shape, bands)
    return Deep(values[..., 0] if bands == 1 else values, "16-bit", None if white == WHITE["16-bit"] else white)


def _greys(image: Any, codec: str, rawmode: str, rest: tuple[Any, ...]) -> Deep:
    if codec == "libtiff" and rawmode in NATIVE and sys.byteorder == "little":
        _with_form(image, lambda form: NATIVE[form])
    inverted = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == 0
    transparent = image.info.get("transparency")
    values = np.asarray(image)
    if image.mode == "F":
        return Deep(values, "float", inverted=inverted)
    if codec == "ppm_plain":  # Pillow has scaled them
        white = rest[1]
        return Deep(np.round(values * (white / 65_535)), "16-bit", None if white == WHITE["16-bit"] else white)
    if rawmode == "I;32N":  # of numbers without a sign, which Pillow has none of
        values = values.view(np.uint32)
    alpha = values != transparent if isinstance(transparent, int) else None
    kind = "16-bit" if ";16" in rawmode + image.mode or rawmode == "I;12" else "32-bit"
    return Deep(values, kind, 4095 if rawmode == "I;12" else None, alpha, inverted)


def _colours(image: Any, known: re.Match[str] | None) -> Deep:
    """Colours, or greys with transparency. Each value's two bytes are decoded one by one, as if they were the high one."""
    from PIL import Image

    image.fp.seek(0)
    content = image.fp.read()

    def decoded(change: Any) -> np.ndarray:
        with Image.open(io.BytesIO(content), formats=[image.format]) as half:
            _with_form(half, change)
            return np.asarray(half)

    if known and known[1] == "LA":
        pairs = decoded(lambda form: "RGBA").astype(np.uint16)
        values = pairs[..., ::2] << 8 | pairs[..., 1::2]
        return Deep(values[..., 0], "16-bit", alpha=values[..., 1])
    image.load()  # as of any other picture: what it says of its orientation is true from here on
    order = known[2] if known else "B" if image.tag_v2.prefix == b"MM" else "L"
    first, second = (decoded(lambda form, end=end: f"{form.partition(';')[0].upper()};16{end}") for end in "BL")
    little = order == "L" or (order == "N" and sys.byteorder == "little")
    high, low = (second, first) if little else (first, second)
    values = high.astype(np.uint16) << 8 | low
    transparent = image.info.get("transparency")
    alpha = values[..., 3] if values.shape[2] == 4 else None
    if known and known[1] == "RGBa":  # the colours are multiplied by it already
        values = np.minimum(values * (65_535 / np.maximum(values[..., 3:], 1)), 65_535)
    if isinstance(transparent, tuple):
        alpha = (values != transparent).any(axis=2)
    return Deep(values[..., :3], "16-bit", alpha=alpha)


def check_depths(reading: Reading, asked: Range | None, dataset: str) -> None:
    """ParameterError: what deep pictures were found to hold can't be from black to white as it was taken."""
    found = {
        kind: (reading.ranges[f"lowest {kind} value"][0], reading.ranges[f"highest {kind} value"][1])
        for kind in WHITE
        if f"lowest {kind} value" in reading.ranges
    }
    if asked and not found:
        rule = "value_range is for pictures of 16 or 32 bits or of floats, and none is. Leave it out"
        raise ParameterError(f"dataset {dataset}: {rule}", "value_range")
    for kind, (low, high) in found.items():
        black, white = asked or (0, WHITE[kind])
        if asked:
            grey = [min(max(round(255 * (value - black) / (white - black)), 0), 255) for value in (low, high)]
            wrong = f"all would be of one grey, {grey[0]} of 255" if grey[0] == grey[1] else ""
        elif low < black or high > white:
            wrong = "some would be cut off"
        else:
            wrong = "all would be dark" if 2 * high < white else ""
        if not wrong:
            continue
        taken = f"{black:g} is taken for black and {white:g} for white"
        rule = f"the values of its {kind} pictures go from {low:g} to {high:g}; {taken}, so {wrong}"
        cure = f"Say which values are black and white, such as value_range = {_nearest(low, high)}"
        kept = f"; value_range = [{black:g}, {white:g}] takes them as they are" if wrong == "all would be dark" else ""
        raise ParameterError(f"dataset {dataset}: {rule}. {cure}{kept}", "value_range")


def _nearest(low: float, high: float) -> str:
    """The range that such values are likely to have, as a grid file has it: of so many bits, or their own."""
    if low >= -1.1 and high <= 1.1:  # resizing may have gone a little beyond
        return "[0, 1]" if low >= -0.1 else "[-1, 1]"
    if low >= 0 and (bits := next((bits for bits in (4, 8, 10, 12, 14, 15, 16) if high < 2**bits), None)):
        return f"[0, {2**bits - 1}]"
    return f"[{low:.10g}, {high:.10g}]"
