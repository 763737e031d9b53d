"""Who competes on a device, and the figures of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from gan_bench.bench.cases import Case
from gan_bench.bench.contestants import engine, usual
from gan_bench.bench.rounds import Contestant, take_turns
from gan_bench.data.cores import cores
from gan_bench.grid.schema import Precision
from gan_bench.training.describe import describe_architecture
from gan_bench.workers.peak import peak, training_flops

PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "cpu": ("fp32", "bf16"),
    "cuda": ("fp32", "tf32", "bf16", "fp16"),
}  # of this engine
USUAL_PRECISION: dict[str, Precision] = {"cpu": "fp32", "cuda": "tf32"}  # of convolutions, PyTorch's default
BATCHES = {"cpu": (64,), "cuda": (64, 256)}
GPU_SLOTS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Team:
    """Contestants that train at the same time; what they make together is compared."""

    name: str
    precision: Precision  # of its convolutions and matrix products
    members: Sequence[Contestant]
    usual: bool = False  # what the others are compared with


@dataclass(frozen=True)
class Row:
    """A team's figures."""

    name: str
    speeds: list[float]  # real images a second, of each round
    ratio: float  # to the best of the usual loops, by medians
    share: float | None  # of the device's peak; None: what tricks compute is not counted

    @property
    def speed(self) -> float:
        """The median over rounds."""
        return statistics.median(self.speeds)


def measure(
    case: Case, batch: int, device: torch.device, seconds: float, rounds: int, tell: Callable[[str], object]
) -> list[Row]:
    """The figures of every team, in rounds of so many seconds a turn; `tell` hears of those that can't compete here."""
    teams = gpu_teams(case, batch, device) if device.type == "cuda" else cpu_teams(case, batch)
    speeds = take_turns({team.name: team.members for team in teams}, seconds, rounds, tell)
    teams = [team for team in teams if team.name in speeds]
    medians = {name: statistics.median(own) for name, own in speeds.items()}
    best = max(medians[team.name] for team in teams if team.usual)
    flops = training_flops(describe_architecture(case.architecture, case.data), d_per_g=1)
    return [
        Row(
            team.name,
            speeds[team.name],
            medians[team.name] / best,
            None if case.tricks else medians[team.name] * flops / device_peak(device, team.precision),
        )
        for team in teams
    ]


def precisions(device: torch.device) -> list[Precision]:
    """All precisions that teams compute in: the usual loop's convolutions are in TF32 on a GPU."""
    return list(dict.fromkeys([*PRECISIONS[device.type], USUAL_PRECISION[device.type]]))


def device_peak(device: torch.device, precision: Precision) -> float:
    """FLOP/s of the fastest kernels on a whole device: a GPU, or all cores that this process may use."""
    return peak(device, precision) * (1 if device.type == "cuda" else cores())


def cpu_teams(case: Case, batch: int) -> list[Team]:
    """The usual loop, plain and compiled, at several numbers of threads; this engine with as many processes of one thread."""
    device, counts = torch.device("cpu"), doublings(cores())
    loop, precision = partial(usual, case, batch, device), USUAL_PRECISION["cpu"]
    compiled = partial(loop, compiled="default")
    teams = [Team(f"usual loop, threads: {n}", precision, [Contestant(loop, n)], True) for n in counts]
    teams += [
        Team(f"usual loop, compiled, threads: {n}", precision, [Contestant(compiled, n, optional=True)], True)
        for n in counts
        if case.compiles
    ]
    for precision in PRECISIONS["cpu"]:
        build = partial(engine, case, batch, device, 1, precision)
        processes = [Contestant(build) for _ in range(counts[-1])]
        teams += [Team(f"gan-bench in {precision}, processes: {n}", precision, processes[:n]) for n in counts]
    return teams


def gpu_teams(case: Case, batch: int, device: torch.device) -> list[Team]:
    """The usual loop with a DataLoader, with data on the GPU, and compiled in two ways; and this engine with several slots."""
    threads, precision = cores(), USUAL_PRECISION["cuda"]
    loaded, resident = (partial(usual, case, batch, device, resident=resident) for resident in (False, True))
    teams = [
        Team("usual loop, DataLoader", precision, [Contestant(loaded, threads)], True),
        Team("usual loop, data on the GPU", precision, [Contestant(resident, threads)], True),
    ]
    if case.compiles:
        for mode, name in (("default", "compiled"), ("reduce-overhead", "compiled to CUDA graphs")):
            compiled = Contestant(partial(resident, compiled=mode), threads, optional=True)
            teams.append(Team(f"usual loop, data on the GPU, {name}", precision, [compiled], True))
    for precision in PRECISIONS["cuda"]:
        for slots in GPU_SLOTS:
            own = Contestant(partial(engine, case, batch, device, slots, precision), threads)
            teams.append(Team(f"gan-bench in {precision}, slots: {slots}", precision, [own]))
    return teams


def doublings(most: int) -> list[int]:
    """1, 2, 4, ... and the most."""
    return sorted({*(2**i for i in range(most.bit_length())), most})
