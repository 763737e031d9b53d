"""A dataset: real samples, in a training and a held-out part."""

import numpy as np

from gan_bench import ArrayPart, Dataset, Field, Parts, hookimpl


class Mine(Dataset):
    """Bright rectangles on a dark ground, wide or tall."""

    name = "mine"
    size: int = Field(16, ge=4, le=256, description="height and width in pixels")
    count: int = Field(2000, ge=10, le=1_000_000, description="training samples; half as many are held out")

    @property
    def shape(self):  # (channels, height, width), known without reading data
        return (1, self.size, self.size)

    def classes(self):
        return ("wide", "tall")

    def load(self):  # from files: whatever reads sample i when it is asked for sample i will do (see `gan_bench.Part`)
        random = np.random.default_rng(0)  # the same samples each time
        return Parts(training=self.part(self.count, random), held_out=self.part(self.count // 2, random))

    def part(self, count, random):
        labels = random.integers(0, 2, count)
        pictures = np.full((count, *self.shape), 20, dtype=np.uint8)  # 0 to 255; the core scales them to [-1, 1]
        for picture, label in zip(pictures, labels, strict=True):
            sides = sorted(random.integers(1, self.size - 1, 2), reverse=bool(label))
            top, left = (random.integers(0, self.size - side + 1) for side in sides)
            picture[0, top : top + sides[0], left : left + sides[1]] = random.integers(120, 255)
        return ArrayPart(pictures, labels)


@hookimpl
def gan_bench_datasets():
    return [Mine]
