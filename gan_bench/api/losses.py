"""Losses of both networks, in logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_bench.api.seen import Seen

NetworkName = Literal["discriminator", "generator"]
TargetTransform = Callable[[Tensor, NetworkName, bool], Tensor]


class Loss(ABC):
    """What both networks minimise. Logits have shape (B, k), k mostly 1; a loss is a scalar.

    A loss that `sees` is called with one argument more, what the update was made from:
    `discriminator(real_logits, fake_logits, seen)` and `generator(fake_logits, real_logits, seen)`.
    """

    has_targets: bool = False  # True: the loss compares logits with `self.target(...)`, which tricks may transform
    generator_needs_real: bool = False  # True: `generator` reads real_logits, which cost a forward pass
    log_odds: bool = False  # True: a logit is the log odds of "real", so that its size says how sure D is
    sees: bool = False  # True: both methods take a `gan_bench.Seen` as well

    def __init__(self) -> None:
        self.target_transforms: list[TargetTransform] = []

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor, *seen: Any) -> Tensor:
        """The discriminator's loss."""

    @abstractmethod
    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None, *seen: Any) -> Tensor:
        """The generator's loss."""

    def target(self, logits: Tensor, network: NetworkName, real: bool) -> Tensor:
        """Targets like these logits in that network's loss: 1 for real, 0 for fake, as the tricks left them."""
        target = torch.full_like(logits, float(real))
        for transform in self.target_transforms:
            target = transform(target, network, real)
        return target

    def transform_targets(self, transforms: list[TargetTransform]) -> None:
        """Have targets go through these."""
        self.target_transforms = transforms

    def given(self, *seen: Seen) -> tuple[Seen, ...]:
        """What the loss is called with beside logits."""
        return seen if self.sees else ()


class LossAround(Loss):
    """A loss made of another, `inner`, which it is in all that a subclass does not change or add.

    A trick that puts one around the run's loss declares `wraps = {"loss"}`: it edits after those that replace it.
    """

    sees = True

    def __init__(self, inner: Loss) -> None:
        super().__init__()
        self.inner = inner
        for name in ("has_targets", "generator_needs_real", "log_odds"):
            setattr(self, name, getattr(self, name) or getattr(inner, name))  # what a subclass says of itself stands

    def transform_targets(self, transforms: list[TargetTransform]) -> None:
        super().transform_targets(transforms)
        self.inner.transform_targets(transforms)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor, *seen: Seen) -> Tensor:
        return self.inner.discriminator(real_logits, fake_logits, *self.inner.given(*seen))

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None, *seen: Seen) -> Tensor:
        return self.inner.generator(fake_logits, real_logits, *self.inner.given(*seen))


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy on logits, the generator trained towards "real" (Goodfellow et al. 2014, sections 3 and 4.1).

    With target t and logit s a term is softplus(s) - t s; at t = 1 the generator's is the non-saturating softplus(-s).
    """

    has_targets = True
    log_odds = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self._term(real_logits, "discriminator", True) + self._term(fake_logits, "discriminator", False)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return self._term(fake_logits, "generator", True)

    def _term(self, logits: Tensor, network: NetworkName, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, self.target(logits, network, real))


class Hinge(Loss):
    """relu(1 - r) + relu(1 + f) for D, -f for G (Lim & Ye 2017, Miyato et al. 2018 eq. 16 and 17)."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.mean()


class Wasserstein(Loss):
    """The critic's difference of means, f - r for D and -f for G (Arjovsky et al. 2017, eq. 2 and algorithm 1)."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits.mean() - real_logits.mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.mean()
