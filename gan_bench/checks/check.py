"""A check of a plugin, and how it fails: with the file and line that broke a rule."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gan_bench.api.faults import cause, place_of
from gan_bench.api.registry import Found
from gan_bench.errors import GanBenchError
from gan_bench.training.global_state import preserved

PLACE = re.compile(r"(?:^|[\s(])([^\s(]+\.py:\d+)(?::\s*)?")


class Failed(GanBenchError):
    """A plugin breaks a rule. As text: `my_trick.py:12: it does not resume to the same bits: ...`."""

    def __init__(self, place: str, rule: str) -> None:
        file, _, line = place.rpartition(":")
        self.file, self.line = (Path(file), int(line)) if line.isdigit() else (None, None)
        self.place, self.rule = place, rule
        super().__init__(f"{place}: {rule}")


class Skipped(Exception):
    """There is nothing here to check it with: data or weights that are not on this machine, a device that it has not."""


@dataclass(frozen=True)
class Check:
    """One thing that must be so of a plugin. A slow one takes more than a fraction of a second."""

    plugin: Found
    name: str  # what must be so, as "it ..." goes on
    test: Callable[[], None]
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.plugin.kind} {self.plugin.name} {self.name}"

    def run(self) -> None:
        """Failed: it is not so, and where. Skipped: that can't be known here. What is changed of the process is put back."""
        with preserved(), blamed(self.plugin.cls):
            torch.set_num_threads(1)
            self.test()


@contextmanager
def blamed(what: Callable[..., Any]) -> Iterator[None]:
    """Whatever is raised inside is a failure: at the plugin's line that was on its way, else where `what` stands."""
    try:
        yield
    except (Failed, Skipped):
        raise
    except (Exception, SystemExit) as error:
        text = cause(error)
        place = PLACE.search(text)
        raise Failed(place[1] if place else place_of(what), text.replace(place[0], "", 1) if place else text) from error


def place_of_field(cls: type, name: str) -> str:
    """File and line of a parameter, of the class where that is not found."""
    for base in cls.__mro__:
        if name in inspect.get_annotations(base):
            file, _, line = place_of(base).rpartition(":")
            for index, text in enumerate(inspect.getsourcelines(base)[0] if line.isdigit() else ()):
                if re.match(rf"\s+{name}\s*:", text):
                    return f"{file}:{int(line) + index}"
    return place_of(cls)
