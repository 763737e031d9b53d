"""Features of DINOv2, a vision transformer trained without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_bench import FeatureExtractor, Field, NetworkFeatures, hookimpl
from gan_bench.errors import GanBenchError

from ._pretrained import OfPhotographs, Pretrained

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData


class DinoV2(Pretrained):
    """DINOv2 (Oquab et al. 2023), whose distances agree better with people than Inception's (Stein et al. 2023).

    The features are the class token's, after the last norm: 384 of the small network, 768, 1024 or 1536 of larger ones. The
    code is timm's, an extra: `pip install gan-bench[dinov2]`. Pictures are resized bicubically with antialiasing to a
    square, not cropped; position embeddings are resampled to it as timm does. The weights are never downloaded.
    """

    name = "dinov2"
    network_of = "DINOv2"
    source = (
        "Download model.safetensors from https://huggingface.co/timm/vit_small_patch14_dinov2.lvd142m (88 MB), or the same "
        "weights as dinov2_vits14_pretrain.pth from https://github.com/facebookresearch/dinov2"
    )
    model: str = Field(
        "vit_small_patch14_dinov2",
        pattern="^vit_(small|base|large|giant)_patch14(_reg4)?_dinov2$",
        description="timm's name of the network",
    )
    size: int = Field(224, ge=14, multiple_of=14, description="pixels each way that pictures are resized to")

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> NetworkFeatures:
        """Loaded without executing code. GanBenchError: timm is missing, or data, file or checksum are wrong, and the cure."""
        timm = _timm()

        def network(weights: dict[str, Tensor]) -> OfPhotographs:
            """From timm's own state dict or the authors'."""
            more = {"pretrained_cfg_overlay": {"state_dict": weights}}  # in place of what it would download
            made = timm.create_model(self.model, pretrained=True, num_classes=0, img_size=self.size, **more)
            return OfPhotographs(made, self.size, "bicubic")

        loaded, found = self.loaded(data.spec, network)
        more = {"network": f"timm {timm.__version__} {self.model}", **loaded.preprocessing, "file_sha256": found}
        label = f"dinov2-{self.model.removeprefix('vit_').replace('_patch14', '').removesuffix('_dinov2').replace('_', '-')}"
        dimension = loaded.get_parameter("network.norm.weight").numel()
        return NetworkFeatures(loaded, label, data.spec, device, dimension, more)


def _timm() -> Any:
    """The package. GanBenchError: it is not installed."""
    try:
        import timm
    except ImportError as error:
        raise GanBenchError(
            f"features = 'dinov2' needs timm's code ({error}). Install it: pip install 'gan-bench[dinov2]'"
        ) from error
    return timm


@hookimpl
def gan_bench_features() -> list[type[FeatureExtractor]]:
    return [DinoV2]
