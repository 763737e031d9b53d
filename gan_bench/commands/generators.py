"""Trained generators, from run folders and from exported ones."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.api.randomness import make_stream
from gan_bench.errors import GanBenchError
from gan_bench.store.documents import RunDocument, read_object
from gan_bench.store.exported import SAMPLES, WEIGHTS, holds_export, read_config, read_tensors
from gan_bench.store.folder import RunFolder, load_sampled
from gan_bench.store.trust import strange

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gan_bench.api.data_spec import DataSpec
    from gan_bench.api.recipe import Recipe
    from gan_bench.api.registry import Registry
    from gan_bench.store.documents import Plugin

# What wrong values in run.json, and wrong bytes in weights, make their readers raise.
DAMAGE = (LookupError, TypeError, AttributeError, ValueError, RuntimeError, MemoryError, pickle.UnpicklingError)
NEAR = 1e-3  # how far numbers may lie apart that other machines and versions of libraries compute, per unit


@dataclass(frozen=True)
class Generator:
    """A trained generator, and what is known of it."""

    network: nn.Module  # as it is called, with normal latents (B, latent), and labels (B,) if it takes them
    sampled: nn.Module  # what was trained and saved of it
    document: RunDocument
    step: int  # after how many G steps
    latent: int
    data: DataSpec
    labelled: bool  # whether it takes labels

    def repeat(self, inputs: Sequence[Tensor], seed: int = 0) -> Tensor:
        """Samples (N, *shape) of these inputs; what the network draws for itself is the same each time, by the seed."""
        import torch

        from gan_bench.scoring.samples import evaluating

        with evaluating(self.network), make_stream(seed, "export", torch.device("cpu")):
            samples: Tensor = self.network(*inputs).float()
        return samples


def load_generator(
    run_folder: str | Path,
    step: int | None = None,
    plugins: Sequence[str | Path] = (),
    *,
    allow_plugins: bool = False,
) -> nn.Module:
    """The generator that a run sampled and scored, at its last snapshot or that of a step: (B, latent) -> (B, *shape).

    `run_folder` may be one that `gan-bench export` has written, too. The generator of a conditional run is called `(z, y)`, y
    int64 (B,) being classes by their places in the dataset's. ValueError: it is called without, or with others.

    In evaluation mode, on the CPU. The code of plugin files that run.json names is run only if they are among `plugins`, or
    with `allow_plugins`. GanBenchError: no such run, snapshot or weights, its plugins are gone, or its files are damaged.
    """
    return open_generator(Path(run_folder), step, plugins, allow_plugins=allow_plugins).network


def open_generator(
    path: Path, step: int | None = None, plugins: Sequence[str | Path] = (), *, allow_plugins: bool = False
) -> Generator:
    """What `load_generator` loads, with what is known of it. GanBenchError: as there."""
    open_it = _of_export if holds_export(path) else _of_run
    try:
        return open_it(path, step, [Path(file) for file in plugins], allow_plugins)
    except ImportError as error:
        if error.name != "safetensors":
            raise
        raise GanBenchError("exported generators are read by safetensors: pip install 'gan-bench[export]'") from error
    except DAMAGE as error:
        raise GanBenchError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _of_run(path: Path, step: int | None, plugins: list[Path], allow_plugins: bool) -> Generator:
    folder = RunFolder(path)
    if why := strange(path.resolve()):
        raise GanBenchError(f"{path} is not read: {why}")
    document = read_object(folder.run_file, RunDocument)
    if document is None:
        raise GanBenchError(f"{path} is no run folder: it holds no run.json")
    steps = [shot.step for shot in folder.read().snapshots if shot.has_weights]
    _check_step(path, step, steps)
    step = steps[-1] if step is None else step
    registry = _registry(path, folder.run_file, document, plugins, allow_plugins)
    for plugin in document.plugins:
        if plugin.kind != "dataset" and registry.get(plugin.kind, plugin.name).source_hash != plugin.source:
            raise GanBenchError(f"the {plugin.kind} {plugin.name!r} has changed since {path} was trained")
    recipe = _recipe(path, document, step, registry)
    load_sampled(folder, step, recipe.sampled)
    return _generator(recipe, document, step)


def _of_export(path: Path, step: int | None, plugins: list[Path], allow_plugins: bool) -> Generator:
    document = read_config(path)
    _check_step(path, step, [document.step])
    registry = _registry(path, path / "config.json", document, plugins, allow_plugins)
    recipe = _recipe(path, document, document.step, registry)
    recipe.sampled.load_state_dict(read_tensors(path / WEIGHTS))
    recipe.sampled.eval().requires_grad_(False)
    generator = _generator(recipe, document, document.step)
    # An export is to be read for years, by plugins that are not the same to the letter; what it makes must be.
    made = read_tensors(path / SAMPLES)
    samples, inputs = made["samples"], [made[name] for name in ("z", "y") if name in made]
    if difference(generator.repeat(inputs), samples) > NEAR:
        exported = sorted({plugin.origin for plugin in document.plugins})
        raise GanBenchError(
            f"{path} was exported of other code than is installed here (it was {', '.join(exported)}), or is damaged: its "
            f"weights make other samples than those in {SAMPLES}"
        )
    return generator


def difference(ours: Tensor, theirs: Tensor) -> float:
    """How far two batches of samples lie apart at most, per unit of their largest number; infinity where they have no like."""
    if ours.shape != theirs.shape or not bool(ours.isfinite().all() & theirs.isfinite().all()):
        return float("inf")
    return float((ours - theirs).abs().max() / max(1.0, float(theirs.abs().max())))


def _check_step(path: Path, step: int | None, steps: list[int]) -> None:
    """GanBenchError: there are no weights of this step, or of any."""
    if not steps or step not in (None, *steps):
        wanted = "a snapshot" if step is None else f"the snapshot of step {step}"
        raise GanBenchError(f"{path} holds no weights of {wanted}" + (f", only of steps {steps}" if steps else ""))


def _registry(path: Path, file: Path, document: RunDocument, plugins: list[Path], allow_plugins: bool) -> Registry:
    """The plugins here. GanBenchError: one is said to be in a file that was not given."""
    from gan_bench.api.registry import Registry

    files = {plugin.name: path / plugin.file for plugin in document.plugins if plugin.file}
    registry = Registry.load([*(files.values() if allow_plugins else ()), *plugins])
    for plugin in document.plugins:
        if plugin.file and not _given(plugin, files[plugin.name], registry):
            raise GanBenchError(
                f"{file} says that the {plugin.kind} {plugin.name!r} is in {plugin.file}, whose code is "
                "not run on its word. Read it; then give it with --plugin (in Python: plugins=[...]), or --allow-plugins "
                "(allow_plugins=True)"
            )
    return registry


def _given(plugin: Plugin, file: Path, registry: Registry) -> bool:
    """Whether the user has given the file that a plugin is said to be in, or has its code; another's of its name will not do."""
    found = [one for one in registry.found if (one.kind, one.name) == (plugin.kind, plugin.name)]
    known = any(one.of_file or one.source_hash == plugin.source for one in found)
    return known or file.resolve() in registry.files


def _recipe(path: Path, document: RunDocument, step: int, registry: Registry) -> Recipe:
    """The run's recipe after so many G steps, with fresh weights."""
    import torch

    from gan_bench.api.data_spec import DataSpec
    from gan_bench.api.randomness import Streams
    from gan_bench.grid import cell_from_settings
    from gan_bench.training.build import loop_of

    if document.dataset is None or document.seed is None or document.total_steps is None:
        raise GanBenchError(f"{path} is damaged: it does not say of what data, seed and length its run is")
    cell = cell_from_settings(document.settings, registry)
    dataset = document.dataset
    data = DataSpec(tuple(dataset.shape), dataset.kind, tuple(dataset.classes) if dataset.classes else None)
    # The recipe says which network is sampled, and what its modules look like once the tricks have wrapped them.
    recipe = loop_of(cell, data, Streams(document.seed, torch.device("cpu")), document.total_steps, _no_data).recipe
    recipe.step.fill_(step)  # by which networks may go
    return recipe


def _generator(recipe: Recipe, document: RunDocument, step: int) -> Generator:
    network, classes = recipe.sampler().eval(), recipe.data.classes
    labelled = bool(classes and recipe.conditional)
    if classes and labelled:
        network.register_forward_pre_hook(partial(_check_labels, classes), with_kwargs=True)
    return Generator(network, recipe.sampled, document, step, recipe.latent, recipe.data, labelled)


def _check_labels(classes: tuple[str, ...], _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """ValueError: a generator of these classes is called without labels, or with some that are none."""
    import torch

    if torch.compiler.is_exporting():
        return  # there are no numbers yet
    z, y = [*args, *named.values(), None][:2]
    names = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    wanted = f"labels y, int64 of shape ({len(z)},), from 0 to {len(classes) - 1} ({names})"
    if not isinstance(y, torch.Tensor):
        raise ValueError(f"this generator is called (z, y), with {wanted}")
    if y.dtype != torch.int64 or y.shape != z.shape[:1] or not bool(((y >= 0) & (y < len(classes))).all()):
        found = f"{y.dtype}, shape {tuple(y.shape)}" + (f", {y.min().item()} to {y.max().item()}" if y.numel() else "")
        raise ValueError(f"this generator takes {wanted} (found: {found})")


def _no_data(memory: Any) -> Any:
    return None  # a loaded run does not train
