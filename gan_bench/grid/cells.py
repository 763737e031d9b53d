"""Cells: settings with their plugins, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from gan_bench.grid.axes import Axis, canonical
from gan_bench.grid.optimizer import OptimizerSettings
from gan_bench.grid.schema import GridFile
from gan_bench.plugin import Architecture, Dataset, Trick

Choices = list[tuple[Axis, int]]
_batch_size = TypeAdapter(GridFile.__annotations__ and int)


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination of levels, without a seed. Cells of equal settings are equal, whatever they are called."""

    dataset: Dataset
    architecture: Architecture
    tricks: tuple[Trick, ...]
    optimizer: Mapping[str, OptimizerSettings]  # of "generator" and "discriminator"
    batch_size: int
    settings: dict[str, Any]  # all of it as JSON values
    label: str = ""  # short; no two cells of a grid have the same
    differs: Mapping[str, Any] = field(default_factory=dict)  # path -> value, of what varies over the grid's cells

    @cached_property
    def key(self) -> str:
        """Canonical JSON of the settings."""
        return canonical(self.settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)
