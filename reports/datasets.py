"""What the page shows of the data: what each dataset was found to be, beside real samples of both parts."""

from __future__ import annotations

from dataclasses import dataclass

from gan_bench.console import one_line
from gan_bench.findings.tables import Results
from gan_bench.findings.told import LISTED, Told, datasets_of, told_all
from gan_bench_reports.budget import ALL
from gan_bench_reports.pictures import Picture, Size
from gan_bench_reports.shots import Shots

MOST_CLASSES = 1000  # in the table that unfolds
ROOM = 276  # CSS pixels for a part's samples, so that both stand beside the facts


@dataclass(frozen=True)
class Shown:
    """Real samples of a part: as many as stand in the room, enlarged by a whole factor."""

    name: str
    picture: Picture

    @property
    def window(self) -> Size:
        """Pixels of the picture that are shown."""
        pitch = self.picture.pitch
        return self.picture.window(max(min(ROOM // pitch[0], ALL), 1) if pitch else ALL, ALL)

    @property
    def zoom(self) -> int:
        """By which it is enlarged."""
        return max(ROOM // self.window[0], 1)


@dataclass(frozen=True)
class DatasetView:
    """One dataset."""

    told: Told
    shown: list[Shown]  # of its parts
    classes: list[tuple[str, int, int]]  # where they are too many to be listed: name, training and held-out samples
    more: int  # classes that the table leaves out


def dataset_views(results: Results, shots: Shots) -> list[DatasetView]:
    """Each dataset that the runs were trained on, in the grid's order."""
    views = []
    found = datasets_of(results)
    for (run, dataset, _), told in zip(
        found, told_all((dataset, settings) for _, dataset, settings in found), strict=True
    ):
        place = shots.place[run]
        parts = ("Training samples", shots.training), ("Held-out samples", shots.real)
        counts, names = dataset.class_counts, dataset.classes or []
        classes = list(zip(map(one_line, names), counts.training, counts.held_out, strict=False)) if counts else []
        classes = classes if len(classes) > LISTED else []
        views.append(
            DatasetView(
                told,
                [Shown(name, taken[place]) for name, taken in parts if place in taken],
                classes[:MOST_CLASSES],
                max(len(classes) - MOST_CLASSES, 0),
            )
        )
    return views
