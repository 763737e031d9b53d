"""The dry pass: a cell's whole training step on the meta device, where nothing is computed or allocated.

It finds networks of wrong shape and tricks that can't be used with them before anything trains.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gan_bench.errors import GanBenchError, cause
from gan_bench.global_state import preserved
from gan_bench.networks import describe_architecture, memory_format, on_meta_or_cpu
from gan_bench.streams import Streams
from gan_bench.training import build_loop

if TYPE_CHECKING:
    from gan_bench.grid import Cell
    from gan_bench.plugin import DataSpec


@dataclass(frozen=True)
class Schedule:
    """How often D is updated: `d_steps` times in one of every `g_per_d` G steps."""

    d_steps: int
    g_per_d: int

    @property
    def d_per_g(self) -> float:
        """D updates a G update."""
        return self.d_steps / self.g_per_d


@dataclass(frozen=True)
class DryPass:
    """What is known of a cell before it trains."""

    schedule: Schedule
    networks: dict[str, dict[str, Any]]  # parameters, flops and layers of `generator` and `discriminator`
    joined: bool  # whether D sees real and fake in one pass
    memory_format: str  # of D's weights and inputs
    checkpoint_bytes: int  # networks, moments and what tricks keep


def dry_pass(cell: Cell) -> DryPass:
    """Build and train a cell for one step on the meta device.

    Raises GanBenchError, naming the cell, for whatever its plugins raise there.
    """
    # Cells are equal by their settings; a plugin file that was edited brings another class of the same name.
    return _cached(cell, (type(cell.architecture), *map(type, cell.tricks)))


@functools.cache
def _cached(cell: Cell, classes: tuple[type, ...]) -> DryPass:
    try:
        with preserved(), contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            data = cell.dataset.spec()
            networks = describe_architecture(cell.architecture, data)
            return on_meta_or_cpu(lambda device: _dry_step(cell, data, networks, device))
    except GanBenchError:
        raise
    except (Exception, SystemExit) as error:
        raise GanBenchError(f"{cell.label}: {cause(error)}") from error


def _dry_step(cell: Cell, data: DataSpec, networks: dict[str, dict[str, Any]], device: torch.device) -> DryPass:
    def next_real() -> torch.Tensor:
        return torch.zeros(cell.batch_size, *data.shape, device=device)

    loop = build_loop(cell, data, Streams(0, device), 1, next_real)
    loop.step()
    recipe = loop.recipe
    tensors = [*recipe.generator.state_dict().values(), *recipe.discriminator.state_dict().values()]
    for value in recipe.state.values():
        tensors += [value] if isinstance(value, torch.Tensor) else value.state_dict().values()
    for optimizer in (loop.g_optimizer, loop.d_optimizer):
        tensors += [t for state in optimizer.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
    return DryPass(
        schedule=Schedule(recipe.d_steps, recipe.g_per_d),
        networks=networks,
        joined=loop.joined,
        memory_format=str(memory_format(recipe.discriminator)).removeprefix("torch."),
        checkpoint_bytes=sum(t.numel() * t.element_size() for t in tensors),
    )
