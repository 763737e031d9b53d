"""How fast a grid trained in one session of the command, and where its processes' time went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gan_bench.files import write_json
from gan_bench.store.documents import Session, SpeedDocument, read_object
from gan_bench.workers.events import Advanced, Ended, Event, Started

KINDS = ("training", "evaluation", "checkpoints", "waiting")  # waiting: opening runs, and processes with nothing to do


@dataclass
class Speed:
    """Adds up the events of a session's runs.

    `limits` has for each run the images a second at which its process's device would be at its peak.
    """

    processes: int
    limits: Mapping[str, float]
    began: float = field(default_factory=time.monotonic)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    images: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    _first: dict[str, int] = field(default_factory=dict)  # images that a run had when it was opened

    def __call__(self, event: Event) -> None:
        """Take in an event of a run."""
        if isinstance(event, Started):
            self._first[event.run] = event.images - self.images[event.run]
        elif isinstance(event, Advanced | Ended) and event.images is not None and event.run in self._first:
            self.images[event.run] = event.images - self._first[event.run]
        if isinstance(event, Ended):
            self.seconds.update(event.seconds)

    def summary(self) -> Session:
        """`images`, `images_per_second` of the whole grid, `share_of_peak`, and each kind's share of all processes' time."""
        wall = time.monotonic() - self.began
        whole = wall * self.processes
        # The seconds that the images would take at the peak of the device that they were trained on.
        at_peak = sum(images / self.limits[run] for run, images in self.images.items())
        # The runs of a GPU's slots share its process, so that their seconds can add up to more than it has.
        busy = {kind: self.seconds[kind] for kind in KINDS if kind != "waiting"}
        shared = max(whole, sum(busy.values()))
        return Session(
            started=self.started,
            seconds=wall,
            processes=self.processes,
            images=self.images.total(),
            images_per_second=self.images.total() / wall,
            share_of_peak=at_peak / whole,
            time={**{k: s / shared for k, s in busy.items()}, "waiting": 1 - sum(busy.values()) / shared},
        )


def write_speed(store: Path, session: Session) -> None:
    """Append a session to the store's speed.json."""
    file = store / "speed.json"
    try:
        found = read_object(file, SpeedDocument)
    except ValueError:
        found = None  # damaged; the runs' own files have what matters
    sessions = [*(found.sessions if found else ()), session]
    # Not worth the wait for a slow disk by one who has stopped the command.
    write_json(file, {"sessions": [each.as_json() for each in sessions]}, flushed=False)


def speed_text(session: Session) -> str:
    """A session's speed in one line."""
    # Runs tell where their time went when they end.
    ended = any(share for kind, share in session.time.items() if kind != "waiting")
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in session.time.items())
    return (
        f"{session.images:,} images in {session.seconds:.0f} s: {session.images_per_second:,.0f} images/s, "
        f"{session.share_of_peak:.0%} of the peak of {session.processes} "
        f"process{'es' if session.processes > 1 else ''}{f' ({shares})' if ended else ''}"
    )
