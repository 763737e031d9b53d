"""Street View House Numbers."""

from __future__ import annotations

from typing import Any

from gan_bench import Dataset, hookimpl

from ._torchvision import TorchvisionDataset


class Svhn(TorchvisionDataset):
    """Photographs of house numbers' digits, 73,257 and 26,032 of 32x32 (Netzer et al. 2011)."""

    name = "svhn"
    required = ("train_32x32.mat", "test_32x32.mat")
    origin = "place these files there"

    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    def checksums(self) -> dict[str, str]:
        from torchvision.datasets import SVHN

        return {name: md5 for _, name, md5 in (SVHN.split_list["train"], SVHN.split_list["test"])}

    def source(self, training: bool, download: bool = False) -> Any:
        from torchvision.datasets import SVHN

        return SVHN(self.folder(), split="train" if training else "test", download=download)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Svhn]
