"""What goes wrong by the user's doing, said once and clearly."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class GanBenchError(Exception):
    """A mistake in what the user gave (grid file, plugin, data, option): printed without a traceback, exit code 2."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone."""
        return [f"{type(self).__name__}: {self}"]


class OccupiedError(GanBenchError):
    """Another command is at work in the store."""


class ParameterError(GanBenchError):
    """A plugin's parameter asks for what its data do not have; `parameter` is its name."""

    def __init__(self, text: str, parameter: str) -> None:
        self.parameter = parameter
        super().__init__(text)


class GridError(GanBenchError):
    """A mistake in a grid file, with where it stands.

    Printed as ``file:line: path: rule (found: value). cure``; every part but the rule may be missing.
    """

    def __init__(
        self,
        rule: str,
        *,
        file: object = None,
        line: int | None = None,
        path: str = "",
        value: object = ...,
        cure: str = "",
    ) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        found = "" if value is ... else f" (found: {value!r})"
        super().__init__(f"{place}{path + ': ' if path else ''}{rule}{found}.{' ' + cure if cure else ''}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A cure that names the nearest of the known words, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


def message(error: BaseException) -> str:
    """An exception's type and text. A plugin's text may have megabytes, or raise itself."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - a stranger's code
        text = f"its text can't be had ({type(second).__name__})"
    return shortened(f"{type(error).__name__}: {text}", 2000)


def shortened(text: str, length: int) -> str:
    """Beginning and end of a text that is longer than about so many characters."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]} [...] {text[-half:]}"


def short_path(path: str | Path) -> str:
    """A path below the current folder relative to it, another one absolute."""
    path = Path(path).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
