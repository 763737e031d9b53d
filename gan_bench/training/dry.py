"""The dry pass: a cell's whole training step before anything trains, to find networks of wrong shape and tricks that can't
be used with them.

Networks are tried on two samples first (`describe_architecture`). The step then runs on the meta device, where nothing is
computed or allocated; or for real where it is so small that this is faster, and there all numbers must be finite.
Cells that differ only in what can't change its outcome share one.
"""

from __future__ import annotations

import contextlib
import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gan_bench.api.global_state import preserved
from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import NETWORKS
from gan_bench.canonical import canonical
from gan_bench.errors import GanBenchError
from gan_bench.training.build import loop_of
from gan_bench.training.describe import describe, describe_architecture, on_meta_or_cpu
from gan_bench.training.networks import NetworkError, logits_of, memory_format, output_of, some_samples
from gan_bench.training.suspects import suspects, told

if TYPE_CHECKING:
    from gan_bench.api.data_spec import DataSpec
    from gan_bench.api.kinds import Dataset
    from gan_bench.api.recipe import Recipe
    from gan_bench.grid import Cell
    from gan_bench.training.loop import Loop

REAL_WORK = 1e9  # FLOPs of a training step below which computing it takes less time than the meta device's Python

_specs: dict[int, tuple[Dataset, DataSpec]] = {}  # by the dataset's id; equal datasets of a grid are one object
# By settings (those of one cell, or what several cells share) and classes.
_passes: dict[tuple[str, tuple[type, ...]], DryPass] = {}


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
    networks: dict[str, dict[str, Any]]  # parameters, flops and layers of G and D as they train
    joined: bool  # whether D sees real and fake in one pass
    memory_format: str  # of D's weights and inputs
    checkpoint_bytes: int  # networks, moments and what tricks keep


def dry_pass(cell: Cell) -> DryPass:
    """Build a cell and train it for one step.

    Raises GanBenchError, naming the cell, for whatever its plugins raise there.
    """
    # Cells are equal by their settings; a plugin file that was edited brings another class of the same name.
    classes = (type(cell.architecture), *map(type, cell.tricks))
    alike = canonical({**cell.settings, "optimizer": _without_numbers(cell.settings["optimizer"])})
    found = _passes.get((alike, classes)) or _passes.get((cell.key, classes))
    if found is None:
        found, optimizer_matters = _dry_pass(cell)
        _passes[cell.key if optimizer_matters else alike, classes] = found
    return found


def _without_numbers(settings: Any) -> Any:
    """Optimiser settings with each number replaced by whether it is zero: only that adds or removes moments."""
    if isinstance(settings, dict):
        return {key: _without_numbers(value) for key, value in settings.items()}
    return settings if isinstance(settings, str) else bool(settings)


def _dry_pass(cell: Cell) -> tuple[DryPass, bool]:
    """The dry pass, and whether a trick has changed the optimisers' settings, so that their numbers may matter to it."""
    try:
        with preserved(), contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            torch.set_num_threads(1)  # what is computed for real is too small for more
            data = spec_of(cell.dataset)
            networks = describe_architecture(cell.architecture, data)
            if _work(cell, data, networks) < REAL_WORK:
                if cell.precision == "fp16":  # in which a CPU is slow, and the first gradients may well not be finite
                    cell = replace(cell, precision="bf16")
                return _dry_step(cell, data, networks, torch.device("cpu"))
            cell = replace(cell, precision="fp32")  # the meta device knows no autocast
            return on_meta_or_cpu(lambda device: _dry_step(cell, data, networks, device))
    except NetworkError as error:
        raise GanBenchError(f"{cell.label}: {error}") from error
    except GanBenchError:
        raise
    except (Exception, SystemExit) as error:
        raise GanBenchError(f"{cell.label}: {told(error, cell)}") from error


def spec_of(dataset: Dataset) -> DataSpec:
    """What networks must know of a dataset, asked for once: a folder of 100,000 pictures is searched through for its classes."""
    if id(dataset) not in _specs:
        _specs[id(dataset)] = dataset, dataset.spec()
    return _specs[id(dataset)][1]


def _work(cell: Cell, data: DataSpec, networks: dict[str, dict[str, Any]]) -> float:
    """FLOPs of a training step, roughly; and something for each number that D sees, should its layers count none."""
    forward = 3 * networks["generator"]["flops"] + 9 * networks["discriminator"]["flops"]
    return cell.batch_size * (forward + 100 * data.numel)


def _dry_step(
    cell: Cell, data: DataSpec, networks: dict[str, dict[str, Any]], device: torch.device
) -> tuple[DryPass, bool]:
    def next_real() -> tuple[torch.Tensor, torch.Tensor]:
        samples = some_samples(cell.batch_size, data, device)
        return samples, torch.zeros(len(samples), dtype=torch.int64, device=device)

    loop = loop_of(cell, data, Streams(0, device), 1, lambda memory: next_real)
    for optimizer in (loop.g_optimizer, loop.d_optimizer):
        for group in optimizer.param_groups:
            group["lr"] = (
                0.0  # so that what is found is no matter of the learning rate, which cells that share this differ in
            )
    recipe = loop.recipe
    _check_recipe(recipe)
    for hooks in (*recipe.before.values(), *recipe.after.values()):
        hooks[:] = [replace(hook, every=1) for hook in hooks]  # the rare ones, too
    loop.step()
    if device.type != "meta":
        _check_finite(loop)
    with Streams(0, device)["shapes"], recipe.ready_to_sample():
        inputs, shape = recipe.draw_inputs(2), (2, *data.shape)
        if cell.tricks:  # else they are as they were described
            rows = cell.batch_size  # for D may judge several samples at once
            seen = recipe.see(some_samples(rows, data, device)), *recipe.draw_inputs(rows)[1:]
            output_of(recipe.generator, inputs, shape, f"the generator ({suspects(cell)})")
            logits_of(recipe.discriminator, seen, None, data, f"the discriminator ({suspects(cell)})")
            networks = {
                "generator": describe(recipe.generator, *inputs),
                "discriminator": describe(recipe.discriminator, *seen),
            }
        output_of(recipe.sampled.eval(), inputs, shape, f"the sampled network ({suspects(cell)})")
    tensors = [*recipe.generator.state_dict().values(), *recipe.discriminator.state_dict().values()]
    optimizers = [loop.g_optimizer, loop.d_optimizer]
    for value in recipe.state.values():
        if isinstance(value, torch.optim.Optimizer):
            optimizers.append(value)
        else:
            tensors += [value] if isinstance(value, torch.Tensor) else value.state_dict().values()
    for optimizer in optimizers:
        tensors += [t for state in optimizer.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
    dry = DryPass(
        schedule=Schedule(recipe.d_steps, recipe.g_per_d),
        networks=networks,
        joined=loop.joined,
        memory_format=str(memory_format(recipe.discriminator)).removeprefix("torch."),
        checkpoint_bytes=sum(t.numel() * t.element_size() for t in tensors),
    )
    return dry, recipe.optimizer != {network: one.model_dump() for network, one in cell.optimizer.items()}


def _check_recipe(recipe: Recipe) -> None:
    """ValueError: the tricks left something in the recipe that can't be trained."""
    numbers = {"d_steps": recipe.d_steps, "g_per_d": recipe.g_per_d}
    for what, rare in (("penalty", recipe.penalties), ("penalty of G", recipe.g_penalties)):
        numbers |= {f"every, of {what} {i},": one.every for i, one in enumerate(rare, 1)}
    for network in NETWORKS:
        hooks = (*recipe.before[network], *recipe.after[network])
        numbers |= {f"every, of step hook {i} of the {network},": hook.every for i, hook in enumerate(hooks, 1)}
    for name, number in numbers.items():
        if type(number) is not int or number < 1:
            raise ValueError(f"the recipe's {name} must be a whole number of at least 1 (found: {number!r})")
    for name, value in recipe.state.items():
        if not isinstance(value, torch.Tensor | nn.Module | torch.optim.Optimizer):
            raise ValueError(
                f"what is registered must be a tensor, module or optimiser (found: {name}, {type(value).__name__})"
            )


def _check_finite(loop: Loop) -> None:
    """ValueError: a loss, an output of D, what a trick reports, or a gradient is not finite in the first step."""
    means = loop.window.means()
    own = {name: mean for name, mean in means.items() if not name.startswith("grad_norm_")}  # told in words below
    bad = [name for name, mean in own.items() if mean is not None and not math.isfinite(mean)]
    for network, parameters in (("discriminator", loop.d_parameters), ("generator", loop.g_parameters)):
        if not all(p.grad.isfinite().all() for p in parameters if p.grad is not None):
            bad.append(f"gradients of the {network}")
    if bad:
        raise ValueError(f"not a finite number in the first step: {', '.join(bad)}")
