"""Sample grids inside the page: each distinct picture once, as the background of a CSS class.

A class can be shown any number of times, with or without JavaScript; an <img> would hold its bytes at each place. A page
that is watched asks for each picture when it shows it. Pictures of points are masks, through which a colour is seen.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_bench_reports import png

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 2**26  # a page of larger ones would open nowhere
MAX_PIXELS = 2**27  # a hundred samples of 1024 x 1024 are fewer; a small file can claim any number

Dataset = Mapping[str, Any]  # as in run.json
Size = tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """A picture in the page."""

    name: str  # of its CSS class
    width: int
    height: int
    pitch: Size | None = None  # pixels from one sample to the next; none where these can't be told apart
    points: bool = False

    def window(self, columns: int, rows: int) -> Size:
        """Width and height of its first samples, or of the whole."""
        return first(self.pitch, (self.width, self.height), columns, rows)


def read_png(path: Path) -> bytes | None:
    """A PNG's content; None where there is none, or none that is complete, a file of its own and not huge."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    if not content.startswith(SIGNATURE) or len(content) < 33:
        return None
    width, height = size_of(content)
    return content if 0 < width * height <= MAX_PIXELS else None


def size_of(content: bytes) -> Size:
    """Width and height that a PNG claims."""
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def spacing(dataset: Dataset) -> Size | None:
    """Pixels from one sample to the next in a sample grid; None where its samples are no images."""
    shape = dataset.get("shape")
    if dataset.get("kind", "image") != "image" or not isinstance(shape, list) or len(shape) != 3:
        return None
    height, width = shape[1:]
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        return None
    return width + 1, height + 1


def pitch_of(size: Size, dataset: Dataset) -> Size | None:
    """The spacing of the samples in a picture of this size; None: it is no grid of this dataset's images."""
    pitch = spacing(dataset)
    whole = pitch and min(size) > 1 and (size[0] - 1) % pitch[0] == 0 and (size[1] - 1) % pitch[1] == 0
    return pitch if whole else None


def first(pitch: Size | None, size: Size, columns: int, rows: int) -> Size:
    """The size of a grid's first samples, or of all of it where it has no more or none can be told apart."""
    if pitch is None:
        return size
    return min(size[0], columns * pitch[0] + 1), min(size[1], rows * pitch[1] + 1)


class Pictures:
    """All pictures of a page."""

    def __init__(self) -> None:
        self._by_key: dict[str, Picture] = {}
        self.rules: dict[str, str] = {}  # of style, by the class that they are of

    def clear(self) -> None:
        """Begin again without any."""
        self._by_key.clear()
        self.rules.clear()

    @property
    def size(self) -> int:
        """Characters that they take in the page."""
        return sum(map(len, self.rules.values()))

    def add(self, path: Path, dataset: Dataset | None = None, most: Size | None = None) -> Picture | None:
        """Take a PNG of a dataset's samples into the page, or the first ones alone (`most`: columns and rows).

        None where `read_png` has none, or it is damaged.
        """
        content = read_png(path)
        if content is None:
            return None
        dataset = dataset or {}
        size, points = size_of(content), dataset.get("kind") == "points"
        pitch = pitch_of(size, dataset)
        window = first(pitch, size, *most) if most else size
        key = _key(content, points)
        if (place := f"{key} {window}") in self._by_key:
            return self._by_key[place]
        try:
            content = png.first_samples(content, window) if window != size else content
            content = png.as_mask(content) if points else content
        except ValueError:
            return None
        picture = Picture(f"p{len(self._by_key)}", *window, pitch, points)
        self._by_key[place] = picture
        kind, facts = "mask" if points else "background", f"--pw:{window[0]};--ph:{window[1]}"
        self.rules[picture.name] = f".{picture.name}{{{facts};{kind}-image:url({self.url(path, key, content)})}}"
        return picture

    def url(self, path: Path, key: str, content: bytes) -> str:
        """Where the browser finds a picture: in the page itself."""
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"

    def css(self) -> str:
        """The style rules that hold the pictures."""
        return "\n".join(self.rules.values())


class ServedPictures(Pictures):
    """Pictures that the browser asks for one by one; a file that has not changed is not read again."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Path, tuple[tuple[int, int], Picture | None]] = {}  # by file: change and size, what was in it
        self._paths: dict[str, tuple[Path, bool]] = {}  # by hash: the file, and whether it shows points

    def add(self, path: Path, dataset: Dataset | None = None, most: Size | None = None) -> Picture | None:
        """As `Pictures.add`, but the whole: pictures that nobody looks at cost nothing here."""
        try:
            facts = path.lstat()
        except OSError:
            return None
        stamp = (facts.st_mtime_ns, facts.st_size)
        if self._known.get(path, (None,))[0] != stamp:
            self._known[path] = (stamp, super().add(path, dataset))
        return self._known[path][1]

    def url(self, path: Path, key: str, content: bytes) -> str:
        """At the server, relative to the page."""
        self._paths[key] = path, key == _key(content, points=False)
        return f"picture/{key}"

    def content(self, key: str) -> bytes | None:
        """The picture of this hash, if its file still holds it."""
        path, as_it_is = self._paths.get(key, (None, True))
        content = read_png(path) if path else None
        if content is None or _key(content, not as_it_is) != key:
            return None
        return content if as_it_is else png.as_mask(content)


def _key(content: bytes, points: bool) -> str:
    """What tells a picture from others: its content, and how it is shown."""
    return hashlib.sha256((b"points" if points else b"") + content).hexdigest()
