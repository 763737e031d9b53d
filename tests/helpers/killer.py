"""A plugin file that kills its process, or all of the command's, at a chosen moment.

KILL_AT="POINT:COUNT:WHO" in the environment: at the COUNTth time that any process comes by POINT, WHO is killed: "all"
or "one". KILL_COUNTER names the file that counts. With KILL_BY=SIGSTOP they are frozen there, and may be woken up.
"""

from __future__ import annotations

import os
import pathlib
import signal
import time
from functools import wraps
from pathlib import Path

from gan_bench import files, hookimpl
from gan_bench.data import folders
from gan_bench.scoring import evaluator as evaluation
from gan_bench.store import folder as store

POINT, COUNT, WHO = os.environ["KILL_AT"].split(":")
SIGNAL = signal.Signals[os.environ.get("KILL_BY", "SIGKILL")]


def strike(point):
    """Kill, if this is the moment."""
    if point != POINT:
        return
    counter = os.open(os.environ["KILL_COUNTER"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(counter, b"x")
    if os.fstat(counter).st_size == int(COUNT):
        if WHO == "all":
            os.killpg(os.getpgrp(), SIGNAL)
        else:
            os.kill(os.getpid(), SIGNAL)
        if SIGNAL == signal.SIGKILL:
            time.sleep(60)
    os.close(counter)


def before(point, holder, name):
    """Strike before each call of a function."""
    function = getattr(holder, name)

    @wraps(function)
    def wrapped(*args, **options):
        strike(point)
        return function(*args, **options)

    setattr(holder, name, wrapped)


def half_written(path, flush=files.flush):
    """In place of flushing a file, leave half of it: of one that is written at once, not of lines flushed long before."""
    if POINT == "half a file" and path.is_file() and path.name != "curves.jsonl":
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        strike("half a file")
        path.write_bytes(whole)
    flush(path)


def append_half(self, row, append=store.RunFolder.append_curve):
    """Write half of the line first."""
    if POINT == "half a line":
        file = self._curves._file
        os.write(file, b'{"step": ')
        strike("half a line")
        os.ftruncate(file, os.fstat(file).st_size - 9)
    append(self, row)


def replace(source, target, rename=os.replace):
    """Strike between write and rename, or after it."""
    strike("before a rename")
    rename(source, target)
    strike("after a rename")


def rename(self, target, rename=pathlib.Path.rename):
    """Strike before the first file of a run that --fresh clears is set aside, or the second one."""
    if pathlib.Path(target).name.startswith(f".{self.name}."):
        strike({"result.json": "before clearing", "checkpoint.pt": "half cleared"}.get(self.name, ""))
    return rename(self, target)


os.replace = replace
pathlib.Path.rename = rename
files.flush = store.flush = half_written
store.RunFolder.append_curve = append_half
before("evaluation", evaluation.Evaluator, "score")
before("decoding", folders, "_rename_unless_there")


@hookimpl(tryfirst=True)
def gan_bench_report(stores: list[Path], output: Path) -> None:
    strike("report")


@hookimpl
def gan_bench_tricks():
    return []
