"""From a cell to its training loop: networks, recipe, optimisers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Trick
from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import Recipe
from gan_bench.training.loop import Loop
from gan_bench.training.networks import build_networks
from gan_bench.training.window import Window

if TYPE_CHECKING:
    from gan_bench.api.data_spec import DataSpec
    from gan_bench.grid import Cell


def build_loop(
    cell: Cell,
    data: DataSpec,
    streams: Streams,
    total_steps: int,
    next_real: Callable[[], Tensor],
    networks: tuple[nn.Module, nn.Module] | None = None,
) -> Loop:
    """The training loop of a cell, its networks fresh unless given, its recipe as the tricks left it."""
    generator, discriminator = networks or build_networks(cell.architecture, data, streams)
    window = Window(streams.device)
    recipe = Recipe(
        data,
        generator,
        discriminator,
        {
            "generator": cell.optimizer["generator"].model_dump(),
            "discriminator": cell.optimizer["discriminator"].model_dump(),
        },
        batch_size=cell.batch_size,
        total_steps=total_steps,
        streams=streams,
        reports=window,
    )
    apply_tricks(recipe, cell.tricks)
    return Loop(recipe, window, streams, next_real, cell.batch_size, cell.architecture.latent, cell.precision)


def apply_tricks(recipe: Recipe, tricks: Sequence[Trick]) -> None:
    """Let every trick edit the recipe, in the order written, under its own random stream.

    ValueError: a trick can't be used with these networks or this loss.
    """
    for trick in tricks:
        before = _replaceable(recipe)
        with recipe.edited_by(trick.name):
            trick.edit(recipe)
        changed = {what for what, value in _replaceable(recipe).items() if value != before[what]}
        if undeclared := sorted(changed - set(trick.replaces)):
            raise ValueError(
                f"{trick.name} replaces the {' and the '.join(undeclared)}; say so: replaces = {set(undeclared)}"
            )
    if recipe.d_steps > 1 and recipe.g_per_d > 1:
        raise ValueError(
            f"{recipe.d_steps} D updates a G step and {recipe.g_per_d} G steps a D update exclude each other"
        )
    if recipe.target_transforms and not recipe.loss.has_targets:
        raise ValueError(f"the loss {type(recipe.loss).__name__} has no targets that a trick could change")
    recipe.loss.target_transforms = recipe.target_transforms


def _replaceable(recipe: Recipe) -> dict[str, Any]:
    """What only one trick of a run may replace, and has to declare."""
    return {"loss": recipe.loss, "schedule": (recipe.d_steps, recipe.g_per_d), "sampled": recipe.sampled}
