"""A plugin file that kills its process, or all of the command's, at a chosen moment.

KILL_AT="POINT:COUNT:WHO" in the environment: at the COUNTth time that any process comes by POINT, WHO is killed: "all"
or "one". KILL_COUNTER names the file that counts.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import time
from functools import wraps
from pathlib import Path

from gan_bench import files, hookimpl
from gan_bench.data import folders
from gan_bench.scoring import evaluator as evaluation
from gan_bench.store import folder as store

POINT, COUNT, WHO = os.environ["KILL_AT"].split(":")


def strike(point):
    """Kill, if this is the moment."""
    if point != POINT:
        return
    counter = os.open(os.environ["KILL_COUNTER"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(counter, b"x")
    if os.fstat(counter).st_size == int(COUNT):
        if WHO == "all":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
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
        with self.curves_file.open("ab") as file:
            file.write(b'{"step": ')
        strike("half a line")
        os.truncate(self.curves_file, self.curves_file.stat().st_size - 9)
    append(self, row)


def replace(source, target, rename=os.replace):
    """Strike between write and rename, or after it."""
    strike("before a rename")
    rename(source, target)
    strike("after a rename")


def clear(path, *args, remove=shutil.rmtree, **options):
    """Strike when half of a run folder that --fresh clears is deleted."""
    if POINT == "half cleared" and is_run_taken_away(path) and pathlib.Path(path, "result.json").exists():
        os.unlink(pathlib.Path(path, "result.json"))
        strike("half cleared")
    remove(path, *args, **options)


def rename(self, target, rename=pathlib.Path.rename):
    """Strike before the folder of a run that --fresh clears is set aside."""
    if is_run_taken_away(target) and self.is_dir():
        strike("before clearing")
    return rename(self, target)


def is_run_taken_away(path):
    """Whether a name is one that a run folder has while it is deleted."""
    return Path(path).parent.name == "runs" and files.LEFTOVER.fullmatch(Path(path).name)


os.replace = replace
shutil.rmtree = clear
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
