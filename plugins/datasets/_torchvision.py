"""Published datasets in two parts that torchvision can download."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gan_bench import Field, Parts
from gan_bench.errors import GanBenchError

from ._downloads import careful
from ._pictures import PicturePart
from ._published import PictureFiles, PublishedDataset, unusual_counts


class TorchvisionDataset(PublishedDataset):
    """A published dataset whose missing files torchvision fetches, if it is asked to."""

    download: bool = Field(False, description="fetch missing files from the dataset's site")

    @abstractmethod
    def source(self, place: Path, training: bool) -> Any:
        """(PIL image, label) by index, of one part, from the files in a folder. GanBenchError: they are damaged."""

    @abstractmethod
    def published(self) -> tuple[int, int]:
        """How many pictures the parts have as they were published."""

    @abstractmethod
    def fetch(self, root: Path) -> None:
        """Let torchvision download the files to where it has them below the root; it raises nearly anything."""

    def in_neither(self, place: Path) -> dict[str, Sequence[str]]:
        """Names of pictures that are in neither part, by the reason."""
        return {}

    def files(self) -> list[Path]:
        self.check_root()
        if self.download:
            try:
                self.place()
            except GanBenchError:
                self._fetch()
        return super().files()

    def cure(self) -> str:
        return f"Set download = true; or {super().cure()}"

    def load(self) -> Parts:
        place = self.place()
        training, held_out = self.source(place, True), self.source(place, False)
        notes = unusual_counts((len(training), len(held_out)), self.published())
        left_out = self.in_neither(place)
        parts = self._part(place, training), self._part(place, held_out)
        return Parts(*parts, notes=notes, left_out=left_out, treatment=self.treatment)

    @contextmanager
    def reading(self, *files: str | Path) -> Iterator[None]:
        """While files are read. GanBenchError: whatever is raised, for they are damaged then."""
        try:
            yield
        except GanBenchError:
            raise
        except Exception as error:
            raise self._damaged(error, files) from error

    def _part(self, place: Path, source: Any) -> PicturePart:
        def failure(index: int, error: Exception) -> GanBenchError:
            single = isinstance(source, PictureFiles)
            return self._damaged(error, [source.files[index]] if single else list(self.listed(place)))

        return self.part(source, failure)

    def _damaged(self, error: Exception, files: Sequence[str | Path]) -> GanBenchError:
        names = ", ".join(map(str, files))
        return GanBenchError(
            f"dataset {self.name}: {names} can't be read ({str(error) or type(error).__name__}). "
            f"Delete {names}; then {self.origin}, or set download = true"
        )

    def _fetch(self) -> None:
        try:
            with careful():
                self.fetch(self.folder())
        except Exception as error:
            reason = " ".join(str(error).split())  # torchvision lists what it tried, a line each
            raise GanBenchError(
                f"dataset {self.name}: the download failed ({type(error).__name__}: {reason}). "
                f"Try again, or {self.origin}, so that {self.folder()} has {', '.join(self.wanted())}"
            ) from error
