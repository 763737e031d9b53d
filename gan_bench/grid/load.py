"""From a grid file to a grid: after all that needs no plugin (`gan_bench.grid.core`), the plugins' own parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import cause
from gan_bench.api.kinds import Metric
from gan_bench.api.registry import Registry
from gan_bench.errors import GridError, ParameterError
from gan_bench.grid.axes import Settings, replaced
from gan_bench.grid.beside import missing
from gan_bench.grid.cells import Cell, Choices, Maker, located
from gan_bench.grid.core import CoreGrid, read_core
from gan_bench.grid.expand import Expanded, baseline_of
from gan_bench.grid.headlines import Place, headlines
from gan_bench.grid.naming import named_cells
from gan_bench.grid.schema import MAX_RUNS, Asked, Cluster, Evaluate, Search, without_features
from gan_bench.grid.search import Draw, Drawing, Half, dimensions_of
from gan_bench.grid.source import Fault, Source
from gan_bench.grid.toml import DocPath


@dataclass(frozen=True)
class Level:
    """One level of a comparison, of all its axes together."""

    label: str  # no two of a comparison are alike
    values: dict[str, Any]  # axis -> level, as the file has it
    reference: bool
    cell: Cell


@dataclass(frozen=True)
class Comparison:
    """One question."""

    title: str
    axes: tuple[str, ...]
    budget: Literal["steps", "images"]
    levels: tuple[Level, ...]


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid, checked and expanded."""

    name: str
    file: Path  # without a name where the grid was written in Python
    text: str  # of the file, or of one that says the same
    seeds: tuple[int, ...]
    epochs: float | None  # of the baseline; or
    steps: int | None  # generator steps
    evaluate: Evaluate
    headlines: tuple[Place, ...]  # the numbers that are tested; the first one ranks
    baseline: Cell
    comparisons: tuple[Comparison, ...]
    cells: tuple[Cell, ...]  # distinct: those of all comparisons, or the baseline alone where there are none
    varying: tuple[str, ...]  # paths of the settings that are not the same in all cells
    registry: Registry
    plugin_files: tuple[Path, ...]
    arguments: tuple[str, ...]  # of the command that reads this grid: the file, if there is one, and its options
    source: Source
    origins: Mapping[Cell, tuple[Settings, Choices]]  # settings as written and the levels put in, of every cell
    search: Search | None = None  # how the levels are tuned before they are compared
    draws: Mapping[Cell, tuple[Draw, ...]] = field(default_factory=dict)  # of every cell, where there is a search
    cluster: Cluster = field(default_factory=Cluster)  # where its runs train
    half: Half | None = None  # of the held-out data, by which its runs are scored; None: all of it
    written: Grid | None = None  # the grid of which this is a stage (`gan_bench.grid.stages`)

    @property
    def conditional(self) -> bool:
        """Whether networks of any cell take labels."""
        return any(cell.architecture.takes_labels for cell in self.cells)

    def arguments_in(self, store: Path) -> list[str]:
        """Of the command that reads this grid. Where no file is, its store has one."""
        copy = [] if self.file.name else [str(store / "grid.toml")]
        return [*copy, *self.arguments]

    def check_scores(self, spec: DataSpec) -> None:
        """GridError: metrics or headlines that the grid names don't fit data of this kind."""
        asked = self.evaluate.of(spec.kind, spec.classes is not None, self.conditional)
        try:
            headlines(asked, _metrics(Maker(self.registry), asked))
        except Fault as fault:
            raise self.source.error(fault) from fault.__cause__

    def data_error(self, cell: Cell, error: Exception) -> GridError:
        """What was raised when a cell's data was read, with where the grid names the dataset."""
        settings, choices = self.origins[cell]
        cure, folder = "", self.file.parent.absolute()
        if lost := " and ".join(f"`{name}`" for name in missing(cell.dataset) if name in settings["dataset"]):
            beside = f"{folder}, beside the grid file, then in " if self.file.name else ""
            cure = f"A relative {lost} is looked for in {beside}{Path.cwd()}."
        name = f"dataset {cell.dataset.name}"
        rule = cause(error).removeprefix(f"{name}: ").removeprefix(f"{name}, ").rstrip(".")
        path: DocPath = ("dataset", error.parameter) if isinstance(error, ParameterError) else ("dataset",)
        value = settings["dataset"].get(path[1], ...) if path[1:] else ...  # it may ask for too much by its default
        return self.source.error(located(Fault(rule, path, value=value, cure=cure), settings, choices))

    def label_error(self, cell: Cell, why: str) -> GridError:
        """That a cell's networks take labels, and why its data have none to give, with where the grid asks for that."""
        settings, choices = self.origins[cell]
        architecture, value = cell.architecture, getattr(cell.architecture, "conditional", ...)
        rule = f"networks of {architecture.name} take labels, and {why}"
        cure = 'Take a dataset with classes, or conditional = "none".'
        fault = Fault(rule, ("architecture", "conditional"), value=value, cure=cure)
        return self.source.error(located(fault, settings, choices))


def load_grid(
    grid: Path | Mapping[str, Any],
    *,
    registry_files: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    seeds: str | None = None,
) -> Grid:
    """Read, check and expand a grid: a file, or what Python has in its place.

    `registry_files` are plugin files besides those that the grid names; `overrides` are "KEY=VALUE"; `seeds` such as "0-9".
    GridError: a mistake in the grid or in an override. Nothing that imports torch happens before the core's own keys are
    found right.
    """
    return add_plugins(read_core(grid, overrides, seeds), registry_files)


def add_plugins(core: CoreGrid, registry_files: Sequence[Path] = ()) -> Grid:
    """The second half of `load_grid`. GridError: a plugin is missing, or refuses its parameters."""
    try:
        return _with_plugins(core, _plugin_files(core), [Path(file) for file in registry_files])
    except Fault as fault:
        raise core.source.error(fault) from fault.__cause__


def _plugin_files(core: CoreGrid) -> list[Path]:
    files = []
    for index, name in enumerate(core.keys.plugins):
        path = core.source.file.parent / name
        if not path.is_file():
            fault = Fault("there is no such plugin file", ("plugins", index), value=str(path))
            raise core.source.error(fault)
        files.append(path)
    return files


def _with_plugins(core: CoreGrid, own_files: Sequence[Path], more_files: Sequence[Path]) -> Grid:
    registry = Registry.load([*own_files, *more_files])
    maker = Maker(registry, core.source.file.parent)
    keys = core.keys
    tested = headlines_of(maker, keys.evaluate)
    settings = baseline_of(keys)
    baseline = _make(maker, settings, [])
    origins: dict[Cell, tuple[Settings, Choices]] = {baseline: (settings, [])}
    distinct: dict[Cell, Cell] = {}
    made: list[list[Cell]] = []
    for comparison in core.comparisons:
        own = [_make(maker, one.settings, one.choices) for one in comparison.combinations]
        _check_distinct(comparison, own)
        made.append([distinct.setdefault(cell, cell) for cell in own])
        for cell, one in zip(own, comparison.combinations, strict=True):
            origins.setdefault(cell, (one.settings, one.choices))
    varying, cells = named_cells(list(distinct) or [baseline])
    named = {cell: cell for cell in cells}
    comparisons = tuple(
        _comparison(comparison, [named[cell] for cell in own], maker, settings, baseline)
        for comparison, own in zip(core.comparisons, made, strict=True)
    )
    if not (keys.search or any(cell.architecture.takes_labels for cell in cells)):
        check_unlabelled(registry, keys.evaluate, "no level's networks take labels: see docs/labels.md")
    draws = _draws(keys.search, maker, cells, comparisons, origins) if keys.search else {}
    return Grid(
        name=keys.name,
        file=core.source.file,
        text=core.source.text,
        seeds=keys.seeds,
        epochs=keys.epochs,
        steps=keys.steps,
        evaluate=keys.evaluate,
        headlines=tested,
        baseline=named.get(baseline) or named_cells([baseline])[1][0],
        comparisons=comparisons,
        cells=tuple(cells),
        varying=tuple(varying),
        registry=registry,
        plugin_files=registry.files,
        arguments=(*core.arguments, *(word for file in more_files for word in ("--plugin", str(file)))),
        source=core.source,
        origins=origins,
        search=keys.search,
        draws=draws,
        cluster=keys.cluster,
    )


def _draws(
    search: Search,
    maker: Maker,
    cells: Sequence[Cell],
    comparisons: Sequence[Comparison],
    origins: dict[Cell, tuple[Settings, Choices]],
) -> dict[Cell, tuple[Draw, ...]]:
    """The draws of each cell; where they came from is added to `origins`. Fault: the space does not fit, or is too large."""
    runs = len(cells) * search.draws * len(search.seeds)
    if runs > MAX_RUNS:
        rule = (
            f"the search asks for {runs:,} runs (levels times draws times seeds), and at most {MAX_RUNS:,} are allowed"
        )
        raise Fault(rule, ("search", "draws"), value=search.draws)
    if search.sampler.name == "optuna" and find_spec("optuna") is None:
        rule, cure = "the package optuna is not installed", "pip install 'gan-bench[optuna]', or leave the sampler out."
        raise Fault(rule, ("search", "sampler"), cure=cure)
    space = dimensions_of(search.space)
    independent = search.sampler.name == "random"  # else they follow from results; one shows that they can be
    drawing = Drawing(maker, space, search.seed, search.draws if independent else 1)
    draws: dict[Cell, tuple[Draw, ...]] = {}
    for cell in cells:
        own = list(drawing.level(*origins[cell]))
        origins |= {draw.cell: (settings, put) for draw, settings, put in own if draw.cell not in origins}
        draws[cell] = tuple(draw for draw, _, _ in own)
    drawing.check_used()
    for comparison in comparisons:
        labels: dict[Cell, str] = {}
        for level in comparison.levels:
            first = draws[level.cell][0].cell
            if first in labels:
                clash = next(
                    (one for one in space if any(one.name.startswith(axis) for axis in comparison.axes)), space[0]
                )
                both = f"{labels[first]!r} and {level.label!r}"
                raise clash.fault(f"it replaces what tells the levels {both} of {comparison.title!r} apart")
            labels[first] = level.label
    return draws if independent else dict.fromkeys(cells, ())


def headlines_of(maker: Maker, evaluate: Evaluate) -> tuple[Place, ...]:
    """The numbers that are tested. Fault: they, a metric or its features can be had of no kind of data.

    Of which kind the data are is not known before they are read, and matters only where the grid leaves something open.
    """
    faults: list[Fault] = []
    for asked in (evaluate.of("image", True), evaluate.of("image", False), evaluate.of("points", False)):
        try:
            return headlines(asked, _metrics(maker, asked))
        except Fault as fault:
            faults.append(fault)
    raise faults[0]


def check_unlabelled(registry: Registry, evaluate: Evaluate, why: str) -> None:
    """Fault: a metric reads the classes that samples were asked for, and `why` there are none."""
    for index, table in enumerate(evaluate.metrics or ()):
        if getattr(registry.get("metric", table["name"]).cls, "reads_labels", False):
            rule = f"it reads the classes that samples were asked for, and {why}"
            raise Fault(rule, ("evaluate", "metrics", index), value=table["name"], cure="Leave it out.")


def _metrics(maker: Maker, asked: Asked) -> list[Metric]:
    """The metrics, all of their features tried. Fault: one stands there twice, or refuses a parameter."""
    maker.plugin("features", asked.features, ("evaluate", "features"))
    metrics: list[tuple[Metric, Any]] = []
    for index, table in enumerate(asked.metrics):
        at = ("evaluate", "metrics", index)
        metric, _ = maker.plugin("metric", without_features(table), at)
        features, _ = maker.plugin("features", table.get("features", asked.features), (*at, "features"))
        if (metric, features) in metrics:
            raise Fault("this metric stands there twice", at, value=table["name"])
        metrics.append((metric, features))
    return [metric for metric, _ in metrics]


def _make(maker: Maker, settings: Settings, choices: Choices) -> Cell:
    try:
        return maker.cell(settings)
    except Fault as fault:
        raise located(fault, settings, choices) from fault.__cause__


def _check_distinct(comparison: Expanded, cells: Sequence[Cell]) -> None:
    labels: dict[Cell, str] = {}
    for one, cell in zip(comparison.combinations, cells, strict=True):
        if cell in labels:
            rule = f"the levels {labels[cell]!r} and {one.label!r} are the same settings"
            raise Fault(rule, ("compare", comparison.index), cure="Leave one out.")
        labels[cell] = one.label


def _comparison(
    expanded: Expanded, cells: Sequence[Cell], maker: Maker, settings: Settings, baseline: Cell
) -> Comparison:
    reference = _reference(expanded, maker, settings, baseline)
    levels = tuple(
        Level(
            label=one.label,
            values={axis.name: axis.levels[i] for axis, i in zip(expanded.axes, one.indices, strict=True)},
            reference=one.indices == reference,
            cell=cell,
        )
        for one, cell in zip(expanded.combinations, cells, strict=True)
    )
    axes = tuple(axis.name for axis in expanded.axes)
    return Comparison(expanded.compare.title, axes, expanded.compare.budget, levels)


def _reference(expanded: Expanded, maker: Maker, settings: Settings, baseline: Cell) -> tuple[int, ...]:
    """On each axis the level that the file says, else the baseline's, else the first.

    Where these together were excluded: the first combination that has what the file says.
    """
    given = expanded.reference
    wanted = []
    for number, axis in enumerate(expanded.axes):
        own = (i for i in range(len(axis.levels)) if _is_baseline(maker, settings, baseline, expanded, number, i))
        wanted.append(given[number] if number in given else next(own, 0))
    kept = [one.indices for one in expanded.combinations]
    allowed = [one for one in kept if all(one[axis] == level for axis, level in given.items())]
    return tuple(wanted) if tuple(wanted) in kept else allowed[0]


def _is_baseline(maker: Maker, settings: Settings, baseline: Cell, expanded: Expanded, number: int, level: int) -> bool:
    """Whether a level alone leaves the baseline as it is."""
    try:
        return maker.cell(replaced(settings, expanded.axes[number], level)) == baseline
    except Fault:  # the baseline has no such trick or parameter: it goes with another axis
        return False
