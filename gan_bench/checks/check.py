"""A check of a plugin, and how it fails: with the file and line that broke a rule."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError

from gan_bench.api.faults import cause, place_of
from gan_bench.api.global_state import preserved
from gan_bench.api.kinds import Plugin
from gan_bench.api.registry import Broken, Found
from gan_bench.errors import GanBenchError

T = TypeVar("T")
PLACE = re.compile(r"(.+?):(\d+): ")  # what an error that has the plugin's line begins with


class Failed(GanBenchError):
    """A plugin breaks a rule. As text: `my_trick.py:12: it does not resume to the same bits: ...`."""

    def __init__(self, place: str, rule: str) -> None:
        file, _, line = place.rpartition(":")
        self.file = Path(file) if line.isdigit() else None
        self.line = int(line) if line.isdigit() else None
        self.place, self.rule = place, rule
        super().__init__(f"{place}: {rule}")


class Skipped(Exception):
    """There is nothing here to check it with: data or weights that are not on this machine, a device that it has not."""


@dataclass(frozen=True)
class Check:
    """One thing that must be so of a plugin. A slow one takes more than a fraction of a second, and one may need a GPU."""

    plugin: Found | Broken
    name: str  # what must be so, as "it ..." goes on
    test: Callable[[], None]
    slow: bool = False
    gpu: bool = False
    uses: bool = True  # whether the plugin is put to use, and not just read

    @property
    def title(self) -> str:
        """Which plugin it is of."""
        return " ".join(filter(None, (self.plugin.kind, self.plugin.name)))

    def __str__(self) -> str:
        return f"{self.title} {self.name}"

    def run(self) -> None:
        """Failed: it is not so, and where. Skipped: that can't be known here. What is changed of the process is put back."""
        with preserved(), blamed(self.plugin.cls if isinstance(self.plugin, Found) else self.test):
            torch.set_num_threads(1)
            self.test()


def variants(found: Found) -> list[Plugin]:
    """The plugin with its defaults, and with each of the parameters that it is `checked_with`.

    Failed: it refuses them. Skipped: it has no defaults, and says no parameters.
    """
    made, required = [], [name for name, field in found.cls.model_fields.items() if field.is_required()]
    for table in (*(() if required else ({},)), *found.cls.checked_with):
        try:
            plugin = found.cls.model_validate_json(json.dumps(table), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            rule = f"its checked_with has {table!r}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise Failed(
                place_of(found.cls), rule if table else f"it can't be made of its defaults: {first['msg']}"
            ) from None
        if plugin in made:
            raise Failed(place_of(found.cls), f"its checked_with has {dict(table)!r}, which changes nothing")
        made.append(plugin)
    if not made:
        raise Skipped(f"it has no defaults for {', '.join(required)}")
    return made


def each(rule: Callable[[T], None], of: Callable[[], Iterable[T]]) -> Callable[[], None]:
    """A test by which a rule holds for one thing after the other; what these are is asked when it runs."""

    def test() -> None:
        for one in of():
            rule(one)

    return test


@contextmanager
def blamed(what: Callable[..., Any]) -> Iterator[None]:
    """Whatever is raised inside is a failure: at the plugin's line that was on its way, else where `what` stands."""
    try:
        yield
    except (Failed, Skipped):
        raise
    except (Exception, SystemExit) as error:
        text = cause(error).removeprefix(": ")  # as the dry pass has it of a cell without a label
        place = PLACE.match(text)
        if place is None or not Path(place[1]).is_file():
            raise Failed(place_of(what), text) from error
        raise Failed(f"{place[1]}:{place[2]}", text[place.end() :]) from error


def place_of_field(cls: type, name: str) -> str:
    """File and line of a parameter, of the class where that is not found."""
    for base in cls.__mro__:
        if name in inspect.get_annotations(base):
            file, _, line = place_of(base).rpartition(":")
            for index, text in enumerate(inspect.getsourcelines(base)[0] if line.isdigit() else ()):
                if re.match(rf"\s+{name}\s*:", text):
                    return f"{file}:{int(line) + index}"
    return place_of(cls)
