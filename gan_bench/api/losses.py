"""Losses of both networks, in logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

NetworkName = Literal["discriminator", "generator"]
TargetTransform = Callable[[Tensor, NetworkName, bool], Tensor]


class Loss(ABC):
    """What both networks minimise. Logits have shape (B, 1); a loss is a scalar."""

    has_targets: ClassVar[bool] = (
        False  # True: the loss compares logits with `self.target(...)`, which tricks may transform
    )
    generator_needs_real: ClassVar[bool] = False  # True: `generator` reads real_logits, which cost a forward pass
    log_odds: ClassVar[bool] = False  # True: a logit is the log odds of "real", so that its size says how sure D is

    def __init__(self) -> None:
        self.target_transforms: list[TargetTransform] = []

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """The discriminator's loss."""

    @abstractmethod
    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """The generator's loss."""

    def target(self, logits: Tensor, network: NetworkName, real: bool) -> Tensor:
        """Targets (B, 1) for these logits in that network's loss: 1 for real, 0 for fake, as the tricks left them."""
        target = torch.full_like(logits, float(real))
        for transform in self.target_transforms:
            target = transform(target, network, real)
        return target


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
