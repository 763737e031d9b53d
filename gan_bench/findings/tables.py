"""Stores as pandas tables: runs, curves, snapshots and comparisons.

Only the files named in docs/run-folder.md are read, so this works at any time, also while runs train.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from gan_bench.errors import GanBenchError
from gan_bench.files import replace_file
from gan_bench.findings.run_folders import RunFiles, read_run
from gan_bench.findings.score_columns import Named, ScoreColumn, column_finder, score_columns
from gan_bench.findings.settings_text import flatten
from gan_bench.store.documents import Document, GridDocument, ScoresDocument, SpeedDocument, read_object, scores_in
from gan_bench.store.folder import DamageWarning
from gan_bench.store.trust import FINGERPRINT, check_document, check_name, check_numbers, check_store, strange

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
COMPARISON_COLUMNS = ["store", "comparison", "level", "reference", "run", "seed"]


@dataclass
class Results:
    """Everything that one or more stores hold, as tables; `run` is the key that joins them."""

    stores: dict[str, Path]  # by a short name
    grids: dict[str, dict[str, Any]]  # each store's grid.json
    speeds: dict[str, list[dict[str, Any]]]  # each store's sessions of training (speed.json)
    scores: list[ScoreColumn]
    runs: pd.DataFrame  # one row a run
    curves: pd.DataFrame  # one row a run and window
    snapshots: pd.DataFrame  # one row a run, snapshot and score
    comparisons: pd.DataFrame  # one row a comparison, level and seed
    diagnoses: pd.DataFrame  # one row a run and diagnosis: run, name, step, evidence
    pictures: pd.DataFrame  # one row a sample grid: run, step, path
    neighbours: pd.DataFrame  # one row a picture of samples and their nearest training samples: run, step, path
    real: pd.DataFrame  # real training data scored against held-out data: store, score, value, generated
    documents: dict[str, dict[str, Any]] = field(repr=False)  # run.json of each run, with result.json as `result`
    remarks: list[str] = field(default_factory=list)  # what whoever reads the scores should know, in sentences


def read_checked(files: RunFiles, length: float) -> RunFiles:
    """As `read_run`; a folder that holds anything but files and folders of its own is not read."""
    seed = files.seed
    try:
        if why := strange(files.folder):
            raise ValueError(why)
        read_run(files, length)
        check_document(files.document)
        for score in (*files.scores, *files.again):
            check_document(score)
        check_numbers(chain(files.snapshots, *(row.values() for row in files.curves)))
    except (ValueError, OSError, RecursionError) as error:
        reason = "its values are nested too deeply" if isinstance(error, RecursionError) else str(error)
        return RunFiles(files.run, files.store, files.folder, files.label, seed, status="damaged", reason=reason)
    return files


def load(*stores: Path | str, read: Callable[[RunFiles, float], RunFiles] = read_checked) -> Results:
    """The tables of one or more stores; `read` reads a run folder. GanBenchError: a folder is no store.

    Nothing outside of a store is read, whatever its files say: see docs/security.md.
    """
    places = _name_stores([Path(store) for store in stores])
    for place in places.values():
        check_store(place)
    grids = {name: _read_grid(store) for name, store in places.items()}
    shown = [
        (name, store / "runs" / run, facts)
        for name, store in places.items()
        for run, facts in sorted(_runs_shown(store, grids[name]).items())
    ]
    files = [
        read(
            RunFiles(run_key(folder.name, name, places), name, folder, facts.get("label", ""), facts.get("seed")),
            facts.get("steps", math.inf),
        )
        for name, folder, facts in shown
    ]
    stale = {run.run: str(facts.get("stale", "")) for run, (_, _, facts) in zip(files, shown, strict=True)}
    remarks: list[str] = []
    real = {
        name: _read_real(store, [run.dataset for run in files if run.store == name], remarks)
        for name, store in places.items()
    }
    columns = score_columns(
        chain(((run.dataset.get("name", ""), score) for run in files for score in run.scores), *real.values())
    )
    snapshots = _snapshot_table(files, columns)
    return Results(
        stores=places,
        grids=grids,
        speeds={name: _read_speed(store) for name, store in places.items()},
        scores=columns,
        runs=_run_table(files, snapshots, columns, stale),
        curves=_curve_table(files),
        snapshots=snapshots,
        comparisons=_comparison_table(grids),
        diagnoses=pd.DataFrame(
            [{"run": run.run, **diagnosis} for run in files for diagnosis in run.diagnoses], columns=DIAGNOSIS_COLUMNS
        ),
        pictures=_picture_table((run.run, run.pictures) for run in files),
        neighbours=_picture_table((run.run, run.neighbours) for run in files),
        real=_real_table(real, columns),
        documents={run.run: run.document for run in files},
        remarks=list(dict.fromkeys(remarks)),
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


def _read_grid(store: Path) -> dict[str, Any]:
    empty = {"name": store.resolve().name, "comparisons": [], "runs": {}, "arguments": []}
    try:
        grid = empty | (_read_document(store / "grid.json", GridDocument) or {})
        levels = [level["runs"] for comparison in grid["comparisons"] for level in comparison["levels"]]
        for run in chain(grid["runs"], *(runs.values() for runs in levels)):
            check_name(run)
        check_numbers(int(seed) for runs in levels for seed in runs)
    except ValueError as error:
        raise GanBenchError(f"{store}: {error}. `gan-bench run` on the grid file writes grid.json again.") from error
    return grid


def _read_document(path: Path, model: type[Document]) -> dict[str, Any] | None:
    """As `read_object`, with what would be too much for whatever shows it refused as damaged too."""
    try:
        document = read_object(path, model)
        check_document(document)
    except RecursionError:
        raise ValueError(f"{path.name} is damaged: its values are nested too deeply") from None
    return document


def _read_speed(store: Path) -> list[dict[str, Any]]:
    try:
        return (_read_document(store / "speed.json", SpeedDocument) or {}).get("sessions", [])
    except ValueError as error:  # nothing else rests on it, and the next session writes it anew
        warnings.warn(f"{store}: {error}; how fast it trained is not shown", DamageWarning, stacklevel=2)
        return []


def _runs_shown(store: Path, grid: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By folder, what grid.json says of each run: label, length, seed and why it is stale. Without one, all folders.

    Runs of earlier grids stay in the store, but not in its tables; runs that have not begun are in the tables already.
    """
    shown: dict[str, dict[str, Any]] = {run: dict(facts) for run, facts in grid["runs"].items()}
    for comparison in grid["comparisons"]:
        for level in comparison["levels"]:
            for seed, run in level["runs"].items():
                shown.setdefault(run, {})["seed"] = int(seed)
    return shown or {folder.name: {} for folder in (store / "runs").glob("[!.]*") if folder.is_dir()}


def _read_real(store: Path, datasets: Iterable[Mapping[str, Any]], remarks: list[str]) -> list[Named]:
    """Scores of these datasets' real samples; none where they are missing or damaged, since the runs stand without them.

    What is remarked on these data is added to `remarks`.
    """
    scores: list[Named] = []
    names = {dataset["fingerprint"]: dataset["name"] for dataset in datasets if dataset}
    for fingerprint, name in sorted(names.items()):
        with suppress(ValueError, OSError):
            document = _read_document(real_folder(store, fingerprint) / "scores.json", ScoresDocument) or {}
            scores += [(name, score) for score in scores_in(document)]
            remarks += [f"{name}: {remark}" for remark in document.get("remarks", [])]
    return scores


def real_folder(store: Path, fingerprint: str) -> Path:
    """Where a dataset's real samples and scores lie. ValueError: this is no fingerprint, or the folder is not sound."""
    if not FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"{fingerprint[:80]!r} is no dataset's fingerprint")
    folder = store / "real" / fingerprint[:12]
    if why := strange(folder):
        raise ValueError(why)
    return folder


def _snapshot_table(files: list[RunFiles], columns: list[ScoreColumn]) -> pd.DataFrame:
    column_of = column_finder(columns)
    rows = [{**score, "run": run.run, "score": column_of(score).label} for run in files for score in run.scores]
    for row in rows:
        row["against_training"] = (row.get("against_training") or {}).get("value")
    table = pd.DataFrame(rows, columns=SNAPSHOT_COLUMNS)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "against_training", "cost")}
    return table.assign(**numbers, error=table["error"].astype(object))


def _real_table(real: Mapping[str, list[Named]], columns: list[ScoreColumn]) -> pd.DataFrame:
    rows, column_of = [], column_finder(columns)
    for store, scores in real.items():
        for _, score in scores:
            column = column_of(score)
            generated = score.get("generated", column.protocol.get("generated"))
            rows.append((store, column.label, score["value"], generated))
    table = pd.DataFrame(rows, columns=["store", "score", "value", "generated"])
    return table.assign(value=pd.to_numeric(table["value"]))


def _picture_table(pictures: Iterable[tuple[str, list[tuple[int, Path]]]]) -> pd.DataFrame:
    rows = [(run, step, path) for run, own in pictures for step, path in own]
    return pd.DataFrame(rows, columns=["run", "step", "path"])


def _curve_table(files: list[RunFiles]) -> pd.DataFrame:
    rows = [row for run in files for row in run.curves]
    if not rows:
        return pd.DataFrame(columns=["run", "step"])
    # At once: a table for each run would take a hundred times as long where curves are short.
    table = pd.DataFrame(rows).assign(run=[run.run for run in files for _ in run.curves])
    return table[["run", *table.columns.drop("run")]]


def _comparison_table(grids: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        (name, comparison["title"], level["label"], level["reference"], run_key(run, name, grids), int(seed))
        for name, grid in grids.items()
        for comparison in grid["comparisons"]
        for level in comparison["levels"]
        for seed, run in level["runs"].items()
    ]
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def run_key(run: str, store: str, stores: Iterable[str]) -> str:
    """The key of a run in the tables: its folder's name, with the store's before it where several are read."""
    return run if len(list(stores)) == 1 else f"{store}/{run}"


def _run_table(
    files: list[RunFiles], snapshots: pd.DataFrame, columns: list[ScoreColumn], stale: Mapping[str, str]
) -> pd.DataFrame:
    everything = pd.DataFrame([flatten(run.document.get("settings") or {}) for run in files], dtype=object)
    varying = everything[[path for path in everything.columns if everything[path].nunique() > 1]]
    rows = []
    for i, (run, own) in enumerate(zip(files, varying.to_dict("records"), strict=True)):
        networks = run.document.get("networks") or {}
        sizes = {
            f"{net}_{size}": (networks.get(net) or {}).get(size)
            for size in ("parameters", "flops")
            for net in ("generator", "discriminator")
        }
        result = run.document.get("result") or run.progress
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
                **{f"g_{name}" if name == "steps" else name: result.get(name) for name in OUTCOME_COLUMNS},
                **{f"{kind}_seconds": (result.get("time") or {}).get(kind) for kind in TIME_COLUMNS},
                **sizes,
            }
        )
    table = pd.DataFrame(rows, columns=None if rows else [*RUN_COLUMNS, "seed", "status", "reason", "health", "stale"])
    whole = ["seed", "g_steps", "d_steps", "images", "peak_memory"]
    whole += [f"{net}_{size}" for size in ("parameters", "flops") for net in ("generator", "discriminator")]
    table = table.astype({name: "Int64" for name in whole if name in table})
    last = {run.run: run.snapshots[-1] for run in files if run.snapshots}
    again = {
        (run.run, score["step"], score["metric"], score["protocol_id"]): score["value"]
        for run in files
        for score in run.again
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
