"""A worker process: trains the runs it is given, one after the other, and tells its parent how it goes."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from gan_bench import __version__
from gan_bench.data import PreparedData, open_prepared
from gan_bench.dry import dry_pass
from gan_bench.errors import GanBenchError
from gan_bench.evaluation import Evaluator
from gan_bench.global_state import preserved
from gan_bench.grid import Cell, cell_from_settings
from gan_bench.registry import Found, Registry
from gan_bench.store import RunFolder, read_json, write_json
from gan_bench.training import Training, record_failure

LOCK_SECONDS = 120.0  # to wait for another process that is still writing to the same run
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
    sources: tuple[str, ...]  # hashes of its plugins, as the parent knows them
    clear: bool  # train from the start, whatever the folder holds


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
        """Train a run and tell the parent how it ended. Stopped: it is saved, and the worker is to end."""
        # A worker whose parent was killed may still be saving this run.
        with FileLock(job.path.with_name(f".{job.run}.lock"), timeout=LOCK_SECONDS), captured_output(job.path):
            folder, training = RunFolder(job.path), None
            try:
                training = self._open(job, folder)
                self._train(job, training)
                training.finish()
            except Stopped:
                if training is not None:
                    training.save()
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's fault fails this run, and only this run
                ending = ("failed", {"reason": record_failure(folder, error, training)})
            else:
                ending = ("finished", training.counters())
            self._announce("gan_bench_run_ended", folder=job.path)
        self.tell(ending[0], run=job.run, **ending[1])

    def _open(self, job: Job, folder: RunFolder) -> Training:
        """The run, at its last checkpoint, with its folder brought up to date."""
        if job.clear:
            shutil.rmtree(job.path)
            job.path.mkdir()
        cell = cell_from_settings(job.settings, self.registry)
        plugins = used_plugins(cell, self.registry)
        if [found.source_hash for found in plugins] != list(job.sources):
            raise GanBenchError("a plugin file was changed while the grid ran; run the same command again")
        data, evaluator = self.evaluator(job.data_folder)
        training = Training(cell, job.seed, job.snapshot_steps, folder, data, evaluator, self.device, self.setup.keep)
        folder.result_file.unlink(missing_ok=True)
        write_json(folder.run_file, provenance(job, cell, plugins, data, read_json(folder.run_file), training))
        self._announce("gan_bench_run_started", folder=job.path)
        self.tell("started", run=job.run, **training.counters())
        training.rescore()
        return training

    def _train(self, job: Job, training: Training) -> None:
        told = 0.0
        for event in training:
            if event == "snapshot":
                self._announce("gan_bench_snapshot_taken", folder=job.path, step=training.loop.steps)
            now = time.monotonic()
            if now - told > EVENT_SECONDS:
                told = now
                self.tell("progress", run=job.run, means=training.means, **training.counters())
            if self.stopping:
                raise Stopped("the parent asked for an end")

    def _announce(self, hook: str, **content: Any) -> None:
        """Tell listeners of an event. What they raise is their own affair: it is printed to the run's output."""
        try:
            getattr(self.registry.manager.hook, hook)(**content)
        except Exception:  # noqa: BLE001 - as said
            traceback.print_exc()

    def _evaluator(self, folder: Path) -> tuple[PreparedData, Evaluator]:
        data = open_prepared(folder)
        metrics = [self.registry.create("metric", metric) for metric in self.setup.metrics]
        extractor = self.registry.create("features", self.setup.features)
        return data, Evaluator(data, metrics, extractor, self.setup.samples, self.device)


def used_plugins(cell: Cell, registry: Registry) -> list[Found]:
    """Dataset, architecture and tricks of a cell, and where they come from."""
    names = [("dataset", cell.dataset.name), ("architecture", cell.architecture.name)]
    names += [("trick", trick.name) for trick in cell.tricks]
    return [registry.get(kind, name) for kind, name in names]


def provenance(
    job: Job,
    cell: Cell,
    plugins: Sequence[Found],
    data: PreparedData,
    before: dict[str, Any] | None,
    training: Training,
) -> dict[str, Any]:
    """All of run.json; `before` is what it held, whose sessions are kept."""
    dry = dry_pass(cell)
    session = {
        "from_step": training.loop.steps,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": str(training.device),
        "threads": torch.get_num_threads(),
        "versions": {"gan_bench": __version__, "python": platform.python_version(), "torch": torch.__version__},
        "hardware": hardware(training.device),
    }
    return {
        "run": job.run,
        "identity": job.identity,
        "seed": job.seed,
        "settings": job.settings,
        "total_steps": training.total_steps,
        "snapshot_steps": sorted(training.snapshot_steps),
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
                "kind": found.kind,
                "name": found.name,
                "origin": found.origin,
                "source": found.source_hash,
                "file": str(found.source) if found.origin.startswith("file ") else None,
            }
            for found in plugins
        ],
        "networks": dry.networks,
        "execution": {"memory_format": dry.memory_format, "joined_pass": dry.joined},
        "sessions": [*(before["sessions"] if before else ()), session],
    }


@contextlib.contextmanager
def captured_output(folder: Path) -> Iterator[None]:
    """What plugins print goes to a file of the run, kept only if they do; the terminal is the parent's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "output.txt"
    with path.open("a", buffering=1, encoding="utf-8") as file:
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        finally:
            empty = file.tell() == 0
    if empty:
        path.unlink(missing_ok=True)


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says what to do
    if setup.device == "cpu":
        torch.set_num_threads(1)  # a process a core: a second thread would stall whenever a neighbour is busy
    torch.backends.cudnn.deterministic = True  # a GPU's other algorithms add in an order that varies
    with contextlib.suppress(EOFError, Stopped):  # the parent has closed the connection, or is gone
        Worker(connection, setup).loop()
