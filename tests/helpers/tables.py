"""Results tables of simulated runs: what stores hold, without any file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from gan_bench.findings.compare import compare
from gan_bench.findings.comparisons import Comparison
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.tables import Results
from gan_bench.stats.sequential import Look
from gan_bench.store.grid_json import GridDocument

Cell = tuple[str, ...]
Scores = Mapping[int, float | None]  # by seed; None: the run failed, NaN: it is not finished


def results_of(
    questions: Mapping[str, Mapping[Cell, Scores]],
    *,
    better: str = "lower",
    scale: str = "log",
    looks: Mapping[str, Sequence[Look]] | None = None,
    runs_of: Mapping[Cell, Cell] | None = None,
) -> Results:
    """The tables of a store: of each question its cells' scores, the first cell being the reference.

    Cells of equal name are the same runs in all questions, and so are those that `runs_of` sends to the same name.
    """
    rows: dict[str, dict[str, Any]] = {}
    entries = []
    for title, cells in questions.items():
        axes = [f"axis{i}" for i in range(len(next(iter(cells))))]
        levels = []
        for i, (cell, scores) in enumerate(cells.items()):
            runs = {}
            for seed, value in scores.items():
                runs[str(seed)] = run = f"{'-'.join((runs_of or {}).get(cell, cell))}-{seed}"
                status = "failed" if value is None else "unfinished" if math.isnan(value) else "finished"
                rows[run] = {
                    "run": run,
                    "seed": seed,
                    "status": status,
                    "stale": "",
                    "health": "",
                    "FD last": value,
                    "FD best": value,
                }
            values = dict(zip(axes, cell, strict=True))
            levels.append({"label": ", ".join(cell), "values": values, "reference": i == 0, "runs": runs})
        facts: dict[str, Any] = {"title": title, "axes": axes, "budget": "steps", "levels": levels}
        if looks and title in looks:
            facts["looks"] = [look.facts() for look in looks[title]]
        entries.append(facts)
    table = pd.DataFrame(list(rows.values())).astype({"FD last": float, "FD best": float})
    scored = table[table["status"] == "finished"]
    snapshots = pd.DataFrame(
        {"run": scored["run"], "step": 100, "score": "FD", "value": scored["FD last"], "images": 6400, "seconds": 1.0}
    )
    column = ScoreColumn("FD", "FD (2000 generated, 360 real)", "fid", better, scale, "0", {})  # type: ignore[arg-type]
    real = pd.DataFrame(columns=["store", "score", "value", "generated"])
    empty = pd.DataFrame()
    grids = {"s": GridDocument.model_validate({"name": "s", "comparisons": entries})}
    return Results(
        stores={},
        grids=grids,
        speeds={},
        scores=[column],
        runs=table,
        curves=empty,
        snapshots=snapshots,
        comparisons=empty,
        diagnoses=empty,
        pictures=empty,
        neighbours=empty,
        real=real,
        documents={},
        outcomes={},
    )


SIDES = {"KID": "distance", "precision": "quality", "recall": "diversity"}  # higher is better but for the distance


def sided(questions: Mapping[str, Mapping[str, Mapping[Cell, Scores]]], *, words: bool = False) -> list[Comparison]:
    """The comparisons of tables with several headlines, on the raw scale: questions as in `results_of`, by score."""
    tables = {label: results_of(asked, scale="raw") for label, asked in questions.items()}
    first = next(iter(tables.values()))
    grid = first.grids["s"]
    first.scores = [
        replace(first.scores[0], label=label, title=label, protocol_id=label, side=SIDES[label], better=_better(label))  # type: ignore[arg-type]
        for label in tables
    ]
    asked = [{"label": label, "protocol_id": label, "headline": rank} for rank, label in enumerate(tables)]
    first.grids["s"] = GridDocument.model_validate({**grid.as_json(), "scores": asked})
    first.stores["s"] = first.grids["s"]  # type: ignore[assignment]
    first.snapshots = pd.concat([table.snapshots.assign(score=label) for label, table in tables.items()])
    for label, table in tables.items():
        for moment in ("last", "best"):
            first.runs[f"{label} {moment}"] = table.runs[f"FD {moment}"]
    return compare(first, words=words)


def _better(label: str) -> str:
    return "lower" if SIDES[label] == "distance" else "higher"


def findings(*arguments: Any, words: bool = False, **options: Any) -> list[Comparison]:
    """The comparisons of such tables."""
    results = results_of(*arguments, **options)
    results.stores["s"] = results.grids["s"]  # type: ignore[assignment]
    return compare(results, words=words)


def verdicts(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """By what is compared, over all comparisons: levels, main effects and interactions."""
    found = {
        f"{c.title} {entry.level.label}{f' in {column.label}' if len(c.headlines) > 1 else ''}": entry.verdict
        for c in comparisons
        for column in c.headlines
        for entry in c.differences[column.label]
    }
    return found | {f"{c.title} {e.change}": e.finding.verdict for c in comparisons for e in c.effects}
