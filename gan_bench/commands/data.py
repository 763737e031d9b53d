"""How data are read: what `gan-bench data` says and shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gan_bench.api.samples import PreparedData
from gan_bench.commands.asked import asked
from gan_bench.data.described import described
from gan_bench.files import replace_file
from gan_bench.findings.told import Told, told_all
from gan_bench.scoring.contact_sheet import contact_sheet
from gan_bench.store.documents import Dataset


@dataclass(frozen=True)
class DataRead:
    """One dataset."""

    settings: dict[str, Any]
    data: PreparedData
    facts: Dataset  # as run.json has them
    told: Told

    def as_json(self) -> dict[str, Any]:
        """What was read, as JSON values."""
        return {"settings": self.settings, **self.facts.as_json()}


def read_data(
    dataset: str | Path | Mapping[str, Any],
    console: Console,
    *,
    overrides: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    allow_plugins: bool = False,
) -> list[DataRead]:
    """Decode what a person names (`gan_bench.commands.asked`), unless the cache has it. GanBenchError: bad input."""
    named = asked(dataset, overrides, plugins, allow_plugins=allow_plugins)
    named.check()
    datasets, settings = zip(*named.made(), strict=True)
    prepared = named.prepare(datasets, console)
    facts = [described(data) for data in prepared]
    told = told_all(zip(facts, settings, strict=True))
    return [DataRead(*one) for one in zip(settings, prepared, facts, told, strict=True)]


def write_sheet(read: Sequence[DataRead], file: Path) -> None:
    """A contact sheet of both parts of each, as a PNG."""
    picture = contact_sheet([(one.told.title, one.data) for one in read])
    replace_file(file, lambda beside: picture.save(beside, format="PNG"))
