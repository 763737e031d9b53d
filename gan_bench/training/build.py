"""From a cell, or from an architecture and tricks, to a training loop: networks, recipe, optimisers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture, Trick
from gan_bench.api.losses import Loss
from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import Recipe
from gan_bench.data.batches import Batches
from gan_bench.data.label_draw import LabelDraw, class_counts
from gan_bench.training.auxiliary import classify
from gan_bench.training.loop import Loop
from gan_bench.training.networks import build_networks, fault_of, make_ready, memory_format
from gan_bench.training.window import Window

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell

RealBatches = Callable[
    [torch.memory_format], Callable[[], Tensor | tuple[Tensor, Tensor]]
]  # from D's memory format to what gives the next batch


def loop_of(
    cell: Cell,
    data: DataSpec,
    streams: Streams,
    total_steps: int,
    real: RealBatches,
    counts: Sequence[int] | None = None,
) -> Loop:
    """The training loop of a cell."""
    return build_loop(
        cell.architecture,
        data,
        streams,
        real,
        tricks=cell.tricks,
        optimizer={network: settings.model_dump() for network, settings in cell.optimizer.items()},
        batch_size=cell.batch_size,
        total_steps=total_steps,
        precision=cell.precision,
        class_counts=counts,
    )


def loop_on(cell: Cell, data: PreparedData, streams: Streams, total_steps: int) -> Loop:
    """The training loop of a cell on its data."""
    training = data.training.to(streams.device)
    labelled, classes = cell.architecture.takes_labels, len(data.spec.classes or ())
    counts = class_counts(data.training, classes) if labelled else None
    real = partial(Batches, training, cell.batch_size, streams.seed, labelled=labelled)
    return loop_of(cell, data.spec, streams, total_steps, real, counts)


def build_loop(
    architecture: Architecture,
    data: DataSpec,
    streams: Streams,
    real: RealBatches,
    *,
    tricks: Sequence[Trick] = (),
    optimizer: Mapping[str, dict[str, Any]],
    batch_size: int,
    total_steps: int = 1,
    precision: str = "fp32",
    networks: tuple[nn.Module, nn.Module] | None = None,
    class_counts: Sequence[int] | None = None,
) -> Loop:
    """A training loop, its networks fresh unless given, its recipe as the tricks left it.

    `optimizer` has the settings of both networks' optimisers, `class_counts` how many real samples each class has, for networks
    that take labels; classes are drawn equally often where it is not known. ValueError: as `apply_tricks`.
    """
    generator, discriminator = networks or build_networks(architecture, data, streams)
    window = Window(streams.device)
    draw_labels = None
    if architecture.takes_labels:
        draw_labels = LabelDraw(class_counts or [1] * len(data.classes or ()), streams.device)
    recipe = Recipe(
        data,
        generator,
        discriminator,
        {"generator": dict(optimizer["generator"]), "discriminator": dict(optimizer["discriminator"])},
        latent=architecture.latent,
        batch_size=batch_size,
        total_steps=total_steps,
        streams=streams,
        reports=window,
        build_discriminator=lambda spec: build_networks(architecture, spec, streams)[1],
        draw_labels=draw_labels,
    )
    apply_tricks(recipe, tricks, streams.device)
    if getattr(architecture, "conditional", "none") == "auxiliary":
        classify(recipe)
    next_real = real(memory_format(recipe.discriminator))
    return Loop(recipe, window, streams, next_real, precision)


def apply_tricks(recipe: Recipe, tricks: Sequence[Trick], device: torch.device) -> None:
    """Let every trick edit the recipe under its own random stream, and put what networks it leaves on the device.

    They edit in the order written, but for whoever makes D anew, which comes first; those who wrap something, which come after
    those who replace it (first who must find networks as they are trained, then who wraps the loss, which may be one of theirs);
    and whoever replaces what is sampled, which comes last: that is made of what is trained.
    ValueError: a trick can't be used with these networks or this loss, or leaves what is no network.
    """
    for trick in sorted(tricks, key=_turn):
        before = _replaceable(recipe)
        with recipe.edited_by(trick.name):
            trick.edit(recipe)
        changed = {what for what, value in _replaceable(recipe).items() if value != before[what]}
        if undeclared := sorted(changed - {*trick.replaces, *trick.wraps}):
            raise ValueError(
                f"{trick.name} replaces the {' and the '.join(undeclared)}; say so: replaces = {set(undeclared)}"
            )
        for name in ("generator", "discriminator", "sampled"):
            if fault := fault_of(getattr(recipe, name), trained=name != "sampled"):
                raise ValueError(f"the recipe's {name}{fault}")
        for network in {recipe.generator, recipe.discriminator, recipe.sampled}:
            make_ready(network, device)
    for name, value in recipe.state.items():
        if isinstance(value, Tensor) and value.device.type != device.type:  # a CUDA graph would not change it
            where = "create it with device=recipe.step.device"
            raise ValueError(
                f"what is registered must be on the run's device; {where} (found: {name}, on {value.device})"
            )
    if recipe.d_steps > 1 and recipe.g_per_d > 1:
        raise ValueError(
            f"{recipe.d_steps} D updates a G step and {recipe.g_per_d} G steps a D update exclude each other"
        )
    if not isinstance(recipe.loss, Loss):
        raise ValueError(f"the recipe's loss must be a gan_bench.Loss (found: {type(recipe.loss).__name__})")
    if recipe.target_transforms and not recipe.loss.has_targets:
        raise ValueError(f"the loss {type(recipe.loss).__name__} has no targets that a trick could change")
    recipe.loss.transform_targets(recipe.target_transforms)


def _turn(trick: Trick) -> tuple[bool, ...]:
    """When a trick edits, the order written apart."""
    return (
        "discriminator" not in trick.replaces,
        "sampled" in trick.replaces,
        "loss" in trick.wraps,
        "networks" in trick.wraps,
        bool(trick.wraps),
    )


def _replaceable(recipe: Recipe) -> dict[str, Any]:
    """What only one trick of a run may replace, and has to declare."""
    sampled = None if recipe.sampled is recipe.generator else recipe.sampled
    return {"loss": recipe.loss, "schedule": (recipe.d_steps, recipe.g_per_d), "sampled": sampled}
