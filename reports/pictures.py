"""Sample grids inside the page: each distinct PNG once, as the background of a CSS class.

A class can be shown any number of times, with or without JavaScript; an <img> would hold its bytes at each place.
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


class Pictures:
    """All pictures of a page."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Picture] = {}
        self._rules: list[str] = []

    def add(self, path: Path) -> Picture | None:
        """Take a PNG into the page; None where there is none, or none that is complete, a file of its own and not huge."""
        try:
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        if not content.startswith(SIGNATURE) or len(content) < 33:
            return None
        width, height = struct.unpack(">II", content[16:24])
        if not 0 < width * height <= MAX_PIXELS:
            return None
        key = hashlib.sha256(content).hexdigest()
        if key not in self._by_hash:
            self._by_hash[key] = Picture(f"p{len(self._by_hash)}", width, height)
            data = base64.b64encode(content).decode()
            self._rules.append(f".{self._by_hash[key].name}{{background-image:url(data:image/png;base64,{data})}}")
        return self._by_hash[key]

    def css(self) -> str:
        """The style rules that hold the pictures."""
        return "\n".join(self._rules)
