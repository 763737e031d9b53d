"""The loops that people write by hand, one for each trick, in plain PyTorch with its defaults.

A class is what a script would be: networks, two optimisers, and `advance`, one step. What a trick changes stands in its class,
as the public code of its paper has it, with the mathematics of ours, so that speeds can be compared.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from gan_bench.bench.cases import Case
from gan_bench.bench.usual_pictures import ada_augmented, diff_augmented, flipped_and_shifted

LR, BETAS = 2e-4, (0.5, 0.999)


class Usual:
    """The loop of PyTorch's DCGAN example (pytorch/examples, dcgan/main.py), on logits."""

    freezes = False  # whether D's weights take no gradient in G's step

    def __init__(self, case: Case, batch: int, device: torch.device, batches: Iterator[list[Tensor]]) -> None:
        self.batch, self.latent, self.device, self.batches = batch, case.architecture.latent, device, batches
        self.generator = case.architecture.generator(case.data).to(device)
        self.discriminator = self.changed(case.architecture.discriminator(case.data)).to(device)
        self.g_optimizer: Any = torch.optim.Adam(self.generator.parameters(), lr=LR, betas=BETAS)
        self.d_optimizer: Any = torch.optim.Adam(self.discriminator.parameters(), lr=LR, betas=BETAS)
        self.ones, self.zeros = torch.ones(batch, 1, device=device), torch.zeros(batch, 1, device=device)

    def advance(self) -> int:
        """One step; the real images that it took."""
        (real,) = next(self.batches)
        fake = self.generator(self.latents())
        loss_d = self.update_d(real, fake.detach())
        loss_g = self.update_g(fake, real)
        loss_d.item(), loss_g.item()
        return self.batch

    def update_d(self, real: Tensor, fake: Tensor) -> Tensor:
        """D's loss, before its update."""
        self.discriminator.zero_grad()
        loss = self.backward_d(real, fake)
        self.d_optimizer.step()
        return loss

    def update_g(self, fake: Tensor, real: Tensor) -> Tensor:
        """G's loss, before its update."""
        if self.freezes:
            self.discriminator.requires_grad_(False)
        self.generator.zero_grad()
        loss = self.loss_of_g(fake, real)
        loss.backward()
        self.g_optimizer.step()
        if self.freezes:
            self.discriminator.requires_grad_(True)
        return loss

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        """D's gradients by its parameters, and its loss."""
        loss_real = self.loss_real(self.judge(real))
        loss_real.backward()
        loss_fake = self.loss_fake(self.judge(fake))
        loss_fake.backward()
        return loss_real + loss_fake

    def loss_of_g(self, fake: Tensor, real: Tensor) -> Tensor:
        """G's loss."""
        return self.loss_g(self.judge(fake))

    def latents(self) -> Tensor:
        """(B, latent)."""
        return torch.randn(self.batch, self.latent, device=self.device)

    def judge(self, samples: Tensor) -> Tensor:
        """D's logits (B, 1)."""
        logits: Tensor = self.discriminator(samples)
        return logits

    def changed(self, discriminator: nn.Module) -> nn.Module:
        """D as it is trained."""
        return discriminator

    def loss_real(self, logits: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, self.ones)

    def loss_fake(self, logits: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, self.zeros)

    def loss_g(self, logits: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, self.ones)


class Papers(Usual):
    """The same with D's weights frozen in G's step, as most papers' code has it (`toggle_grad`, `requires_grad_(False)`)."""

    freezes = True


class Hinge(Papers):
    """Hinge loss (Miyato et al. 2018, eq. 16 and 17)."""

    def loss_real(self, logits: Tensor) -> Tensor:
        return F.relu(1 - logits).mean()

    def loss_fake(self, logits: Tensor) -> Tensor:
        return F.relu(1 + logits).mean()

    def loss_g(self, logits: Tensor) -> Tensor:
        return -logits.mean()


class LeastSquares(Papers):
    """Least squares (Mao et al. 2017, eq. 9)."""

    def loss_real(self, logits: Tensor) -> Tensor:
        return 0.5 * F.mse_loss(logits, self.ones)

    def loss_fake(self, logits: Tensor) -> Tensor:
        return 0.5 * F.mse_loss(logits, self.zeros)

    def loss_g(self, logits: Tensor) -> Tensor:
        return 0.5 * F.mse_loss(logits, self.ones)


def squared_gradient(logits: Tensor, samples: Tensor) -> Tensor:
    """|grad D|^2 of each sample, averaged; differentiable."""
    (gradient,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
    return gradient.pow(2).reshape(len(samples), -1).sum(1).mean()


class R1(Papers):
    """R1 (Mescheder et al. 2018, eq. 9), in each or in every so many updates of D, weighted by as much."""

    def __init__(self, *given: Any, gamma: float, every: int = 1) -> None:
        super().__init__(*given)
        self.gamma, self.every, self.updates = gamma, every, 0

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        due = self.updates % self.every == 0
        self.updates += 1
        if not due:
            return super().backward_d(real, fake)
        real.requires_grad_()
        logits = self.judge(real)
        loss_real = self.loss_real(logits)
        (loss_real + self.gamma / 2 * self.every * squared_gradient(logits, real)).backward()
        loss_fake = self.loss_fake(self.judge(fake))
        loss_fake.backward()
        return loss_real + loss_fake


class WassersteinGP(Papers):
    """WGAN-GP (Gulrajani et al. 2017, algorithm 1): several updates of the critic, each with fakes of its own."""

    def __init__(self, *given: Any, d_steps: int, weight: float = 10.0) -> None:
        super().__init__(*given)
        self.d_steps, self.weight = d_steps, weight

    def advance(self) -> int:
        for _ in range(self.d_steps):
            (real,) = next(self.batches)
            with torch.no_grad():
                fake = self.generator(self.latents())
            self.update_d(real, fake).item()
        self.update_g(self.generator(self.latents()), real).item()
        return self.d_steps * self.batch

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        loss = super().backward_d(real, fake)
        alpha = torch.rand(self.batch, 1, 1, 1, device=self.device)
        between = (alpha * fake + (1 - alpha) * real).requires_grad_()
        logits = self.judge(between)
        (gradient,) = torch.autograd.grad(logits, between, torch.ones_like(logits), create_graph=True)
        penalty = (gradient.reshape(self.batch, -1).norm(2, dim=1) - 1).pow(2).mean()
        (self.weight * penalty).backward()
        return loss

    def loss_real(self, logits: Tensor) -> Tensor:
        return -logits.mean()

    def loss_fake(self, logits: Tensor) -> Tensor:
        return logits.mean()

    def loss_g(self, logits: Tensor) -> Tensor:
        return -logits.mean()


class RelativisticR1R2(Papers):
    """Relativistic pairing with R1 and R2 (R3GAN, Huang et al. 2025, section 2)."""

    def __init__(self, *given: Any, gamma: float) -> None:
        super().__init__(*given)
        self.gamma = gamma

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        real.requires_grad_()
        fake.requires_grad_()
        of_real, of_fake = self.judge(real), self.judge(fake)
        loss = F.softplus(of_fake - of_real).mean()
        penalty = squared_gradient(of_real, real) + squared_gradient(of_fake, fake)
        (loss + self.gamma / 2 * penalty).backward()
        return loss

    def loss_of_g(self, fake: Tensor, real: Tensor) -> Tensor:
        return F.softplus(self.judge(real.detach()) - self.judge(fake)).mean()


class DiffAugmented(Papers):
    """DiffAugment (Zhao et al. 2020): all that D sees is augmented."""

    def judge(self, samples: Tensor) -> Tensor:
        return super().judge(diff_augmented(samples))


class AdaptivelyAugmented(Papers):
    """ADA (Karras et al. 2020): all that D sees is augmented with a probability that follows the signs of its logits."""

    target, speed, interval = 0.6, 500_000, 4

    def __init__(self, *given: Any, p: float) -> None:
        super().__init__(*given)
        self.p, self.signs, self.updates = p, 0.0, 0

    def judge(self, samples: Tensor) -> Tensor:
        return super().judge(ada_augmented(samples, self.p))

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        logits = self.judge(real)
        self.signs += logits.sign().mean().item()
        loss_real = self.loss_real(logits)
        loss_real.backward()
        loss_fake = self.loss_fake(self.judge(fake))
        loss_fake.backward()
        return loss_real + loss_fake

    def update_d(self, real: Tensor, fake: Tensor) -> Tensor:
        loss = super().update_d(real, fake)
        self.updates += 1
        if self.updates % self.interval == 0:
            up = 1 if self.signs / self.interval > self.target else -1
            self.p = min(max(self.p + up * self.batch * self.interval / self.speed, 0.0), 1.0)
            self.signs = 0.0
        return loss


class Averaged(Papers):
    """A moving average of G's weights (Yazici et al. 2019, eq. 1); buffers are copied."""

    def __init__(self, *given: Any, decay: float) -> None:
        super().__init__(*given)
        self.decay = decay
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()

    def update_g(self, fake: Tensor, real: Tensor) -> Tensor:
        loss = super().update_g(fake, real)
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, 1 - self.decay)
            for kept, new in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                kept.copy_(new)
        return loss


class SpectrallyNormalised(Papers):
    """Spectral normalisation (Miyato et al. 2018) by PyTorch's own parametrisation: a power iteration in every pass of D."""

    def changed(self, discriminator: nn.Module) -> nn.Module:
        for module in [*discriminator.modules()]:
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)
        return discriminator


class LeCam(Hinge):
    """LeCam regularisation (Tseng et al. 2021, eq. 4), its averages from the first batch on."""

    weight, decay = 0.3, 0.99

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.average: tuple[float, float] | None = None  # of real and of fake logits

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        of_real, of_fake = self.judge(real), self.judge(fake)
        now = of_real.mean().item(), of_fake.mean().item()
        before = self.average or now
        self.average = (
            self.decay * before[0] + (1 - self.decay) * now[0],
            self.decay * before[1] + (1 - self.decay) * now[1],
        )
        penalty = (of_real - self.average[1]).pow(2).mean() + (of_fake - self.average[0]).pow(2).mean()
        loss = self.loss_real(of_real) + self.loss_fake(of_fake)
        (loss + self.weight * penalty).backward()
        return loss


class Consistent(Papers):
    """Consistency of D's logits at real samples (Zhang et al. 2020), and at fakes if balanced (Zhao et al. 2021)."""

    def __init__(self, *given: Any, weight: float = 10.0, fake: float = 0.0) -> None:
        super().__init__(*given)
        self.weight, self.weight_of_fake = weight, fake

    def backward_d(self, real: Tensor, fake: Tensor) -> Tensor:
        logits = self.judge(real)
        loss_real = self.loss_real(logits)
        penalty = (logits - self.judge(flipped_and_shifted(real))).pow(2).mean()
        (loss_real + self.weight * penalty).backward()
        logits = self.judge(fake)
        loss_fake = loss = self.loss_fake(logits)
        if self.weight_of_fake:
            penalty = (logits - self.judge(flipped_and_shifted(fake))).pow(2).mean()
            loss = loss_fake + self.weight_of_fake * penalty
        loss.backward()
        return loss_real + loss_fake


class Deviation(nn.Module):
    """Features (B, n) with one more: their mean deviation within groups (Karras et al. 2018, section 3)."""

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        y = x.reshape(self.group, -1, x.shape[1])
        y = y - y.mean(dim=0)
        y = (y.square().mean(dim=0) + 1e-8).sqrt().mean(dim=1)
        return torch.cat([x, y.repeat(self.group).unsqueeze(1)], dim=1)


class MinibatchDeviation(Papers):
    """The minibatch standard deviation before D's last layer."""

    def changed(self, discriminator: nn.Module) -> nn.Module:
        assert isinstance(discriminator, nn.Sequential)
        *layers, last = discriminator
        assert isinstance(last, nn.Linear)
        return nn.Sequential(*layers, Deviation(4), nn.Linear(last.in_features + 1, last.out_features))


class Conditional(Papers):
    """Networks that are given labels; those of fakes are drawn."""

    def __init__(self, case: Case, *given: Any) -> None:
        super().__init__(case, *given)
        self.classes = len(case.data.classes or ())

    def advance(self) -> int:
        real, of_real = next(self.batches)
        of_fake = self.labels()
        fake = self.generator(self.latents(), of_fake)
        self.discriminator.zero_grad()
        loss_real = self.loss_real(self.discriminator(real, of_real))
        loss_real.backward()
        loss_fake = self.loss_fake(self.discriminator(fake.detach(), of_fake))
        loss_fake.backward()
        self.d_optimizer.step()
        self.discriminator.requires_grad_(False)
        self.generator.zero_grad()
        loss_g = self.loss_g(self.discriminator(fake, of_fake))
        loss_g.backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        (loss_real + loss_fake).item(), loss_g.item()
        return self.batch

    def labels(self) -> Tensor:
        """(B,), each class as often."""
        return torch.randint(self.classes, (self.batch,), device=self.device)


LOOPS: dict[str, type[Usual]] = {
    loop.__name__: loop
    for loop in (
        *(Usual, Papers, Hinge, LeastSquares, R1, WassersteinGP, RelativisticR1R2, DiffAugmented, AdaptivelyAugmented),
        *(Averaged, SpectrallyNormalised, LeCam, Consistent, MinibatchDeviation, Conditional),
    )
}
