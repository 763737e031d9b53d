"""`--set KEY=VALUE` and `--seeds`: values of the grid file replaced from the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from gan_bench.api.tables import LEARNT
from gan_bench.errors import GridError, did_you_mean
from gan_bench.grid.schema import GridFile
from gan_bench.grid.toml import DocPath, readable, unusable

ALTERNATIVES = ({"epochs", "steps"}, {"snapshots", "at_epochs", "at_steps"})  # one replaces the other


def apply_overrides(
    document: dict[str, Any], overrides: Sequence[str], seeds: str | None = None, within: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[DocPath, str]]:
    """The document with the values put in, and which option set which path. GridError: not of the form KEY=VALUE.

    Keys are paths below `within`.
    """
    options: dict[DocPath, str] = {}
    for text in overrides:
        option = f"--set {readable(text)}"
        key, equals, value = text.partition("=")
        if not equals:
            raise GridError("must have the form KEY=VALUE", file=option)
        path = *within, *_path(key, option)
        if path[0] not in GridFile.model_fields or path[0] == "compare":
            rule = "comparisons can't be set from here" if path[0] == "compare" else "is no known key"
            known = set(GridFile.model_fields) - {"compare"}
            raise GridError(rule, file=option, path=path[0], cure=did_you_mean(path[0], known))
        document, at = _put(document, path, value_of(value, option), option)
        options[at] = option
    if seeds is not None:
        document = {**document, "seeds": seeds}
        options["seeds",] = f"--seeds {readable(seeds)}"
    return document, options


def _path(key: str, option: str) -> tuple[str, ...]:
    """The parts of a dotted TOML key, which may be quoted."""
    try:
        table: Any = tomllib.loads(f"{key} = 0") if "\n" not in key else {}
    except ValueError:
        table = {}
    path: list[str] = []
    while isinstance(table, dict) and len(table) == 1:
        ((part, table),) = table.items()
        path.append(part)
    if table != 0 or not path:
        raise GridError("the key must be a dotted path such as architecture.depth", file=option)
    return tuple(path)


def value_of(text: str, option: str) -> Any:
    """A TOML value, or else the text itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    if table.keys() != {"value"}:  # a line break smuggled in more keys
        return text
    fault = unusable(table["value"])
    if fault:
        raise GridError(fault[1], file=option)
    return table["value"]


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any, option: str) -> tuple[dict[str, Any], DocPath]:
    """The table with the value at the path, and that path in the document."""
    key, rest = path[0], path[1:]
    old = table.get(key)
    if not rest:
        rivals = next((names - {key} for names in ALTERNATIVES if key in names), set())
        return {**{k: v for k, v in table.items() if k not in rivals}, key: value}, (key,)
    if key == "tricks":
        tricks = [{"name": item} if isinstance(item, str) else item for item in old or [] if isinstance(old, list)]
        names = [item.get("name") if isinstance(item, dict) else None for item in tricks]
        if rest[0] not in names:
            raise GridError(f"there is no trick {rest[0]!r} among the baseline's tricks", file=option)
        if len(rest) < 2:
            raise GridError("a path into a trick names one of its parameters", file=option)
        index = names.index(rest[0])
        tricks[index], at = _put(tricks[index], rest[1:], value, option)
        return {**table, key: tricks}, (key, index, *at)
    if key == "features" and old is None:
        old = LEARNT
    if key in ("dataset", "architecture", "features") and isinstance(old, str):
        old = {"name": old}
    inner, at = _put(old if isinstance(old, dict) else {}, rest, value, option)
    return {**table, key: inner}, (key, *at)
