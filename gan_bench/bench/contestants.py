"""Who competes: this engine, and the loop that people write by hand.

Each gives an `Advance`: a function that trains for a moment and returns how many real images that took.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from gan_bench.api.global_state import keep_freed_memory, tf32_products
from gan_bench.api.randomness import Streams
from gan_bench.api.samples import Samples
from gan_bench.bench.cases import Case
from gan_bench.bench.usual_loops import BETAS, LOOPS, LR
from gan_bench.data.batches import Batches
from gan_bench.training.build import build_loop
from gan_bench.training.steps import BLOCK, CudaCapture, Steps

Advance = Callable[[], int]
Compiled = Literal["default", "reduce-overhead"]


def engine(case: Case, batch: int, device: torch.device, slots: int, precision: str) -> Advance:
    """gan-bench with so many slots in this process, each a run of its own; all of them advance by a block of steps."""
    torch.backends.cudnn.deterministic = True  # as in a worker
    keep_freed_memory()
    samples = Samples(case.pictures(), case.labels()).to(device)
    streams = [torch.cuda.Stream(device) if device.type == "cuda" else None for _ in range(slots)]
    runs = []
    for seed, stream in enumerate(streams):
        with torch.cuda.stream(stream):
            runs.append(_steps(case, samples, batch, seed, precision, stream))

    def advance() -> int:
        before = sum(run.loop.d_steps for run in runs)
        with tf32_products(precision == "tf32"):
            for run, stream in zip(runs, streams, strict=True):
                with torch.cuda.stream(stream):
                    run.advance(BLOCK)
        return batch * (sum(run.loop.d_steps for run in runs) - before)

    return advance


def _steps(
    case: Case, samples: Samples, batch: int, seed: int, precision: str, stream: torch.cuda.Stream | None
) -> Steps:
    """A run's steps, by graphs where there is a stream."""
    adam = {"name": "adam", "lr": LR, "betas": BETAS}
    loop = build_loop(
        case.architecture,
        case.data,
        Streams(seed, samples.device),
        partial(Batches, samples, batch, seed, labelled=samples.labels is not None),
        tricks=case.tricks,
        optimizer={"generator": adam, "discriminator": adam},
        batch_size=batch,
        precision=precision,
    )
    return Steps(loop, CudaCapture(loop, stream) if stream else None)


def usual(
    case: Case, batch: int, device: torch.device, *, resident: bool = False, compiled: Compiled | None = None
) -> Advance:
    """The case's loop written by hand (`usual_loops`).

    `resident`: the data lies on the device, instead of coming through a DataLoader. `compiled`: the mode of `torch.compile`
    that both networks go through; "reduce-overhead" replays CUDA graphs of them.
    """
    parts = [case.pictures().float().div_(127.5).sub_(1)]
    if (labels := case.labels()) is not None:
        parts.append(labels)
    batches = _resident([part.to(device) for part in parts], batch) if resident else _loaded(parts, batch, device)
    loop = LOOPS[case.loop](case, batch, device, batches, **case.settings)
    if compiled is None:
        return loop.advance
    logging.getLogger("torch").setLevel(logging.ERROR)  # it warns of GPUs that are missing
    loop.generator.compile(mode=compiled)
    loop.discriminator.compile(mode=compiled)

    def advance() -> int:
        torch.compiler.cudagraph_mark_step_begin()  # what graphs gave in the step before may be written over
        return loop.advance()

    return advance


def _loaded(parts: list[Tensor], batch: int, device: torch.device) -> Iterator[list[Tensor]]:
    """Batches without end through a DataLoader: beside a GPU with the example's two workers, which on a CPU take its cores."""
    workers = 2 if device.type == "cuda" else 0
    data = TensorDataset(*parts)
    loader = DataLoader(data, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)
    while True:
        for taken in loader:
            yield [part.to(device) for part in taken]


def _resident(parts: list[Tensor], batch: int) -> Iterator[list[Tensor]]:
    """Batches without end of what lies on the device."""
    while True:
        for indices in torch.randperm(len(parts[0]), device=parts[0].device).split(batch):
            if len(indices) == batch:
                yield [part[indices] for part in parts]
