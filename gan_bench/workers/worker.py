"""A worker process: trains the runs it is given on the slots of its device, and tells its parent how it goes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

import torch

from gan_bench.api.global_state import keep_freed_memory, preserved, resident_bytes, tf32_products
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.data.cache import cache_root, open_prepared
from gan_bench.errors import GanBenchError, message
from gan_bench.files import checked, remove_leftovers
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.attempt import LOOK_SECONDS, Attempt, Busy, Lost, take, token
from gan_bench.store.documents import RunDocument, read_or_fault, write_object
from gan_bench.store.folder import RunFolder
from gan_bench.training.curve_writer import Diverged
from gan_bench.training.rescoring import rescore, score_best_again
from gan_bench.training.training import Hopeless, Slot, Task, Training, record_failure
from gan_bench.workers import events
from gan_bench.workers.device import kind
from gan_bench.workers.events import (
    ASKED_TO_END,
    DEVICE_FAULT,
    Advanced,
    Ended,
    Event,
    Failed,
    Finished,
    Ready,
    Returned,
    Started,
    Want,
    Warned,
)
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.output import LazyFile
from gan_bench.workers.processes import SAFE, end_with_parent, ignore_the_terminal
from gan_bench.workers.provenance import provenance
from gan_bench.workers.slots import Slots

EVENT_SECONDS = 0.25  # between two progress messages of a run
LEAK_BYTES = 2**30  # of memory above what its first run left, with which a worker is replaced


class Halted(BaseException):
    """The parent asked for an end, or is gone. No plugin's or metric's `except Exception` may take it for a fault."""


@dataclass
class ActiveRun:
    """A run that has a slot: what it does between two turns, and where it prints."""

    job: Job
    folder: RunFolder
    stream: torch.cuda.Stream | None
    output: LazyFile
    turns: Iterator[None] = field(init=False)
    attempt: Attempt | None = None  # once it is ours
    training: Training | None = None  # once it is open

    def check(self) -> None:
        """Lost: another process has taken it over, and nothing more may be written."""
        if self.attempt:
            self.attempt.check()


class OtherKind(Exception):
    """A run goes on only on the kind of device that it was begun on."""


class Worker:
    """A process on one device that trains runs on its slots, in turns of a window of steps."""

    def __init__(self, connection: Connection, setup: Setup) -> None:
        self.connection, self.setup = connection, setup
        self.device = torch.device(setup.device)
        self.registry = Registry.load(setup.plugin_files)
        self.evaluator = lru_cache(maxsize=4)(self._evaluator)
        self.slots = Slots(setup.slots)
        self.active: list[ActiveRun] = []
        self.asked = 0  # runs that the parent was asked for
        self.ended = False  # the parent has no more
        self.stopping = False
        self.turning: ActiveRun | None = None  # the run whose turn it is
        # A run has left something behind: no more runs are asked for, and another process takes over.
        self.spoiled = False
        self._footprint = 0  # bytes of memory after the first run
        self._streams: list[torch.cuda.Stream] = []  # of slots that are free; 32 in all exist before they alias

    def loop(self) -> None:
        """Train what arrives until the parent says that there is no more."""
        signal.signal(signal.SIGTERM, self._stop)
        self.tell(Ready(kind(self.device)))
        while self._fill_slots():
            for run in list(self.active):
                self._turn(run)

    def tell(self, event: Event | Ready | Want) -> None:
        """Send a message to the parent. Halted: it is gone."""
        try:
            self.connection.send(event)
        except OSError as error:
            self.stopping = True
            raise Halted("the parent is gone") from error

    def _stop(self, *_: object) -> None:
        self.stopping = True
        training = self.turning and self.turning.training
        if training and training.interruptible:  # it may take minutes
            raise Halted("the parent asked for an end")

    def _fill_slots(self) -> bool:
        """Ask for a run for every free slot and take in those that have come; False when nothing is left to do."""
        with contextlib.suppress(Halted):
            while not self.ended and not self.stopping:
                while not self.spoiled and self.asked + len(self.active) < self.slots.count:
                    self.tell(Want())
                    self.asked += 1
                if self.spoiled and not self.asked:
                    break
                if self.active and not (self.asked and self.connection.poll()):
                    break
                job = self._receive()
                if job is None:
                    self.ended = True
                else:
                    self.asked -= 1
                    self._begin(job)
        return bool(self.active)

    def _receive(self) -> Job | None:
        try:
            job: Job | None = self.connection.recv()
        except (EOFError, OSError):
            self.stopping = True
            return None
        return job

    def _begin(self, job: Job) -> None:
        stream = None
        if self.device.type == "cuda":
            stream = self._streams.pop() if self._streams else torch.cuda.Stream(self.device)
        folder = RunFolder(self.setup.run_path(job.run))
        run = ActiveRun(job, folder, stream, LazyFile(folder.output_file))
        run.turns = self._turns(run)
        self.active.append(run)

    def _turn(self, run: ActiveRun) -> None:
        """Let a run train for a while, with the process's global state as if it were alone."""
        self.turning, ended, reason, spoiled = run, False, "", self.spoiled
        try:
            with (
                contextlib.redirect_stdout(run.output),
                contextlib.redirect_stderr(run.output),
                preserved() as changed,
                checked(run.check),
            ):
                next(run.turns)
        except (StopIteration, Halted):
            ended = True
        except OSError as error:  # of its token or folder
            ended, reason = True, message(error)
        if changed and not spoiled:
            self.spoiled = True  # what the run did elsewhere can't be known
            run.output.write(
                f"gan-bench: the run changed {', '.join(changed)} for the whole process; it was put back\n"
            )
        if ended:
            self._release(run)
        if reason:
            with contextlib.suppress(Halted):  # the other runs are still to be saved
                self.tell(Failed(run.job.run, reason))

    def _release(self, run: ActiveRun) -> None:
        """Free a run's slot."""
        self.active.remove(run)
        run.output.close()
        if run.attempt and not run.attempt.lost:
            with contextlib.suppress(OSError):  # the disk may be away, and other runs are still to be saved
                run.folder.hang_file.unlink(missing_ok=True)
        if run.stream is not None:
            self._streams.append(run.stream)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # what the run had is free before another takes its slot
        occupied = resident_bytes()
        self._footprint = self._footprint or occupied
        self.spoiled |= occupied > self._footprint + LEAK_BYTES

    def _turns(self, run: ActiveRun) -> Iterator[None]:
        """Train a run, a turn at a time, and tell the parent how it ended. Halted: it is saved, and the worker is to end."""
        job, folder = run.job, run.folder
        ended: Ended = Finished(job.run)
        try:
            run.attempt = yield from self._taken(job)
        except Busy as error:
            self.tell(events.Busy(job.run, f"it is being trained {error}"))
            return
        with run.attempt:
            try:
                run.training = self._open(run)
                yield from self._train(run, run.training)
                score_best_again(run.training)
                run.training.finish()
                self._warn(job, run.training)
            except Halted:
                self._save(run)
                raise
            except GeneratorExit:
                raise
            except OtherKind as error:
                ended = events.Foreign(job.run, begun=str(error))
            except BaseException as error:  # noqa: BLE001 - a plugin's fault fails this run, and only this run
                ended = self._broken_off(run, error)
            if (training := run.training) is not None:
                ended = replace(ended, images=training.counters()["images"], seconds=training.clock.session())
            if not isinstance(ended, Returned):
                self._announce("gan_bench_run_ended", folder=folder.path)
        run.training = training = None  # whose memory is free before another run comes
        self.tell(ended)

    def _broken_off(self, run: ActiveRun, error: BaseException) -> Ended:
        """How a run has ended that raised this."""
        if isinstance(error, torch.AcceleratorError):
            traceback.print_exc()
            os._exit(DEVICE_FAULT)  # nothing can be computed or saved in a process whose GPU had a fault
        if isinstance(error, torch.OutOfMemoryError) and len(self.active) > 1:
            self.slots.lower(len(self.active) - 1)
            return Returned(run.job.run)
        with contextlib.suppress(Lost):
            if run.attempt and not run.attempt.is_lost():  # else it is what came of that
                self.spoiled |= not isinstance(error, Diverged | Hopeless)  # nobody knows what it left half done
                failed = Failed(run.job.run, record_failure(run.folder, error, run.training))
                if not run.attempt.is_lost():
                    return failed
        return events.Busy(run.job.run, "another process has taken it over")

    def _taken(self, job: Job) -> Generator[None, None, Attempt]:
        """The run's token, once it is ours; turns end while that of another process is watched. Busy: it works."""
        taking = take(token(self.setup.run_path(job.run)), job.attempt)
        while True:
            try:
                next(taking)
            except StopIteration as taken:
                attempt: Attempt = taken.value
                return attempt
            if self.stopping:
                raise Halted("the parent asked for an end")
            time.sleep(LOOK_SECONDS)
            yield

    def _save(self, run: ActiveRun) -> None:
        """Save a run that is stopped. Where that can't be, it stands at its last checkpoint, and goes on from there."""
        try:
            if run.training is not None:
                run.training.save()
        except Lost:
            pass  # it goes on elsewhere
        except (OSError, Diverged) as error:
            text = f"it could not be saved, and will go on from its last checkpoint: {error}"
            self.tell(Warned(run.job.run, text))

    def _open(self, run: ActiveRun) -> Training:
        """The run, at its last checkpoint, with its folder brought up to date."""
        job, folder = run.job, run.folder
        # What those have begun who had the run before. From here on nothing of theirs can get its place.
        remove_leftovers(folder.path.parent, f".{job.run}.*")
        for written in (folder.path, folder.snapshots, *map(folder.snapshot, folder.snapshot_steps())):
            remove_leftovers(written)
        if job.clear:
            folder.clear()
        before, faults = read_or_fault(folder.run_file, RunDocument, "it is written again")
        self._check_kind(job, folder, before)
        cell = cell_from_settings(job.settings, self.registry)
        plugins = self.registry.those(cell.plugins)
        if [found.source_hash for found in plugins] != list(job.sources):
            raise GanBenchError("a plugin file was changed while the grid ran; run the same command again")
        data, evaluator = self.evaluator(job.data)
        task = Task(cell, job.seed, job.snapshot_steps, folder)
        slot = Slot(self.device, run.stream, peak_rate=job.limit, step_seconds=self.setup.step_seconds)
        run.training = training = Training(task, data, evaluator, slot, self.setup.evaluate)
        training.warnings += faults
        self._warn(job, training)
        write_object(folder.run_file, provenance(job, plugins, data, before, training))
        self._announce("gan_bench_run_started", folder=folder.path)
        counters = training.counters()
        self.tell(Started(job.run, counters["steps"], counters["images"]))
        if self.stopping:
            raise Halted("the parent asked for an end")
        mended = rescore(training)
        self._warn(job, training)
        if not mended:
            run.job = replace(job, clear=True)
            return self._open(run)
        return training

    def _check_kind(self, job: Job, folder: RunFolder, before: RunDocument | None) -> None:
        """OtherKind: a run that has begun would go on on another kind of device, in whose last bits it would differ."""
        begun = before.kinds[-1:] if before and not self.setup.any_device else []
        if begun and begun != [kind(self.device)]:
            state = folder.read()
            if state.finished_steps < job.snapshot_steps[-1] and state.steps:
                raise OtherKind(begun[0])

    def _train(self, run: ActiveRun, training: Training) -> Iterator[None]:
        """Train to the end; a turn ends with each window, so that a GPU has work of every run while the host goes round."""
        job, told, images = run.job, 0.0, training.counters()["images"]
        for event in training:
            if self.stopping:
                raise Halted("the parent asked for an end")
            if run.attempt:
                run.attempt.go_on()
            if event == "snapshot":
                self._announce("gan_bench_snapshot_taken", folder=run.folder.path, step=training.loop.steps)
                self._warn(job, training)
            if event == "step":
                continue
            counters, now = training.counters(), time.monotonic()
            self.slots.trained((counters["images"] - images) / job.limit, now, running=len(self.active))
            images = counters["images"]
            if now - told > EVENT_SECONDS:
                told = now
                sick = {diagnosis.name: diagnosis.evidence for diagnosis in training.diagnoses}
                self.tell(Advanced(job.run, counters["steps"], counters["images"], training.curves.means, sick))
            yield

    def _warn(self, job: Job, training: Training) -> None:
        """Tell the parent what a person should know of a run, once."""
        while training.warnings:
            self.tell(Warned(job.run, str(training.warnings.pop(0))))

    def _announce(self, hook: str, **content: Any) -> None:
        """Tell listeners of an event. What they raise is their own affair: it is printed to the run's output."""
        try:
            getattr(self.registry.manager.hook, hook)(**content)
        except (Exception, SystemExit):  # noqa: BLE001 - as said
            traceback.print_exc()

    def _evaluator(self, folder: str) -> tuple[PreparedData, Evaluator]:
        data = open_prepared(cache_root() / "datasets" / folder)
        data = replace(data, training=data.training.to(self.device))  # once for all runs of this process
        setup = self.setup
        evaluator = Evaluator.of(setup.evaluate, self.registry, data, self.device, setup.half, setup.conditional)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # the runs' own streams may read it from here on
        return data, evaluator


def main(connection: Connection, setup: Setup) -> None:
    """A worker process's whole life."""
    os.environ |= {**setup.environment, SAFE: os.environ.get(SAFE, "1")}
    ignore_the_terminal()
    if setup.device == "cpu":
        torch.set_num_threads(1)  # a process a core: a second thread would stall whenever a neighbour is busy
    end_with_parent()
    keep_freed_memory()
    torch.backends.cudnn.deterministic = True  # a GPU's other algorithms add in an order that varies
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # so does cuBLAS with other workspaces
    code = 1
    try:
        with tf32_products(False):
            worker = Worker(connection, setup)
            with contextlib.suppress(Halted):  # the parent is gone
                worker.loop()
        code = ASKED_TO_END if worker.stopping else 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # a plugin may have left threads that never end
