"""Sample grids inside the page: each distinct PNG once, as the background of a CSS class.

A class can be shown any number of times, with or without JavaScript; an <img> would hold its bytes at each place. A page
that is watched asks for each picture when it shows it.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 2**26  # a page of larger ones would open nowhere
MAX_PIXELS = 2**27  # a hundred samples of 1024 x 1024 are fewer; a small file can claim any number


@dataclass(frozen=True)
class Picture:
    """A picture in the page."""

    name: str  # of its CSS class
    width: int
    height: int


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
    width, height = _size(content)
    return content if 0 < width * height <= MAX_PIXELS else None


class Pictures:
    """All pictures of a page."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Picture] = {}
        self.rules: dict[str, str] = {}  # of style, by the class that they are of

    def add(self, path: Path) -> Picture | None:
        """Take a PNG into the page; None where `read_png` has none."""
        content = read_png(path)
        if content is None:
            return None
        key = hashlib.sha256(content).hexdigest()
        if key not in self._by_hash:
            picture = self._by_hash[key] = Picture(f"p{len(self._by_hash)}", *_size(content))
            self.rules[picture.name] = f".{picture.name}{{background-image:url({self.url(path, key, content)})}}"
        return self._by_hash[key]

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
        self._paths: dict[str, Path] = {}

    def add(self, path: Path) -> Picture | None:
        """As `Pictures.add`."""
        try:
            facts = path.lstat()
        except OSError:
            return None
        stamp = (facts.st_mtime_ns, facts.st_size)
        if self._known.get(path, (None,))[0] != stamp:
            self._known[path] = (stamp, super().add(path))
        return self._known[path][1]

    def url(self, path: Path, key: str, content: bytes) -> str:
        """At the server, relative to the page."""
        self._paths[key] = path
        return f"picture/{key}"

    def content(self, key: str) -> bytes | None:
        """The picture of this hash, if its file still holds it."""
        content = read_png(self._paths[key]) if key in self._paths else None
        return content if content and hashlib.sha256(content).hexdigest() == key else None


def _size(content: bytes) -> tuple[int, int]:
    """Width and height that a PNG claims."""
    width, height = struct.unpack(">II", content[16:24])
    return width, height
