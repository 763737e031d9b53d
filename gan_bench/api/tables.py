"""Plugins as files name them: a name, or a table of name and parameters."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticCustomError

LEARNT = {"name": "classifier"}  # the features of pictures with labels


def fault(rule: str, *at: str | int, cure: str = "") -> PydanticCustomError:
    """An error about the value at `at`, below the one that is validated. (Braces would be filled in by pydantic.)"""
    return PydanticCustomError("grid", "{rule}", {"rule": rule, "at": at, "cure": cure})


def plugin_table(value: Any) -> dict[str, Any]:
    """A plugin's name, or a table of name and parameters, as a table; the plugin itself checks its parameters."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        raise fault('must be a name in quotes, or a table such as { name = "...", ... }')
    if not isinstance(value.get("name"), str):
        if "name" not in value:
            raise fault("needs a name")
        raise fault("must be a plugin's name in quotes", "name")
    return value


def with_features(table: dict[str, Any]) -> dict[str, Any]:
    """The table, in which the features that it names, if any, are a table too."""
    if "features" not in table:
        return table
    try:
        return {**table, "features": plugin_table(table["features"])}
    except PydanticCustomError as error:
        context = error.context or {}
        raise fault(context["rule"], "features", *context["at"]) from None


def usual_features(kind: str, labelled: bool) -> dict[str, Any]:
    """What samples are seen through where nothing else is said: a network that has learnt the classes where there are any.

    Else a random one; points are seen as they are.
    """
    return {"name": "pixels"} if kind != "image" else LEARNT if labelled else {"name": "random"}
