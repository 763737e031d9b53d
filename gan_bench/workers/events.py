"""What a process that trains tells of itself and its runs: plain data, which can be pickled and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEVICE_FAULT = 70  # exit code of a process whose GPU had a fault
ASKED_TO_END = 75  # of one that has saved its runs, for it was asked to end, by its parent or somebody else


@dataclass(frozen=True)
class Ready:
    """The process has begun to work."""

    kind: str = ""  # of its device (`gan_bench.workers.device.kind`)


@dataclass(frozen=True)
class Want:
    """It has room for one more run."""


@dataclass(frozen=True)
class Started:
    """A run was opened, where its checkpoint stands."""

    run: str
    steps: int  # of G
    images: int


@dataclass(frozen=True)
class Advanced:
    """How far a run has come."""

    run: str
    steps: int
    images: int
    means: Mapping[str, float | None]  # of the latest window of its curves
    diagnoses: Mapping[str, str]  # that hold now: name -> evidence


@dataclass(frozen=True)
class Warned:
    """Something of a run that a person should know."""

    run: str
    text: str


@dataclass(frozen=True)
class Ended:
    """A run is no longer trained by the process that had it."""

    run: str
    images: int | None = field(default=None, kw_only=True)  # seen in all; None where nobody is left to tell
    seconds: Mapping[str, float] = field(default_factory=dict, kw_only=True)  # of this session, by kind of work


@dataclass(frozen=True)
class Finished(Ended):
    """It was trained to its end."""


@dataclass(frozen=True)
class Failed(Ended):
    """It will not go on."""

    reason: str


@dataclass(frozen=True)
class Returned(Ended):
    """It goes on elsewhere, from its checkpoint; the reason is one that a person should know, if there is any."""

    reason: str = ""


@dataclass(frozen=True)
class Busy(Returned):
    """Another process trains it, as the reason says, and may have come further."""


@dataclass(frozen=True)
class Foreign(Returned):
    """It goes on only on the kind of device that it was begun on, and this is another one."""

    begun: str = field(kw_only=True)  # that kind


@dataclass(frozen=True)
class Stopped(Ended):
    """Its process ended as it was asked to."""


Event = Started | Advanced | Warned | Ended  # of a run
