"""The optimisers of both networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

_FUSED = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def build_optimizer(settings: dict[str, Any], parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of settings `{"name": "adam", "lr": 1e-4, ...}`, fused where PyTorch has it."""
    options = {key: value for key, value in settings.items() if key != "name"}
    device = parameters[0].device.type
    if device == "cuda" and settings["name"] != "sgd":  # which counts no steps
        options["capturable"] = True  # the step count on the device, where a CUDA graph can raise it; from the start
    if settings["name"] == "rmsprop":
        return torch.optim.RMSprop(parameters, **options)
    build: Any = _FUSED[settings["name"]]
    return build(parameters, fused=device != "meta", **options)


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
