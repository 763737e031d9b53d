"""How far a store's runs have come and how long the rest will take, as its files tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.planning.cost import seconds_left

if TYPE_CHECKING:
    from gan_bench.findings.tables import Results


@dataclass(frozen=True)
class Standing:
    """The runs of one store."""

    store: str
    finished: int
    failed: int  # or damaged
    training: int
    waiting: int
    steps: int  # trained, of all runs that did not fail
    all_steps: int
    seconds_left: float | None  # None: nobody trains, or it is too early to say

    @property
    def unfinished(self) -> int:
        """Runs that training would go on with."""
        return self.training + self.waiting


def standings(results: Results, now: float, *, at_work: bool) -> list[Standing]:
    """How far each store's runs are, in order of the stores.

    `now` is in seconds since 1970; `at_work` says whether any run is training.
    """
    return [_standing(results, name, now, at_work) for name in results.stores]


def _standing(results: Results, store: str, now: float, at_work: bool) -> Standing:
    asked = results.grids[store].runs
    began = _began(results.stores[store])
    counts = {"finished": 0, "failed": 0, "training": 0, "waiting": 0}
    steps = all_steps = trained = 0
    runs = results.runs[results.runs["store"] == store]
    for row in runs[["run", "folder", "status", "g_steps"]].to_dict("records") if len(runs) else ():
        done = 0 if row["g_steps"] is None or row["g_steps"] != row["g_steps"] else int(row["g_steps"])
        sessions = [s for s in results.documents[row["run"]].sessions if _time(s.started) >= began]
        trained += max(0, done - min((s.from_step for s in sessions), default=done))
        if row["status"] == "unfinished":
            counts["training" if at_work and sessions else "waiting"] += 1
        else:
            counts["finished" if row["status"] == "finished" else "failed"] += 1
        if row["status"] in ("finished", "unfinished"):
            steps += done
            run = asked.get(Path(row["folder"]).name)
            all_steps += max(done, run.steps if run else done)
    if search := results.grids[
        store
    ].search:  # the second stage's runs are known in number, and are as long as draws are
        counts["waiting"] += search.to_come
        all_steps += round(search.to_come * sum(run.steps for run in asked.values()) / max(1, len(asked)))
    left = seconds_left(trained, all_steps - steps, now - began) if at_work else None
    return Standing(store, **counts, steps=steps, all_steps=all_steps, seconds_left=left)


def _began(store: Path) -> float:
    """When the latest command began to train: it writes grid.json just before. In whole seconds, as sessions have them."""
    try:
        return int((store / "grid.json").stat().st_mtime)
    except FileNotFoundError:
        return 0.0


def _time(text: str) -> float:
    """An ISO time in seconds since 1970; what is none was never."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")
