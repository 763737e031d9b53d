"""scikit-learn's handwritten digits: real data that needs no download."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gan_bench import ArrayPart, Dataset, Parts, hookimpl

from ._pictures import Size, SizedPictures, channels_field, size_field


class Digits(SizedPictures):
    """Handwritten digits that come with scikit-learn, 1,437 and 360 of 8x8, enlarged (Alpaydin and Kaynak 1998)."""

    name = "digits"
    size: Size = size_field(16)
    channels: Literal[1, 3] = channels_field(1)

    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    def load(self) -> Parts:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        source = load_digits()
        pictures = np.stack([self._enlarge(picture) for picture in source.images])
        training, held_out, training_labels, held_out_labels = train_test_split(
            pictures, source.target, test_size=0.2, stratify=source.target, random_state=0
        )
        return Parts(ArrayPart(training, training_labels), ArrayPart(held_out, held_out_labels))

    def _enlarge(self, picture: np.ndarray) -> np.ndarray:
        """(8, 8) values 0 to 16 -> uint8 of the dataset's shape."""
        from PIL import Image

        # Resized as floats: 17 grey levels would leave steps in the enlarged strokes.
        width_and_height = self.height_and_width[::-1]
        image = Image.fromarray(picture.astype(np.float32)).resize(width_and_height, Image.Resampling.BICUBIC)
        grey = np.clip(np.round(np.asarray(image) * (255 / 16)), 0, 255).astype(np.uint8)
        return np.repeat(grey[None], self.channels, axis=0)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Digits]
