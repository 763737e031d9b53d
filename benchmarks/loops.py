"""One step of training, by gan-bench and by the usual hand-written loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from gan_bench.data import Samples
from gan_bench.loop import Loop
from gan_bench.networks import build_networks, memory_format
from gan_bench.plugin import Architecture, DataSpec
from gan_bench.recipe import Recipe
from gan_bench.streams import Streams
from gan_bench.training import Batches
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN

CPU = torch.device("cpu")
BATCH = 64
CASES: dict[str, tuple[Architecture, tuple[int, int, int]]] = {
    "dcgan 28x28, width 64 (the origin's)": (DCGAN(), (1, 28, 28)),
    "dcgan 28x28, width 16": (DCGAN(width=16), (1, 28, 28)),
    "dcgan 16x16, width 16 (quickstart)": (DCGAN(width=16, dropout=0), (1, 16, 16)),
    "fcgan 28x28": (FCGAN(), (1, 28, 28)),
}
Step = Callable[[], None]


def pictures(shape: tuple[int, int, int]) -> torch.Tensor:
    """2000 random uint8 pictures."""
    return torch.randint(256, (2000, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def ours(case: str) -> tuple[Step, int]:
    """gan-bench's loop, with its batches."""
    architecture, shape = CASES[case]
    streams = Streams(0, CPU)
    data = DataSpec(shape)
    generator, discriminator = build_networks(architecture, data, streams)
    adam = {"name": "adam", "lr": 2e-4, "betas": (0.5, 0.999)}
    recipe = Recipe(
        data,
        generator,
        discriminator,
        {"generator": dict(adam), "discriminator": dict(adam)},
        batch_size=BATCH,
        total_steps=1,
        streams=streams,
    )
    recipe.apply([])
    batches = Batches(Samples(pictures(shape), None), BATCH, 0, memory_format(discriminator))
    return Loop(recipe, streams, batches, BATCH, architecture.latent).step, BATCH


def usual(case: str) -> tuple[Step, int]:
    """The loop of PyTorch's DCGAN example (pytorch/examples, dcgan/main.py), on logits."""
    architecture, shape = CASES[case]
    data = DataSpec(shape)
    generator, discriminator = architecture.generator(data), architecture.discriminator(data)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    dataset = TensorDataset(pictures(shape).float().div(127.5).sub(1))
    loader = DataLoader(dataset, BATCH, shuffle=True, drop_last=True)
    batches = iter(loader)
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def step() -> None:
        nonlocal batches
        try:
            (real,) = next(batches)
        except StopIteration:
            batches = iter(loader)
            (real,) = next(batches)
        discriminator.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(discriminator(real), ones)
        loss_real.backward()
        fake = generator(torch.randn(BATCH, architecture.latent))
        loss_fake = F.binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros)
        loss_fake.backward()
        d_optimizer.step()
        generator.zero_grad()
        loss_g = F.binary_cross_entropy_with_logits(discriminator(fake), ones)
        loss_g.backward()
        g_optimizer.step()
        (loss_real + loss_fake).item(), loss_g.item()

    return step, BATCH
