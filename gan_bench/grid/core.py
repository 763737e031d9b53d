"""The first half of reading a grid: its own keys, for which no plugin is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gan_bench.grid.axes import Settings
from gan_bench.grid.cells import Choices, check_core, located
from gan_bench.grid.expand import Expanded, baseline_of, expand
from gan_bench.grid.overrides import apply_overrides
from gan_bench.grid.plain import plain_document, toml_text
from gan_bench.grid.schema import GridFile
from gan_bench.grid.search import dimensions_of
from gan_bench.grid.source import Fault, Source, fault_of, validate
from gan_bench.grid.toml import read_toml


@dataclass(frozen=True)
class CoreGrid:
    """A grid whose own keys are checked; its plugins are not."""

    source: Source
    keys: GridFile
    comparisons: list[Expanded]
    arguments: tuple[str, ...]  # of the command that reads it; none where no file is


def read_core(grid: Path | Mapping[str, Any], overrides: Sequence[str] = (), seeds: str | None = None) -> CoreGrid:
    """The first half of `load_grid`: no plugin is imported. GridError: a mistake in the core's own keys."""
    if isinstance(grid, Mapping):
        return _written(grid, overrides, seeds)
    text, document = read_toml(grid)
    document, options = apply_overrides(document, overrides, seeds)
    words = [word for override in overrides for word in ("--set", override)] + (["--seeds", seeds] if seeds else [])
    return _checked(Source(grid, text, options), document, (str(grid), *words))


def _written(grid: Mapping[str, Any], overrides: Sequence[str], seeds: str | None) -> CoreGrid:
    """Of a grid that Python holds. Its text has the overrides in it, so that the file of a store asks for the store's runs."""
    try:
        document, options = apply_overrides(plain_document(grid), overrides, seeds)
    except Fault as fault:
        raise Source(Path(), "").error(fault) from None
    return _checked(Source(Path(), toml_text(document), options), document, ())


def _checked(source: Source, document: dict[str, Any], arguments: tuple[str, ...]) -> CoreGrid:
    try:
        keys = validate(GridFile, document)
        comparisons = expand(keys)
        if keys.search:
            dimensions_of(keys.search.space)
        _check(baseline_of(keys), [])
        for comparison in comparisons:
            for one in comparison.combinations:
                _check(one.settings, one.choices)
    except ValidationError as error:
        raise source.error(fault_of(error, GridFile, document)) from None
    except Fault as fault:
        raise source.error(fault) from None
    return CoreGrid(source, keys, comparisons, arguments)


def _check(settings: Settings, choices: Choices) -> None:
    try:
        check_core(settings)
    except Fault as fault:
        raise located(fault, settings, choices) from None
