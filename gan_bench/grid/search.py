"""`[search]`: the space of hyperparameters, and what is drawn from it for each level.

Draw i of a setting is a function of the search's seed, i, the setting's path and its entry in the space alone: no other
setting, level or number of draws changes it (random search: Bergstra & Bengio 2012, JMLR 13).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from gan_bench.api.registry import Registry
from gan_bench.canonical import canonical
from gan_bench.errors import did_you_mean
from gan_bench.grid.axes import HEADS, PLAIN, WHOLE, Axis, Settings, check_path, order, replaced
from gan_bench.grid.cells import Cell, Choices, Maker, located
from gan_bench.grid.optimizer import DEFAULT, OPTIMIZERS
from gan_bench.grid.schema import NETWORKS, GridFile
from gan_bench.grid.source import Fault
from gan_bench.grid.toml import DocPath

Half = Literal[
    "selection", "test"
]  # of the held-out data: that which chooses among draws, and that which tests what is chosen
KINDS = ("log_uniform", "uniform", "choice")
EXAMPLE = "Write { log_uniform = [1e-5, 1e-2] }, { uniform = [0, 1] } or { choice = [16, 32] }."
DIGITS = 4  # significant ones of a drawn number: it reads, and no machine's arithmetic makes another one of it


@dataclass(frozen=True)
class Dimension:
    """One setting that is drawn."""

    path: tuple[str, ...]  # ("optimizer", "lr")
    at: DocPath  # where its entry stands in the document
    kind: str  # of KINDS
    given: Any  # the options; two bounds; or True: the bounds are those of the plugin's field

    @property
    def name(self) -> str:
        """The path as one word."""
        return ".".join(self.path)

    def put(self, value: Any) -> tuple[Axis, int]:
        """A value as a level to put in."""
        return Axis(self.path, self.at, (value,), (value,)), 0

    def fault(self, rule: str, *, value: Any = ..., cure: str = "") -> Fault:
        """A mistake in its entry."""
        return Fault(rule, self.at, value=value, cure=cure, name=self.name)


@dataclass(frozen=True)
class Bounds:
    """What a setting is drawn from, in a level."""

    dimension: Dimension
    low: float = 0.0
    high: float = 1.0
    whole: bool = False  # whether only whole numbers are drawn
    options: list[Any] | None = None  # or one of these

    def near(self, value: float) -> float:
        """The number to be drawn that is nearest: within the bounds, and a whole one or of few digits."""
        return min(max(round(value) if self.whole else float(f"{value:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Draw:
    """One draw of a level's hyperparameters."""

    values: dict[str, Any]  # path -> value, of the settings that the level has
    cell: Cell


def dimensions_of(space: Mapping[str, Any]) -> tuple[Dimension, ...]:
    """The settings of `[search.space]`, plugins' whole ones before their parameters. Fault: one is none, or can't be drawn so."""
    found: list[Dimension] = []
    for path, at, entry in _entries(space, (), ("search", "space")):
        _check(path, at)
        ((kind, given),) = entry.items()
        made = Dimension(path, at, kind, given)
        if any(one.path == path for one in found):
            raise made.fault("this setting stands there twice")
        _check_given(made)
        found.append(made)
    return tuple(sorted(found, key=lambda one: order(one.put(None)[0])))


def _entries(
    table: Mapping[str, Any], path: tuple[str, ...], at: DocPath
) -> Iterator[tuple[tuple[str, ...], DocPath, dict[str, Any]]]:
    for key, value in table.items():
        inner, here = (*path, *key.split(".")), (*at, key)
        if isinstance(value, dict) and len(value) == 1 and not value.keys().isdisjoint(KINDS):
            yield inner, here, value
        elif isinstance(value, dict) and value and all(isinstance(each, dict) for each in value.values()):
            yield from _entries(value, inner, here)
        else:
            keys = list(value) if isinstance(value, dict) else []
            cure = f"{did_you_mean(keys[0], KINDS)} {EXAMPLE}" if len(keys) == 1 else EXAMPLE
            raise Fault("says how the setting is drawn", here, value=value, cure=cure, name=".".join(inner))


def _check(path: tuple[str, ...], at: DocPath) -> None:
    name = ".".join(path)
    if path[0] == "dataset":
        raise Fault("draws with other data can't be compared with each other", at, name=name)
    if path[0] not in HEADS:
        cure = did_you_mean(path[0], [head for head in HEADS if head != "dataset"])
        raise Fault(f"{name!r} is no setting that can be drawn", at, cure=cure)
    if path in WHOLE:
        raise Fault("a search draws parameters; this would be a comparison", at, name=name, cure="Write [[compare]].")
    check_path(path, at)


def _check_given(dimension: Dimension) -> None:
    kind, given = dimension.kind, dimension.given
    if kind == "choice":
        if not isinstance(given, list) or not given:
            raise dimension.fault("choice needs a list of values", value=given)
        forms = [canonical(value) for value in given]
        if twice := next((i for i, form in enumerate(forms) if form in forms[:i]), None):
            raise dimension.fault("this value stands there twice", value=given[twice])
        return
    if given is True:
        return
    numbers = isinstance(given, list) and len(given) == 2 and all(type(end) in (int, float) for end in given)
    if not numbers:
        cure = f"Write {kind} = [low, high], or {kind} = true for the bounds that the setting itself has."
        raise dimension.fault(f"{kind} needs two numbers", value=given, cure=cure)
    low, high = given
    if low >= high:
        rule = "the lower bound must be less than the upper one"
        raise dimension.fault(rule, value=given, cure=f"Write [{high}, {low}]." if low > high else "")
    if kind == "log_uniform" and low <= 0:
        raise dimension.fault("log_uniform needs bounds above 0, for 0 has no logarithm", value=given)


ValueOf = Callable[[Dimension, FieldInfo], Sequence[Any]]  # the value of a setting, or none: it stays as it is


class Drawing:
    """Draws the hyperparameters of levels."""

    def __init__(self, maker: Maker, space: Sequence[Dimension], seed: int, count: int) -> None:
        self.maker, self.space, self.seed, self.count = maker, space, seed, count
        self.known: dict[tuple[str, ...], set[str]] = {}  # path -> names that its last part could be, in some level

    def level(self, settings: Settings, choices: Choices) -> Iterator[tuple[Draw, Settings, Choices]]:
        """The draws of a level of these settings as written, each with its own and with all that was put in.

        Fault: a bound, an option or a draw is refused by what it is a setting of.
        """
        for dimension in self.space:
            for end in [] if dimension.given is True else dimension.given:
                self._made(settings, choices, _only(dimension, end))
        for index in range(self.count):
            yield self.one(settings, choices, index, partial(draw, seed=self.seed, index=index))

    def one(
        self, settings: Settings, choices: Choices, index: int, value_of: Callable[[Dimension, FieldInfo], Any]
    ) -> tuple[Draw, Settings, Choices]:
        """A draw of a level that has these values."""
        values: dict[str, Any] = {}

        def drawn(one: Dimension, field: FieldInfo) -> list[Any]:
            values[one.name] = value_of(one, field)
            return [values[one.name]]

        cell, own, put = self._made(settings, choices, drawn, f", in draw {index} of the search")
        return Draw(values, cell), own, put

    def bounds(self, settings: Settings) -> list[Bounds]:
        """What a level's settings are drawn from."""
        fields = [(one, self._field(settings, one.path)) for one in self.space]
        return [bounds_of(one, field) for one, field in fields if field]

    def _made(
        self, settings: Settings, choices: Choices, value_of: ValueOf, where: str = ""
    ) -> tuple[Cell, Settings, Choices]:
        """The cell of a level with values put in, of each setting of the space that it has. `where` ends a fault's rule."""
        put = list(choices)
        for dimension in self.space:
            field = self._field(settings, dimension.path)
            for value in value_of(dimension, field) if field else ():
                put.append(dimension.put(value))
                settings = replaced(settings, *put[-1])
        try:
            return self.maker.cell(settings), settings, put
        except Fault as fault:
            fault.rule += where
            raise located(fault, settings, put) from fault.__cause__

    def _field(self, settings: Settings, path: tuple[str, ...]) -> FieldInfo | None:
        """The field that a path names in a level's settings; None where the level has no such setting."""
        fields, key = fields_of(settings, path, self.maker.registry)
        self.known.setdefault(path, set()).update(fields)
        return fields.get(key)

    def check_used(self) -> None:
        """Fault: a setting that no level has."""
        for one in self.space:
            known = self.known.get(one.path, set())
            if one.path[0] == "tricks" and not known:
                cure = "Add it to a level's tricks, or leave this out."
                raise one.fault(f"no level has the trick {one.path[1]!r}", cure=cure)
            if one.path[-1] not in known:
                raise one.fault(f"no level has a setting {one.name!r}", cure=did_you_mean(one.path[-1], known))


def _only(dimension: Dimension, value: Any) -> ValueOf:
    """A value for this setting, and none for others."""
    return lambda one, _: [value] if one is dimension else []


def fields_of(settings: Settings, path: tuple[str, ...], registry: Registry) -> tuple[Mapping[str, FieldInfo], str]:
    """The fields that a level has where a path ends, by name (none: there is no such place), and the path's key among them."""
    head, *rest = path
    if head in PLAIN:
        return {key: GridFile.model_fields[key] for key in PLAIN}, head
    if head == "tricks":
        found = any(trick["name"] == rest[0] for trick in settings["tricks"])
        return (registry.get("trick", rest[0]).cls.model_fields if found else {}), rest[1]
    if head == "architecture":
        return registry.get("architecture", settings[head]["name"]).cls.model_fields, rest[0]
    shared = settings["optimizer"]
    own = shared.get(rest[0], {}) if rest[0] in NETWORKS else {}
    name = own.get("name", shared.get("name", DEFAULT))
    # A name that is drawn may be none: its level says so.
    known = OPTIMIZERS.get(name) if isinstance(name, str) else None
    return (known.model_fields if known else {}), rest[-1]


def draw(dimension: Dimension, field: FieldInfo, seed: int, index: int) -> Any:
    """Draw `index` of a setting. Fault: its bounds are to be the field's, and this has none."""
    u, bounds = unit(seed, index, dimension.name), bounds_of(dimension, field)
    if bounds.options is not None:
        return bounds.options[int(u * len(bounds.options))]
    low, high = bounds.low, bounds.high + bounds.whole  # every whole number has a piece of its own
    value = low + u * (high - low) if dimension.kind == "uniform" else low * (high / low) ** u
    return bounds.near(math.floor(value) if bounds.whole else value)


def bounds_of(dimension: Dimension, field: FieldInfo) -> Bounds:
    """What a setting is drawn from. Fault: its bounds are to be the field's, and this has none."""
    if dimension.kind == "choice":
        return Bounds(dimension, options=dimension.given)
    whole = is_whole(field)
    low, high = field_bounds(dimension, field, whole) if dimension.given is True else dimension.given
    return Bounds(dimension, math.ceil(low), math.floor(high), True) if whole else Bounds(dimension, low, high)


def unit(seed: int, index: int, path: str) -> float:
    """A number in (0, 1) for a draw of a setting."""
    digest = hashlib.sha256(f"{seed}/{index}/{path}".encode()).digest()
    return ((int.from_bytes(digest[:8]) >> 11) + 0.5) / 2**53


def is_whole(field: FieldInfo) -> bool:
    """Whether a field holds whole numbers."""
    return int in _types(field.annotation)


def _types(annotation: Any) -> set[Any]:
    if hasattr(annotation, "__metadata__"):
        return _types(annotation.__origin__)
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return set().union(*map(_types, get_args(annotation)))
    return {annotation}


def field_bounds(dimension: Dimension, field: FieldInfo, whole: bool) -> tuple[float, float]:
    """The bounds of a field. Fault: it lacks one, or they don't suit a logarithm."""
    ends: dict[str, float] = {}
    for rule in field.metadata:
        ends |= {name: getattr(rule, name) for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)}
    low, high = ends.get("ge", ends.get("gt")), ends.get("le", ends.get("lt"))
    if low is None or high is None:
        which = "no bounds" if low is high is None else f"no {'lower' if low is None else 'upper'} bound"
        rule = f"the setting itself has {which}"
        raise dimension.fault(rule, cure=f"Write {dimension.kind} = [low, high].")
    if whole:
        low, high = low + ("ge" not in ends), high - ("le" not in ends)
    if dimension.kind == "log_uniform" and low <= 0:
        rule = f"the setting's own lower bound is {low:g}, which has no logarithm"
        raise dimension.fault(rule, cure="Write log_uniform = [low, high].")
    return low, high
