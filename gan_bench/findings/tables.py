"""Stores as pandas tables: runs, curves, snapshots and comparisons.

Only the files named in docs/run-folder.md are read, so this works at any time, also while runs train.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path

import pandas as pd

from gan_bench.api.kinds import Dataset
from gan_bench.errors import GanBenchError
from gan_bench.files import replace_file
from gan_bench.findings.columns import TABLES, described
from gan_bench.findings.contents import Contents, Sharing
from gan_bench.findings.run_folders import Fill, RunFiles, read_run, unknown
from gan_bench.findings.score_columns import Named, ScoreColumn, column_finder, score_columns
from gan_bench.findings.settings_text import flatten
from gan_bench.findings.shown import Frame, framed, inline
from gan_bench.store.documents import (
    FileFault,
    Network,
    ResultDocument,
    RunDocument,
    ScoresDocument,
    Session,
    SpeedDocument,
    read_object,
    read_or_fault,
)
from gan_bench.store.grid_json import GridDocument, GridRun, read_grid
from gan_bench.store.trust import FINGERPRINT, check_store, strange
from gan_bench.store.windows import count, joined

DIAGNOSIS_COLUMNS = ["run", "name", "step", "evidence"]
RUN_COLUMNS = ["run", "folder", "store", "cell"]
OUTCOME_COLUMNS = [
    "steps",
    "d_steps",
    "images",
    "seconds",
    "images_per_second",
    "share_of_peak",
    "peak_memory",
    "ended",
]
TIME_COLUMNS = ("evaluation", "checkpoints", "waiting")  # seconds beside those of training
SNAPSHOT_COLUMNS = ["run", "step", "d_steps", "images", "seconds", "score", "value", "against_training", "cost"]
SNAPSHOT_COLUMNS += ["metric", "protocol_id", "error"]
CLASS_COLUMNS = ["run", "step", "score", "class", "value"]
COMPARISON_COLUMNS = ["store", "comparison", "level", "reference", "run", "seed"]


@dataclass(repr=False)
class Results:
    """Everything that one or more stores hold, as tables; `run` is the key that joins them."""

    stores: dict[str, Path]  # by a short name
    grids: dict[str, GridDocument]  # each store's grid.json
    speeds: dict[str, list[Session]]  # each store's sessions of training (speed.json)
    scores: list[ScoreColumn]
    runs: pd.DataFrame  # one row a run
    curves: pd.DataFrame  # one row a run and window
    snapshots: pd.DataFrame  # one row a run, snapshot and score
    comparisons: pd.DataFrame  # one row a comparison, level and seed
    diagnoses: pd.DataFrame  # one row a run and diagnosis: run, name, step, evidence
    pictures: pd.DataFrame  # one row a sample grid: run, step, path
    neighbours: pd.DataFrame  # one row a picture of samples and their nearest training samples: run, step, path
    real: pd.DataFrame  # real training data scored against held-out data: store, score, value, generated
    documents: dict[str, RunDocument]  # run.json of each run; empty before it has begun
    outcomes: dict[str, ResultDocument]  # result.json of each run that has ended
    # One row a run, score and class, at the last snapshot, of samples that were asked for by class.
    by_class: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CLASS_COLUMNS))
    remarks: list[str] = field(default_factory=list)  # what whoever reads the scores should know, in sentences
    faults: list[FileFault] = field(default_factory=list)  # of files that belong to no run

    def __repr__(self) -> str:
        return f"results of {' and '.join(self.stores)}: {len(self.runs)} runs, {len(self.snapshots)} scores"

    def _repr_html_(self) -> str | None:
        """What a notebook shows: answers, their numbers and pictures."""
        return inline(self)

    def report(self, height: int = 800) -> Frame:
        """The whole report as it is now, which a notebook shows in a frame so many CSS pixels high."""
        return framed(self.stores.values(), height)

    def describe(self) -> pd.DataFrame:
        """One row a column of these tables: table, column, unit, meaning."""
        tables = {name: getattr(self, name) for name in TABLES}
        return pd.DataFrame(described(tables, self.scores), columns=["table", "column", "unit", "meaning"])


def load(
    *stores: Path | str,
    read: Callable[[RunFiles, float, Fill], RunFiles] = read_run,
    verify: bool = False,
    keep: bool = False,
) -> Results:
    """The tables of one or more stores; `read` reads a run folder. GanBenchError: a folder is no store.

    Folders of ended runs that have not changed since are taken from the stores' indices, unless to `verify`: then every file
    is read. To `keep` is to write what has been read there: for the command that holds the store alone.
    Nothing outside of a store is read, whatever its files say: see docs/security.md.
    """
    with _uncollected():
        return _load(_name_stores([Path(store) for store in stores]), read, verify=verify, keep=keep)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python looks for cycles in all objects whenever some more are made; of these, which are many, none has any."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _load(
    places: dict[str, Path], read: Callable[[RunFiles, float, Fill], RunFiles], *, verify: bool, keep: bool
) -> Results:
    for place in places.values():
        check_store(place)
    grids = {name: _read_grid(store) for name, store in places.items()}
    files: list[RunFiles] = []
    sharing = Sharing()
    stale: dict[str, str] = {}
    for name, store in places.items():
        seeds = {
            run: seed for each in grids[name].comparisons for level in each.levels for seed, run in level.runs.items()
        }
        if search := grids[name].search:
            seeds = search.runs | seeds
        contents = Contents(store)
        for run, facts in sorted(_runs_shown(store, grids[name], seeds).items()):
            found = RunFiles(
                run_key(run, name, places), name, store / "runs" / run, facts.label if facts else "", seeds.get(run)
            )
            found = read(found, facts.steps if facts else math.inf, unknown if verify else contents.fill)
            files.append(sharing.share(found))
            stale[found.run] = facts.stale if facts else ""
        if keep:
            contents.keep(run for run in files if run.store == name)
    remarks: list[str] = []
    real = {
        name: _read_real(store, (run for run in files if run.store == name), remarks) for name, store in places.items()
    }
    asked = {score.protocol_id for grid in grids.values() for score in grid.scores}
    columns = score_columns(chain(_named(files), *real.values()), asked)
    snapshots = _snapshot_table(files, columns)
    speeds, faults = _read_speeds(places)
    return Results(
        stores=places,
        grids=grids,
        speeds=speeds,
        scores=columns,
        runs=_run_table(files, snapshots, columns, stale),
        curves=_curve_table(files),
        snapshots=snapshots,
        by_class=_class_table(files, columns),
        comparisons=_comparison_table(grids),
        diagnoses=pd.DataFrame(
            [(run.run, found.name, found.step, found.evidence) for run in files for found in run.diagnoses],
            columns=DIAGNOSIS_COLUMNS,
        ),
        pictures=_picture_table((run.run, shot.step, shot.picture) for run in files for shot in run.snapshots),
        neighbours=_picture_table((run.run, shot.step, shot.neighbours) for run in files for shot in run.snapshots),
        real=_real_table(real, columns),
        documents={run.run: run.document for run in files},
        outcomes={run.run: run.result for run in files if run.result},
        remarks=list(dict.fromkeys(remarks)),
        faults=faults,
    )


def write_tables(store: Path, results: Results | None = None) -> None:
    """Write results.csv and comparisons.csv of one store, complete or not at all."""
    results = results or load(store)
    runs = results.runs.drop(columns="store").assign(folder=[f"runs/{Path(f).name}" for f in results.runs["folder"]])
    comparisons = results.comparisons[["comparison", "level", "reference", "run", "seed"]]
    for name, table in (("results.csv", runs), ("comparisons.csv", comparisons)):
        replace_file(Path(store) / name, lambda path, table=table: table.to_csv(path, index=False))  # type: ignore[misc]


def _name_stores(stores: list[Path]) -> dict[str, Path]:
    """A short name for each store: its folder's, numbered where two have the same."""
    places: dict[str, Path] = {}
    for store in stores:
        if not (store / "runs").is_dir() and not (store / "grid.json").is_file():
            cure = "Give a folder that `gan-bench run` wrote, such as runs/NAME."
            raise GanBenchError(f"{store} is no store: it has neither grid.json nor runs/. {cure}")
        if store.resolve() in [place.resolve() for place in places.values()]:
            continue
        name, number = store.resolve().name, 2
        while name in places:
            name, number = f"{store.resolve().name} ({number})", number + 1
        places[name] = store
    return places


def _read_grid(store: Path) -> GridDocument:
    grid = read_grid(store) or GridDocument()
    return grid if grid.name else grid.model_copy(update={"name": store.resolve().name})


def _read_speeds(stores: Mapping[str, Path]) -> tuple[dict[str, list[Session]], list[FileFault]]:
    speeds, faults = {}, []
    for name, store in stores.items():  # nothing else rests on it, and the next session writes it anew
        found, damaged = read_or_fault(store / "speed.json", SpeedDocument, "how fast it trained is not shown")
        speeds[name] = found.sessions if found else []
        faults += damaged
    return speeds, faults


def _runs_shown(store: Path, grid: GridDocument, named: Iterable[str]) -> dict[str, GridRun | None]:
    """By folder, what grid.json says of each run that it or a comparison of it names. Without any, all folders.

    Runs of earlier grids stay in the store, but not in its tables; runs that have not begun are in the tables already.
    """
    shown = {**dict.fromkeys(named), **grid.runs}
    return shown or dict.fromkeys(folder.name for folder in (store / "runs").glob("[!.]*") if folder.is_dir())


def _read_real(store: Path, runs: Iterable[RunFiles], remarks: list[str]) -> list[Named]:
    """Scores of these runs' real data; none where they are missing or damaged, since the runs stand without them.

    What is remarked on these data is added to `remarks`.
    """
    scores: list[Named] = []
    names = {run.document.dataset.fingerprint: run.dataset for run in runs if run.document.dataset}
    for fingerprint, name in sorted(names.items()):
        with suppress(ValueError, OSError):
            document = read_object(real_folder(store, fingerprint) / "scores.json", ScoresDocument) or ScoresDocument()
            scores += [Named(name, score) for score in document.scores]
            remarks += [f"{name}: {remark}" for remark in document.remarks]
    return scores


def real_folder(store: Path, fingerprint: str) -> Path:
    """Where a dataset's real samples and scores lie. ValueError: this is no fingerprint, or the folder is not sound."""
    if not FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"{fingerprint[:80]!r} is no dataset's fingerprint")
    folder = store / "real" / fingerprint[:12]
    if why := strange(folder):
        raise ValueError(why)
    return folder


def _named(files: Iterable[RunFiles]) -> Iterable[Named]:
    for run in files:
        for shot in run.snapshots:
            for score in shot.scores.scores:
                yield Named(run.dataset, score, shot.scores.time.get(score.metric))


def _snapshot_table(files: list[RunFiles], columns: list[ScoreColumn]) -> pd.DataFrame:
    column_of = column_finder(columns)
    rows = [
        (
            *(run.run, shot.step, shot.scores.d_steps, shot.scores.images, shot.scores.seconds),
            *(column_of(score).label, score.value, score.against_training and score.against_training.value),
            *(shot.scores.time.get(score.metric), score.metric, score.protocol_id, score.error),
        )
        for run in files
        for shot in run.snapshots
        for score in shot.scores.scores
    ]
    table = pd.DataFrame(rows, columns=SNAPSHOT_COLUMNS)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "against_training", "cost")}
    return table.assign(**numbers, error=table["error"].astype(object))


def _class_table(files: list[RunFiles], columns: list[ScoreColumn]) -> pd.DataFrame:
    column_of = column_finder(columns)
    rows = [
        (run.run, run.snapshots[-1].step, column_of(score).label, name, value)
        for run in files
        if run.snapshots and run.document.dataset
        for score in run.snapshots[-1].scores.scores
        for name, value in zip(run.document.dataset.classes or (), score.by_class, strict=False)
    ]
    table = pd.DataFrame(rows, columns=CLASS_COLUMNS)
    return table.assign(value=pd.to_numeric(table["value"]))


def _real_table(real: Mapping[str, list[Named]], columns: list[ScoreColumn]) -> pd.DataFrame:
    rows, column_of = [], column_finder(columns)
    for store, scores in real.items():
        for _, score, _ in scores:
            column = column_of(score)
            generated = column.protocol.get("generated") if score.generated is None else score.generated
            rows.append((store, column.label, score.value, generated))
    table = pd.DataFrame(rows, columns=["store", "score", "value", "generated"])
    return table.assign(value=pd.to_numeric(table["value"]))


def _picture_table(pictures: Iterable[tuple[str, int, Path | None]]) -> pd.DataFrame:
    return pd.DataFrame([row for row in pictures if row[2]], columns=["run", "step", "path"])


def _curve_table(files: list[RunFiles]) -> pd.DataFrame:
    sizes = [count(run.curves) for run in files]
    table = joined([run.curves for run in files])
    table.pop("run", None)  # whatever a file calls so
    if not any(sizes):
        return pd.DataFrame(columns=["run", "step"])
    for run, end, size in zip(files, accumulate(sizes), sizes, strict=True):
        # Views, so that the windows are in memory once.
        run.curves = {name: column[end - size : end] for name, column in table.items()} if size else {}
    keys = pd.Series([run.run for run in files]).repeat(sizes).array
    return pd.DataFrame({"run": keys, **table}, copy=False)


def _comparison_table(grids: Mapping[str, GridDocument]) -> pd.DataFrame:
    rows = [
        (name, comparison.title, level.label, level.reference, run_key(run, name, grids), seed)
        for name, grid in grids.items()
        for comparison in grid.comparisons
        for level in comparison.levels
        for seed, run in level.runs.items()
    ]
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def run_key(run: str, store: str, stores: Iterable[str]) -> str:
    """The key of a run in the tables: its folder's name, with the store's before it where several are read."""
    return run if len(list(stores)) == 1 else f"{store}/{run}"


def _run_table(
    files: list[RunFiles], snapshots: pd.DataFrame, columns: list[ScoreColumn], stale: Mapping[str, str]
) -> pd.DataFrame:
    # What settings leave out where all of a dataset is trained on.
    unsaid = {f"dataset.{name}": field.default for name, field in Dataset.model_fields.items()}
    settings = [flatten(run.document.settings) for run in files]
    everything = pd.DataFrame([{**unsaid, **flat} if flat else flat for flat in settings], dtype=object)
    varying = everything[[path for path in everything.columns if everything[path].nunique() > 1]]
    rows = []
    for i, (run, own) in enumerate(zip(files, varying.to_dict("records"), strict=True)):
        networks = [(name, run.document.networks.get(name, Network())) for name in ("generator", "discriminator")]
        sizes = {f"{name}_parameters": net.parameters for name, net in networks}
        sizes |= {f"{name}_flops": net.flops for name, net in networks}
        outcome = run.outcome
        cell = run.label or str(everything.get("architecture", {}).get(i, ""))
        rows.append(
            {
                **dict(zip(RUN_COLUMNS, (run.run, str(run.folder), run.store, cell), strict=True)),
                **own,
                "seed": run.seed,
                "status": run.status,
                "reason": run.reason,
                "health": run.health,
                "stale": stale[run.run],
                **{f"g_{name}" if name == "steps" else name: outcome.get(name) for name in OUTCOME_COLUMNS},
                **{f"{kind}_seconds": run.result.time.get(kind) if run.result else None for kind in TIME_COLUMNS},
                **sizes,
            }
        )
    table = pd.DataFrame(rows, columns=None if rows else [*RUN_COLUMNS, "seed", "status", "reason", "health", "stale"])
    whole = ["seed", "g_steps", "d_steps", "images", "peak_memory"]
    whole += [f"{net}_{size}" for size in ("parameters", "flops") for net in ("generator", "discriminator")]
    table = table.astype({name: "Int64" for name in whole if name in table})
    last = {run.run: run.snapshots[-1].step for run in files if run.snapshots}
    again = {
        (run.run, shot.step, score.metric, score.protocol_id): score.value
        for run in files
        for shot in run.snapshots
        for score in shot.scores.again
    }
    for column in columns:
        scores = _last_and_best(snapshots, last, column)
        best = zip(scores.index, scores[f"{column.label} best step"], strict=True)
        values = [again.get((run, step, column.metric, column.protocol_id)) for run, step in best]
        scores[f"{column.label} best again"] = pd.Series(values, index=scores.index, dtype=float)
        table = table.merge(scores, left_on="run", right_index=True, how="left")
    return table


def _last_and_best(snapshots: pd.DataFrame, last: Mapping[str, int], column: ScoreColumn) -> pd.DataFrame:
    """Each run's score at its last snapshot (whose step is `last`) and at its best one, and where that was."""
    rows = snapshots[snapshots["score"] == column.label].drop_duplicates(["run", "step"], keep="last")
    scored = rows.dropna(subset="value").sort_values("step")
    by_run = scored.groupby("run")["value"]
    best = scored.loc[by_run.idxmin() if column.better == "lower" else by_run.idxmax()].set_index("run")
    at_last = rows[rows["step"] == rows["run"].map(last)].set_index("run")
    table = pd.DataFrame(
        {
            f"{column.label} last": at_last["value"],
            f"{column.label} best": best["value"],
            f"{column.label} best step": best["step"],
        }
    )
    if rows["against_training"].notna().any():
        table[f"{column.label} last against training"] = at_last["against_training"]
    return table.astype({f"{column.label} best step": "Int64"})
