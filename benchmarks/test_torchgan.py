"""gan-bench on the whole machine against torchgan's trainer at its best thread count, on the same networks and batch.

pip install --no-deps torchgan==0.1.0 && pytest benchmarks/test_torchgan.py -s
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import tempfile
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from torch.utils.data import DataLoader

from gan_bench.bench.cases import Case, cases
from gan_bench.bench.contestants import BETAS, LR, Advance, engine
from gan_bench.bench.rounds import Contestant, take_turns
from gan_bench.workers.device import cpu_slots

BATCH, STEPS, CPU = 64, 4, torch.device("cpu")  # STEPS: of one call, an epoch to torchgan


def torchgan(case: Case) -> Advance:
    """torchgan's own trainer, without what it does after an epoch.

    That fails with today's torchvision (`make_grid` has lost its argument `range`), and is no training: sample pictures
    and a checkpoint. It would only slow torchgan down.
    """
    os.environ |= {"TENSORBOARD_LOGGING": "0", "VISDOM_LOGGING": "0"}  # on where they are installed
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.models import Discriminator, Generator
    from torchgan.trainer import Trainer

    class G(Generator):
        def __init__(self) -> None:
            super().__init__(case.architecture.latent)
            self.layers = case.architecture.generator(case.data)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.layers(z)

    class D(Discriminator):
        def __init__(self) -> None:
            super().__init__(case.data.shape[0])
            self.layers = case.architecture.discriminator(case.data)

        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            return self.layers(samples)

    adam = {"name": torch.optim.Adam, "args": {"lr": LR, "betas": BETAS}}
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            {"generator": {"name": G, "optimizer": adam}, "discriminator": {"name": D, "optimizer": adam}},
            [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()],
            device=CPU,
            epochs=1,
            checkpoints=f"{folder}/gan",
            recon=f"{folder}/samples",
        )
    trainer.save_model = trainer.logger.run_end_epoch = lambda *_: None
    pictures = case.pictures()[: BATCH * STEPS].float().div(127.5).sub(1)
    loader = DataLoader(pictures, BATCH, shuffle=True)

    def advance() -> int:
        with contextlib.redirect_stdout(io.StringIO()):  # it announces every end
            trainer(loader)
        return len(pictures)

    return advance


@pytest.mark.skipif(find_spec("torchgan") is None, reason="torchgan 0.1.0 is not installed")
@pytest.mark.parametrize("case", cases()[:2], ids=lambda case: case.title)
def test_against_torchgan(case):
    cores = cpu_slots()
    teams = {f"torchgan, {n} threads": [Contestant(partial(torchgan, case), n)] for n in sorted({1, cores})}
    teams["gan-bench"] = [Contestant(partial(engine, case, BATCH, CPU, 1, "fp32")) for _ in range(cores)]
    medians = {name: statistics.median(speeds) for name, speeds in take_turns(teams, 4, 5).items()}
    ours = medians.pop("gan-bench")
    ratio = ours / max(medians.values())
    print(f"\n{case.title}: {medians}, gan-bench {ours:.0f} images/s, {ratio:.2f} x")
    assert ratio > 1
