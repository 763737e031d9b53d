"""What layers for cores and for GPUs have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

THIN = 3  # channels at the picture's end of a convolution up to which PyTorch's kernels are beaten: grey and colour
Pair = tuple[int, ...]  # a number for the height and one for the width


def plain(module: nn.Module) -> bool:
    """Whether a layer has no settings that faster ones have no argument for."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        plain_padding = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return plain_padding and module.groups == 1 and module.dilation == (1, 1)
    return not isinstance(module, nn.Flatten) or (module.start_dim, module.end_dim) == (1, -1)


def thin(module: nn.Module) -> bool:
    """Whether this is D's first convolution or G's last, with few channels at the picture's end."""
    if isinstance(module, nn.Conv2d):
        return module.in_channels <= THIN
    return isinstance(module, nn.ConvTranspose2d) and module.out_channels <= THIN


def computed_in(weight: Tensor) -> torch.dtype:
    """The type that a layer computes in: autocast does not reach into an autograd function."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


class Flatten(nn.Flatten):
    """Flatten whose gradient has its input's memory format.

    PyTorch's has not, and each layer before it then pays tenfold for elementwise work on two tensors laid out differently.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, *shape) to (B, numbers in a shape)."""
        if not input.is_contiguous() and input.is_contiguous(memory_format=torch.channels_last):
            input = _ChannelsLastGradient.apply(input)
        return super().forward(input)


class _ChannelsLastGradient(torch.autograd.Function):
    """The identity; its gradient is laid out with the channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.contiguous(memory_format=torch.channels_last)
