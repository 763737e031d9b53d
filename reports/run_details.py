"""What the page shows of each run, and once of all runs of a cell: a thousand runs' settings would fill the page."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from gan_bench.findings.settings_text import flatten, text
from gan_bench.findings.tables import Results
from gan_bench.store.documents import Network, ResultDocument, RunDocument
from gan_bench.store.grid_json import GridDocument
from gan_bench_reports.formats import count, duration, number, scaled

Rows = list[tuple[str, str]]
SHARED = {"settings", "dataset", "networks", "plugins", "execution"}  # parts of run.json that make a cell
TOLD = {"reading", "class_counts", "chosen", "chosen_of"}  # of its dataset, which the page tells under Data
TAIL = 4000  # bytes of what plugins printed
OUTCOME: dict[str, Callable[[Any], str]] = {  # how parts of result.json are shown
    **dict.fromkeys(("steps", "d_steps", "images", "images_per_second"), count),
    **dict.fromkeys(("seconds", "time.training", "time.evaluation", "time.checkpoints", "time.waiting"), duration),
    "share_of_peak": lambda share: f"{share:.1%}",
    "peak_memory": lambda size: scaled(size, "B"),
}
CONTROL = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class RunView:
    """One run."""

    run: str
    id: str
    cell: str
    store: str  # where several are shown
    seed: str
    status: str
    reason: str
    health: str  # names of its diagnoses, "healthy", or empty where that is not known
    stale: str  # why it is out of date; empty where it isn't
    traceback: str
    row: dict[str, Any]  # of `Results.runs`
    score: str  # headline score at the last snapshot
    outcome: Rows
    events: Rows
    output: str  # the end of what plugins printed
    place: Rows
    command: str

    @property
    def search(self) -> str:
        """What the search looks through."""
        about = f"{self.status} {self.reason} {self.health} {self.stale and 'stale'}"
        return f"{self.run} {self.cell} seed {self.seed} {about}".lower()


@dataclass
class CellView:
    """Runs that differ in their seed alone, and what they share."""

    id: str
    name: str
    runs: list[RunView] = field(default_factory=list)
    settings: list[tuple[str, str, str | None]] = field(
        default_factory=list
    )  # path, value, baseline's where it differs
    provenance: Rows = field(default_factory=list)
    networks: list[tuple[str, Network]] = field(default_factory=list)

    @property
    def differences(self) -> str:
        """In which settings it differs from the baseline, in words."""
        paths = [path for path, _, baseline in self.settings if baseline is not None]
        return ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")


def cell_views(
    results: Results, page: Path | None = None, only: Collection[str] | None = None, mark: str = ""
) -> list[CellView]:
    """All runs, or `only` these, store by store, those of equal cell together.

    Folders are named relative to the folder `page`; `mark` tells the ids of several calls apart.
    """
    if only is not None:
        runs, shots = results.runs, results.snapshots
        results = replace(results, runs=runs[runs["run"].isin(only)], snapshots=shots[shots["run"].isin(only)])
    if not len(results.runs):
        return []
    baselines = {store: _baseline(results, store) for store in results.stores}
    scored = {run: table["score"].unique().tolist() for run, table in results.snapshots.groupby("run")}
    troubles = {
        run: list(dict.fromkeys(zip(table["score"], table["error"], strict=True)))
        for run, table in results.snapshots.dropna(subset="error").groupby("run")
    }
    cells: dict[tuple[str, str, str], CellView] = {}
    order = _in_order(results).to_dict("records")
    # Runs that have not begun come with those of their label that have.
    begun = {(row["store"], row["cell"]): _shared(results, row["run"]) for row in order if _shared(results, row["run"])}
    for i, row in enumerate(order, 1):
        label = row["store"], row["cell"] or row["run"]
        key = *label, _shared(results, row["run"]) or begun.get((row["store"], row["cell"]), "")
        if key not in cells:
            cells[key] = CellView(f"cell-{mark}{len(cells) + 1}", label[1])
        cell, document = cells[key], results.documents[row["run"]]
        if document.settings and not cell.settings:
            _describe(cell, document, baselines[row["store"]], results, scored.get(row["run"], []))
        cell.runs.append(_view(row, results, f"run-{mark}{i}", page, troubles.get(row["run"], [])))
    return list(cells.values())


def _in_order(results: Results) -> pd.DataFrame:
    """The table of runs, store by store, cells in the grid's order, seeds rising."""
    place = {run: i for i, run in reversed([*enumerate(results.comparisons["run"])])}
    runs = results.runs.assign(place=results.runs["run"].map(place).fillna(len(place)))
    # The runs of a cell, which may begin at different seeds, stay together.
    runs["place"] = runs.groupby(["store", "cell"])["place"].transform("min")
    return runs.sort_values(["store", "place", "cell", "seed"], kind="stable").drop(columns="place")


def _shared(results: Results, run: str) -> str:
    """What a run's cell is told by; "" before it has begun."""
    document = results.documents[run]
    return (
        json.dumps(document.model_dump(include=SHARED, exclude={"dataset": TOLD}), sort_keys=True)
        if document.settings
        else ""
    )


def _baseline(results: Results, store: str) -> dict[str, Any]:
    """Flat settings of the first comparison's reference, which other runs are told apart from."""
    table = results.comparisons
    for run in table.loc[(table["store"] == store) & table["reference"], "run"]:
        if settings := results.documents[run].settings:
            return flatten(settings)
    return {}


def _describe(
    cell: CellView, document: RunDocument, baseline: dict[str, Any], results: Results, scores: list[str]
) -> None:
    """Say what all runs of a cell share, from the run.json of one."""
    settings = flatten(document.settings)
    for path, value in settings.items():
        differs = bool(baseline) and baseline.get(path) != value
        cell.settings.append((path, text(value), text(baseline.get(path, "not there")) if differs else None))
    cell.settings += [(path, "not there", text(baseline[path])) for path in baseline if path not in settings]
    for part, facts in (("dataset", document.dataset), ("execution", document.execution)):
        cell.provenance += [
            (f"{part} {name}", text(value))
            for name, value in (facts.as_json() if facts else {}).items()
            if name not in TOLD
        ]
    for plugin in document.plugins:
        instead = f", instead of {' and '.join(plugin.instead_of)}" if plugin.instead_of else ""
        said = f"{plugin.origin}{instead}, source {plugin.source}"
        cell.provenance.append((f"{plugin.kind} {plugin.name}", said))
    for column in results.scores:
        if column.label in scores:
            cell.provenance.append((f"score {column.label}", _protocol(column.protocol, column.protocol_id)))
    cell.networks = list(document.networks.items())


def _protocol(protocol: dict[str, Any], protocol_id: str) -> str:
    """A protocol in a line: the extractor and the sample counts. The whole of it stands under How scores are made."""
    parts = [f"{text(protocol[kind])} {kind}" for kind in ("generated", "real") if protocol.get(kind) is not None]
    features, extractor = protocol.get("features"), protocol.get("extractor")
    name = features.get("name") if isinstance(features, dict) else features
    if isinstance(extractor, dict):
        name = f"{extractor.get('name', name)} (source {extractor.get('source')})"
    return ", ".join([f"protocol {protocol_id}", *([f"features {name}"] if name else []), *parts])


def _view(
    row: dict[str, Any], results: Results, id_: str, page: Path | None, troubles: Iterable[tuple[str, str]]
) -> RunView:
    document = results.documents[row["run"]]
    result, folder = results.outcomes.get(row["run"]), Path(row["folder"])
    # The first that it has: on another dataset, or under an older protocol, a run has others.
    last = ((column.title, row[f"{column.label} last"]) for column in results.scores)
    score = next((f"{title} {number(value)}" for title, value in last if not math.isnan(value)), "")
    said = ("reason", "traceback", "status", "ended", "health", "diagnoses")
    return RunView(
        run=row["run"],
        id=id_,
        cell=row["cell"],
        store=row["store"] if len(results.stores) > 1 else "",
        seed="?" if row["seed"] is pd.NA else str(row["seed"]),
        status=row["status"],
        reason=row["reason"],
        health=row["health"],
        stale=row["stale"],
        traceback=(result and result.traceback) or "",
        row=row,
        score=score,
        outcome=[
            (path, OUTCOME[path](value) if path in OUTCOME and isinstance(value, int | float) else text(value))
            for path, value in flatten(result.as_json() if result else {}).items()
            if path not in said
        ],
        events=_events(document, result, troubles),
        output=_tail(folder / "output.txt"),
        place=[
            ("folder", os.path.relpath(folder, page or results.stores[row["store"]])),
            ("identity", document.identity or "unknown"),
        ],
        command=_command(results.grids[row["store"]], results.stores[row["store"]], row),
    )


def _events(document: RunDocument, result: ResultDocument | None, troubles: Iterable[tuple[str, str]]) -> Rows:
    """What happened to a run, in order: its sessions with versions and hardware, scores that failed, its end."""
    rows: Rows = []
    for session in document.sessions:
        facts = {name: value for name, value in session.as_json().items() if name not in ("from_step", "started")}
        what = f"went on from step {session.from_step}" if session.from_step else "started"
        rows.append((session.started, f"{what}: " + _listed(flatten(facts))))
    rows += [("warning", f"{score} could not be computed: {error}") for score, error in troubles]
    if result:
        at = f" at step {result.steps}" if result.steps is not None else " before it trained"
        rows.append((result.ended or "then", f"{result.status}{at}"))
    return rows


def _listed(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {text(value)}" for name, value in facts.items())


def _tail(path: Path) -> str:
    """The end of a text file of the run's own, without control characters; "" where there is none."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
            return ""
        with path.open("rb") as file:
            file.seek(max(facts.st_size - TAIL, 0))
            end = file.read(TAIL).decode(errors="replace")
    except OSError:
        return ""
    lines = CONTROL.sub(" ", end).splitlines()
    return "\n".join(lines[1:] if facts.st_size > TAIL else lines).strip("\n")


def _command(grid: GridDocument, store: Path, row: dict[str, Any]) -> str:
    """The command that trains this run again from the start; one that is out of date would be a run of another name."""
    only = f"{row['cell']}, seed {row['seed']}" if row["stale"] else Path(row["folder"]).name
    return shlex.join(["gan-bench", "run", *grid.arguments, "--out", str(store), "--only", only, "--fresh"])
