"""Crops of two photographs that come with scikit-learn: real colour data that needs no download."""

from __future__ import annotations

import numpy as np

from gan_bench import ArrayPart, Dataset, Field, Parts, hookimpl

from ._fit import fitted
from ._pictures import SizedPictures


class PhotoPatches(SizedPictures):
    """Random crops of scikit-learn's photographs of a temple and a flower; no pixel is in crops of both parts."""

    name = "photo_patches"
    crop: int = Field(48, ge=4, le=64, description="height and width of a crop before resizing, in pixels of 640x427")
    count: int = Field(
        4000, ge=2, le=10**6, description="number of training crops; a quarter of it is held out besides"
    )

    def classes(self) -> tuple[str, ...]:
        return ("temple", "flower")

    def load(self) -> Parts:
        from sklearn.datasets import load_sample_images

        photos = load_sample_images().images  # china.jpg, flower.jpg: (427, 640, 3) uint8
        random = np.random.default_rng(0)
        training = self._crops(photos, self.count, False, random)
        return Parts(training, self._crops(photos, max(2, self.count // 4), True, random))

    def _crops(self, photos: list[np.ndarray], count: int, held_out: bool, random: np.random.Generator) -> ArrayPart:
        """Crops of the photographs in turn, whose pixels all lie in held-out tiles, or none of them do."""
        from PIL import Image

        # A fifth of the tiles is held out, spread so that both parts show all of the picture; no two of these touch.
        rows, columns = np.indices(photos[0].shape[:2]) // (2 * self.crop)
        windows = np.lib.stride_tricks.sliding_window_view((2 * rows + columns) % 5 == 0, (self.crop, self.crop))
        corners = np.argwhere(windows.all(axis=(2, 3)) if held_out else ~windows.any(axis=(2, 3)))
        crops, labels = [], []
        for index, (top, left) in enumerate(random.choice(corners, count)):
            label = index % len(photos)
            crop = photos[label][top : top + self.crop, left : left + self.crop]
            crops.append(self.as_array(fitted(Image.fromarray(crop).convert(self.mode), self.height_and_width)))
            labels.append(label)
        return ArrayPart(crops, labels)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PhotoPatches]
