"""What trackers' files share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from gan_bench import GanBenchError, Point


def untold(points: Sequence[Point], held: Collection[tuple[int, str]]) -> Iterator[Point]:
    """The points without what a tracker has, which is held by step and name; none that is left with nothing."""
    for point in points:
        values = {name: value for name, value in point.values.items() if (point.step, name) not in held}
        pictures = {name: png for name, png in point.pictures.items() if (point.step, name) not in held}
        if values or pictures:
            yield Point(point.step, point.images, point.seconds, values, pictures, point.snapshot)


def plain(text: str, others: str = "") -> str:
    """The text in letters, digits, spaces and `_.-/`, and these others: what file names and keys may hold."""
    return " ".join(re.sub(rf"[^\w.\-/{re.escape(others)}]", " ", text).split()) or "_"


def folder_name(text: str) -> str:
    """The text as the name of a folder."""
    return plain(text.replace("/", " ")).lstrip(".")[:80].strip() or "_"


def own(folder: Path, *inner: str) -> Path:
    """A folder below this one, made if it is not there. GanBenchError: a part of it is a link."""
    for name in ("", *inner):
        folder = not_a_link(folder / name)
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def not_a_link(path: Path) -> Path:
    """The path. GanBenchError: it is a link, a pipe or a device, and the store may be a stranger's."""
    if path.is_symlink():
        raise GanBenchError(f"{path} is a symbolic link, and none is followed in a store")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise GanBenchError(f"{path} is neither a file nor a folder")
    return path
