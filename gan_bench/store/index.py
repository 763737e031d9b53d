"""A store's index: what was found in run folders, so that thousands of finished ones need not be opened again.

The files are the truth. An entry holds as long as the folder's stamp is what it was: size, times of change and inode
of everything in it that is read, for which nothing is opened. Whatever can't be used of an index (it is lost, damaged, of another
version, of a store that was copied) costs the time of reading, nothing else; what leaves no trace there, such as a bit that a
disk has flipped, `--verify` finds. Only the command that holds the store writes it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gan_bench.files import replace_file
from gan_bench.store.places import WEIGHTS, snapshot_name
from gan_bench.store.trust import strange_part

FOLDER = ".index"  # in the store
FEWEST = 200  # runs of a store that has an index: fewer are read in a moment, and every time
ASKED_AT_ONCE = 16  # stamps, for a file server takes a while to answer each question
PARTS = ("", "run.json", "result.json", "curves.jsonl", "snapshots")
SNAPSHOT_PARTS = ("", "scores.json", "samples.png", WEIGHTS)
MOST_BYTES = 2**30  # of a file of the index
LIES = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
)  # what an index raises that is none of ours

T = TypeVar("T")


def stamp(folder: str, steps: Iterable[int]) -> str:
    """What changes with a run folder that has snapshots at these steps, in hexadecimal digits; "": there is none.

    Nothing is opened.
    """
    facts = [facts_of(f"{folder}/{name}") for name in PARTS]
    for step in steps:
        facts += [facts_of(f"{folder}/snapshots/{snapshot_name(step)}/{name}") for name in SNAPSHOT_PARTS]
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest() if facts[0] else ""


def facts_of(path: str) -> tuple[int, ...] | None:
    """What changes with a file; None: there is none."""
    try:
        found = os.lstat(path.rstrip("/"))
    except FileNotFoundError:
        return None
    # The size of a folder says nothing; the inode is what no stranger's index can know of this disk.
    size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
    return stat.S_IFMT(found.st_mode), found.st_mtime_ns, found.st_ctime_ns, size, found.st_ino


def still_so(stamps: Mapping[str, tuple[str, Sequence[int]]]) -> set[str]:
    """Of run folders with their stamps and the steps of their snapshots those that have not changed."""
    folders = list(stamps)

    def unchanged(part: list[str]) -> list[str]:
        found = []
        for folder in part:
            known, steps = stamps[folder]
            with suppress(OSError):
                if known and stamp(folder, steps) == known:
                    found.append(folder)
        return found

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        parts = pool.map(unchanged, (folders[i::ASKED_AT_ONCE] for i in range(ASKED_AT_ONCE)))
        return {folder for part in parts for folder in part}


def forget(store: Path) -> None:
    """Delete a store's index, so that whoever comes next reads every file. OSError: it can't be."""
    if not strange_part(store / FOLDER):
        with suppress(FileNotFoundError):
            shutil.rmtree(store / FOLDER)


def write_part(file: Path, head: bytes, content: bytes) -> None:
    """Write a file of the index, whose head says what it is and of which version."""
    line = b"%s %08x\n" % (head, zlib.crc32(content))
    replace_file(file, lambda beside: beside.write_bytes(line + content), flushed=False)


def read_part(file: Path, head: bytes, read: Callable[[bytes], T]) -> T | None:
    """What `read` makes of such a file's content; None where it is lost, damaged, or of another version."""
    with suppress(OSError, *LIES, RecursionError, MemoryError):
        if strange_part(file.parent) or strange_part(file) or file.stat().st_size > MOST_BYTES:
            return None
        line, _, content = file.read_bytes().partition(b"\n")
        if line == b"%s %08x" % (head, zlib.crc32(content)):
            return read(content)
    return None
