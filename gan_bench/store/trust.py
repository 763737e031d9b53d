"""A store may have been made by a stranger: what is read of it lies inside it, is of a sane size, and runs no code."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gan_bench.errors import GanBenchError
from gan_bench.store.attempt import token

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,199}")  # one part of a path on every system
FINGERPRINT = re.compile(r"[0-9a-f]{12,128}")
TEXT_BYTES = 2**28  # of a JSON file; a run's own stay below a thousandth of it
SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can spell one, and no file can be written with it
LARGEST = 2**63 - 1  # what a table's whole numbers hold
NESTED = 40  # containers within one another
LEVELS = 3  # of folders that anything is read from: a run folder, its snapshots, and each of them
# Everything in a run folder that is read, written or gone into; what listeners put beside it is their affair.
OWN = re.compile(
    r"(run|result|scores|neighbours)\.json|curves\.jsonl|output\.txt|(samples|training|neighbours)\.png|.*\.pt|snapshots|step-.*"
)


def check_name(name: str) -> str:
    """The name of a run folder. ValueError: it is none, such as one that leads elsewhere."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no run folder's name")
    return name


def check_store(store: Path, folders: Iterable[Path] = ()) -> None:
    """GanBenchError: a part of the store, or one of these run folders or its token, is a link or holds one."""
    for name in (".lock", ".heart", ".index", "grid.json", "speed.json", "runs", "real"):
        if why := strange_part(store / name):
            raise GanBenchError(f"{store}: {why}")
    for run in folders:
        if why := strange(run) or strange_part(token(run)):
            raise GanBenchError(f"{run}: {why}")


def strange(folder: Path, levels: int = LEVELS) -> str:
    """Why a folder is not read: it is a link, or holds one, a device, or a text beyond all measure. "" where it is sound."""
    try:
        if why := strange_part(folder):
            return why
        with os.scandir(folder) as entries:
            own = (entry for entry in entries if OWN.fullmatch(entry.name))
            return next(filter(None, (_strange_entry(entry, levels) for entry in own)), "")
    except (FileNotFoundError, NotADirectoryError):
        return ""  # whoever reads it will find nothing there


def _strange_entry(entry: os.DirEntry[str], levels: int) -> str:
    if entry.is_dir(follow_symlinks=False):
        return strange(Path(entry), levels - 1) if levels > 1 else ""
    if not entry.is_file(follow_symlinks=False):
        return strange_part(Path(entry))
    if entry.name.endswith((".json", ".jsonl")) and (size := entry.stat(follow_symlinks=False).st_size) > TEXT_BYTES:
        return f"{entry.name} has {size:,} bytes; at most {TEXT_BYTES:,} are read"
    return ""


def strange_part(path: Path) -> str:
    """Why this one file or folder is not read, whatever lies in it; "" where it is sound, or not there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(mode):
        return f"{path.name} is a symbolic link, and none is followed in a store"
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else f"{path.name} is neither a file nor a folder"


def check_numbers(values: Iterable[Any]) -> None:
    """ValueError: a whole number that no table can hold."""
    if any(type(value) is int and abs(value) > LARGEST for value in values):
        raise ValueError("a whole number has too many digits")


def check_document(value: dict[str, Any]) -> None:
    """ValueError: a JSON object that no table or page could hold: nested very deeply, a monstrous number, half a character."""
    level: list[Any] = [value]
    for _ in range(NESTED):
        within: list[Any] = []
        for container in level:
            for item in (*container, *container.values()) if type(container) is dict else container:
                kind = type(item)
                if kind is dict or kind is list:
                    within.append(item)
                elif kind is str:
                    if not item.isascii() and SURROGATE.search(item):
                        raise ValueError("a text holds half a character")
                elif kind is int and abs(item) > LARGEST:
                    raise ValueError("a whole number has too many digits")
        if not within:
            return
        level = within
    raise ValueError("its values are nested too deeply")
