"""What the picture datasets share: size and channels, and how a picture becomes an array."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from gan_bench import Dataset, Field

if TYPE_CHECKING:
    from PIL import Image


def size_field(default: int) -> Any:
    """The `size` parameter with another default."""
    return Field(default, ge=4, le=1024, description="height and width of a sample in pixels")


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


class PictureDataset(Dataset):
    """Square pictures of a chosen size, grey or in colour."""

    size: int = size_field(32)
    channels: Literal[1, 3] = channels_field(3)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.size, self.size)

    def part(self, source: Any, failure: Callable[[int, Exception], Exception]) -> PicturePart:
        """Pictures of a source by index, each as a sample of this dataset.

        `source[i]` is (PIL image, label). `failure(i, error)` makes the exception to raise where picture i can't be read.
        """
        return PicturePart(source, self.as_sample, failure)

    def as_sample(self, image: Image.Image) -> tuple[np.ndarray, dict[str, str | float]]:
        """A picture as a sample, and what it was found to be: facts as `gan_bench.Part` has them."""
        facts: dict[str, str | float] = {"mode": image.mode, "width": image.width, "height": image.height}
        return to_array(image, self.size, self.channels), facts


class PicturePart:
    """Pictures of a source as samples with their labels and facts: see `PictureDataset.part`."""

    def __init__(
        self,
        source: Any,
        as_sample: Callable[[Image.Image], tuple[np.ndarray, dict[str, str | float]]],
        failure: Callable[[int, Exception], Exception],
    ) -> None:
        self.source, self.as_sample, self.failure = source, as_sample, failure
        self.parallel = getattr(source, "parallel", True)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int, dict[str, str | float]]:
        from PIL import Image

        with warnings.catch_warnings():
            # Pillow warns of what it could do without, once a picture; but of one that unpacks to more than 89 million
            # pixels it only warns too.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            try:
                image, label = self.source[index]
                with image:
                    sample, facts = self.as_sample(image)
                    return sample, int(label), facts
            except Exception as error:  # a damaged file makes Pillow raise nearly anything
                raise self.failure(index, error) from error


def to_array(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """A picture of any mode as uint8 (channels, size, size): upright, shorter side resized, centre cropped.

    Transparent places become white, as on a page. ValueError: a mode whose values have no known range.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_8_bits(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = ImageOps.fit(image.convert("L" if channels == 1 else "RGB"), (size, size), Image.Resampling.BICUBIC)
    return np.array(image, dtype=np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """A picture of 16-bit greys as one of 8 bits (Pillow's own conversion would clip at 255)."""
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65_535:
        raise ValueError(f"pixels of mode {image.mode!r} from {values.min()} to {values.max()} have no known range")
    return Image.fromarray(np.round(values / 257).astype(np.uint8))
