"""What the executor asks of a host: places where a worker can run, and workers there to talk to."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gan_bench.workers.events import Event, Ready, Want

if TYPE_CHECKING:  # they import torch, which what stands between a worker and its executor does without
    from gan_bench.workers.jobs import Job, Setup


@dataclass(frozen=True)
class Cause:
    """Why a worker has ended."""

    text: str  # in words, as a part of a sentence: "exit code 3"
    place: bool = (
        False  # the place's affair (a lost node, a preemption, a time limit, a lost head), which no run is blamed for
    )


class Ending(EOFError):
    """A worker has ended; `Handle.bury` says why."""


class Handle(ABC):
    """A worker that was started at a place. No call waits for it, `bury` excepted."""

    def __init__(self, place: str) -> None:
        self.place = place

    @abstractmethod
    def send(self, job: Job | None) -> bool:
        """Give it a run, or None: there is no more. False: it has ended, which `receive` will say."""

    @abstractmethod
    def receive(self) -> Sequence[Event | Ready | Want]:
        """What it has told since this was last asked, in order. Ending: nothing is left, and it has ended."""

    @abstractmethod
    def stop(self) -> None:
        """Let it save its runs at the next step and end."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once; its runs stand at their last checkpoints."""

    @abstractmethod
    def bury(self) -> Cause:
        """Make sure that nothing of it works any more, free what it held, and say why it has ended."""


class Host(ABC):
    """A machine or a cluster. `with host:` it is connected; on leaving, whatever it started there is gone."""

    patient = False  # whether places may come later, so that a grid without any waits
    lost = ""  # why nothing of it can be reached any more, in a sentence

    @property
    def room(self) -> float:
        """How many workers more may be started, however many places are free."""
        return math.inf

    def mixed(self, place: str) -> bool:
        """Whether the workers of a place may have devices of different kinds."""
        return False

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @abstractmethod
    def free(self) -> Sequence[str]:
        """Places where a worker could be started now, if there is `room`; one that can have several stands there so often."""

    @abstractmethod
    def start(self, place: str, setup: Setup) -> Handle:
        """Start a worker at a free place; `setup.device` is the host's to fill in. GanBenchError: none can be."""

    @abstractmethod
    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        """Those that have something to tell or have ended, as soon as there are any, after so many seconds at most."""
