"""What the picture datasets share: size and channels, and how a picture becomes a sample."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, field_validator

from gan_bench import Dataset, Field, Reading, SkipSample

from ._colours import check_colour, in_colours
from ._depths import Range, check_depths, deep
from ._fit import UPRIGHT, Fit, centre, fitted, orientation_of, turned_while_decoded, upright

if TYPE_CHECKING:
    from PIL import Image

SIDES = (4, 1024)  # the smallest and the largest of a sample, in pixels
Facts = dict[str, str | float]


def _one_or_two_sides(value: Any) -> Any:
    """The side of a square or (height, width), as short as it can be said. ValueError: it is neither."""
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if not all(type(side) is int and SIDES[0] <= side <= SIDES[1] for side in sides):
        rule = f"must be the side of a square or [height, width], whole numbers from {SIDES[0]} to {SIDES[1]}"
        raise ValueError(rule)
    return sides[0] if len(set(sides)) == 1 else tuple(sides)


def _share_or_side(value: Any) -> Any:
    """The same. ValueError: it is no part of a picture; 1 could be meant as a share or as a pixel."""
    side = type(value) is int and value >= SIDES[0]
    if not (side or (type(value) is float and 0 < value <= 1)):
        rule = "must be a share of height and width, more than 0 and at most 1.0, or a square's side in pixels, a whole one"
        raise ValueError(f"{rule} from {SIDES[0]}")
    return value


def _black_and_white(value: Any) -> Any:
    """The range. ValueError: it is none."""
    if value is not None and not (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(type(end) in (int, float) and math.isfinite(end) for end in value)
        and value[0] < value[1]
    ):
        raise ValueError("must be the values of black and of white, [low, high], with low less than high")
    return None if value is None else tuple(map(float, value))


_Side = Annotated[int, Field(ge=SIDES[0], le=SIDES[1])]
Size = _Side | tuple[_Side, _Side]
Crop = Annotated[
    Annotated[float, Field(gt=0, le=1)] | Annotated[int, Field(ge=SIDES[0])], BeforeValidator(_share_or_side)
]


def square_field(default: int) -> Any:
    """The `size` parameter of a dataset of squares."""
    return Field(default, ge=SIDES[0], le=SIDES[1], description="height and width of a sample in pixels")


def size_field(default: int) -> Any:
    """The `size` parameter with another default."""
    return Field(default, description="a sample's height and width in pixels, or both: [height, width]")


def channels_field(default: int) -> Any:
    """The `channels` parameter with another default."""
    return Field(default, description="1: grey, 3: colour")


def _place(value: Any) -> Any:
    """The same. ValueError: it is empty, which would be taken for the current folder."""
    if value == "":
        raise ValueError("must name a folder; '.' is the current one")
    return value


Root = Annotated[Path, BeforeValidator(_place)]


def expanded(folder: Path) -> Path:
    """The folder with ~ replaced; as it is where nobody of such a name is known, so that it is told as a folder not there."""
    return Path(os.path.expanduser(folder))


class SizedPictures(Dataset):
    """Pictures of a chosen size, grey or in colour."""

    size: Size = size_field(32)
    channels: Literal[1, 3] = channels_field(3)

    _check_size = field_validator("size", mode="before")(_one_or_two_sides)

    @property
    def height_and_width(self) -> tuple[int, int]:
        """Of a sample, in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, *self.height_and_width)

    @property
    def mode(self) -> Literal["L", "RGB"]:
        """Pillow's mode of a picture of so many channels."""
        return "L" if self.channels == 1 else "RGB"

    def as_array(self, image: Image.Image) -> np.ndarray:
        """A picture of that mode and size as a sample."""
        return np.array(image, np.uint8).reshape(*self.height_and_width, self.channels).transpose(2, 0, 1)


class PictureDataset(SizedPictures):
    """Pictures of any kind and size, brought to one."""

    crop: Crop = Field(
        1.0,
        description="the centre of each picture before all else: a share (0.8) of its height and width, "
        "or a square's side in pixels of the picture as it is (CelebA's 108 or 140)",
    )
    fit: Fit = Field(
        "crop",
        description="to get a sample's shape: the largest centre part of it, the whole picture between borders, or stretched",
    )
    background: Annotated[str, AfterValidator(check_colour)] = Field(
        "white", description='of transparent places and borders: a colour\'s name or "#rrggbb"'
    )
    value_range: Annotated[Range | None, BeforeValidator(_black_and_white)] = Field(
        None,
        description="[low, high]: which values of deep pictures, of 16 or 32 bits or of floats, become black and white",
    )

    def settings(self) -> dict[str, Any]:
        """As `Dataset.settings`, without what is at its default and was no parameter in stores from before."""
        own = {name: PictureDataset.model_fields[name].default for name in ("crop", "fit", "background", "value_range")}
        return {name: value for name, value in super().settings().items() if name not in own or value != own[name]}

    @property
    def treatment(self) -> str:
        """What is done to each picture, in words."""
        share = (
            f"{self.crop:.4g} of height and width" if isinstance(self.crop, float) else f"{self.crop} pixels each way"
        )
        steps = [
            "upright by EXIF",
            *([f"values from {self.value_range[0]:g} to {self.value_range[1]:g}"] if self.value_range else []),
            *([f"its centre, {share}"] if self.crop != 1.0 else []),
            "colours in sRGB" if self.channels == 3 else "grey by ITU-R 601",
            f"transparent places {self.background}",
            {
                "crop": "the largest centre part of the sample's shape",
                "pad": f"the whole picture between {self.background} borders",
                "stretch": "stretched to the sample's shape",
            }[self.fit],
            "resized by Pillow's bicubic filter with antialiasing",
        ]
        return ", ".join(steps)

    def part(self, source: Any, failure: Callable[[int, Exception], Exception]) -> PicturePart:
        """Pictures of a source by index, each as a sample of this dataset.

        `source[i]` is (PIL image, label); several processes or threads ask at once unless its attribute `parallel` is False.
        `failure(i, error)` makes the exception to raise where picture i can't be read.
        """
        return PicturePart(source, self.as_sample, failure)

    def as_sample(self, image: Image.Image) -> tuple[np.ndarray, Facts]:
        """A picture, opened and not yet decoded, as a sample; and what it was found to be: facts as `gan_bench.Part` has them.

        Whatever Pillow raises: it can't be read. Pillow's warnings are left to the caller, for no thread can do so alone.
        """
        check_pixels(image)
        facts: Facts = {"mode": image.mode, **({"format": image.format} if image.format else {})}
        if getattr(image, "is_animated", False) and image.format != "MPO":  # which is a photograph with its preview
            facts["frames"] = "several, of which the first"
        turned = turned_while_decoded(image)
        if found := deep(image):
            facts |= found.facts(self.value_range)
            shown = found.in_8_bits(self.value_range)
            shown.info["icc_profile"] = image.info.get("icc_profile")
        else:
            image.load()
            shown = image
        orientation = orientation_of(image)
        if turned or orientation in UPRIGHT:
            facts["orientation"] = "turned upright by EXIF"
        shown = upright(shown, orientation)
        facts["width"], facts["height"] = shown.size
        if self.crop != 1.0:
            if isinstance(self.crop, int) and self.crop > min(shown.size):
                facts["crop"] = f"smaller than {self.crop} pixels"
            shown = centre(shown, self.crop)
        shown = in_colours(shown, self.mode, self.background, facts)
        return self.as_array(fitted(shown, self.height_and_width, self.fit, self.background)), facts

    def check_reading(self, reading: Reading) -> None:
        check_depths(reading, self.value_range, self.name)


class PicturePart:
    """Pictures of a source as samples with their labels and facts: see `PictureDataset.part`."""

    def __init__(
        self,
        source: Any,
        as_sample: Callable[[Image.Image], tuple[np.ndarray, Facts]],
        failure: Callable[[int, Exception], Exception],
    ) -> None:
        self.source, self.as_sample, self.failure = source, as_sample, failure
        self.parallel: bool = getattr(source, "parallel", True)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int, Facts]:
        try:
            image, label = self.source[index]
            with image:
                sample, facts = self.as_sample(image)
                return sample, int(label), facts
        except Exception as error:  # a damaged file makes Pillow raise nearly anything
            raise self.failure(index, error) from error


def skipped(name: str, error: Exception) -> SkipSample:
    """What leaves a picture out that can't be read, told by its name."""
    return SkipSample(f"{name}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}")


def check_pixels(image: Image.Image) -> None:
    """DecompressionBombError: it would unpack to more than Pillow's limit; of up to twice that Pillow itself only warns."""
    from PIL import Image

    pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
    if most is not None and pixels > most:
        text = f"Image size ({pixels} pixels) exceeds limit of {most} pixels, could be decompression bomb DOS attack."
        raise Image.DecompressionBombError(text)
