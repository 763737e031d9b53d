"""A worker process: trains the runs it is given, one after the other, and tells its parent how it goes."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from gan_bench import __version__
from gan_bench.data import PreparedData, open_prepared
from gan_bench.dry import dry_pass
from gan_bench.evaluation import Evaluator
from gan_bench.global_state import preserved
from gan_bench.grid import Cell, cell_from_settings
from gan_bench.registry import Registry
from gan_bench.store import RunFolder, write_json
from gan_bench.training import Training, record_failure

EVENT_SECONDS = 0.25  # between two progress messages of a run


@dataclass(frozen=True)
class Setup:
    """What all runs of a worker share; sent once."""

    device: str
    plugin_files: tuple[Path, ...]
    metrics: tuple[dict[str, Any], ...]
    features: dict[str, Any]
    samples: int
    keep: str


@dataclass(frozen=True)
class Job:
    """One run to train, or to score again where it is trained."""

    run: str
    path: Path
    identity: str
    settings: dict[str, Any]
    seed: int
    snapshot_steps: tuple[int, ...]
    data_folder: Path


class Stopped(Exception):
    """The parent asked for an end, or is gone."""


class Worker:
    """One slot: a device and what its runs share."""

    def __init__(self, connection: Connection, setup: Setup) -> None:
        self.connection, self.setup = connection, setup
        self.device = torch.device(setup.device)
        self.registry = Registry.load(setup.plugin_files)
        self.evaluator = lru_cache(maxsize=4)(self._evaluator)
        self.stopping = False

    def loop(self) -> None:
        """Train what arrives until None does."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says what to do
        signal.signal(signal.SIGTERM, self._stop)
        self.tell("ready")
        while (job := self.connection.recv()) is not None:
            with preserved():
                self._run(job)

    def tell(self, kind: str, **content: Any) -> None:
        """Send a message to the parent."""
        try:
            self.connection.send((kind, content))
        except OSError as error:
            raise Stopped("the parent is gone") from error

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _run(self, job: Job) -> None:
        folder = RunFolder(job.path)
        training = None
        hook = self.registry.manager.hook
        try:
            with captured_output(job.path / "output.txt"):
                cell = cell_from_settings(job.settings, self.registry)
                data, evaluator = self.evaluator(job.data_folder)
                folder.result_file.unlink(missing_ok=True)
                write_json(folder.run_file, self.provenance(job, cell, data))
                hook.gan_bench_run_started(folder=job.path)
                training = Training(
                    cell, job.seed, job.snapshot_steps, folder, data, evaluator, self.device, self.setup.keep
                )
                self.tell("started", run=job.run, **training.counters())
                training.rescore()
                self._train(job, training)
                training.finish()
                hook.gan_bench_run_ended(folder=job.path)
        except Stopped:
            if training is not None:
                training.save()
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises fails this run, and only this run
            reason = record_failure(folder, error, training)
            hook.gan_bench_run_ended(folder=job.path)
            self.tell("failed", run=job.run, reason=reason)
        else:
            self.tell("finished", run=job.run, **training.counters())

    def _train(self, job: Job, training: Training) -> None:
        told = 0.0
        for event in training:
            if event == "snapshot":
                self.registry.manager.hook.gan_bench_snapshot_taken(folder=job.path, step=training.loop.steps)
            now = time.monotonic()
            if now - told > EVENT_SECONDS:
                told = now
                self.tell("progress", run=job.run, means=training.means, **training.counters())
            if self.stopping:
                raise Stopped("the parent asked for an end")

    def _evaluator(self, folder: Path) -> tuple[PreparedData, Evaluator]:
        data = open_prepared(folder)
        metrics = [self.registry.create("metric", metric) for metric in self.setup.metrics]
        extractor = self.registry.create("features", self.setup.features)
        return data, Evaluator(data, metrics, extractor, self.setup.samples, self.device)

    def provenance(self, job: Job, cell: Cell, data: PreparedData) -> dict[str, Any]:
        """All of run.json."""
        used = [("dataset", cell.dataset.name), ("architecture", cell.architecture.name)]
        used += [("trick", trick.name) for trick in cell.tricks]
        dry = dry_pass(cell)
        return {
            "run": job.run,
            "identity": job.identity,
            "seed": job.seed,
            "settings": job.settings,
            "total_steps": job.snapshot_steps[-1],
            "snapshot_steps": list(job.snapshot_steps),
            "dataset": {
                "name": data.name,
                "fingerprint": data.fingerprint,
                "shape": list(data.spec.shape),
                "kind": data.spec.kind,
                "classes": list(data.spec.classes) if data.spec.classes else None,
                "training": len(data.training),
                "held_out": len(data.held_out),
            },
            "plugins": [
                {
                    "kind": kind,
                    "name": name,
                    "origin": found.origin,
                    "source": found.source_hash,
                    "file": str(found.source) if found.origin.startswith("file ") else None,
                }
                for kind, name in used
                for found in [self.registry.get(kind, name)]
            ],
            "networks": dry.networks,
            "execution": {
                "device": str(self.device),
                "threads": torch.get_num_threads(),
                "memory_format": dry.memory_format,
                "joined_pass": dry.joined,
            },
            "versions": {"gan_bench": __version__, "python": platform.python_version(), "torch": torch.__version__},
            "hardware": hardware(self.device),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }


@contextlib.contextmanager
def captured_output(path: Path) -> Iterator[None]:
    """What plugins print goes to a file of the run, kept only if they do; the terminal is the parent's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", buffering=1, encoding="utf-8") as file:
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        finally:
            empty = file.tell() == 0
    if empty:
        path.unlink()


def hardware(device: torch.device) -> dict[str, Any]:
    """What a run trains on."""
    facts: dict[str, Any] = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def processor() -> str:
    """The processor's name."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main(connection: Connection, setup: Setup) -> None:
    """A worker process's whole life."""
    if setup.device == "cpu":
        torch.set_num_threads(1)  # a process a core: a second thread would stall whenever a neighbour is busy
    torch.backends.cudnn.deterministic = True  # a GPU's other algorithms add in an order that varies
    with contextlib.suppress(EOFError, Stopped):  # the parent has closed the connection, or is gone
        Worker(connection, setup).loop()
