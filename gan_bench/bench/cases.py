"""What the contestants train."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture
from gan_bench.api.registry import Registry

PICTURES = 60_000  # as many as MNIST has

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
"""  # architectures as a grid file names them: the core knows none


@dataclass(frozen=True)
class Case:
    """Networks, and the data that they are for."""

    title: str
    architecture: Architecture
    data: DataSpec

    def pictures(self) -> Tensor:
        """Random uint8 pictures (N, *shape): speed does not depend on what they show."""
        random = torch.Generator().manual_seed(0)
        return torch.randint(256, (PICTURES, *self.data.shape), dtype=torch.uint8, generator=random)


def cases() -> list[Case]:
    """All cases."""
    registry = Registry.load()
    return [
        Case(title, registry.create("architecture", table["architecture"]), DataSpec(tuple(table["shape"])))
        for title, table in tomllib.loads(CASES).items()
    ]
