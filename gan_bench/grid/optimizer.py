"""Optimiser settings, and how those of both networks come from one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from gan_bench.api.tables import fault
from gan_bench.canonical import equal_form
from gan_bench.errors import did_you_mean
from gan_bench.grid.schema import NETWORKS, Keys
from gan_bench.grid.source import Fault, fault_of, validate
from gan_bench.grid.toml import DocPath

Beta = Annotated[float, Field(ge=0, lt=1)]


def _two(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 2:
        raise fault("needs two numbers")
    return tuple(value) if isinstance(value, list) else value


class OptimizerSettings(Keys):
    """One network's optimiser, all settings resolved; the arguments of PyTorch's class of that name."""

    name: str
    lr: float = Field(1e-4, gt=0, le=1000, description="learning rate")
    weight_decay: float = Field(0.0, ge=0, le=1000, description="weight decay")

    def settings(self) -> dict[str, Any]:
        """Name and every setting, as JSON values."""
        return self.model_dump(mode="json")


class Adam(OptimizerSettings):
    """Adam (Kingma and Ba 2015)."""

    name: str = "adam"
    betas: Annotated[tuple[Beta, Beta], BeforeValidator(_two)] = Field(
        (0.9, 0.999), description="decay of the moments' running means"
    )
    eps: float = Field(1e-8, gt=0, le=1, description="added to the denominator")


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: str = "adamw"
    weight_decay: float = Field(0.01, ge=0, le=1000, description="weight decay")


class SGD(OptimizerSettings):
    """Stochastic gradient descent."""

    name: str = "sgd"
    lr: float = Field(0.01, gt=0, le=1000, description="learning rate")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum")


class RMSprop(OptimizerSettings):
    """Gradients divided by a running mean of their size (Hinton 2012)."""

    name: str = "rmsprop"
    alpha: Beta = Field(0.99, description="decay of the squared gradients' running mean")
    eps: float = Field(1e-8, gt=0, le=1, description="added to the denominator")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum")


OPTIMIZERS: dict[str, type[OptimizerSettings]] = {
    cls.model_fields["name"].default: cls for cls in (Adam, AdamW, SGD, RMSprop)
}
DEFAULT = "adam"


def resolve_optimizer(table: dict[str, Any]) -> Mapping[str, OptimizerSettings]:
    """The optimiser of each network from the file's table.

    A network's own table overrides single keys; one that names another optimiser takes that one's defaults.
    Fault: a mistake, with its path.
    """
    return _resolve(json.dumps(table))


def optimizer_settings(table: dict[str, Any]) -> Mapping[str, dict[str, Any]]:
    """All settings of `resolve_optimizer`, as JSON values."""
    return _settings(json.dumps(table))


@lru_cache(maxsize=2**14)  # each cell of a large grid asks several times, and many have equal optimisers
def _resolve(text: str) -> Mapping[str, OptimizerSettings]:
    table = json.loads(text)
    shared = {key: value for key, value in table.items() if key not in NETWORKS}
    resolved = {"shared": _create(shared, {}, "")}  # refused even where both networks override it
    for network in NETWORKS:
        own = table.get(network, {})
        if not isinstance(own, dict):
            raise Fault("must be a table", ("optimizer", network), value=own)
        same = own.get("name", shared.get("name", DEFAULT)) == shared.get("name", DEFAULT)
        resolved[network] = _create(shared if same else {}, own, network)
    return {network: resolved[network] for network in NETWORKS}


@lru_cache(maxsize=2**14)
def _settings(text: str) -> Mapping[str, dict[str, Any]]:
    return {network: equal_form(one.settings()) for network, one in _resolve(text).items()}


def _create(shared: dict[str, Any], own: dict[str, Any], network: str) -> OptimizerSettings:
    values = {**shared, **own}
    name = values.get("name", DEFAULT)

    def place(key: Any) -> DocPath:
        return ("optimizer", network) if key in own else ("optimizer",)

    if not isinstance(name, str) or name not in OPTIMIZERS:
        cure = did_you_mean(str(name), OPTIMIZERS)
        raise Fault("is no known optimiser", (*place("name"), "name"), value=name, cure=cure)
    cls = OPTIMIZERS[name]
    try:
        return validate(cls, values)
    except ValidationError as error:
        found = fault_of(error, cls, values, of=name)
        path = (*place(found.path[0] if found.path else ""), *found.path)
        raise Fault(found.rule, path, value=found.value, cure=found.cure) from None
