"""`gan-bench clean`: deletes what a store no longer needs, after it has shown it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gan_bench.errors import GanBenchError

RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*-\d+-[0-9a-f]{12}")  # a run folder; others in their place are someone's own
BESIDE_RUN = re.compile(rf"\.({RUN.pattern})((?:\.attempt)?\.[0-9a-f]{{8}}|\.attempt|\.lock|\.discarded)")
KINDS = {".lock": "lock of an earlier version", ".attempt": "token of a killed process"}


@dataclass(frozen=True)
class Waste:
    """A file or folder that can go."""

    path: Path
    why: str
    size: int  # in bytes


@click.command("clean")
@click.argument("place", default=".", type=click.Path(exists=True, path_type=Path), metavar="[DIR|GRID]")
@click.option("--yes", is_flag=True, help="Delete without asking.")
def command(place: Path, yes: bool) -> None:
    """Delete what a store no longer needs, after showing it.

    That is what is out of date or no longer asked for, and what killed processes left behind. The store is the folder DIR,
    or that of the file GRID in runs/. What the latest `gan-bench run` in it asked for stays. All that would go is shown
    first, and nothing goes unasked: without a terminal, only with --yes.
    """
    from gan_bench.store.attempt import Busy
    from gan_bench.store.lock import Held, hold
    from gan_bench.store.trust import check_store

    store = place if place.is_dir() else _store_of(place)
    check_store(store)
    wanted = _wanted(store)
    try:
        with hold(store, lambda line: click.echo(line, err=True)):
            found = list(waste(store, wanted))
            if not found:
                click.echo(f"There is nothing to delete in {store}.")
                return
            _check_unused(store, found)
            total = show(store, found)
            if not yes and not _terminal():
                click.echo("Nothing is deleted. Give --yes to delete all of this.")
            elif yes or click.confirm(f"Delete these {len(found)}?"):
                delete(found)
                click.echo(f"Deleted; {total} are free.")
            else:
                click.echo("Nothing is deleted.")
    except RecursionError as error:
        raise GanBenchError(f"folders in {store} are nested too deeply to be deleted safely") from error
    except (Held, Busy) as error:
        raise GanBenchError(f"a gan-bench run is at work in {store}; clean it when that has ended") from error


def _terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin.isatty()


def _store_of(grid: Path) -> Path:
    from gan_bench.grid import read_core

    return Path("runs") / read_core(grid).keys.name


def _wanted(store: Path) -> set[str]:
    """The run folders that the store's grid names. GanBenchError: nothing says which these are."""
    from gan_bench.store.grid_json import read_grid

    grid = read_grid(store)
    if grid is None:
        raise GanBenchError(f"{store} is no store: it holds no grid.json. Name the folder that `gan-bench run` wrote")
    return set(grid.runs).union(*(comparison.runs for comparison in grid.comparisons))


def waste(store: Path, wanted: set[str]) -> Iterator[Waste]:
    """All that can go, run folders first. No link is followed, or named."""
    runs = store / "runs"
    folders = {entry.name for entry in _entries(runs) if entry.is_dir(follow_symlinks=False)}
    old = sorted(name for name in folders - wanted if RUN.fullmatch(name))
    trained = _trained(runs, sorted(wanted & folders), {name.rpartition("-")[0] for name in old})
    for name in old:
        again = trained.get(_asked(runs / name))
        yield _waste(runs / name, f"stale: trained again as {again}" if again else "not asked for by the store's grid")
    for entry in _entries(runs):
        if (found := BESIDE_RUN.fullmatch(entry.name)) and not entry.is_symlink():
            yield _waste(Path(entry), KINDS.get(found[2], "left half-deleted by a killed process"))
    kept = [runs / name for name in sorted(folders - set(old)) if RUN.fullmatch(name)]
    for folder in (store, store / ".index", *_folders(store / "real"), *kept):
        yield from _left_behind(folder)
    for folder in kept:
        yield from _left_behind(folder / "snapshots")
        for snapshot in _folders(folder / "snapshots"):
            yield from _left_behind(snapshot)


def _left_behind(folder: Path) -> Iterator[Waste]:
    """What a killed process had not finished writing, and what was damaged and set aside."""
    from gan_bench.files import LEFTOVER

    for entry in _entries(folder):
        if entry.is_symlink():
            continue
        if LEFTOVER.fullmatch(entry.name):
            yield _waste(Path(entry), "left half-written by a killed process")
        elif entry.name.endswith(".damaged.pt"):
            yield _waste(Path(entry), "damaged, and set aside")


def _trained(runs: Path, names: Iterable[str], begins: set[str]) -> dict[Any, str]:
    """What the wanted run folders were asked for, and their names; of those alone that begin like others."""
    asked = {_asked(runs / name): name for name in names if name.rpartition("-")[0] in begins}
    return {key: name for key, name in asked.items() if key is not None}


def _asked(folder: Path) -> tuple[str, int | None] | None:
    """Settings and seed of a run folder; None where it doesn't say."""
    from gan_bench.canonical import canonical
    from gan_bench.store.documents import RunDocument, read_object
    from gan_bench.store.trust import strange

    if not strange(folder):
        with suppress(ValueError, OSError):
            if document := read_object(folder / "run.json", RunDocument):
                return canonical(document.settings), document.seed
    return None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; nothing if it is none, or only leads to one."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]


def _waste(path: Path, why: str) -> Waste:
    return Waste(path, why, _size(path))


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links count as themselves."""
    return path.lstat().st_size + sum(_size(Path(entry)) for entry in _entries(path))


def _check_unused(store: Path, found: Iterable[Waste]) -> None:
    """Busy: a process, such as one whose parent was killed, is still writing to one of these runs."""
    from gan_bench.store.attempt import token, waited, watch

    runs = {parts[1] for item in found if (parts := item.path.relative_to(store).parts)[0] == "runs"}
    for run in {beside[1] if (beside := BESIDE_RUN.fullmatch(run)) else run for run in runs}:
        if (path := token(store / "runs" / run)).is_file() and not path.is_symlink():
            waited(watch(path))


def show(store: Path, found: list[Waste]) -> str:
    """Print every file and folder that would go, why and how large; returns the size of all."""
    from rich.filesize import decimal

    names = [str(item.path.relative_to(store)) for item in found]
    names = [name if name.isprintable() else repr(name) for name in names]  # a terminal obeys what isn't
    sizes = [decimal(item.size) for item in found]
    rows = [("file or folder", "why", "size"), *zip(names, (item.why for item in found), sizes, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, why, bytes_ in rows:
        click.echo(f"{name.ljust(widths[0])}  {why.ljust(widths[1])}  {bytes_.rjust(widths[2])}")
    total = decimal(sum(item.size for item in found))
    click.echo(f"\n{len(found)} files and folders of {total} in {store}")
    return total


def delete(found: Iterable[Waste]) -> None:
    """Delete these, and nothing that a link among them leads to."""
    for item in found:
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)
