"""Dry passes that were made before, in the cache: to know what a finished grid holds, no network is built."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import gan_bench
from gan_bench.api.sources import has_source, source_hash
from gan_bench.canonical import canonical_hash
from gan_bench.data.cache import cache_root, caching
from gan_bench.errors import GanBenchError
from gan_bench.files import code_stamp, read_json, write_json
from gan_bench.training.dry import DryPass, Schedule, dry_pass, spec_of

if TYPE_CHECKING:
    from gan_bench.grid import Cell


@cache  # a grid has thousands of cells
def _core() -> str:
    return code_stamp(Path(gan_bench.__file__).parent)


def known_pass(cell: Cell) -> DryPass:
    """What a dry pass of the same settings, code and PyTorch once found; else one is made, and kept.

    It doesn't say that a pass would succeed now, for what a plugin needs may be gone: who is about to train makes one.
    GanBenchError: as `dry_pass`; the cache can't be used.
    """
    classes = type(cell.architecture), *map(type, cell.tricks)
    if not all(map(has_source, classes)):  # nobody can tell whether they are what they were
        return dry_pass(cell)
    facts = [_core(), torch.__version__, cell.key, [source_hash(one) for one in classes], repr(spec_of(cell.dataset))]
    file = cache_root() / "dry" / f"{canonical_hash(facts)}.json"
    with suppress(GanBenchError, OSError, TypeError, KeyError):  # it is damaged, or not there
        found = read_json(file)
        return DryPass(**{**found, "schedule": Schedule(**found["schedule"])})
    made = dry_pass(cell)
    with caching(file.parent):
        write_json(file, asdict(made), flushed=False)
    return made
