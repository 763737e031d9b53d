"""What an update of a network was made from, as penalties and losses are given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Discriminate(Protocol):
    """D as a penalty is given it: logits (B, k) of what it is to see, (B, *shape), after `d_inputs`.

    Labels (B,) are those of the real batch where none are given (in G's step without real samples, of the fakes).
    """

    def __call__(self, samples: Tensor, labels: Tensor | None = None, /) -> Tensor: ...


@dataclass(frozen=True)
class Seen:
    """What an update of D or of G was made from.

    In D's update all of it is there. With a penalty `by_samples`, `real` and `fake` require gradients, and so do the samples that
    they were made of, so that logits can be differentiated by either; nothing leads to G. In G's update gradients lead from
    `fake` to G and its `latents`; what is real, which has no gradient, is there if the loss or a penalty of G says it needs it.
    """

    real: Tensor | None  # (B, *shape), after `d_inputs`: what D was given
    fake: Tensor
    real_logits: Tensor | None  # (B, k), k mostly 1
    fake_logits: Tensor
    real_samples: Tensor | None = None  # (B, *shape), before `d_inputs`
    fake_samples: Tensor | None = None
    latents: Tensor | None = None  # (B, latent): what G was given for these fakes
    real_labels: Tensor | None = None  # (B,) int64; None: the networks take none
    fake_labels: Tensor | None = None
    real_class_logits: Tensor | None = None  # (B, classes); None: D gives none
    fake_class_logits: Tensor | None = None


Term = Callable[[Discriminate, Seen], Tensor]


@dataclass(frozen=True)
class Penalty:
    """A term of a network's loss, computed in every `every`-th of its updates and then weighted by `every`."""

    term: Term
    every: int
    pairs: bool  # whether it goes by real and fake samples of one class
    needs_real: bool  # in G's update
    by_samples: bool = True  # whether it differentiates logits by the samples that `Seen` holds, in D's update


@dataclass(frozen=True)
class Hook:
    """What is called in every `every`-th update of a network."""

    function: Callable[[], None]
    every: int
