"""Gradients of D by what it judges, as penalties need them."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Seen


def gradients(logits: Tensor, samples: Tensor) -> Tensor:
    """The gradient of logits (rows, k) by samples (B, *shape), (rows, numbers): differentiable itself.

    A row is what D judges at once: one sample, or the consecutive ones of a pack (`pac`).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
    return gradient.reshape(len(logits), -1)


def between(seen: Seen) -> Tensor:
    """Points (B, *shape) at U(0, 1) of the way from real to fake, the same for all samples of a row; they require gradients."""
    assert seen.real is not None
    assert seen.real_logits is not None
    rows = len(seen.real_logits)
    mix = torch.rand(rows, *[1] * (seen.real.dim() - 1), dtype=seen.real.dtype, device=seen.real.device)
    mix = mix.repeat_interleave(len(seen.real) // rows, 0)
    return torch.lerp(seen.real.detach(), seen.fake.detach(), mix).requires_grad_()
