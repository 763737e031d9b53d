"""The same layers, computed faster.

PyTorch's kernels for a few layers that most GANs have are far from what a core or a GPU can do. `quicken` exchanges these
layers for equal mathematics: same parameters and state dict, gradients and second derivatives included; what differs is
rounding and the numbers that dropout draws. Which layers are exchanged depends on their settings and the device's type
alone, never on a timing. docs/performance.md has the measurements.
"""

from __future__ import annotations

import torch
from torch import nn

from gan_bench.training.layers import cpu, gpu
from gan_bench.training.layers.common import plain
from gan_bench.training.layers.kernels import available


def quicken(network: nn.Module, device: torch.device) -> None:
    """Exchange what a device has faster layers for, in place; subclasses of PyTorch's layers are left alone."""
    if not (device.type == "cpu" or (device.type == "cuda" and available())):
        return
    on = cpu if device.type == "cpu" else gpu
    for module in network.modules():
        if (quick := on.QUICK.get(type(module))) and plain(module) and on.pays(module):
            module.__class__ = quick


def unquicken(network: nn.Module) -> None:
    """Put PyTorch's own layers back, in place, for tools that know no others."""
    for module in network.modules():
        if type(module).__module__.startswith(__name__):
            module.__class__ = type(module).__base__  # type: ignore[assignment]
