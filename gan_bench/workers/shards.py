"""Runs given out to tasks of a cluster: a file of jobs, which tasks divide among themselves without a word between them."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.files import read_json, replace_file, write_json

if TYPE_CHECKING:
    from gan_bench.workers.engine import Rules
    from gan_bench.workers.jobs import Job, Setup

OWN = ("device", "store", "plugin_files", "environment")  # of a setup: each machine fills them in
EACH = ("run", "identity", "seed", "clear")  # of a job, its own; the rest is written once for all seeds of a cell


@dataclass(frozen=True)
class Given:
    """A run that is to be trained."""

    job: Job
    title: str
    steps: int  # that it has
    seconds: float  # of one worker, roughly


@dataclass(frozen=True)
class Round:
    """The runs that one array of tasks has, in a folder: `round.json`, `cells.jsonl`, `jobs.jsonl`, and the tasks' journals.

    Which are a task's follows from these files alone, so that every task reads all of them: a run has a short line, which
    names the line of its cell. `round.json` is written last.
    """

    folder: Path

    @property
    def journals(self) -> Path:
        """Where the tasks' journals lie."""
        return self.folder / "journals"

    @property
    def failed_mark(self) -> Path:
        """A file that stops all tasks at the first run that fails, if that was asked for."""
        return self.folder / "failed"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What round.json says. GanBenchError: there is none."""
        found = read_json(self.folder / "round.json")
        if not isinstance(found, dict):
            raise GanBenchError(f"{self.folder} has no round.json: no runs were given out there")
        return found

    def used(self, tasks: int) -> int:
        """How many of so many tasks get runs: so many that each has about `minutes` of work."""
        facts = self.facts
        wanted = math.ceil(facts["seconds"] / facts["workers"] / 60 / facts["minutes"])
        return max(1, min(tasks, facts["runs"], wanted))

    def write(
        self,
        given: Sequence[Given],
        setup: Setup,
        rules: Rules,
        *,
        device: str,
        workers: int,
        minutes: float,
        signal_seconds: int,
    ) -> None:
        """Give runs out to tasks that have a type of device, such as "cuda", and train so many runs at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        cells: dict[tuple[Any, ...], tuple[int, Job]] = {}
        rows = []
        for one in given:
            cell, _ = cells.setdefault(_cell(one.job), (len(cells), one.job))
            own = {name: getattr(one.job, name) for name in EACH}
            rows.append({**own, "cell": cell, "title": one.title, "steps": one.steps, "seconds": one.seconds})
        _write_lines(self.folder / "cells.jsonl", [asdict(job) for _, job in cells.values()])
        _write_lines(self.folder / "jobs.jsonl", rows)
        shared = {one.name: getattr(setup, one.name) for one in fields(setup) if one.name not in OWN}
        shared["evaluate"] = setup.evaluate.model_dump(mode="json", exclude_unset=True)
        facts = {
            "setup": shared,
            "rules": asdict(rules),
            "runs": len(given),
            "seconds": sum(one.seconds for one in given),
            "device": device,
            "workers": workers,
            "minutes": minutes,
            "signal_seconds": signal_seconds,
        }
        write_json(self.folder / "round.json", facts)

    def given(self) -> list[Given]:
        """Its runs, in order."""
        from pydantic import TypeAdapter

        from gan_bench.workers.jobs import Job

        adapter = TypeAdapter(Job)
        cells = [adapter.validate_python(row) for row in _read_lines(self.folder / "cells.jsonl")]
        return [
            Given(
                replace(cells[row["cell"]], **{name: row[name] for name in EACH}),
                row["title"],
                row["steps"],
                row["seconds"],
            )
            for row in _read_lines(self.folder / "jobs.jsonl")
        ]

    def share(self, task: int, tasks: int) -> list[Given]:
        """The runs of one of so many tasks, in order."""
        given, used = self.given(), self.used(tasks)
        return [given[place] for place in shares([one.seconds for one in given], used)[task]] if task < used else []

    def setup(self, store: Path, plugin_files: Sequence[Path]) -> Setup:
        """What the workers of a task are told."""
        from gan_bench.grid.schema import Evaluate
        from gan_bench.workers.jobs import Setup

        shared = {**self.facts["setup"], "evaluate": Evaluate.model_validate(self.facts["setup"]["evaluate"])}
        return Setup(device="", store=store, plugin_files=tuple(plugin_files), **shared)

    def rules(self) -> Rules:
        """What is done about runs that fail."""
        from gan_bench.workers.engine import Rules

        return Rules(**self.facts["rules"])


def shares(seconds: Sequence[float], tasks: int) -> list[list[int]]:
    """Places in a list of runs for each task, so that the tasks are about equally long: the longest runs first, each to the task
    that has least."""
    ends = [(0.0, task) for task in range(tasks)]
    own: list[list[int]] = [[] for _ in range(tasks)]
    for place in sorted(range(len(seconds)), key=lambda place: (-seconds[place], place)):
        end, task = heapq.heappop(ends)
        own[task].append(place)
        heapq.heappush(ends, (end + seconds[place], task))
    return [sorted(places) for places in own]


def _cell(job: Job) -> tuple[Any, ...]:
    """What is equal for jobs of one cell: their settings and what was found of them are the same objects."""
    return id(job.settings), id(job.dry), job.snapshot_steps, job.data, job.sources, job.limit


def _write_lines(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    replace_file(file, lambda beside: beside.write_text(lines, encoding="utf-8"))


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as opened:
        yield from map(json.loads, opened)
