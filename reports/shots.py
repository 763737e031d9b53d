"""The page's pictures: which of a store's it shows, taken in as far as they fit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gan_bench.api.pictures import row_classes
from gan_bench.console import one_line
from gan_bench.findings.comparisons import Comparison
from gan_bench.findings.tables import Results, real_folder
from gan_bench.store.places import REAL, REAL_CLASSES
from gan_bench_reports import budget
from gan_bench_reports.budget import ALL, Plan, Wanted
from gan_bench_reports.gallery import Exhibit, columns, exhibits
from gan_bench_reports.pictures import Dataset, Picture, Pictures, spacing

Place = tuple[str, str]  # a store, and a dataset's fingerprint


@dataclass
class Shots:
    """All pictures that the page shows."""

    plan: Plan = field(default_factory=Plan)
    runs: dict[str, list[tuple[int, Picture]]] = field(default_factory=dict)  # each run's, by step
    real: dict[Place, Picture] = field(default_factory=dict)  # held-out samples
    training: dict[Place, Picture] = field(default_factory=dict)
    classes: dict[Place, Picture] = field(default_factory=dict)  # held-out samples, a row a class
    rows: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # by run that asks for classes: those of its pictures' rows
    place: dict[str, Place] = field(default_factory=dict)  # by run
    datasets: dict[Place, Dataset] = field(default_factory=dict)
    gallery: list[Exhibit] = field(default_factory=list)


def take(results: Results, facts: list[Comparison], pictures: Pictures, room: float | None = None) -> Shots:
    """Take pictures in: everything, or as much as fits in `room` characters of the page."""
    taker = _Taker(results, facts)
    if room is None:
        return taker.take(Plan(), pictures)
    for plan in budget.plans(taker.wanted(), room):
        pictures.clear()
        shots = taker.take(plan, pictures)
        if pictures.size <= room:  # else the estimate was too low
            break
    return shots


class _Taker:
    def __init__(self, results: Results, facts: list[Comparison]) -> None:
        self.results = results
        self.exhibits = exhibits(results, facts)
        runs = results.runs
        self.store = dict(zip(runs["run"], runs["store"], strict=True))
        self.paths: dict[str, list[tuple[int, Path]]] = {}  # of each run's sample grids
        for run, step, path in results.pictures.itertuples(index=False):
            self.paths.setdefault(run, []).append((step, path))
        self.neighbours = {(run, step): path for run, step, path in results.neighbours.itertuples(index=False)}
        levels = [level for comparison in facts for level in comparison.levels if level.runs]
        self.first = {level.runs[min(level.runs)] for level in levels}
        self.place = {
            run: (store, dataset["fingerprint"]) for run, store in self.store.items() if (dataset := self.dataset(run))
        }
        self.rows = {run: rows for run in self.store if (rows := self.row_names(run))}
        self.places = {place: self.dataset(run) for run, place in self.place.items()}

    def dataset(self, run: str) -> Dataset:
        """What run.json says of a run's dataset."""
        dataset = self.results.documents[run].dataset
        return dataset.as_json() if dataset else {}

    def row_names(self, run: str) -> tuple[str, ...]:
        """The classes of the rows of a run's pictures; none where it takes no labels."""
        document = self.results.documents[run]
        names, architecture = (
            (document.dataset and document.dataset.classes) or [],
            document.settings.get("architecture"),
        )
        asked = architecture.get("conditional", "none") if isinstance(architecture, dict) else "none"
        return () if asked == "none" else tuple(one_line(names[place]) for place in row_classes(len(names)))

    def real_paths(self, place: Place) -> list[Path]:
        """The pictures of held-out samples, of those that are trained on, and of each class."""
        with suppress(ValueError):  # no folder of a dataset
            folder = real_folder(self.results.stores[place[0]], place[1])
            return [folder / name for name in (*REAL, REAL_CLASSES)]
        return []

    def wanted(self) -> Wanted:
        """What all of it would cost."""
        wanted = Wanted()
        known = {}
        for run, shots in self.paths.items():
            costs = [budget.cost(path, self.dataset(run)) for _, path in shots]
            known.update({(run, step): one for (step, _), one in zip(shots, costs, strict=True)})
            (wanted.first if run in self.first else wanted.others).append(costs)
        for exhibit in self.exhibits:
            side = columns(spacing(self.dataset(exhibit.last.run)), ALL)
            wanted.gallery += [known[moment.run, moment.step].part(side) for moment in exhibit.moments]
            if shown := exhibit.neighbours:
                path = self.neighbours[shown.run, shown.step]
                wanted.neighbours.append(budget.cost(path, self.dataset(shown.run)))
        for place, dataset in self.places.items():
            wanted.real += [budget.cost(path, dataset) for path in self.real_paths(place)]
        return wanted

    def take(self, plan: Plan, pictures: Pictures) -> Shots:
        """Take in what a plan says."""
        shots = Shots(plan, place=self.place, datasets=self.places, rows=self.rows)
        known: dict[tuple[str, int], Picture] = {}
        for run, paths in self.paths.items():
            for step, path in (paths[index] for index in plan.kept(len(paths), run in self.first)):
                if picture := pictures.add(path, self.dataset(run), (plan.side, plan.side)):
                    shots.runs.setdefault(run, []).append((step, picture))
                    known[run, step] = picture
        for place, dataset in self.places.items():
            for path, kept in zip(self.real_paths(place), (shots.real, shots.training, shots.classes), strict=False):
                if plan.real and (picture := pictures.add(path, dataset, (plan.real, plan.real))):
                    kept[place] = picture
        for exhibit in self.exhibits if plan.gallery else []:
            exhibit.rows = self.rows.get(exhibit.last.run, ())
            self._hang(exhibit, plan, pictures, known)
            place = self.place.get(exhibit.last.run, ("", ""))
            exhibit.real = (shots.classes if exhibit.rows else shots.real).get(place)
            if exhibit.last.picture:
                shots.gallery.append(exhibit)
        return shots

    def _hang(self, exhibit: Exhibit, plan: Plan, pictures: Pictures, known: dict[tuple[str, int], Picture]) -> None:
        """Give an exhibit its pictures: the slider's where they are large enough."""
        paths, dataset = dict(self.paths[exhibit.last.run]), self.dataset(exhibit.last.run)
        side = columns(spacing(dataset), plan.gallery)
        for moment in exhibit.moments:
            moment.picture = known.get((moment.run, moment.step))
            if not moment.picture or plan.side < side:
                moment.picture = pictures.add(paths[moment.step], dataset, (side, ALL if exhibit.rows else side))
        if exhibit.neighbours and plan.neighbours:
            path = self.neighbours[exhibit.neighbours.run, exhibit.neighbours.step]
            exhibit.neighbours.picture = pictures.add(path, dataset, (ALL, plan.neighbours))
