"""What the contestants train."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture, Trick
from gan_bench.api.registry import Registry

PICTURES = 60_000  # as many as MNIST has

# Networks and tricks as a grid file names them: the core knows none. `usual` is the hand-written loop that does the same.
CASES = """
["dcgan 28x28, width 64 (the origin's)"]
architecture = { name = "dcgan" }
shape = [1, 28, 28]

["dcgan 28x28, width 16"]
architecture = { name = "dcgan", width = 16 }
shape = [1, 28, 28]

["dcgan 16x16, width 16 (quickstart)"]
architecture = { name = "dcgan", width = 16, dropout = 0.0 }
shape = [1, 16, 16]

["fcgan 28x28"]
architecture = { name = "fcgan" }
shape = [1, 28, 28]
"""

CANON = """
["canon: no trick"]

["canon: hinge loss"]
tricks = ["hinge"]
usual.loop = "Hinge"

["canon: least squares"]
tricks = ["lsgan"]
usual.loop = "LeastSquares"

["canon: R1 in every step"]
tricks = [{ name = "r1", gamma = 0.1 }]
usual = { loop = "R1", gamma = 0.1 }

["canon: R1 in every 16th step"]
tricks = [{ name = "r1", gamma = 0.1, every = 16 }]
usual = { loop = "R1", gamma = 0.1, every = 16 }

["canon: WGAN-GP, 5 critic updates"]
tricks = [{ name = "wgan_gp", d_steps = 5 }]
usual = { loop = "WassersteinGP", d_steps = 5 }

["canon: relativistic, R1 and R2"]
tricks = ["relativistic", { name = "r1", gamma = 0.1 }, { name = "r2", gamma = 0.1 }]
usual = { loop = "RelativisticR1R2", gamma = 0.1 }

["canon: DiffAugment"]
tricks = ["diff_augment"]
usual.loop = "DiffAugmented"

["canon: ADA at p = 0.5"]
tricks = [{ name = "ada", start = 0.5 }]
usual = { loop = "AdaptivelyAugmented", p = 0.5 }

["canon: ADA at p = 0.5, colour 32x32"]
tricks = [{ name = "ada", start = 0.5 }]
usual = { loop = "AdaptivelyAugmented", p = 0.5 }
shape = [3, 32, 32]

["canon: moving average of G"]
tricks = [{ name = "ema", decay = 0.99 }]
usual = { loop = "Averaged", decay = 0.99 }

["canon: spectral norm"]
tricks = ["spectral_norm"]
usual.loop = "SpectrallyNormalised"

["canon: LeCam with the hinge loss"]
tricks = ["hinge", "lecam"]
usual.loop = "LeCam"

["canon: consistency at real samples"]
tricks = ["consistency"]
usual.loop = "Consistent"

["canon: balanced consistency"]
tricks = [{ name = "consistency", fake = 10 }]
usual = { loop = "Consistent", fake = 10 }

["canon: minibatch standard deviation"]
tricks = ["minibatch_std"]
usual.loop = "MinibatchDeviation"

["canon: labels by projection"]
architecture = { name = "dcgan", width = 16, dropout = 0.0, conditional = "projection" }
classes = 10
usual.loop = "Conditional"

["canon: labels by concatenation"]
architecture = { name = "dcgan", width = 16, dropout = 0.0, conditional = "concat" }
classes = 10
usual.loop = "Conditional"

["canon: resnet, width 32"]
architecture = { name = "resnet", width = 32, width_d = 32 }

["canon: stylegan2, width 16"]
architecture = { name = "stylegan2", width = 16 }

["canon: r3gan, width 16"]
architecture = { name = "r3gan", width = 16 }

["canon: r3gan, width 16, relativistic, R1 and R2"]
architecture = { name = "r3gan", width = 16 }
tricks = ["relativistic", { name = "r1", gamma = 0.1 }, { name = "r2", gamma = 0.1 }]
usual = { loop = "RelativisticR1R2", gamma = 0.1 }
"""
OF_CANON = """
architecture = { name = "dcgan", width = 16, dropout = 0.0 }
shape = [1, 28, 28]
usual.loop = "Papers"
"""  # where nothing else is said


@dataclass(frozen=True)
class Case:
    """Networks, what is done to their training, and the data that they are for."""

    title: str
    architecture: Architecture
    data: DataSpec
    tricks: tuple[Trick, ...] = ()
    loop: str = "Usual"  # the class of the hand-written loop that does the same
    settings: Mapping[str, Any] = field(default_factory=dict)  # its arguments
    compiles: bool = True  # whether that loop competes under `torch.compile` as well, which has no second derivatives

    def pictures(self) -> Tensor:
        """Random uint8 pictures (N, *shape): speed does not depend on what they show."""
        random = torch.Generator().manual_seed(0)
        return torch.randint(256, (PICTURES, *self.data.shape), dtype=torch.uint8, generator=random)

    def labels(self) -> Tensor | None:
        """Random labels (N,); None: the networks take none."""
        if not self.architecture.takes_labels or self.data.classes is None:
            return None
        return torch.randint(len(self.data.classes), (PICTURES,), generator=torch.Generator().manual_seed(1))


def cases() -> list[Case]:
    """Networks without tricks, against the loop of PyTorch's example: what is measured if nothing else is said."""
    return _read(CASES)


def canon() -> list[Case]:
    """Losses, penalties, augmentations and architectures, each against a loop with the same trick as papers' code has it."""
    return _read(CANON, OF_CANON, compiles=False)


def _read(text: str, otherwise: str = "", compiles: bool = True) -> list[Case]:
    registry, found = Registry.load(), []
    for title, table in tomllib.loads(text).items():
        said = tomllib.loads(otherwise) | table
        settings = dict(said.get("usual", {}))
        classes = tuple(map(str, range(said["classes"]))) if "classes" in said else None
        found.append(
            Case(
                title,
                registry.create("architecture", said["architecture"]),
                DataSpec(tuple(said["shape"]), classes=classes),
                tuple(registry.create("trick", trick) for trick in said.get("tricks", [])),
                settings.pop("loop", "Usual"),
                settings,
                compiles,
            )
        )
    return found
