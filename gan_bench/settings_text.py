"""Settings as short text: one value a path, and a label of what tells a run from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by path, written as in a grid's axes: `architecture` is the plugin's name, `architecture.depth` a parameter."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        path = f"{prefix}.{key}" if prefix else key
        if key == "name" and prefix:
            flat[prefix] = value
        elif key == "tricks" and not prefix:
            flat[path] = tricks_text(value)
        elif isinstance(value, Mapping):
            flat |= flatten(value, path)
        else:
            flat[path] = value if isinstance(value, str | int | float | bool) else text(value)
    return flat


def tricks_text(tricks: list[Any]) -> str:
    """`label_noise(amount 0.05) + ema`, or `none`."""
    return " + ".join(_trick_text(trick) for trick in tricks) or "none"


def _trick_text(trick: Any) -> str:
    if not isinstance(trick, Mapping):
        return str(trick)
    parameters = ", ".join(f"{key} {text(value)}" for key, value in trick.items() if key != "name")
    return f"{trick['name']}({parameters})" if parameters else trick["name"]


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


def short_label(own: Mapping[str, Any], varying: pd.DataFrame) -> str:
    """A run's cell in words: `dcgan, depth 2, ema`, from the settings that vary among all runs.

    A plugin's parameter is left out where all runs with this plugin agree: the plugin's name says it already.
    """
    parts = []
    for path, value in own.items():
        plugin = path.split(".")[0]
        if plugin != path and plugin in own and varying.loc[varying[plugin] == own[plugin], path].nunique() < 2:
            continue
        if path in ("architecture", "dataset"):
            parts.append(text(value))
        elif path == "tricks":
            parts.append("no tricks" if value == "none" else str(value))
        else:
            parts.append(f"{path.removeprefix('architecture.')} {text(value)}")
    return ", ".join(parts)
