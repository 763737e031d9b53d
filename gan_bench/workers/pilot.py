"""A few real steps of each cell, to estimate time and memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.data.cache import open_prepared
from gan_bench.errors import message
from gan_bench.grid import Cell, cell_from_settings
from gan_bench.planning.cost import Pilot
from gan_bench.scoring.samples import BATCH, draw, draw_labels
from gan_bench.training.build import loop_on
from gan_bench.workers.processes import apart, end_with_parent, worker_context

PILOT_SECONDS = 1.0  # of timed steps for each cell, after its first
TRIED_SECONDS = 120.0  # that a cell may take in all where its pilot may fail


def run_pilots(cells: dict[Cell, Path], plugin_files: Sequence[Path], device: str) -> dict[Cell, Pilot]:
    """A few steps of each cell, in one process of its own, as a worker would train them."""
    begin = (tuple(plugin_files), device)
    with apart(), ProcessPoolExecutor(1, worker_context(), initializer=_begin_pilots, initargs=begin) as pool:
        pilots = pool.map(_pilot, [(cell.settings, folder) for cell, folder in cells.items()])
        return dict(zip(cells, pilots, strict=True))


def try_pilots(cells: dict[Cell, Path], plugin_files: Sequence[Path], device: str) -> dict[Cell, Pilot | str]:
    """As `run_pilots`, each cell in a process of its own; of one that fails, dies or takes too long, what became of it."""
    begin = (tuple(plugin_files), device)
    with apart():
        return {cell: _tried(begin, (cell.settings, folder)) for cell, folder in cells.items()}


def _tried(begin: tuple[tuple[Path, ...], str], task: tuple[dict[str, Any], Path]) -> Pilot | str:
    context = worker_context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_pilot, args=(sender, begin, task))
    process.start()
    sender.close()
    try:
        found: Pilot | str = (
            receiver.recv() if receiver.poll(TRIED_SECONDS) else f"it took longer than {TRIED_SECONDS:g} s"
        )
    except EOFError:
        found = "its process died"
    finally:
        process.kill()
        process.join()
        receiver.close()
    return found


def _send_pilot(sender: Any, begin: tuple[tuple[Path, ...], str], task: tuple[dict[str, Any], Path]) -> None:
    try:
        _begin_pilots(*begin)
        found: Pilot | str = _pilot(task)
    except Exception as error:  # noqa: BLE001 - a stranger's code
        found = message(error)
    sender.send(found)


_process: dict[str, Any] = {}  # of the pilot process: its registry and device


def _begin_pilots(plugin_files: tuple[Path, ...], device: str) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    _process.update(registry=Registry.load(plugin_files), device=torch.device(device))


def _pilot(task: tuple[dict[str, Any], Path]) -> Pilot:
    settings, folder = task
    device = _process["device"]
    cell, data, streams = cell_from_settings(settings, _process["registry"]), open_prepared(folder), Streams(0, device)
    loop = loop_on(cell, data, streams, 1)
    loop.step()  # allocates moments and buffers
    steps, began = 0, _now(device)
    while _now(device) - began < PILOT_SECONDS:
        loop.step()
        steps += 1
    trained = _now(device)
    labels = draw_labels(loop.recipe.draw_labels, BATCH, 0, device)
    draw(loop.recipe.sampler(), cell.architecture.latent, BATCH, 0, device, labels=labels)
    return Pilot((trained - began) / steps, (_now(device) - trained) / BATCH, _peak_bytes(device))


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _peak_bytes(device: torch.device) -> int:
    """The most memory that this process, or its part of the GPU, has had."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
