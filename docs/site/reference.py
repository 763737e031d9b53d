"""The reference's pages, made from the code: commands, keys of grid files, what Python may import, and every built-in plugin."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import click
from pydantic import BaseModel

import gan_bench
from gan_bench.api.kinds import KINDS
from gan_bench.api.registry import Registry
from gan_bench.cli import COMMANDS, main
from gan_bench.cli.plugins import describe
from gan_bench.grid.schema import GridFile

TITLES = {"features": "Feature extractors"}
SHAPE = (1, 32, 32)  # that layers are counted for


def pages() -> dict[str, str]:
    """By name: their Markdown."""
    kinds = {("features" if kind == "features" else f"{kind}s"): kind for kind in (*KINDS, "tracker")}
    return {
        "commands": _page("Commands", _commands()),
        "grid-keys": _page("Keys of a grid file", _keys()),
        "python": _page("From Python", _python()),
        **{page: _page(TITLES.get(page, page.capitalize()), _plugins(kind)) for page, kind in kinds.items()},
    }


def _page(title: str, parts: Iterator[str]) -> str:
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def _commands() -> Iterator[str]:
    yield "What `gan-bench COMMAND --help` says of each."
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        context = click.Context(command, info_name=f"gan-bench {name}", terminal_width=100)
        usage = " ".join(["gan-bench", name, *command.collect_usage_pieces(context)])
        yield f"## gan-bench {name}\n\n```text\n{usage}\n```\n\n{_text(inspect.cleandoc(command.help or ''))}"
        rows = [record for option in command.params if (record := option.get_help_record(context)) and record[1]]
        yield _table(("option", "does"), [(f"`{option}`", text) for option, text in rows])


def _keys() -> Iterator[str]:
    yield "[The grid language](../grid.md) explains them. `gan-bench schema` is the same for editors, with plugins' parameters."
    schema = GridFile.model_json_schema()
    yield from _keys_of("", schema, schema["$defs"])


def _keys_of(path: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """A table of keys, then those of the tables among them."""
    rows, tables = [], []
    for name, field in schema.get("properties", {}).items():
        options = field.get("anyOf", [field])
        types = []
        for option in options:
            inner = option.get("items", option)
            if reference := inner.get("$ref"):
                tables.append((f"{path}{name}", definitions[reference.rpartition("/")[2]]))
            types.append(_type(option))
        default = "" if field.get("default") is None else f"`{json.dumps(field['default'], ensure_ascii=False)}`"
        rows.append((f"`{path}{name}`", " or ".join(dict.fromkeys(types)), default, field.get("description", "")))
    yield (f"## {path.rstrip('.')}\n\n" if path else "") + _table(("key", "type", "default", "is"), rows)
    for inner, table in tables:
        if "properties" in table:
            yield from _keys_of(f"{inner}.", table, definitions)


def _type(option: dict[str, Any]) -> str:
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    if "const" in option:
        return f"`{option['const']}`"
    if "$ref" in option:
        return "table"
    inner = option.get("items")
    if isinstance(inner, dict):
        return f"list of {_type(inner)}s" if inner.keys() & {"type", "$ref", "enum"} else "list"
    return {"object": "table", "null": "left out"}.get(option.get("type", ""), option.get("type", "any"))


def _python() -> Iterator[str]:
    yield "`from gan_bench import NAME`. [Who needs what](../design.md#what-everybody-may-import)."
    for name in gan_bench.__all__:
        yield from _documented(name, getattr(gan_bench, name))


def _documented(name: str, thing: Any) -> Iterator[str]:
    """A class or a function with its signature and what its author says of it."""
    yield f"## {name}"
    called = inspect.isclass(thing) and not issubclass(thing, BaseModel | Exception)
    if inspect.isfunction(thing) or (called and not getattr(thing, "_is_protocol", False)):
        yield _signature(name, thing)
    text = inspect.getdoc(thing) or ""
    yield _text("Pydantic's `Field`, by which a plugin declares a parameter." if name == "Field" else text)
    if inspect.isclass(thing):
        for part, value in vars(thing).items():
            function = inspect.unwrap(value.__func__) if isinstance(value, classmethod | staticmethod) else value
            if part.startswith("_") or not inspect.getdoc(value):
                continue
            if inspect.isfunction(function):
                yield f"### {name}.{part}\n\n{_signature(part, function)}\n\n{_text(inspect.getdoc(function) or '')}"
            elif isinstance(value, property):
                yield f"### {name}.{part}\n\n{_text(inspect.getdoc(value) or '')}"


def _signature(name: str, function: Any) -> str:
    """A call with all parameters, a line each where there are many."""
    signature = inspect.signature(function)
    parts, starred = [], False
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            parts.append("*")
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        starred |= one.kind is one.VAR_POSITIONAL
        typed = "" if one.annotation is one.empty else f": {_annotation(one.annotation)}"
        given = "" if one.default is one.empty else f" = {one.default!r}" if typed else f"={one.default!r}"
        parts.append(f"{star}{one.name}{typed}{given}")
    result = signature.return_annotation
    end = "" if result in (signature.empty, None, "None") else f" -> {_annotation(result)}"
    line = f"{name}({', '.join(parts)}){end}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){end}"
    return f"```python\n{line}\n```"


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _plugins(kind: str) -> Iterator[str]:
    registry = Registry.load(())
    found = [one for one in (*registry.found, *registry.trackers(print)) if one.kind == kind]
    for plugin in sorted(found, key=lambda one: one.name):
        detail = describe(plugin, SHAPE)
        yield f"## {plugin.name}\n\n{_text(detail['description'])}"
        for reads in filter(None, [detail.get("reads")]):
            rows = [(f"`{one['name']}`", one["better"], one["unit"] or "") for one in detail["numbers"]]
            yield f"It reads {reads}.\n\n" + _table(("number", "better", "unit"), rows)
        yield _table(
            ("parameter", "type", "default", "bounds", "is"),
            [
                (f"`{row['name']}`", row["type"], f"`{json.dumps(row['default'])}`", row["bounds"], row["description"])
                for row in detail["parameters"]
            ],
        )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table; none if it has no rows."""
    lines = [head, tuple("---" for _ in head), *([_cell(text) for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _text(text: str) -> str:
    """A docstring as Markdown: what looks like a tag or a link is neither."""
    return re.sub(r"([<\[\]_*])", r"\\\1", text) if "`" not in text else re.sub(r"`[^`]*`|[<\[\]_*]", _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith("`") else f"\\{match[0]}"
