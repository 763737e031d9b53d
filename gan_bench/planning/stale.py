"""Runs whose earlier results are out of date: a plugin's source, a dataset or gan-bench itself has changed since."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.canonical import canonical
from gan_bench.errors import GanBenchError
from gan_bench.store.documents import RunDocument, read_object
from gan_bench.store.trust import check_store, strange

if TYPE_CHECKING:
    from gan_bench.api.registry import Registry
    from gan_bench.grid import Grid
    from gan_bench.planning.runs import Run

Key = tuple[str, int]  # of runs that ask for the same: canonical settings and seed


@dataclass(frozen=True)
class Earlier:
    """What a run folder says of what it was trained from."""

    path: Path
    identity: str
    sources: dict[tuple[str, str], str]  # kind and name of a plugin -> hash of its source
    fingerprint: str  # of the dataset
    total_steps: int
    started: str  # time of its last session


def mark_stale(grid: Grid, runs: Sequence[Run], store: Path, *, keep: bool = False) -> list[Run]:
    """The runs, with `stale` where the store holds the same settings and seed under another identity only.

    With `keep`, such a run becomes the earlier one where that has finished at the asked length. Run folders are read once,
    and none where no run is missing. GanBenchError: the store holds a link or a pipe, through which nothing is read or
    written.
    """
    check_store(store)
    folder = store / "runs"
    names = set(os.listdir(folder)) if folder.is_dir() else set()
    there = (run for run in runs if run.name in names or f".{run.name}.lock" in names)
    check_store(store, (run.path for run in there if not run.known))
    missing = {run.name for run in runs if run.name not in names}
    begins = {_begin(name) for name in missing}  # architecture and seed are equal, or settings are not
    others = sorted(name for name in names.difference(run.name for run in runs) if _begin(name) in begins)
    known = _index([folder / name for name in others], grid.registry)
    return [_marked(run, known, grid, keep) if run.name in missing else run for run in runs] if known else [*runs]


def stale_lines(runs: Iterable[Run]) -> list[str]:
    """What there is to say of stale runs: a line for each cause."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.stale:
            groups.setdefault(run.stale, []).append(run)
    return [f"{_count(len(group), 'is', 'are')} stale: {why}; {_fate(group)}" for why, group in groups.items()]


def _fate(group: Sequence[Run]) -> str:
    kept = sum(run.kept for run in group)
    if not kept:
        return "they train again" if len(group) > 1 else "it trains again"
    if kept == len(group):
        return f"{'their' if kept > 1 else 'its'} old results are kept, and marked stale in tables and report"
    again = _count(len(group) - kept, "has", "have")
    return f"{kept} of them are kept, and marked stale; {again} not finished at this length and trained again"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} run{'s' if number > 1 else ''} {many if number > 1 else one}"


def _begin(name: str) -> str:
    return name.rpartition("-")[0]


def _index(folders: Iterable[Path], registry: Registry) -> dict[Key, list[Earlier]]:
    """What was trained before by what it would be called today, the latest first. Folders that can't be read are no runs."""

    @cache
    def today(settings: str) -> str | None:
        """Old settings with the parameters that plugins have got since; None where they have lost one."""
        from gan_bench.grid import cell_from_settings

        with suppress(GanBenchError):
            return cell_from_settings(json.loads(settings), registry).key
        return None

    found: dict[Key, list[Earlier]] = {}
    for folder in folders:
        with suppress(ValueError, OSError):
            document = None if strange(folder) else read_object(folder / "run.json", RunDocument)
            key = today(canonical(document.settings)) if document else None
            if document and key and document.seed is not None and document.dataset:
                earlier = _earlier(folder, document, document.dataset.fingerprint)
                found.setdefault((key, document.seed), []).append(earlier)
    for entries in found.values():
        entries.sort(key=lambda earlier: earlier.started, reverse=True)
    return found


def _earlier(folder: Path, document: RunDocument, fingerprint: str) -> Earlier:
    return Earlier(
        folder,
        document.identity,
        {(plugin.kind, plugin.name): plugin.source for plugin in document.plugins},
        fingerprint,
        document.total_steps or 0,
        document.sessions[-1].started if document.sessions else "",
    )


def _marked(run: Run, known: dict[Key, list[Earlier]], grid: Grid, keep: bool) -> Run:
    candidates = [one for one in known.get((run.cell.key, run.seed), ()) if _asks_the_same(run, one)]
    if keep:
        for one in candidates:
            earlier = replace(run, path=one.path, identity=one.identity)
            if earlier.todo() in ("nothing", "evaluate"):  # files that could be mended stay as they are, too
                return replace(earlier, stale=_cause(run, one, grid), kept=True)
    return replace(run, stale=_cause(run, candidates[0], grid)) if candidates else run


def _asks_the_same(run: Run, earlier: Earlier) -> bool:
    """A copy of a folder is not stale, nor is a run of another length where the length is part of the identity."""
    reads_length = any(trick.needs_length for trick in run.cell.tricks)
    return earlier.identity != run.identity and not (reads_length and earlier.total_steps != run.total_steps)


def _cause(run: Run, earlier: Earlier, grid: Grid) -> str:
    causes = [
        f"the source of {kind} {name!r} has changed"
        for kind, name in run.cell.plugins[1:]
        if earlier.sources.get((kind, name)) != grid.registry.get(kind, name).source_hash
    ]
    if earlier.fingerprint != run.data.fingerprint:
        causes.append(f"the content of dataset {run.cell.dataset.name!r} has changed")
    return " and ".join(causes) or "this version of gan-bench trains otherwise"
