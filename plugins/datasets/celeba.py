"""CelebFaces Attributes."""

from __future__ import annotations

from typing import Any

from gan_bench import Dataset, Field, hookimpl
from gan_bench.errors import GanBenchError, did_you_mean

from ._pictures import Size, size_field
from ._torchvision import TorchvisionDataset

LISTS = (
    "list_eval_partition.txt",
    "identity_CelebA.txt",
    "list_bbox_celeba.txt",
    "list_landmarks_align_celeba.txt",
    "list_attr_celeba.txt",
)


class CelebA(TorchvisionDataset):
    """Faces of celebrities, 162,770 and 19,962, aligned; the middle square of 178x218 (Liu et al. 2015)."""

    name = "celeba"
    required = (*(f"celeba/{name}" for name in LISTS), "celeba/img_align_celeba")
    origin = "place the lists of the aligned CelebA pictures there, and unpack img_align_celeba.zip in celeba"

    size: Size = size_field(64)
    attribute: str | None = Field(None, description="one of CelebA's 40 attributes as the label: Smiling, Male, ...")

    def classes(self) -> tuple[str, ...] | None:
        return (f"not {self.attribute}", self.attribute) if self.attribute else None

    def checksums(self) -> dict[str, str]:
        from torchvision.datasets import CelebA as Source

        return {f"celeba/{name}": md5 for _, md5, name in Source.file_list if name in LISTS}

    def source(self, training: bool, download: bool = False) -> Any:
        from torchvision.datasets import CelebA as Source

        source = Source(self.folder(), split="train" if training else "test", download=download)
        if self.attribute is None:
            source.target_transform = lambda attributes: -1
        else:
            if self.attribute not in source.attr_names:
                cure = did_you_mean(self.attribute, filter(None, source.attr_names))
                raise GanBenchError(f"dataset celeba: there is no attribute {self.attribute!r}. {cure}")
            column = source.attr_names.index(self.attribute)
            source.target_transform = lambda attributes: int(attributes[column])
        return source

    def picture(self, source: Any, index: int) -> str:
        return str(self.folder() / "celeba" / "img_align_celeba" / source.filename[index])


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [CelebA]
