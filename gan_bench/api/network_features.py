"""What feature extractors share: a frozen network that sees pictures as they would be saved."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.pictures import from_uint8, to_uint8


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of parameters and buffers, in the order of the state dict."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class NetworkFeatures:
    """Features (B, d) that a frozen network in evaluation mode computes; implements `gan_bench.api.kinds.Features`.

    Pictures are first quantised to 8 bits: a score must not depend on whether they were saved in between. A sample
    with a value that is not finite gets features that are all NaN, so that quantising can't hide it.

    The protocol holds the features' name, dimension, quantisation and the weights' hash, and `more`. `head`, where there is
    one, makes logits (N, classes) of features. `remarks` are told with scores of these features.
    """

    def __init__(
        self,
        network: nn.Module,
        label: str,
        data: DataSpec,
        device: torch.device,
        dimension: int,
        more: dict[str, Any],
        head: nn.Module | None = None,
        remarks: Sequence[str] = (),
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.label, self.device, self.remarks = label, device, remarks
        self.quantised = data.kind == "image"
        self.protocol: dict[str, Any] = {
            "features": label,
            "dimension": dimension,
            "quantisation": "8 bits" if self.quantised else "none",
            "weights_sha256": weights_sha256(network),
            **more,
        }
        if head is not None:
            self._head = copy.deepcopy(head).cpu().requires_grad_(False)
            self.logits = self._logits
            self.protocol["head_sha256"] = weights_sha256(head)

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> Tensor:
        """(B, *shape) in [-1, 1] -> (B, d), float32, on the extractor's device."""
        samples = samples.to(self.device)
        # A sum is finite where all are, for no values of float32 overflow float64.
        finite = samples.flatten(1).sum(1, keepdim=True, dtype=torch.float64).isfinite()
        inputs = from_uint8(to_uint8(samples)) if self.quantised else samples.float()
        features: Tensor = self.network(inputs).float()
        return features.masked_fill(~finite, torch.nan)

    @torch.no_grad()
    def _logits(self, features: Tensor) -> Tensor:
        """(N, d) -> (N, classes), float32, on the CPU."""
        logits: Tensor = self._head(features.float().cpu())
        return logits
