"""Plugin files on their way to other machines: the same code everywhere, or none."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from gan_bench.errors import GanBenchError
from gan_bench.files import replace_file


class Carried(BaseModel):
    """A plugin file as it was where the command was typed, and its copy in the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    sha256: str

    def copy_in(self, folder: Path) -> Path:
        """Its copy, in the folder of all copies."""
        return folder / self.sha256 / self.path.name

    def at_hand(self, folder: Path) -> Path:
        """The file itself where this machine has it, else its copy.

        GanBenchError: it is another one here, or the copy is lost or damaged.
        """
        if self.path.is_file():
            if _sha256(self.path) != self.sha256:
                raise GanBenchError(
                    f"the plugin file {self.path} on {platform.node()} is not the one that the command was typed with; "
                    "make them equal, or delete this one: the store brings a copy"
                )
            return self.path
        copy = self.copy_in(folder)
        if not copy.is_file() or _sha256(copy) != self.sha256:
            raise GanBenchError(
                f"{copy}, the copy of the plugin file {self.path}, is lost or damaged; run the same command again"
            )
        return copy


def carry(files: Sequence[Path], folder: Path) -> tuple[Carried, ...]:
    """Copy plugin files into a folder that every machine sees."""
    return tuple(_carry(file, folder) for file in files)


def _carry(file: Path, folder: Path) -> Carried:
    content = file.read_bytes()
    carried = Carried(path=file.resolve(), sha256=hashlib.sha256(content).hexdigest())
    copy = carried.copy_in(folder)
    if not copy.is_file() or _sha256(copy) != carried.sha256:  # else nodes may be reading it
        replace_file(copy, lambda beside: beside.write_bytes(content))
    return carried


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
