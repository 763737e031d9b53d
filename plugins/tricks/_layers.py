"""Layers of a network, found for tricks that put something between them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def change_hidden(network: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """Put all that goes into dense and convolutional layers through `change`, but for what goes into the first of them.

    That is what the layers before made of it, normalisation and activation included. ValueError: there are no two layers.
    """
    hidden = [module for module in network.modules() if isinstance(module, WEIGHTED)][1:]
    if not hidden:
        raise ValueError("it needs a network of two dense or convolutional layers at least; this one has fewer")
    for layer in hidden:
        layer.register_forward_pre_hook(lambda module, inputs: (change(inputs[0]), *inputs[1:]))


def follow(network: nn.Module, layer: nn.Module, after: nn.Module) -> None:
    """Put a module behind one of a network's layers, wherever that stands."""
    for parent in [*network.modules()]:
        for name, child in [*parent.named_children()]:
            if child is layer:
                setattr(parent, name, nn.Sequential(layer, after))
