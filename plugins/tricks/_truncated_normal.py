"""The truncated normal distribution."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def truncated(z: Tensor, threshold: float) -> Tensor:
    """Numbers from N(0, 1), of which those beyond the threshold are drawn again, between -threshold and threshold.

    No further number is needed for it: how far a number lies in the tails, as a probability, is uniform, and gives the new one
    through the inverse of the distribution function. So z decides what is made of it.
    """
    within = math.erf(threshold / math.sqrt(2))
    tail = torch.erfc(z.abs() / math.sqrt(2)) / math.erfc(threshold / math.sqrt(2))  # uniform in (0, 1) beyond it
    again = math.sqrt(2) * torch.erfinv((2 * tail - 1) * within)
    return torch.where(z.abs() > threshold, again.clamp(-threshold, threshold), z)  # erfinv may round to infinity
