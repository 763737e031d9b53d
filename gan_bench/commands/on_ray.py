"""A grid on Ray."""

from __future__ import annotations

import importlib.util
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gan_bench.commands.bundle import CACHE, FOLDER, Bundle, plugins_in, write_bundle
from gan_bench.commands.prepared import ENTRY, Prepared
from gan_bench.commands.run import Outcome
from gan_bench.console import plain_console
from gan_bench.errors import GanBenchError
from gan_bench.store.lock import Held, check_free
from gan_bench.workers.engine import Engine, Rules
from gan_bench.workers.events import Event
from gan_bench.workers.executor import MOST_MOVES, Executor
from gan_bench.workers.hosts.base import Cause, Ending
from gan_bench.workers.hosts.bridge import Asked
from gan_bench.workers.hosts.ray import RayHost, carried_environment
from gan_bench.workers.hosts.ray_seat import Terms
from gan_bench.workers.jobs import Job, Setup

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from gan_bench.commands.command import Command
    from gan_bench.grid import Grid
    from gan_bench.grid.schema import Precision
    from gan_bench.planning.runs import Run

DEVICES = ("auto", "cpu", "cuda")


class RayEngine(Engine):
    """The nodes of a cluster, of which one has prepared the command."""

    device = "cpu"

    def __init__(self, host: RayHost, slots: int | None, prepared: Prepared) -> None:
        self.host, self.known, self.features = host, prepared, prepared.features
        self.slots = slots

    @property
    def workers(self) -> int:  # type: ignore[override]  # more once nodes have joined
        """See Engine."""
        return self.host.workers

    @property
    def lost(self) -> str:
        """See Engine."""
        return self.host.lost

    def peaks(self, precisions: set[Precision]) -> Mapping[Precision, float]:
        """See Engine."""
        return {precision: self.known.peaks[precision] for precision in precisions}

    def train(
        self, runs: Sequence[Run], jobs: Sequence[Job], setup: Setup, rules: Rules, listener: Callable[[Event], None]
    ) -> bool:
        """See Engine."""
        executor = Executor(setup, self.host, listener, fail_fast=rules.fail_fast, retries=rules.retries)
        return executor.run(jobs)


def run_on_ray(command: Command, grid: Grid, address: str) -> tuple[Outcome, list[str]]:
    """Train a command's grid on a Ray cluster; returns how it ended, and lines for a person.

    GanBenchError: bad input; Ray is not installed; there is no such cluster; a node does not see the store; another command is
    at work there.
    """
    if importlib.util.find_spec("ray") is None:
        raise GanBenchError("--on ray needs Ray, which is not installed here: pip install 'gan-bench[ray]'")
    if command.devices not in DEVICES:
        raise GanBenchError(f"on Ray --devices is {', '.join(DEVICES)} (found: {command.devices!r})")
    console, store = plain_console(), command.store(grid)
    try:  # before its bundle takes the place of another's
        check_free(store, lambda line: console.print(line, soft_wrap=True))
    except Held as error:
        raise GanBenchError(
            f"another gan-bench run is at work in {store} ({error}); wait for it, or give another --out"
        ) from error
    store.mkdir(parents=True, exist_ok=True)
    bundle = write_bundle(command, grid, store)
    with _cache_of(bundle), connected(bundle, store.resolve(), grid, command, address, console) as host:
        with console.status("preparing data and features on the cluster"):
            prepared = prepare_there(host, store.resolve(), host.say_line)
        if prepared is None:
            console.print(host.lost, soft_wrap=True)
            return Outcome(store, 0, 0, stopped=True), []
        return command.perform(grid, RayEngine(host, command.slots, prepared))


@contextmanager
def connected(
    bundle: Bundle, store: Path, grid: Grid, command: Command, address: str, console: Console
) -> Iterator[RayHost]:
    """The cluster, whose nodes all see the store and the cache, have the plugin files, and are told of."""
    shared = (store / FOLDER, bundle.cache)
    for folder in shared:
        folder.mkdir(parents=True, exist_ok=True)
    terms = Terms(bundle.current_folder, shared, bundle.plugins, plugins_in(store), carried_environment())
    asked = Asked(address, command.devices, command.slots, terms)
    host = RayHost(
        asked, grid.cluster.most, store / FOLDER / "ray.log", lambda line: console.print(line, soft_wrap=True)
    )
    with console.status(f"connecting to Ray ({address})"):
        host.__enter__()
    try:
        if host.free():
            nodes, count = len(host.nodes), host.workers
            console.print(f"Ray: {nodes} node{'s' * (nodes != 1)}, {count} worker{'s' * (count != 1)} at a time.")
        yield host
    finally:
        host.__exit__()


def prepare_there(host: RayHost, store: Path, say: Callable[[str], object]) -> Prepared | None:
    """Prepare the store's command on a node; None: the cluster was lost. GanBenchError: it can't be prepared."""
    tried: Counter[str] = Counter()  # by place
    for _ in range(MOST_MOVES):
        if not (host.lost or host.free()):
            say("No node of Ray's cluster has a free core or GPU that gan-bench may use; waiting for one.")
        while not (host.lost or host.free()):
            host.wait([], 1.0)
        if host.lost:
            return None
        place = min(host.free(), key=lambda place: tried[place])
        tried[place] += 1
        task = pickle.dumps((store, host.nodes[place].device))
        handle, answer = host.begin(place, ENTRY, task), None
        try:
            while True:
                if host.wait([handle], 1.0):
                    answer = next(iter(handle.receive()), answer)
        except Ending:
            cause: Cause = handle.bury()
        if isinstance(answer, Prepared):
            if answer.fault:
                raise GanBenchError(answer.fault)
            return answer
        if not (cause.place or host.lost):
            break
    raise GanBenchError(f"data and features can't be prepared on the cluster: {cause.text}")


@contextmanager
def _cache_of(bundle: Bundle) -> Iterator[None]:
    """The cache that the nodes share is this process's too."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(bundle.cache)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE]
        else:
            os.environ[CACHE] = before
