"""The JSON Schema of grid files, for editors: the core's keys, and the parameters of every installed plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic.errors import PydanticInvalidForJsonSchema

from gan_bench.api.kinds import KINDS
from gan_bench.api.registry import HOOKS, Found, Registry
from gan_bench.grid.optimizer import OPTIMIZERS
from gan_bench.grid.schema import NETWORKS, GridFile, Precision

Schema = dict[str, Any]
AXIS_PATHS = r"^(dataset|architecture|tricks|optimizer)\."


def grid_schema(registry: Registry) -> Schema:
    """The schema of a grid file that may use these plugins."""
    schema = GridFile.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    for kind in HOOKS:
        found = sorted((plugin for plugin in registry.found if plugin.kind == kind), key=lambda plugin: plugin.name)
        definitions[kind] = _one_of(found)
        definitions |= {f"{kind}.{plugin.name}": _table(plugin) for plugin in found}
    definitions["optimizer"] = _optimizer()
    one = {kind: {"$ref": f"#/$defs/{kind}"} for kind in KINDS}
    tricks = {"type": "array", "items": one["trick"]}
    for key in ("dataset", "architecture"):
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
    _axes(definitions["Compare"], one, tricks)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _one_of(found: Sequence[Found]) -> Schema:
    """One of these plugins by name, or as a table."""
    names = [{"const": plugin.name, "description": plugin.cls.summary()} for plugin in found]
    tables = [{"$ref": f"#/$defs/{plugin.kind}.{plugin.name}"} for plugin in found]
    return {"anyOf": names + tables} if found else {"not": {}}


def _table(plugin: Found) -> Schema:
    """A plugin's table. Its own definitions stay inside, where references find them by the whole path."""
    place = f"#/$defs/{plugin.kind}.{plugin.name}/$defs/"
    try:
        schema = plugin.cls.model_json_schema(ref_template=place + "{model}")
    except PydanticInvalidForJsonSchema:  # a parameter of a type that JSON Schema can't say: only the name is checked
        schema = {"type": "object", "properties": {}, "additionalProperties": True}
    schema["properties"] = {"name": {"const": plugin.name}, **schema.get("properties", {})}
    if plugin.kind == "metric":
        schema["properties"]["features"] = {"$ref": "#/$defs/features"}
    schema["required"] = ["name", *schema.get("required", [])]
    return schema


def _optimizer() -> Schema:
    """Both networks' optimiser, and the overrides of one; which keys go with which name is left to the grid's check."""
    keys: Schema = {}
    for cls in OPTIMIZERS.values():
        keys |= {key: value for key, value in cls.model_json_schema()["properties"].items() if key not in keys}
    keys = {key: {k: v for k, v in value.items() if k != "default"} for key, value in keys.items()}
    keys["name"] = {"enum": list(OPTIMIZERS), "description": "the optimiser"}
    one = {"type": "object", "properties": keys, "additionalProperties": False}
    return {**one, "properties": keys | dict.fromkeys(NETWORKS, one)}


def _axes(compare: Schema, one: dict[str, Schema], tricks: Schema) -> None:
    """Adds the axes to a comparison's keys: lists of levels, under quoted or unquoted paths."""
    parameters = {"type": "object"}  # an unquoted path: architecture.depth = [1, 2]
    optimizer = {"anyOf": [{"type": "string", "enum": list(OPTIMIZERS)}, {"$ref": "#/$defs/optimizer"}]}
    for key, level in {**one, "tricks": tricks, "optimizer": optimizer}.items():
        if key in ("dataset", "architecture", "tricks", "optimizer"):
            compare["properties"][key] = {"anyOf": [{"type": "array", "items": level, "minItems": 1}, parameters]}
    compare["properties"]["batch_size"] = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}
    compare["properties"]["precision"] = {"type": "array", "items": {"enum": list(get_args(Precision))}, "minItems": 1}
    compare["properties"]["exclude"]["items"] = {"type": "object"}
    compare["patternProperties"] = {AXIS_PATHS: {"type": "array", "minItems": 1}}
    compare["additionalProperties"] = False
