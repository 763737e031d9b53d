"""What the author of a tracker writes: where the runs of a store are told, such as TensorBoard or MLflow.

A tracker runs in a process of its own that follows a store (`gan_bench.commands.track`), never where runs train. It is told
what the store's files say and reads nothing of them itself.
"""

from __future__ import annotations

import importlib.util
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pluggy

from gan_bench.api.asking import ask
from gan_bench.errors import GanBenchError, did_you_mean

SAMPLES = "samples"  # how a sample grid is called
NAME = re.compile(r"(?!(runs|real)$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # of a tracker, and of its folder in the store


@dataclass(frozen=True)
class TrackedRun:
    """A run as it stands now. Its texts may be a stranger's."""

    id: str  # 12 to 128 hexadecimal digits, the same after every resume: the identity of its course
    name: str  # of its folder: letters, digits, spaces, dots, dashes
    group: str  # its cell, in words: what runs of several seeds have in common
    started: float  # seconds since 1970
    seconds: float  # of training so far
    settings: Mapping[str, str | int | float | bool]  # and the seed, by path: "architecture.depth"
    tags: Mapping[str, str]  # `health`, once it is known, and the verdict on its level by the comparison's title
    status: str  # "unfinished", "finished", "failed" or "damaged"


@dataclass(frozen=True)
class Point:
    """What a run had at one moment: a window of its curves, or a snapshot."""

    step: int  # G steps
    images: int | None  # real images that D had seen
    seconds: float  # of training
    values: Mapping[str, float]  # finite numbers: "loss_d", "FD[classifier]"
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # PNG files
    snapshot: bool = False  # whether it is one


class Tracker(ABC):
    """Where a store's runs are told. An exception costs a warning; what it was told of then is told again later.

    A process that tells may be killed at any instant, and so may the run. No point must be repeated or lost by that: `tell`
    returns once all is kept, and drops of what is told `again` the values and pictures that it has, by run, step and name.
    """

    name: ClassVar[str]
    needs: ClassVar[str] = ""  # the module that it imports, if that may be missing
    extra: ClassVar[str] = ""  # of gan-bench, which installs it
    live: ClassVar[bool] = True  # False: runs are told once nothing trains any more, not while they do

    def __init__(self, project: str, folder: Path) -> None:
        """`project` is the grid's name; files may be kept in `folder`, which need not be there. Nothing is written yet."""
        self.project, self.folder = project, folder

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().split("\n")[0]

    @classmethod
    def check(cls) -> None:
        """GanBenchError: what it needs is not installed."""
        if cls.needs and importlib.util.find_spec(cls.needs) is None:
            cure = f"pip install 'gan-bench[{cls.extra}]'" if cls.extra else f"install {cls.needs}"
            raise GanBenchError(f"the tracker {cls.name} needs {cls.needs}, which is not installed: {cure}")

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it tells, as a path or address: another place knows nothing of what was told here."""

    @property
    def hint(self) -> str:
        """How a person sees it, in a line."""
        return self.place

    @abstractmethod
    def runs(self) -> Collection[str]:
        """Ids of the runs that it has, asked once. What was told of others before is told again, for it is gone."""

    @abstractmethod
    def tell(self, run: TrackedRun, points: Sequence[Point], *, again: bool) -> None:
        """Keep how the run stands, in the place of what was kept of that, and points, in order of their steps.

        `again`: some of these may have been told before, by a process that did not hear of the end of it.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Nothing more is told."""


def brought(manager: pluggy.PluginManager, tell: Callable[[str], object]) -> list[type[Tracker]]:
    """All trackers, of which the first of a name is taken: a file's, for pluggy asks the last that was added first."""
    found = []
    for classes in ask(manager, "gan_bench_trackers", tell):
        for cls in classes if isinstance(classes, list | tuple) else [classes]:
            if isinstance(cls, type) and issubclass(cls, Tracker) and NAME.fullmatch(str(getattr(cls, "name", ""))):
                found.append(cls)
            else:
                rule = "a gan_bench.Tracker with a name of letters, digits, '_' and '-' that no folder of a store has"
                tell(f"Warning: gan_bench_trackers() brings {cls!r}, which is no class of {rule}")
    return found


def trackers(manager: pluggy.PluginManager, names: Iterable[str], tell: Callable[[str], object]) -> list[type[Tracker]]:
    """The trackers of these names, each once. GanBenchError: one is unknown, or what it needs is not installed.

    `tell` is given a line for every plugin that fails to say what it brings.
    """
    known = {cls.name: cls for cls in reversed(brought(manager, tell))}
    chosen = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise GanBenchError(f"no tracker is called {name!r}. {did_you_mean(name, known)}")
        known[name].check()
        chosen.append(known[name])
    return chosen
