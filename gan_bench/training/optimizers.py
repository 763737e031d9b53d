"""The optimisers of both networks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_bench.api.recipe import Around

_FUSED = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def build_optimizer(
    settings: dict[str, Any], parameters: Sequence[nn.Parameter], around: Sequence[Around] = ()
) -> torch.optim.Optimizer:
    """The optimiser of settings `{"name": "adam", "lr": 1e-4, ...}`, and what is put around it.

    In place of a name there may be a callable, which is given the parameters and all other settings. TypeError: it takes others.
    """
    optimizer = _innermost(settings, parameters)
    for make in around:
        optimizer = make(optimizer)
    return optimizer


def _innermost(settings: dict[str, Any], parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """PyTorch's, fused where it has it, or the callable's."""
    options = {key: value for key, value in settings.items() if key != "name"}
    if callable(own := settings["name"]):
        try:
            inspect.signature(own).bind(parameters, **options)
        except TypeError as error:
            name = getattr(own, "__name__", "the optimiser")
            cure = f'recipe.optimizer[network] = {{"name": {name}, ...}} has others'
            raise TypeError(f"{name} is called with {', '.join(options)}, and {error}; {cure}") from None
        made: torch.optim.Optimizer = own(parameters, **options)
        return made
    device = parameters[0].device.type
    if device == "cuda" and settings["name"] != "sgd":  # which counts no steps
        options["capturable"] = True  # the step count on the device, where a CUDA graph can raise it; from the start
    if settings["name"] == "rmsprop":
        return torch.optim.RMSprop(parameters, **options)
    build: Any = _FUSED[settings["name"]]
    return build(parameters, fused=device != "meta", **options)


class Schedule:
    """A learning rate that is multiplied by factors before each update; a tensor, which a CUDA graph can change."""

    def __init__(self, base: float | Tensor, factors: Sequence[Callable[[], Tensor]], device: torch.device) -> None:
        self.base, self.factors = base, factors
        self.lr = torch.zeros((), device=device)

    def update(self) -> None:
        """Take the rate of the moment."""
        rate = torch.as_tensor(self.base, dtype=torch.float32)
        for factor in self.factors:
            rate = rate * factor()
        self.lr.copy_(rate)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on from a saved state. A setting that is a tensor stays that tensor, for a trick goes on changing it."""
    before = [dict(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, own in zip(optimizer.param_groups, before, strict=True):
        group.update({key: _kept(value, group[key]) for key, value in own.items() if key != "params"})


def _kept(own: Any, saved: Any) -> Any:
    if isinstance(own, Tensor):
        return own.copy_(torch.as_tensor(saved))
    return tuple(map(_kept, own, saved)) if isinstance(own, tuple) else saved
