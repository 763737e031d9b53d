"""Steps in blocks: on a GPU each kind of block is captured as a CUDA graph, so that the host does next to nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gan_bench.api.faults import cause
from gan_bench.api.losses import NetworkName
from gan_bench.api.recipe import Recipe
from gan_bench.api.seen import Hook, Penalty
from gan_bench.data.batches import Batches
from gan_bench.training.loop import NORM_EVERY, Loop

BLOCK = 5  # steps of a graph: launching it costs as much as launching one step's
EAGER = 2  # times that a kind of block is run before it is captured, so that all it needs is allocated

Replay = Callable[[], None]
Capture = Callable[[Callable[[], None]], Replay]  # records what a function does on the device, without doing it


@dataclass(frozen=True)
class Counts:
    """What the host counts while it takes steps; a replay has to count it as well."""

    steps: int
    d_steps: int
    batches: int
    reports: Counter[str]

    def since(self, before: Counts) -> Counts:
        """What was counted from one moment to another."""
        return Counts(
            self.steps - before.steps,
            self.d_steps - before.d_steps,
            self.batches - before.batches,
            self.reports - before.reports,
        )


class Steps:
    """Takes a loop's steps. With `capture`, by graphs; what can't be captured goes on step by step, and `reason` says why.

    A kind of block is what repeats: how many steps it has, and where it begins in the rhythm of D's updates, of penalties, of
    hooks and of gradients' norms.
    """

    def __init__(self, loop: Loop, capture: Capture | None) -> None:
        assert isinstance(loop.next_real, Batches)  # which can be told how many a graph takes
        self.loop, self.batches, self.capture = loop, loop.next_real, capture
        self.reason: str | None = None if capture else "the device has no graphs"
        self._g_rhythm = math.lcm(loop.recipe.g_per_d, _rhythm(loop.recipe, "generator", loop.recipe.g_penalties))
        self._d_rhythm = _rhythm(loop.recipe, "discriminator", loop.recipe.penalties)
        self._done: Counter[tuple[int, int, int]] = Counter()  # kind -> blocks taken step by step
        self._takes: dict[tuple[int, int, int], int] = {}  # kind -> batches
        self._graphs: dict[tuple[int, int, int], tuple[Replay, Counts]] = {}

    def advance(self, limit: int) -> None:
        """Take at least one step and at most `limit`."""
        loop = self.loop
        if self.reason is not None:
            loop.step()
            return
        steps = BLOCK if limit >= BLOCK else 1
        kind = (steps, loop.steps % self._g_rhythm, loop.d_steps % self._d_rhythm)
        if kind not in self._graphs and self._done[kind] >= EAGER:
            self._try_to_capture(kind)
        if kind in self._graphs:
            replay, counted = self._graphs[kind]
            self.batches.reserve(counted.batches)
            replay()
            self._count(counted)
        else:
            before = self.counts()
            self._take(steps)
            self._takes[kind] = self.counts().since(before).batches
            self._done[kind] += 1

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            self.loop.step()

    def _try_to_capture(self, kind: tuple[int, int, int]) -> None:
        assert self.capture is not None
        self.batches.reserve(self._takes[kind])
        before, generators = self.counts(), self.loop.streams.state_dict()
        try:
            replay = self.capture(lambda: self._take(kind[0]))
        except torch.OutOfMemoryError:
            raise  # not the plugin's doing: whoever packs the runs takes fewer
        except Exception as error:  # noqa: BLE001 - a plugin may do anything that a graph can't hold
            self.reason = cause(error)
            self._graphs.clear()
            self.loop.streams.load_state_dict(generators)
        else:
            self._graphs[kind] = replay, self.counts().since(before)
        self.count_back(before)

    def counts(self) -> Counts:
        """What the host has counted so far."""
        loop = self.loop
        return Counts(loop.steps, loop.d_steps, self.batches.taken, Counter(loop.window.counts))

    def _count(self, counted: Counts) -> None:
        loop = self.loop
        loop.steps += counted.steps
        loop.d_steps += counted.d_steps
        self.batches.taken += counted.batches
        for name, times in counted.reports.items():
            loop.window.counts[name] += times

    def count_back(self, before: Counts) -> None:
        """Forget what the host has counted since."""
        loop = self.loop
        loop.steps, loop.d_steps, self.batches.taken = before.steps, before.d_steps, before.batches
        loop.window.counts = {name: before.reports[name] for name in loop.window.counts}


def _rhythm(recipe: Recipe, network: NetworkName, penalties: Sequence[Penalty]) -> int:
    """After how many updates of a network what is done in them repeats."""
    rare: list[Penalty | Hook] = [*penalties, *recipe.before[network], *recipe.after[network]]
    return math.lcm(NORM_EVERY, *(one.every for one in rare))


class CudaCapture:
    """Captures on a run's own stream into a pool of its own, drawing from the run's own generators.

    On the shared capture stream graphs would share a cuBLAS workspace (pytorch/pytorch#193402), and graphs of one pool
    must never run at the same time (#166975).
    """

    def __init__(self, loop: Loop, stream: torch.cuda.Stream) -> None:
        self.loop, self.stream = loop, stream
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Callable[[], None]) -> Replay:
        """Record a function. Raises whatever CUDA or the function raises where it can't be recorded."""
        graph = torch.cuda.CUDAGraph()
        for generator in self.loop.streams.generators():
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            function()
        return graph.replay
