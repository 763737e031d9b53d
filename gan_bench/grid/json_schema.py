"""The JSON Schema of grid files, for editors: the core's keys, and the parameters of every installed plugin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

from pydantic.errors import PydanticInvalidForJsonSchema

from gan_bench.api.kinds import KINDS
from gan_bench.api.registry import HOOKS, Found, Registry
from gan_bench.grid.optimizer import OPTIMIZERS
from gan_bench.grid.schema import NETWORKS, GridFile, Precision

Schema = dict[str, Any]
BASELINE = ("dataset", "architecture")  # plugins of which a grid's baseline has one each
OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}  # said, for tombi warns of what is unsaid
AXIS_PATHS = r"^(dataset|architecture|tricks|optimizer)\."


def grid_schema(registry: Registry) -> Schema:
    """The schema of a grid file that may use these plugins."""
    schema = GridFile.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    for kind in HOOKS:
        found = sorted((plugin for plugin in registry.found if plugin.kind == kind), key=lambda plugin: plugin.name)
        definitions[kind] = _one_of(found)
        for plugin in found:
            definitions |= _tables(plugin)
    definitions["optimizer"] = _optimizer()
    one = {kind: {"$ref": f"#/$defs/{kind}"} for kind in KINDS}
    tricks = {"type": "array", "items": one["trick"]}
    for key in BASELINE:
        properties[key] |= one[key]
        properties[key].pop("anyOf", None)
    properties["tricks"] |= tricks
    properties["seeds"] = {
        "anyOf": [properties["seeds"], {"type": "string", "pattern": "^[0-9 ,-]+$"}],
        "description": properties["seeds"].pop("description"),
        "default": properties["seeds"].pop("default"),
    }
    properties["optimizer"] = {"$ref": "#/$defs/optimizer", "description": properties["optimizer"]["description"]}
    evaluate = definitions["Evaluate"]["properties"]
    evaluate["metrics"] |= {"items": one["metric"]}
    evaluate["features"] |= one["features"]
    evaluate["features"].pop("anyOf", None)
    schema["oneOf"] = [{"required": ["epochs"]}, {"required": ["steps"]}]
    own = [plugin for plugin in registry.found if plugin.kind in BASELINE]
    _axes(definitions, [*own, *(plugin for plugin in registry.found if plugin.kind == "trick")], one, tricks)
    schema["allOf"] = [_levels_of(definitions, plugin) for plugin in own]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _one_of(found: Sequence[Found]) -> Schema:
    """One of these plugins by name, or as a table whose name says which keys it has.

    Alternatives, no `if` and `then`: editors complete the keys of those that fit (tombi 1.9 none of a `then`).
    """
    names = [{"const": plugin.name, "description": plugin.cls.summary()} for plugin in found]
    tables = [{"$ref": f"#/$defs/{plugin.kind}.{plugin.name}"} for plugin in found]
    return {"anyOf": names + tables} if found else {"not": {}}


def _tables(plugin: Found) -> Schema:
    """A plugin's table, and the definitions that it refers to, by name."""
    own = f"{plugin.kind}.{plugin.name}"
    try:
        schema = plugin.cls.model_json_schema(ref_template=f"#/$defs/{own}.{{model}}")
    except PydanticInvalidForJsonSchema:  # a parameter of a type that JSON Schema can't say: only the name is checked
        schema = OPEN | {"properties": {}}
    schema["properties"] = {"name": {"const": plugin.name}, **schema.get("properties", {})}
    if plugin.kind == "metric":
        schema["properties"]["features"] = {"$ref": "#/$defs/features"}
    schema["required"] = ["name", *schema.get("required", [])]
    inner = schema.pop("$defs", {})
    return {own: schema} | {f"{own}.{name}": one for name, one in inner.items()}


def _optimizer() -> Schema:
    """Both networks' optimiser, and the overrides of one; which keys go with which name is left to the grid's check."""
    keys: Schema = {}
    for cls in OPTIMIZERS.values():
        keys |= {key: value for key, value in cls.model_json_schema()["properties"].items() if key not in keys}
    keys = {key: {k: v for k, v in value.items() if k != "default"} for key, value in keys.items()}
    keys["name"] = {"enum": list(OPTIMIZERS), "description": "the optimiser"}
    one = {"type": "object", "properties": keys, "additionalProperties": False}
    return {**one, "properties": keys | dict.fromkeys(NETWORKS, one)}


def _axes(definitions: Schema, found: Sequence[Found], one: dict[str, Schema], tricks: Schema) -> None:
    """Adds the axes to a comparison's keys: lists of levels, under quoted or unquoted paths."""
    compare = definitions["Compare"]
    optimizer = {"anyOf": [{"type": "string", "enum": list(OPTIMIZERS)}, {"$ref": "#/$defs/optimizer"}]}
    levels = {key: one[key] for key in BASELINE} | {"tricks": tricks, "optimizer": optimizer}
    levels |= {"batch_size": {"type": "integer", "minimum": 1}, "precision": {"enum": list(get_args(Precision))}}
    alike: dict[str, dict[str, tuple[list[str], Schema]]] = {}  # by path and form: plugins' names, and a level
    for plugin in found:
        for path, level in _paths(definitions, plugin).items():
            form = json.dumps(_at(definitions, level["$ref"]))
            alike.setdefault(path, {}).setdefault(form, ([], level))[0].append(plugin.name)
    paths = {path: _known(list(forms.values())) for path, forms in alike.items()}
    for key, level in levels.items():
        compare["properties"][key] = _list_of(level)
    for key in ("tricks", "optimizer", *BASELINE):  # an unquoted path: architecture.depth = [1, 2]
        inner = {path.partition(".")[2]: level for path, level in paths.items() if path.startswith(f"{key}.")}
        table = OPEN | {"properties": inner if key in BASELINE else {}}
        compare["properties"][key] = {"anyOf": [compare["properties"][key], table]}
    compare["properties"]["exclude"]["items"] = OPEN
    compare["properties"] |= paths
    compare["patternProperties"] = {AXIS_PATHS: {"type": "array", "minItems": 1}}
    compare["additionalProperties"] = False


def _known(forms: Sequence[tuple[list[str], Schema]]) -> Schema:
    """A path's levels, whichever plugin the baseline has, and what each means by it."""
    told = [f"{', '.join(names)}: {level['description']}" for names, level in forms]
    said = forms[0][1]["description"] if len(forms) == 1 else "; ".join(told)
    return _list_of({"anyOf": [level for _, level in forms]}) | {"description": said}


def _at(definitions: Schema, reference: str) -> Any:
    """What `#/$defs/NAME/properties/KEY` refers to."""
    *_, name, _, key = reference.split("/")
    return definitions[name]["properties"][key]


def _paths(definitions: Schema, plugin: Found) -> Schema:
    """The settings' paths of a plugin's parameters, each with what a level of it is."""
    own = f"{plugin.kind}.{plugin.name}"
    root = plugin.kind if plugin.kind in BASELINE else f"tricks.{plugin.name}"
    return {
        f"{root}.{key}": {"$ref": f"#/$defs/{own}/properties/{key}", "description": field.get("description", "")}
        for key, field in definitions[own]["properties"].items()
        if key != "name"
    }


def _levels_of(definitions: Schema, plugin: Found) -> Schema:
    """Where the baseline has this plugin, levels of its parameters are those it takes, unless a comparison asks for others."""
    kind, name = plugin.kind, {"const": plugin.name}
    table = OPEN | {"properties": {"name": name}, "required": ["name"]}
    levels = {path: _list_of(level) for path, level in _paths(definitions, plugin).items()}
    own = OPEN | {"anyOf": [{"required": [kind]}, {"properties": levels}]}
    return {
        "if": OPEN | {"properties": {kind: {"anyOf": [name, table]}}, "required": [kind]},
        "then": OPEN | {"properties": {"compare": {"items": own}}},
    }


def _list_of(level: Schema) -> Schema:
    return {"type": "array", "items": level, "minItems": 1}
