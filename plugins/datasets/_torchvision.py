"""What the datasets that torchvision reads share: where files lie, what is missing or damaged, and the cure."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from gan_bench import Field, Parts
from gan_bench.errors import GanBenchError

from ._downloads import careful
from ._pictures import PictureDataset, PicturePart, expanded


class TorchvisionDataset(PictureDataset):
    """A published dataset, read from files in the layout that torchvision gives them."""

    root: Path | None = Field(
        None, description="folder of the files (default: $GAN_BENCH_DATA, else data/ in the cache folder)"
    )
    download: bool = Field(False, description="fetch missing files from the dataset's site")

    required: ClassVar[tuple[str, ...]]  # files and folders below `root`
    origin: ClassVar[str]  # how one comes by the files, as an instruction

    @abstractmethod
    def source(self, training: bool, download: bool = False) -> Any:
        """torchvision's dataset of one part; it raises nearly anything where files are damaged."""

    def checksums(self) -> dict[str, str]:
        """MD5 of required files, where published."""
        return {}

    def picture(self, source: Any, index: int) -> str:
        """The name of a picture's file, where it has one of its own."""
        return f"picture {index}"

    def folder(self) -> Path:
        """Where the files lie."""
        if self.root is not None:
            return expanded(self.root)
        if chosen := os.environ.get("GAN_BENCH_DATA"):
            return expanded(Path(chosen))
        from gan_bench.data.cache import cache_root  # imports torch, which starting up must not

        return cache_root() / "data"

    def places(self) -> list[Path]:
        """Where each of the required files and folders is, or ought to be."""
        return [self.folder() / name for name in self.required]

    def missing(self) -> list[str]:
        """Required files and folders that aren't there."""
        places = zip(self.required, self.places(), strict=True)
        return [name for name, place in places if not os.path.exists(place)]

    def files(self) -> list[Path]:
        if self.missing() and self.download:
            try:
                with careful():
                    self.source(True, download=True)
                    self.source(False, download=True)
            except Exception as error:
                reason = " ".join(str(error).split())  # torchvision lists what it tried, a line each
                raise GanBenchError(
                    f"dataset {self.name}: the download failed ({type(error).__name__}: {reason}). "
                    f"Try again, or {self.origin}, so that {self.folder()} has {', '.join(self.required)}"
                ) from error
        if missing := self.missing():
            raise GanBenchError(
                f"dataset {self.name}: {self.folder()} lacks {', '.join(missing)}. "
                f"Set download = true; or {self.origin}; or say with root = ... (or $GAN_BENCH_DATA) where the files are"
            )
        return [file for path in self.places() for file in (sorted(path.iterdir()) if path.is_dir() else [path])]

    def load(self) -> Parts:
        self.files()
        try:
            training, held_out = self.source(True), self.source(False)
        except GanBenchError:
            raise
        except Exception as error:
            raise self._damaged(error) from error
        return Parts(self._part(training), self._part(held_out), treatment=self.treatment)

    def _part(self, source: Any) -> PicturePart:
        def failure(index: int, error: Exception) -> GanBenchError:
            return self._damaged(error, self.picture(source, index))

        return self.part(source, failure)

    def _damaged(self, error: Exception, picture: str = "") -> GanBenchError:
        from torchvision.datasets.utils import check_integrity

        files = {name: self.folder() / name for name in self.checksums()}
        wrong = [files[name] for name, md5 in self.checksums().items() if not check_integrity(files[name], md5)]
        suspects = ", ".join(map(str, wrong or self.places()))
        return GanBenchError(
            f"dataset {self.name}: {picture or 'the data'} can't be read ({type(error).__name__}: {error}). "
            f"Delete {suspects}; then {self.origin}, or set download = true"
        )
