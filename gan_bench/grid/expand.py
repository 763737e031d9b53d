"""From the baseline and the comparisons to combinations of levels; no plugin is needed for that."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from gan_bench.canonical import canonical
from gan_bench.errors import did_you_mean
from gan_bench.grid.axes import Axis, Settings, axes_of, level_value, order, replaced
from gan_bench.grid.labels import level_labels
from gan_bench.grid.schema import MAX_RUNS, Compare, GridFile
from gan_bench.grid.source import Fault
from gan_bench.grid.toml import DocPath


@dataclass
class Combination:
    """One level of a comparison: a level of each axis, and the settings that they make."""

    indices: tuple[int, ...]
    label: str
    settings: Settings
    choices: list[tuple[Axis, int]]  # in the order in which they were put in


@dataclass
class Expanded:
    """A comparison's combinations, those excluded left out."""

    compare: Compare
    index: int  # in the file
    axes: tuple[Axis, ...]
    combinations: list[Combination]
    reference: dict[int, int] = field(default_factory=dict)  # axis -> level, where the file says it


def baseline_of(grid: GridFile) -> Settings:
    """The settings at the top of the file."""
    return {
        "dataset": grid.dataset,
        "architecture": grid.architecture,
        "tricks": list(grid.tricks),
        "optimizer": grid.optimizer,
        "batch_size": grid.batch_size,
        "precision": grid.precision,
    }


def expand(grid: GridFile) -> list[Expanded]:
    """All comparisons' combinations. Fault: an axis, exclusion or reference is wrong, or there are too many runs."""
    axes = [axes_of(compare, index) for index, compare in enumerate(grid.compare)]
    count = max(1, sum(math.prod(len(axis.levels) for axis in each) for each in axes)) * len(grid.seeds)
    if count > MAX_RUNS:
        raise Fault(
            f"the grid asks for up to {count:,} runs (levels times seeds), and at most {MAX_RUNS:,} are allowed",
            ("compare",) if grid.compare else ("seeds",),
            cure="Split it, or take fewer levels or seeds.",
        )
    baseline = baseline_of(grid)
    return [_comparison(baseline, grid.compare[index], index, own) for index, own in enumerate(axes)]


def _comparison(baseline: Settings, compare: Compare, index: int, axes: tuple[Axis, ...]) -> Expanded:
    place: DocPath = ("compare", index)
    excluded = [_matched(table, axes, (*place, "exclude", i)) for i, table in enumerate(compare.exclude)]
    for number, matched in enumerate(excluded):
        if not matched:
            raise Fault("an exclusion needs a path and a level", (*place, "exclude", number))
    kept = [
        indices
        for indices in itertools.product(*(range(len(axis.levels)) for axis in axes))
        if not any(all(indices[axis] == level for axis, level in one.items()) for one in excluded)
    ]
    if len(kept) < 2:
        count = "only one level" if kept else "no level"
        cure = "Give an axis more levels" + (", or exclude less." if excluded else ".")
        raise Fault(f"a comparison needs at least two levels, and {count} is left", place, cure=cure)
    reference = _reference(compare, axes, place)
    if reference and not any(all(one[axis] == level for axis, level in reference.items()) for one in kept):
        raise Fault("the reference is excluded from the comparison", (*place, "reference"), value=compare.reference)
    rank = sorted(range(len(axes)), key=lambda number: order(axes[number]))
    combinations = []
    for indices, label in zip(kept, level_labels(axes, kept), strict=True):
        choices = [(axes[number], indices[number]) for number in rank]
        combinations.append(Combination(indices, label, put_in(baseline, choices), choices))
    return Expanded(compare, index, axes, combinations, reference)


def put_in(baseline: Settings, choices: list[tuple[Axis, int]]) -> Settings:
    """The baseline with levels put in one after another."""
    settings = baseline
    for axis, level in choices:
        settings = replaced(settings, axis, level)
    return settings


def _reference(compare: Compare, axes: tuple[Axis, ...], place: DocPath) -> dict[int, int]:
    value, at = compare.reference, (*place, "reference")
    if value is None:
        return {}
    if len(axes) == 1:
        level = _level_of(axes[0], value)
        if level is not None:
            return {0: level}
    if isinstance(value, dict) and value:
        return _matched(value, axes, at)
    if len(axes) > 1:
        cure = f'Write reference = {{ "{axes[0].name}" = ... }}.'
        raise Fault(
            "where there are several axes, the reference is a table of path and level", at, value=value, cure=cure
        )
    raise Fault(f"the reference is no level of {axes[0].name}", at, value=value)


def _matched(table: dict[str, Any], axes: tuple[Axis, ...], at: DocPath, path: tuple[str, ...] = ()) -> dict[int, int]:
    """Axis -> level of a table of paths and levels, its paths quoted or not. Fault: no axis or no level."""
    found: dict[int, int] = {}
    for key, value in table.items():
        inner = (*path, *key.split("."))
        number = next((i for i, axis in enumerate(axes) if axis.path == inner), None)
        level = None if number is None else _level_of(axes[number], value)
        deeper = any(axis.path[: len(inner)] == inner and axis.path != inner for axis in axes)
        if number is not None and level is not None:
            own = {number: level}
        elif isinstance(value, dict) and deeper:
            own = _matched(value, axes, (*at, key), inner)
        elif number is None:
            cure = did_you_mean(".".join(inner), [axis.name for axis in axes])
            raise Fault(f"{'.'.join(inner)!r} is no axis of this comparison", (*at, key), cure=cure)
        else:
            raise Fault(f"this is no level of {axes[number].name}", (*at, key), value=value)
        if found.keys() & own.keys():
            raise Fault("an axis stands there twice", (*at, key))
        found |= own
    return found


def _level_of(axis: Axis, value: Any) -> int | None:
    """Which level of the axis this is."""
    try:
        form = canonical(level_value(axis, value))
    except Fault:
        return None
    return next((i for i, level in enumerate(axis.values) if canonical(level) == form), None)
