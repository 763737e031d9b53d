"""Plugins for the tests of grid files: as quick to import as can be, so without torch. They have names of built-in ones."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from gan_bench.api.hooks import hookimpl
from gan_bench.api.kinds import Architecture, Dataset, FeatureExtractor, Field, Metric, Number, Trick


class Networks(Architecture):
    def generator(self, data):
        raise AssertionError("reading a grid file builds nothing")

    def discriminator(self, data):
        raise AssertionError("reading a grid file builds nothing")


class Convolutional(Networks):
    """Convolutions."""

    name = "dcgan"
    depth: int = Field(2, ge=1, le=6, description="stages")
    width: int = Field(64, ge=1, description="channels")
    kernel: Literal[3, 5] = 5
    slope: float = 0  # an int where a float belongs: 0.0 must be the same
    shape: tuple[int, ...] = (1, 2)


class Connected(Networks):
    """Perceptrons."""

    name = "fcgan"
    depth: int = Field(3, ge=1, description="layers")
    width: int = Field(256, ge=1, description="units")

    @model_validator(mode="after")
    def _size(self):
        if self.depth * self.width > 10_000:
            raise ValueError("depth times width is at most 10000")
        return self


class Touchy(Networks):
    """Raises what it should not."""

    name = "touchy"
    width: int = 1

    @model_validator(mode="after")
    def _fail(self):
        if self.width == 13:
            raise KeyError("unlucky")
        return self


class Digits(Dataset):
    """Digits."""

    name = "mnist"
    size: int = Field(28, ge=1, description="pixels")

    @property
    def shape(self):
        return (1, self.size, self.size)

    def load(self):
        raise AssertionError("reading a grid file builds nothing")


class Folder(Digits):
    """Pictures."""

    name = "folder"
    root: Path = Field(description="the folder")


class ToyTrick(Trick):
    def edit(self, recipe):
        raise AssertionError("reading a grid file builds nothing")


class LabelNoise(ToyTrick):
    """Noise."""

    name = "label_noise"
    needs = {"targets"}
    amount: float = Field(0.05, ge=0, le=1, description="how much")
    network: Literal["generator", "discriminator"] = "generator"


class Average(ToyTrick):
    """Average."""

    name = "ema"
    replaces = {"sampled"}
    decay: float = Field(0.999, gt=0, lt=1, description="weight of the old average")


class Hinge(ToyTrick):
    """Hinge."""

    name = "hinge"
    replaces = {"loss", "targets"}


class Wasserstein(ToyTrick):
    """Wasserstein."""

    name = "wgan_gp"
    replaces = {"loss", "targets", "schedule"}


class Distance(Metric):
    """Distance."""

    name = "fid"

    def label(self, features):
        return "FD"

    def score(self, generated, real):
        return 0.0


class Kernel(Distance):
    """Kernel distance."""

    name = "kid"
    side = "distance"


class Neighbours(Distance):
    """Precision and recall."""

    name = "precision_recall"
    numbers = {"precision": Number("higher", side="quality"), "recall": Number("higher", side="diversity")}


class Coverage(Distance):
    """Density and coverage."""

    name = "density_coverage"
    numbers = {"density": Number("higher", side="quality"), "coverage": Number("higher", side="diversity")}


class Classifier(FeatureExtractor):
    """Classifier."""

    name = "classifier"
    steps: int = Field(1000, ge=1, description="steps")

    def prepare(self, data, cache, device):
        raise AssertionError("reading a grid file builds nothing")


class Random(Classifier):
    """Random features."""

    name = "random"


class Pixels(Classifier):
    """Pixels."""

    name = "pixels"


@hookimpl
def gan_bench_architectures():
    return [Convolutional, Connected, Touchy]


@hookimpl
def gan_bench_datasets():
    return [Digits, Folder]


@hookimpl
def gan_bench_tricks():
    return [LabelNoise, Average, Hinge, Wasserstein]


@hookimpl
def gan_bench_metrics():
    return [Distance, Kernel, Neighbours, Coverage]


@hookimpl
def gan_bench_features():
    return [Classifier, Random, Pixels]
