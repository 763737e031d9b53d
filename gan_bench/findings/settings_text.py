"""Settings as short text: one value a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_bench.grid.labels import tricks_text, value_text
from gan_bench.grid.naming import PLUGINS


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by path, written as in a grid's axes: `architecture` is the plugin's name, `architecture.depth` a parameter."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        path = f"{prefix}.{key}" if prefix else key
        if key == "tricks" and not prefix:
            flat[path] = tricks_text(value)
        elif isinstance(value, Mapping):  # of a plugin, but for a parameter that is a table
            flat |= {path: value_text(value)} if prefix in PLUGINS else flatten(value, path)
        else:
            place = prefix if key == "name" and prefix else path
            flat[place] = value if isinstance(value, str | int | float | bool) else text(value)
    return flat


def text(value: Any) -> str:
    """A setting's value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
