"""What the page shows of a single run."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_bench.results import Results
from gan_bench.settings_text import flatten, text
from gan_bench_reports.formats import number

Rows = list[tuple[str, str]]


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
    stale: str  # why it is out of date; empty where it isn't
    traceback: str
    score: str  # headline score at the last snapshot
    settings: list[tuple[str, str, str | None]]  # path, value, and the baseline's value where it differs
    outcome: Rows
    provenance: Rows
    networks: list[tuple[str, dict[str, Any]]]
    command: str

    @property
    def search(self) -> str:
        """What the search looks through."""
        return f"{self.run} {self.cell} seed {self.seed} {self.status} {self.reason} {self.stale and 'stale'}".lower()


def run_views(results: Results) -> list[RunView]:
    """All runs, store by store, those of equal cell together."""
    runs = results.runs
    if not len(runs):
        return []
    baselines = {store: _baseline(results, store) for store in results.stores}
    order = runs.sort_values(["store", "cell", "seed"], kind="stable")
    return [
        _view(row, results, baselines[row["store"]], f"run-{i}") for i, row in enumerate(order.to_dict("records"), 1)
    ]


def _baseline(results: Results, store: str) -> dict[str, Any]:
    """Flat settings of the first comparison's reference, which other runs are told apart from."""
    table = results.comparisons
    for run in table.loc[(table["store"] == store) & table["reference"], "run"]:
        if settings := results.documents.get(run, {}).get("settings"):
            return flatten(settings)
    return {}


def _view(row: dict[str, Any], results: Results, baseline: dict[str, Any], id_: str) -> RunView:
    document = results.documents[row["run"]]
    result = document.get("result") or {}
    settings = []
    for path, value in flatten(document.get("settings") or {}).items():
        differs = bool(baseline) and baseline.get(path) != value
        settings.append((path, text(value), text(baseline.get(path, "not there")) if differs else None))
    # The first that it has: on another dataset, or under an older protocol, a run has others.
    last = ((column.title, row[f"{column.label} last"]) for column in results.scores)
    score = next((f"{title} {number(value)}" for title, value in last if not math.isnan(value)), "")
    return RunView(
        run=row["run"],
        id=id_,
        cell=row["cell"],
        store=row["store"] if len(results.stores) > 1 else "",
        seed="?" if row["seed"] is pd.NA else str(row["seed"]),
        status=row["status"],
        reason=row["reason"],
        stale=row["stale"],
        traceback=str(result.get("traceback") or ""),
        score=score,
        settings=settings,
        outcome=[(name, text(value)) for name, value in result.items() if name not in ("reason", "traceback")],
        provenance=_provenance(document, Path(row["folder"])),
        networks=[
            (name, network) for name, network in (document.get("networks") or {}).items() if isinstance(network, dict)
        ],
        command=_command(results.grids[row["store"]], results.stores[row["store"]], row),
    )


def _provenance(document: dict[str, Any], folder: Path) -> Rows:
    rows: Rows = [("folder", str(folder)), ("identity", text(document.get("identity", "unknown")))]
    for part in ("dataset", "execution"):
        for table in _tables([document.get(part)]):
            rows += [(f"{part} {name}", text(value)) for name, value in table.items()]
    for session in _tables(document.get("sessions")):
        facts = flatten({name: value for name, value in session.items() if name != "from_step"})
        rows.append(
            (f"trained from step {session.get('from_step')}", ", ".join(f"{n} {text(v)}" for n, v in facts.items()))
        )
    for plugin in document.get("plugins") or []:
        rows.append(
            (f"{plugin.get('kind')} {plugin.get('name')}", f"{plugin.get('origin')}, source {plugin.get('source')}")
        )
    return rows


def _tables(values: Any) -> list[dict[str, Any]]:
    """The tables among the values of a list; what a damaged file has in their place shows nothing."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _command(grid: dict[str, Any], store: Path, row: dict[str, Any]) -> str:
    """The command that trains this run again from the start; one that is out of date would be a run of another name."""
    only = f"{row['cell']}, seed {row['seed']}" if row["stale"] else Path(row["folder"]).name
    return shlex.join(["gan-bench", "run", *grid["arguments"], "--out", str(store), "--only", only, "--fresh"])
