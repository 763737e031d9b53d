"""Layers for a CPU: PyTorch's kernels pad few channels to a whole vector, and draw dropout element by element."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench.training.layers.common import Flatten, Pair, computed_in, thin


class Dropout(nn.Dropout):
    """Dropout that draws 16 random bits an element, four elements from each 64-bit number.

    PyTorch draws a Bernoulli variable for each element, which takes 12 ns and thereby a fifth of a small DCGAN's
    training; this takes 1 ns. p becomes the nearest multiple of 2^-16, and what is kept is scaled to match it exactly.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        dropped = round(self.p * 2**16)
        if not self.training or dropped == 0:
            return input
        if self.inplace or dropped == 2**16:
            return super().forward(input)
        bits = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        mask = torch.empty_like(input, dtype=torch.float32)  # without gaps, in the input's memory format
        row = mask.as_strided((mask.numel(),), (1,))  # its elements as they lie in memory
        row.copy_(bits.view(torch.int16)[: mask.numel()])
        row.ge_(dropped - 2**15).mul_(2**16 / (2**16 - dropped))
        return input * mask.to(input.dtype)


class ThinConv2d(nn.Conv2d):
    """A convolution of few channels, as a discriminator's first: its gradient by the picture is a `scatter`."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D, H', W')."""
        dtype = computed_in(self.weight)
        bias = None if self.bias is None else self.bias.to(dtype)
        output: Tensor = _ThinConvolution.apply(input.to(dtype), self.weight.to(dtype), bias, self.stride, self.padding)
        return output


class ThinConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution to few channels, as a generator's last: a `scatter`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, D, H, W) to (B, C, H', W')."""
        if output_size is not None:
            return super().forward(input, output_size)
        dtype = computed_in(self.weight)
        output: Tensor = _Scatter.apply(
            input.to(dtype), self.weight.to(dtype), self.stride, self.padding, self.output_padding
        )
        return output if self.bias is None else output + self.bias.to(dtype).view(-1, 1, 1)


def scatter(x: Tensor, weight: Tensor, stride: Pair, padding: Pair, output_padding: Pair) -> Tensor:
    """The transposed convolution of x (B, D, H, W) by a weight (D, C, K, L), as a matrix product and col2im.

    Every pixel of x gives a patch (C, K, L); overlapping patches are added up. PyTorch's kernel pads C to a whole vector,
    so that at C = 1 most of its work is thrown away.
    """
    batch, deep, *size = x.shape
    _, thin, *kernel = weight.shape
    output_size = tuple(
        (n - 1) * s - 2 * p + k + o for n, s, p, k, o in zip(size, stride, padding, kernel, output_padding, strict=True)
    )
    patches = weight.reshape(deep, -1).t() @ x.flatten(2)  # (B, C*K*L, H*W)
    # The batch as channels: col2im goes through samples one by one, but through channels in one loop.
    patches = patches.reshape(1, -1, size[0] * size[1]).to(torch.promote_types(x.dtype, torch.float32))
    picture = F.fold(patches, output_size, tuple(kernel), 1, padding, stride)
    return picture.view(batch, thin, *output_size).to(x.dtype, memory_format=torch.channels_last)


class _Scatter(torch.autograd.Function):
    """`scatter` with PyTorch's own derivatives of a transposed convolution, which are as fast as they should be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, output_padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = stride, padding, output_padding
        return scatter(x, weight, stride, padding, output_padding)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, output_padding = ctx.settings
        wanted = [*ctx.needs_input_grad[:2], False]
        grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, stride, padding, [1, 1], True, output_padding, 1, wanted
        )
        return grad_x, grad_weight, None, None, None


class _ThinConvolution(torch.autograd.Function):
    """PyTorch's own convolution, but for the derivative by its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = stride, padding, bias if bias is None else bias.shape
        output: Tensor = torch.ops.aten.convolution(x, weight, bias, stride, padding, [1, 1], False, [0, 0], 1)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, bias_shape = ctx.settings
        grad_x = None
        if ctx.needs_input_grad[0]:
            shapes = zip(x.shape[2:], grad.shape[2:], stride, padding, weight.shape[2:], strict=True)
            left_over = tuple(n - ((m - 1) * s - 2 * p + k) for n, m, s, p, k in shapes)
            grad_x = _Scatter.apply(grad, weight, stride, padding, left_over)
        wanted = [False, *ctx.needs_input_grad[1:3]]
        _, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grad, x, weight, bias_shape, stride, padding, [1, 1], False, [0, 0], 1, wanted
        )
        return grad_x, grad_weight, grad_bias, None, None


QUICK: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: Dropout,
    nn.Conv2d: ThinConv2d,
    nn.ConvTranspose2d: ThinConvTranspose2d,
    nn.Flatten: Flatten,
}


def pays(module: nn.Module) -> bool:
    """Whether a layer of a class in `QUICK` is faster here; `ThinConv2d` and its like win where channels are few."""
    return thin(module) or not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
