"""Which tasks of a cluster train for a store, as their journals tell."""

from __future__ import annotations

from pathlib import Path

from gan_bench.store.places import CLUSTER
from gan_bench.workers.journal import Journals, Told


def tasks_line(store: Path) -> str:
    """A sentence for a person; "" where none is at work."""
    rounds = sorted((store / CLUSTER).glob("*/round-*/journals"), key=lambda place: int(place.parent.name[6:]))
    if not rounds or (rounds[-1].parents[1] / "ending.json").exists():
        return ""
    told = Told()
    told.take(Journals(rounds[-1]).new())
    if not told.tasks:
        return ""
    nodes = ", ".join(sorted(set(told.tasks.values())))
    count = f"{len(told.tasks)} task{'s' if len(told.tasks) > 1 else ''}"
    return f"{count} at work on {nodes}; `gan-bench status {store}` tells what waits in the queue."
