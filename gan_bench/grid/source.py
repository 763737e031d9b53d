"""Where each value of a grid came from, so that an error can say it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gan_bench.errors import GridError, did_you_mean
from gan_bench.grid.toml import DocPath, dotted, line_of, readable

_shorten = Repr()
_shorten.maxlist = _shorten.maxdict = 6
_shorten.maxstring = _shorten.maxother = 80

# pydantic's error types, in the words of someone who writes TOML.
RULES = {
    "missing": "is required",
    "extra_forbidden": "is no known key",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "path_type": "must be text in quotes",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
}


Model = TypeVar("Model", bound=BaseModel)


class Shown:
    """A value as an error shows it: not longer than a line."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return _shorten.repr(self.value)


class Fault(Exception):
    """A mistake in the value at `path`; `Source` knows file and line."""

    def __init__(self, rule: str, path: DocPath, *, value: Any = ..., cure: str = "", name: str = "") -> None:
        super().__init__(f"{dotted(path)}: {rule}")
        self.rule, self.path, self.value, self.cure = rule, path, value, cure
        self.name = name or dotted(path)  # how the setting is called, where it stands under another path


@dataclass(frozen=True)
class Source:
    """A grid file's text, and what the command line replaced in it."""

    file: Path  # without a name where Python holds the grid
    text: str
    options: dict[DocPath, str] = field(default_factory=dict)  # path -> the option that set it, as it was given

    @property
    def shown(self) -> Path | None:
        """What an error names: the file, if there is one."""
        return self.file if self.file.name else None

    def error(self, fault: Fault) -> GridError:
        """The error with file and line, or with the option that brought the value."""
        value = ... if fault.value is ... else Shown(fault.value)
        rule, name, cure = readable(fault.rule), readable(fault.name), readable(fault.cure)
        for path, option in self.options.items():
            shorter = min(len(path), len(fault.path))  # the option set this value, or a part of it
            if shorter and fault.path[:shorter] == path[:shorter]:
                return GridError(rule, file=option, path=name, value=value, cure=cure)
        line = line_of(self.text, fault.path) if self.shown else None
        return GridError(rule, file=self.shown, line=line, path=name, value=value, cure=cure)


def validate(model: type[Model], values: Any) -> Model:
    """The model of TOML values. By way of JSON, whose types are TOML's: "2" is no number, and a list may be a tuple."""
    return model.model_validate_json(json.dumps(values), strict=True)


def lookup(document: Any, path: DocPath) -> tuple[DocPath, Any]:
    """The longest part of `path` that exists, and the value there."""
    for index, key in enumerate(path):
        if isinstance(document, str):  # a place in a text is none in the document
            return path[:index], document
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return path[:index], document
    return path, document


def fault_of(error: ValidationError, model: type[BaseModel], given: Any, base: DocPath = (), *, of: str = "") -> Fault:
    """The first of pydantic's errors as one sentence about a value.

    `given` is what was validated, found at `base`; `of` is what an unknown key is no key of.
    """
    first = error.errors(include_url=False)[0]
    context, kind = first.get("ctx", {}), first["type"]
    path: DocPath = first["loc"] + tuple(context.get("at", ()))
    exists, value = lookup(given, path)
    if kind not in ("missing", "extra_forbidden"):
        path = exists  # without the tags that pydantic adds for the members of a union
    cure = "Write [[compare]]." if path == ("compare",) else str(context.get("cure", ""))
    if kind == "missing" or not (base or path):
        value = ...
    elif kind == "extra_forbidden":
        cure = did_you_mean(str(path[-1]), _keys(model, path[:-1]))
        if of:
            kind, first["msg"] = "unknown", f"is no parameter of {of}"
    rule = str(context["error"]) if kind == "value_error" else RULES.get(kind, first["msg"])
    if kind in RULES:
        rule = rule.format_map({key: _number(item) for key, item in context.items()})
    rule = rule.replace("Input should", "should").rstrip(".") or "is refused"
    others = [one for one in error.errors(include_url=False)[1:] if one["loc"] != first["loc"][: len(one["loc"])]]
    if others:
        cure = f"{cure} And {len(others)} more in this file.".strip()
    return Fault(rule, (*base, *path), value=value, cure=cure)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _keys(model: type[BaseModel], path: Sequence[Any]) -> Iterable[str]:
    """The keys that the model has at a path of nested models (tables)."""
    for key in path:
        kind = model.model_fields[key].annotation if key in model.model_fields else None
        inner = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not inner:  # get_args: of one that may be left out
            break
        model = inner[0]
    return model.model_fields or ["(none)"]
