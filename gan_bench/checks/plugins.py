"""Which checks a plugin has: those of every plugin, and those of its kind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gan_bench.api.faults import place_of
from gan_bench.api.kinds import Plugin
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.architectures import architecture_checks
from gan_bench.checks.check import Check, Failed, Skipped, blamed, place_of_field, variants
from gan_bench.checks.datasets import dataset_checks
from gan_bench.checks.scores import features_checks, metric_checks
from gan_bench.checks.tricks import check_pair, trick_checks

__all__ = ["check_pair", "checks_of"]

SOURCE = re.compile(r"\b(1[89]|20)\d\d[a-z]?\b|\bno paper's\b")
CITING = {"architecture", "metric", "trick"}  # kinds that mostly come from a paper
OF_KIND: dict[str, Callable[[Found, Sequence[Plugin], Registry], Iterator[Check]]] = {
    "architecture": architecture_checks,
    "dataset": dataset_checks,
    "trick": trick_checks,
    "metric": metric_checks,
    "features": features_checks,
}


def checks_of(found: Found, registry: Registry) -> list[Check]:
    """All checks of a plugin. They share what they train, so that each is cheap where they run one after another."""
    checks = [Check(found, "says what it and each parameter is", lambda: _described(found), uses=False)]
    checks.append(Check(found, "has settings that make it again", lambda: _settings(found, registry), uses=False))
    if found.kind in CITING:
        checks.append(Check(found, "cites where it is from", lambda: _cites(found), uses=False))
    try:
        with blamed(found.cls):
            return [*checks, *OF_KIND[found.kind](found, variants(found), registry)]
    except (Failed, Skipped) as fault:
        return [*checks, Check(found, "can be made", partial(_raise, fault))]


def _raise(fault: Exception) -> None:
    raise fault


def _described(found: Found) -> None:
    if not found.cls.summary():
        raise Failed(place_of(found.cls), "it has no docstring: its first line is what lists of plugins show")
    for name, field in found.cls.model_fields.items():
        if not field.description:
            raise Failed(place_of_field(found.cls, name), f'`{name}` needs Field(..., description="...")')


def _settings(found: Found, registry: Registry) -> None:
    for plugin in variants(found):
        settings = plugin.settings()
        again = registry.create(found.kind, json.loads(json.dumps(settings)))
        if type(again) is found.cls and again != plugin:
            raise Failed(place_of(found.cls), f"it is another when it is made of its own settings {settings!r}")


def _cites(found: Found) -> None:
    if not SOURCE.search(found.cls.__doc__ or ""):
        wanted = 'authors, year and equation, as in (Miyato et al. 2018, eq. 3), or "no paper\'s"'
        raise Failed(place_of(found.cls), f"its docstring does not say where it is from: {wanted}")
