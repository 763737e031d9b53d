"""What extractors share whose networks somebody else has trained: their weights' file, and how pictures get in."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan_bench import DataSpec, FeatureExtractor, Field
from gan_bench.api.randomness import Stream
from gan_bench.errors import GanBenchError

SOME = 25  # pictures that a network sees at a time: they bound its memory
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, from 0 to 1

Network = TypeVar("Network", bound=nn.Module)


class Pretrained(FeatureExtractor):
    """Never downloads weights, and loads none that are not the ones asked for, without executing code."""

    network_of: ClassVar[str]  # whose weights they are, as errors say it
    source: ClassVar[str]  # where the file is to be had: a sentence without its end
    weights: Path | None = Field(
        None,
        description="file with the weights; default: environment variable GAN_BENCH_NAME, with the extractor's name",
    )
    sha256: str = Field(pattern="^[0-9a-f]{8,64}$", description="SHA-256 that the file must have, or its first digits")

    def loaded(self, data: DataSpec, network: Callable[[dict[str, Tensor]], Network]) -> tuple[Network, str]:
        """A network of a state dict, and its file's SHA-256.

        GanBenchError: data, file, checksum or weights (`network` raises an error) are not the right ones, and the cure.
        """
        if data.kind != "image" or data.shape[0] not in (1, 3):
            raise GanBenchError(
                f"features = {self.name!r} takes pictures of 1 or 3 channels, not {data.kind} of shape {data.shape}. "
                "Use features = 'random' or 'classifier'."
            )
        variable = f"GAN_BENCH_{self.name.upper()}"
        cure = (
            f'{self.source}, and give its path as features = {{ name = "{self.name}", weights = "PATH" }} '
            f"or in the environment variable {variable}."
        )
        file = self.weights or (Path(os.environ[variable]) if os.environ.get(variable) else None)
        if file is None:
            raise GanBenchError(f"features = {self.name!r} needs its weights. {cure}")
        try:
            content = file.expanduser().read_bytes()
        except OSError as error:
            raise GanBenchError(
                f"{file}: {self.network_of}'s weights can't be read ({error.strerror}). {cure}"
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if not found.startswith(self.sha256):
            raise GanBenchError(f"{file}: SHA-256 is {found}, not {self.sha256}: damaged, or another file. {cure}")
        try:
            with Stream(0, self.name, torch.device("cpu")):  # for weights that are drawn only to be replaced
                return network(_tensors(file, content)), found
        except Exception as error:  # whatever a library makes of a file that is not its own
            raise GanBenchError(f"{file}: not weights of {self.network_of} ({error}). {cure}") from error


def _tensors(file: Path, content: bytes) -> dict[str, Tensor]:
    """A file's tensors by name. An error of any kind: it holds something else."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load  # comes with timm, which alone has such files

        found = load(content)
    else:
        found = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    if not isinstance(found, dict) or not found:
        raise ValueError("it holds no state dict")
    return found


class OfPhotographs(nn.Module):
    """A network trained on photographs, behind the interface of the others: (B, 1 or 3, H, W) in [-1, 1] -> (B, d).

    Whole pictures are resized to a square in float32, antialiased and not cropped, grey ones repeated to three channels, and
    their colours normalised as ImageNet's.
    """

    def __init__(self, network: nn.Module, size: int, mode: Literal["bilinear", "bicubic"]) -> None:
        super().__init__()
        self.network, self.size, self.mode = network, size, mode
        self.register_buffer("colours", torch.tensor([MEAN, STD]).view(2, 3, 1, 1))

    @property
    def preprocessing(self) -> dict[str, str]:
        """What a protocol says of it."""
        resize = f"{self.size}x{self.size} {self.mode}, antialiased, not cropped"
        return {"resize": resize, "normalised": f"mean {MEAN}, standard deviation {STD}, grey repeated to 3 channels"}

    def seen(self, samples: Tensor) -> Tensor:
        """(B, 3, size, size): what the network sees of samples."""
        square = interpolate(samples, (self.size, self.size), mode=self.mode, align_corners=False, antialias=True)
        mean, std = self.get_buffer("colours")
        return ((square + 1) / 2 - mean) / std

    def forward(self, samples: Tensor) -> Tensor:
        return torch.cat([self.network(self.seen(some)) for some in samples.split(SOME)])
