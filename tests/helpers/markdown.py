"""The code blocks of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


@dataclass(frozen=True)
class Block:
    """A fenced block: ```LANGUAGE NOTE."""

    language: str
    note: str  # "file=NAME": what the reader saves it as
    text: str

    @property
    def file(self) -> str | None:
        """The file that the reader saves it as."""
        return self.note.removeprefix("file=") if self.note.startswith("file=") else None


def blocks(document: Path) -> list[Block]:
    """All blocks in order."""
    found = re.findall(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return [Block(*match) for match in found]


def block(document: str, file: str) -> str:
    """The text that a document tells its reader to save as a file."""
    return next(b.text for b in blocks(ROOT / document) if b.file == file)
