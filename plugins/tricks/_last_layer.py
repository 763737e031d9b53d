"""Statistics of a batch that D's last layer is given beside its features."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gan_bench import Recipe

CONVOLUTION = ("kernel_size", "stride", "padding", "dilation", "padding_mode")  # where it looks


def add_statistic(recipe: Recipe, make: Callable[[Tensor], tuple[nn.Module, int]]) -> None:
    """Give the layer that makes D's logits a statistic beside its inputs.

    `make(inputs)`, given some of these (rows, *features), returns a module to (rows, m), and m. ValueError: no layer makes them.
    """
    name, inputs = _maker_of_logits(recipe)
    holder, _, last = name.rpartition(".")
    layer = recipe.discriminator.get_submodule(name)
    beside = Beside(layer, *make(inputs))
    if name:
        recipe.discriminator.get_submodule(holder)._modules[last] = beside
    else:
        recipe.discriminator = beside


class Beside(nn.Module):
    """A linear or convolutional layer that is given a statistic beside its inputs, as if the two were concatenated.

    W [h, s] is U h + V s, so the layer stays what it is, with its weights and whatever was done to them, and V is another one.
    """

    def __init__(self, layer: Any, statistic: nn.Module, size: int) -> None:
        super().__init__()
        self.statistic = statistic
        self.beside: nn.Module
        if isinstance(layer, nn.Conv2d):
            settings: dict[str, Any] = {name: getattr(layer, name) for name in CONVOLUTION}
            self.beside = nn.Conv2d(size, layer.out_channels, bias=False, **settings)
        else:
            self.beside = nn.Linear(size, layer.out_features, bias=False)
        self.layer = layer  # behind the others, for it is the one that makes logits of features
        whole = math.prod(layer.weight.shape[1:]) + math.prod(self.beside.weight.shape[1:])
        nn.init.uniform_(self.beside.weight, -(whole**-0.5), whole**-0.5)  # as PyTorch draws those of one layer

    def forward(self, h: Tensor) -> Tensor:
        """(B, n) -> (B, k), or (B, C, H, W) -> (B, k, H', W'), where the statistic becomes constant maps."""
        s = self.statistic(h)
        if h.dim() == 4:
            s = s[:, :, None, None].expand(-1, -1, *h.shape[2:])
        logits: Tensor = self.beside(s) + self.layer(h)
        return logits


def _maker_of_logits(recipe: Recipe) -> tuple[str, Tensor]:
    """The name of the last layer in D whose output is as large as its logits, and what a batch becomes before it."""
    network = copy.deepcopy(recipe.discriminator).eval()
    ran: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(lambda _, inputs, out, name=name: ran.update({name: (inputs[0], out)}))
    with torch.no_grad():
        samples = torch.zeros(recipe.batch_size, *recipe.data.shape, device=recipe.step.device)
        found = network(samples, *recipe.draw_inputs(recipe.batch_size)[1:])
    logits = found[0] if isinstance(found, tuple) else found
    makers = [(name, into) for name, (into, out) in ran.items() if out.flatten(1).shape == logits.shape]
    if not makers:
        raise ValueError("no linear or 2-D convolutional layer of the discriminator gives its logits as they are")
    return makers[-1]
