"""Tables and report, which a command leaves as they are where they were made of what is still there, as `make` does."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pluggy

import gan_bench
from gan_bench.api.asking import ask
from gan_bench.files import code_stamp
from gan_bench.planning.runs import Run
from gan_bench.store.index import FOLDER, facts_of, read_part, stamp, write_part

MADE = ("results.csv", "comparisons.csv", "report.html")
NOTE = "outputs"  # in the index: of what they were made, and what they were then
HEAD = b"gan-bench outputs 1"


def write_outputs(
    store: Path,
    runs: Iterable[Run],
    manager: pluggy.PluginManager,
    say: Callable[[str], object],
    *,
    verify: bool = False,
) -> None:
    """Write those of the store if anything has changed: one of its runs, what it says of its grid, the code; or to `verify`."""
    made_of = _made_of(store, runs, manager)
    file = store / FOLDER / NOTE
    if made_of and not verify and (known := read_part(file, HEAD, json.loads)) and known == [made_of, _made(store)]:
        return
    from gan_bench.findings.tables import load, write_tables  # imports pandas

    write_tables(store, load(store, verify=verify, keep=True))
    warnings: list[str] = []
    ask(manager, "gan_bench_report", warnings.append, stores=[store], output=store / "report.html")
    for line in warnings:
        say(line)
    if made_of and not warnings:
        with suppress(OSError):  # then they are made again
            file.parent.mkdir(exist_ok=True)
            write_part(file, HEAD, json.dumps([made_of, _made(store)]).encode())


def _made(store: Path) -> list[str]:
    """What changes with the outputs, and with the index, which is made when they are."""
    index = sorted(f"{FOLDER}/{name}" for name in os.listdir(store / FOLDER) if name != NOTE)
    return [repr((name, facts_of(f"{store}/{name}"))) for name in (*MADE, *index)]


def _made_of(store: Path, runs: Iterable[Run], manager: pluggy.PluginManager) -> str:
    """What changes with everything that tables and report are made of; "" where that can't be told.

    Where others make a report as well nobody knows what they write, nor what is in folders that the system does not open.
    """
    reports = manager.hook.gan_bench_report.get_hookimpls()
    if len(reports) != 1:
        return ""
    with suppress(OSError):
        found: list[Any] = [
            code_stamp(Path(gan_bench.__file__).parent),
            code_stamp(Path(inspect.getfile(reports[0].function)).parent),
            hashlib.sha256((store / "grid.json").read_bytes()).hexdigest(),  # which is written anew by every command
            facts_of(f"{store}/speed.json"),
            [(str(file), facts_of(str(file))) for file in sorted((store / "real").rglob("*"))],
            sorted((run.name, stamp(os.fspath(run.path), _steps(run))) for run in runs),
        ]
        return hashlib.sha256(repr(found).encode()).hexdigest()
    return ""


def _steps(run: Run) -> list[int]:
    return sorted({*run.snapshot_steps, *(shot.step for shot in run.state.snapshots)})
