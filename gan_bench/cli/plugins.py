"""`gan-bench plugins`: what is installed, and one plugin in detail."""

from __future__ import annotations

import json
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gan_bench.cli.options import plugin_option

if TYPE_CHECKING:
    from gan_bench.api.registry import Found


class Shape(click.ParamType):
    """A sample's shape, such as 1x28x28 or 2."""

    name = "CxHxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = value.lower().split("x")
        if not all(part.isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r} is no shape such as 1x28x28", param, ctx)
        return tuple(map(int, parts))


@click.command("plugins")
@click.argument("name", required=False)
@click.option(
    "--data", type=Shape(), default="1x28x28", show_default=True, help="Sample shape for an architecture's layer table."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@plugin_option
def command(name: str | None, data: tuple[int, ...], as_json: bool, plugins: tuple[Path, ...]) -> None:
    """List all plugins by kind, or describe the one called NAME.

    That is its parameters, a metric's numbers and an architecture's layers.
    """
    from gan_bench.api.registry import Registry
    from gan_bench.console import say
    from gan_bench.errors import GanBenchError, did_you_mean

    registry = Registry.load(plugins)
    every = [*registry.found, *registry.trackers(partial(say, err=True))]
    if name is None:
        facts = [
            {
                "kind": f.kind,
                "name": f.name,
                "summary": f.cls.summary(),
                "origin": f.origin,
                "instead_of": list(f.instead_of),
            }
            for f in every
        ]
        broken = [{"name": b.name, "origin": b.origin, "cause": b.cause} for b in registry.broken]
        if as_json:
            click.echo(json.dumps({"plugins": facts, "broken": broken}, indent=2))
        else:
            show_list(facts, broken)
        return
    found = [plugin for plugin in every if plugin.name == name]
    if not found:
        causes = "".join(f" {b} could not be loaded." for b in registry.broken)
        cure = did_you_mean(name, {plugin.name for plugin in every})
        raise GanBenchError(f"no plugin is called {name!r}. {cure}{causes}")
    for plugin in found:
        if registry.lost(plugin.kind, name):
            registry.get(plugin.kind, name)  # raises
    details = [describe(plugin, data) for plugin in found]
    if as_json:
        click.echo(json.dumps(details if len(details) > 1 else details[0], indent=2))
    else:
        for detail in details:
            show(detail)


def describe(plugin: Found, shape: tuple[int, ...]) -> dict[str, Any]:
    """Everything about one plugin, as JSON values."""
    import inspect

    from gan_bench.api.kinds import Dataset, shared

    tracker = plugin.kind == "tracker"  # of which there is nothing to set
    parameters = {} if tracker else plugin.cls.model_json_schema().get("properties", {})
    if issubclass(plugin.cls, Dataset):
        last = shared(plugin.cls)  # those that every dataset has
        parameters = dict(sorted(parameters.items(), key=lambda one: one[0] in last))
    detail: dict[str, Any] = {
        "kind": plugin.kind,
        "name": plugin.name,
        "origin": plugin.origin,
        "instead_of": list(plugin.instead_of),
        "description": inspect.getdoc(plugin.cls) or "",
        "parameters": [parameter(key, field) for key, field in parameters.items()],
    }
    if plugin.kind == "metric":
        detail |= scored(plugin.cls)
    if plugin.kind == "architecture":
        from gan_bench.api.data_spec import DataSpec
        from gan_bench.api.kinds import Architecture
        from gan_bench.training.describe import describe_architecture

        assert issubclass(plugin.cls, Architecture)
        kind = "image" if len(shape) == 3 else "points"
        try:
            detail["networks"] = describe_architecture(plugin.cls(), DataSpec(shape, kind))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - the architecture can't make such data, or is broken: the rest is still told
            detail["networks"], detail["refused"] = {}, str(error)
        detail["data"] = list(shape)
    return detail


def scored(cls: Any) -> dict[str, Any]:
    """What a metric reads, and each of its numbers with direction, scale and unit."""
    numbers = [{"name": name or cls.name, **number.facts()} for name, number in cls.every_number().items()]
    reads = f"{cls.reads} and labels" if cls.reads_labels else cls.reads
    return {"reads": reads, "numbers": numbers}


def parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """A parameter's type, default, bounds and description."""
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<", "enum": "one of"}
    # One of several types lists them, an optional one beside null.
    options = [option for option in field.get("anyOf", (field,)) if option.get("type") != "null"]
    types = dict.fromkeys("table" if "$ref" in option else option.get("type", "any") for option in options)
    ranges = [", ".join(f"{sign} {option[key]}" for key, sign in bounds.items() if key in option) for option in options]
    return {
        "name": name,
        "type": " or ".join(types),
        "default": field.get("default"),
        "bounds": " or ".join(filter(None, ranges)),
        "description": field.get("description", ""),
    }


def show_list(facts: list[dict[str, Any]], broken: list[dict[str, Any]]) -> None:
    """One line a plugin, by kind: its summary, cut where a terminal's line ends, and where it is from if it is not built in."""
    from rich.console import Console

    from gan_bench.api.kinds import KINDS

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for kind in (*KINDS, "tracker"):
        own = sorted((fact for fact in facts if fact["kind"] == kind), key=lambda fact: fact["name"])
        if own:
            console.print("feature extractors" if kind == "features" else f"{kind}s", style="bold")
        column = max((len(fact["name"]) for fact in own), default=0)
        for fact in own:
            source = "" if fact["origin"].startswith("package gan-bench ") else f"  ({origin(fact)})"
            line = f"  {fact['name']:{column}}  "
            room = max(console.width - len(line) - len(source), 20) if console.is_terminal else 10_000
            console.print(line + textwrap.shorten(fact["summary"], room, placeholder="...") + source)
    for fault in broken:
        console.print(f"broken: {fault['name']} ({fault['origin']}): {fault['cause']}", style="red")


def origin(fact: dict[str, Any]) -> str:
    """Where a plugin is from, and over what it wins."""
    instead = " and ".join(fact.get("instead_of", ()))
    return fact["origin"] + (f", instead of the one of {instead}" if instead else "")


def show(detail: dict[str, Any]) -> None:
    """One plugin in full."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    console.print(detail["name"], style="bold", end="")
    console.print(f"  {detail['kind']}, from {origin(detail)}\n")
    console.print(detail["description"] + "\n")
    if "numbers" in detail:
        scores = Table(f"reads {detail['reads']}, returns", "better", "differences", "unit", box=None, pad_edge=False)
        for number in detail["numbers"]:
            told = "in percent" if number["scale"] == "log" else "as they are"
            scores.add_row(number["name"], number["better"], told, number["unit"] or "-")
        console.print(scores)
        console.print()
    table = Table("parameter", "type", "default", "bounds", "description", box=None, pad_edge=False)
    for row in detail["parameters"]:
        table.add_row(row["name"], row["type"], json.dumps(row["default"]), row["bounds"], row["description"])
    console.print(table if detail["parameters"] else "It has no parameters.")
    if "refused" in detail:
        console.print(f"\nNo layer table: {detail['refused']}")
    for name, network in detail.get("networks", {}).items():
        console.print()
        shape = "x".join(map(str, detail["data"]))
        layers = Table(
            "layer", "output", "parameters", title=f"{name} for {shape}", title_justify="left", box=None, pad_edge=False
        )
        for layer in network["layers"]:
            layers.add_row(layer["type"], "x".join(map(str, layer["shape"])), f"{layer['parameters']:,}")
        console.print(layers)
        moving = network["parameters"] - network["trainable"]
        statistics = f" ({network['trainable']:,} trainable, {moving:,} moving statistics)" if moving else ""
        console.print(f"total {network['parameters']:,}{statistics}; {network['flops'] / 1e6:.1f} MFLOP an image")
