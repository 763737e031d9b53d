"""The same as the command line, from Python."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gan_bench.errors import GanBenchError
from gan_bench.findings.tables import Results, load
from gan_bench.store.documents import RunDocument, read_object
from gan_bench.store.folder import RunFolder, load_sampled
from gan_bench.store.trust import strange

if TYPE_CHECKING:
    from torch import nn

    from gan_bench.api.registry import Registry
    from gan_bench.store.documents import Plugin

# What wrong values in run.json, and wrong bytes in weights, make their readers raise.
DAMAGE = (LookupError, TypeError, AttributeError, ValueError, RuntimeError, MemoryError, pickle.UnpicklingError)


SAVED = "every run is saved, and the same call goes on from here"


class Stopped(KeyboardInterrupt):
    """A grid was stopped by Ctrl-C, a notebook's "interrupt" or SIGTERM; every run is saved."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone."""
        return [f"{type(self).__name__}: {self}"]


def run(
    grid: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
    plugins: Sequence[str | Path] = (),
    only: str | None = None,
    fresh: bool = False,
    stale: Literal["rerun", "keep"] = "rerun",
    most_seeds: int | None = None,
    verify: bool = False,
    devices: str = "auto",
    slots: int | None = None,
    fail_fast: bool = False,
    retries: int = 1,
    step_seconds: float | None = None,
    any_device: bool = False,
) -> Results:
    """Run a grid as `gan-bench run` does, on this machine, and return its tables.

    `grid` is a grid file, a `gan_bench.Grid`, or a dictionary of what would stand in a file. `overrides` are "KEY=VALUE" as for
    `--set`; all others are as there. With `most_seeds` it adds seeds to open comparisons as `--until-settled` does. Runs that
    failed stand in the tables with their reason. GanBenchError: bad input. KeyboardInterrupt: Ctrl-C, "interrupt" of a
    notebook or SIGTERM came, and every run is saved.
    """
    from gan_bench.commands.run import Execution, run_grid, store_of
    from gan_bench.commands.submission import check_unsubmitted
    from gan_bench.commands.until_settled import run_until_settled
    from gan_bench.grid import load_grid

    loaded = load_grid(
        grid if isinstance(grid, Mapping) else Path(grid),
        registry_files=[Path(p) for p in plugins],
        overrides=overrides,
        seeds=seeds,
    )
    place = Path(out) if out else None
    check_unsubmitted(store_of(loaded, place))
    how: dict[str, Any] = {"out": place, "fresh": fresh, "stale": stale, "verify": verify}
    how["execution"] = Execution(devices, slots, fail_fast, retries, step_seconds, any_device)
    if most_seeds is not None and only is not None:
        raise GanBenchError("most_seeds is about whole comparisons, and only leaves some of their runs out")
    try:
        if most_seeds is None:
            outcome = run_grid(loaded, only=only, **how)
        else:
            outcome = run_until_settled(loaded, most_seeds, **how).outcome
    except KeyboardInterrupt:  # before anything trained
        raise Stopped(SAVED) from None
    if outcome.stopped:
        raise Stopped(SAVED)
    return load(outcome.store)


def load_generator(
    run_folder: str | Path,
    step: int | None = None,
    plugins: Sequence[str | Path] = (),
    *,
    allow_plugins: bool = False,
) -> nn.Module:
    """The generator that a run sampled and scored, at its last snapshot or that of a step: (B, latent) -> (B, *shape).

    That of a conditional run is called `(z, y)`, y int64 (B,) being classes by their places in the dataset's. ValueError: it is
    called without, or with others.

    In evaluation mode, on the CPU. The code of plugin files that run.json names is run only if they are among `plugins`, or
    with `allow_plugins`. GanBenchError: no such run, snapshot or weights, its plugins are gone, or its files are damaged.
    """
    folder = RunFolder(Path(run_folder))
    if why := strange(folder.path.resolve()):
        raise GanBenchError(f"{folder.path} is not read: {why}")
    try:
        facts = read_object(folder.run_file, RunDocument)
        if facts is None:
            raise GanBenchError(f"{folder.path} is no run folder: it holds no run.json")
        return _load_generator(folder, facts, step, [Path(file) for file in plugins], allow_plugins)
    except DAMAGE as error:
        raise GanBenchError(f"{folder.path} is damaged: {type(error).__name__}: {error}") from error


def _load_generator(
    folder: RunFolder, facts: RunDocument, step: int | None, plugins: list[Path], allow_plugins: bool
) -> nn.Module:
    import torch

    from gan_bench.api.data_spec import DataSpec
    from gan_bench.api.randomness import Streams
    from gan_bench.api.registry import Registry
    from gan_bench.grid import cell_from_settings
    from gan_bench.training.build import loop_of

    if facts.dataset is None or facts.seed is None or facts.total_steps is None:
        raise GanBenchError(f"{folder.path} is damaged: run.json does not say of what data, seed and length it is")
    steps = [shot.step for shot in folder.read().snapshots if shot.has_weights]
    if not steps or step not in (None, *steps):
        wanted = "a snapshot" if step is None else f"the snapshot of step {step}"
        raise GanBenchError(
            f"{folder.path} holds no weights of {wanted}" + (f", only of steps {steps}" if steps else "")
        )
    files = [Path(plugin.file) for plugin in facts.plugins if plugin.file]
    registry = Registry.load([*(files if allow_plugins else ()), *plugins])
    for plugin in facts.plugins:
        if plugin.file and not _given(plugin, registry):
            raise GanBenchError(
                f"{folder.run_file} says that the {plugin.kind} {plugin.name!r} is in {plugin.file}, whose code is "
                "not run on its word. Read it; then give it with --plugin (in Python: plugins=[...]), or --allow-plugins "
                "(allow_plugins=True)"
            )
        if plugin.kind != "dataset" and registry.get(plugin.kind, plugin.name).source_hash != plugin.source:
            raise GanBenchError(f"the {plugin.kind} {plugin.name!r} has changed since {folder.path} was trained")
    cell = cell_from_settings(facts.settings, registry)
    dataset = facts.dataset
    data = DataSpec(tuple(dataset.shape), dataset.kind, tuple(dataset.classes) if dataset.classes else None)
    # The recipe says which network is sampled, and what its modules look like once the tricks have wrapped them.
    loop = loop_of(cell, data, Streams(facts.seed, torch.device("cpu")), facts.total_steps, _no_data)
    step = steps[-1] if step is None else step
    loop.recipe.step.fill_(step)  # by which networks may go
    load_sampled(folder, step, loop.recipe.sampled)
    generator = loop.recipe.sampler().eval()
    if data.classes and loop.recipe.conditional:
        generator.register_forward_pre_hook(partial(_check_labels, data.classes), with_kwargs=True)
    return generator


def _check_labels(classes: tuple[str, ...], _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """ValueError: a generator of these classes is called without labels, or with some that are none."""
    import torch

    z, y = [*args, *named.values(), None][:2]
    names = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    wanted = f"labels y, int64 of shape ({len(z)},), from 0 to {len(classes) - 1} ({names})"
    if not isinstance(y, torch.Tensor):
        raise ValueError(f"this generator is called (z, y), with {wanted}")
    if y.dtype != torch.int64 or y.shape != z.shape[:1] or not bool(((y >= 0) & (y < len(classes))).all()):
        found = f"{y.dtype}, shape {tuple(y.shape)}" + (f", {y.min().item()} to {y.max().item()}" if y.numel() else "")
        raise ValueError(f"this generator takes {wanted} (found: {found})")


def _given(plugin: Plugin, registry: Registry) -> bool:
    """Whether the user has given the file that a plugin is said to be in, or has its code; another's of its name will not do."""
    found = [one for one in registry.found if (one.kind, one.name) == (plugin.kind, plugin.name)]
    known = any(one.of_file or one.source_hash == plugin.source for one in found)
    return known or Path(str(plugin.file)).resolve() in registry.files


def _no_data(memory: Any) -> Any:
    return None  # a loaded run does not train
