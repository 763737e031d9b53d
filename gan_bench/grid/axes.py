"""Axes: the settings that a comparison replaces, and how one level replaces a setting.

Settings are still as the file wrote them here (plugins' parameters unchecked), in one form:
`{"dataset": {"name": ...}, "architecture": {"name": ...}, "tricks": [{"name": ...}], "optimizer": {...}, "batch_size": 256,
"precision": "fp32"}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from gan_bench.api.tables import plugin_table
from gan_bench.canonical import canonical
from gan_bench.errors import did_you_mean
from gan_bench.grid.optimizer import DEFAULT
from gan_bench.grid.schema import Compare, GridFile
from gan_bench.grid.source import Fault
from gan_bench.grid.toml import DocPath, dotted

Settings = dict[str, Any]
PLAIN = ("batch_size", "precision")  # settings without parts
HEADS = ("dataset", "architecture", "tricks", "optimizer", *PLAIN)
WHOLE = (("dataset",), ("architecture",), ("tricks",), ("optimizer",))  # axes whose levels are plugins, not parameters
OPTIMIZER_NAME = ("optimizer", "name")


@dataclass(frozen=True)
class Axis:
    """One setting and its levels."""

    path: tuple[str, ...]  # ("architecture", "depth")
    at: DocPath  # where the list of levels stands in the document
    levels: tuple[Any, ...]  # as written
    values: tuple[Any, ...]  # in one form: plugins as tables, tricks as lists of tables

    @property
    def name(self) -> str:
        """The path as one word."""
        return ".".join(self.path)

    def fault(self, rule: str, level: int | None = None, *, value: Any = ..., cure: str = "") -> Fault:
        """A mistake on this axis or in one of its levels."""
        at = self.at if level is None else (*self.at, level)
        return Fault(rule, at, value=value, cure=cure, name=self.name)


def axes_of(compare: Compare, index: int) -> tuple[Axis, ...]:
    """The axes of the comparison at this index of the file, in the order written. Fault: a key or level is none."""
    axes: list[Axis] = []
    for path, at, levels in _leaves(compare.model_extra or {}, (), ("compare", index)):
        check_path(path, at)
        name = ".".join(path)
        if any(axis.path == path for axis in axes):
            raise Fault(f"the axis {name} stands there twice", at)
        if not isinstance(levels, list):
            raise Fault("an axis needs a list of levels", at, value=levels, cure=f'Write "{name}" = [...].')
        axis = Axis(path, at, tuple(levels), ())
        values = tuple(level_value(axis, level, (number,)) for number, level in enumerate(levels))
        if not values:
            raise axis.fault("an axis needs at least one level")
        forms: set[str] = set()
        for number, value in enumerate(values):
            if (form := canonical(value)) in forms:
                raise axis.fault("this level stands there twice", number, value=levels[number])
            forms.add(form)
        axes.append(Axis(path, at, tuple(levels), values))
    if not axes:
        cure = 'Write, for example, "architecture.depth" = [1, 2].'
        raise Fault("a comparison needs an axis: a setting and the list of its levels", ("compare", index), cure=cure)
    return tuple(axes)


def _leaves(
    table: Mapping[str, Any], path: tuple[str, ...], at: DocPath
) -> Iterator[tuple[tuple[str, ...], DocPath, Any]]:
    """Path, place and value of every axis: quoted ("a.b") and unquoted (a.b) paths are the same."""
    for key, value in table.items():
        inner = (*path, *key.split("."))
        if isinstance(value, dict) and value:
            yield from _leaves(value, inner, (*at, key))
        else:
            yield inner, (*at, key), value


def check_path(path: tuple[str, ...], at: DocPath) -> None:
    head, name = path[0], ".".join(path)
    if head not in HEADS:
        if head in GridFile.model_fields:
            fixed = "is the same for all runs of a grid, so it can't be an axis"
            raise Fault(f"{head} {fixed}", at, cure="Set it at the top, or write a second grid file.")
        cure = did_you_mean(head, [*HEADS, *Compare.model_fields])
        raise Fault(f"{name!r} is no setting that can be an axis", at, cure=cure)
    if not all(path):
        raise Fault("this path has an empty part", at, value=name)
    if path[1:] == ("name",) and head in ("dataset", "architecture"):
        raise Fault("a plugin's name is no parameter", at, cure=f'Write {head} = ["...", "..."].')
    if head == "tricks" and (len(path) == 2 or path[2:] == ("name",)):
        cure = f'Write "tricks.{path[1]}.PARAMETER", or tricks = [[], ["{path[1]}"]].'
        raise Fault("a path into a trick names one of its parameters", at, cure=cure)
    if head in PLAIN and len(path) > 1:
        raise Fault(f"{head} is one value and has no parts", at, cure=f"Write {head} = [...].")


def level_value(axis: Axis, level: Any, where: DocPath = ()) -> Any:
    """A level in one form. `where` is its place below the axis. Fault: it can't be a level of this axis."""
    if axis.path == ("optimizer",):
        if isinstance(level, str):
            return {"name": level}
        if not isinstance(level, dict):
            raise Fault("must be an optimiser's name or a table", (*axis.at, *where), value=level, name=axis.name)
        return level
    if axis.path == ("tricks",):
        if not isinstance(level, list):
            rule, cure = "each level is a list of tricks", 'Write [[], ["label_noise"], ...]; [] is "no tricks".'
            raise Fault(rule, (*axis.at, *where), value=level, cure=cure, name=axis.name)
        return [_plugin(axis, item, (*where, number)) for number, item in enumerate(level)]
    return _plugin(axis, level, where) if axis.path in WHOLE else level


def _plugin(axis: Axis, value: Any, where: DocPath) -> dict[str, Any]:
    try:
        return plugin_table(value)
    except PydanticCustomError as error:
        rule = (error.context or {})["rule"]
        raise Fault(rule, (*axis.at, *where), value=value, name=axis.name) from None


def order(axis: Axis) -> tuple[int, tuple[str, ...]]:
    """Whole plugins are replaced before their parameters, so that the order in the file does not matter."""
    return (1 if axis.path == OPTIMIZER_NAME else len(axis.path), axis.path)


def replaced(settings: Settings, axis: Axis, level: int) -> Settings:
    """Settings with one level put in; the given ones stay as they are.

    A plugin of the name that stands there keeps its parameters, another one takes its own defaults.
    Fault: the path leads into a trick that is not among the tricks.
    """
    head, value = axis.path[0], axis.values[level]
    current = settings[head]
    new: Any
    if axis.path == OPTIMIZER_NAME:
        new = _merged(current, {"name": value}, DEFAULT)
    elif axis.path == ("tricks",):
        known = {trick["name"]: trick for trick in current}
        new = [{**known.get(trick["name"], {}), **trick} for trick in value]
    elif axis.path in WHOLE:
        new = _merged(current, value, DEFAULT)
    elif head == "tricks":
        if not any(trick["name"] == axis.path[1] for trick in current):
            found = [trick["name"] for trick in current]
            cure = "Add it to tricks, or exclude this combination."
            raise axis.fault(f"there is no trick {axis.path[1]!r} to set this for", level, value=found, cure=cure)
        new = [_put(trick, axis.path[2:], value) if trick["name"] == axis.path[1] else trick for trick in current]
    elif len(axis.path) == 1:
        new = value
    else:
        new = _put(current, axis.path[1:], value)
    return {**settings, head: new}


def _merged(current: dict[str, Any], new: dict[str, Any], default: str) -> dict[str, Any]:
    name = current.get("name", default)
    return {**current, **new} if new.get("name", name) == name else new


def _put(table: Any, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The table with the value at the path."""
    own = table if isinstance(table, dict) else {}
    return {**own, path[0]: _put(own.get(path[0]), path[1:], value) if len(path) > 1 else value}


def place(path: DocPath, settings: Settings, choices: list[tuple[Axis, int]]) -> tuple[DocPath, str]:
    """Where the value at `path` of a cell's settings came from, and its name: a level of an axis, or the baseline.

    `choices` are the cell's levels, in the order in which they were put in.
    """
    named = path
    if path[0] == "tricks" and len(path) > 1 and isinstance(path[1], int):
        named = ("tricks", settings["tricks"][path[1]]["name"], *path[2:])
    below = [(*axis.at, level) for axis, level in choices if axis.path[: len(named)] == named]
    found: DocPath = below[-1] if below else path  # of a plugin as a whole: where one of its parameters was replaced
    for axis, level in choices:
        for form in (path, named):
            if form[: len(axis.path)] == axis.path:
                found = (*axis.at, level, *form[len(axis.path) :])
    return found, dotted(named)
