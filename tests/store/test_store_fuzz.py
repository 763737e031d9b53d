"""A store whose files are damaged in every way: the tables and the page are written all the same, or one clear error is told."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fake_store
import pytest
import search_store
from fuzz import damaged_bytes, damaged_json, fuzz
from hypothesis.strategies import SearchStrategy

from gan_bench.errors import GanBenchError
from gan_bench.findings.tables import write_tables
from gan_bench.store.folder import RunFolder
from gan_bench_reports import page

FILES = (
    "run.json",
    "result.json",
    "curves.jsonl",
    "scores.json",
    "samples.png",
    "grid.json",
    "real/scores.json",
    "speed.json",
)
SESSION = {
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 10.0,
    "processes": 2,
    "images": 64_000,
    "images_per_second": 6400.0,
    "share_of_peak": 0.3,
    "time": {"training": 0.8, "evaluation": 0.1, "checkpoints": 0.05, "waiting": 0.05},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store of one comparison with two levels and two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_store, "COMPARISONS", fake_store.COMPARISONS[:1])
        store = fake_store.write_store(tmp_path_factory.mktemp("store") / "whole", seeds=2, snapshots=2, steps=100)
    fake_store.write(store / "speed.json", {"sessions": [SESSION]})
    return store


@pytest.fixture(scope="module", autouse=True)
def quick_page() -> Iterator[None]:
    """Without the charts' megabytes of JavaScript."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "plotly_js", lambda: "")
        yield


def place(store: Path, file: str) -> Path:
    """One of the store's files of this kind; of a finished run."""
    if file == "grid.json" or file == "speed.json":
        return store / file
    if file.startswith("real/"):
        return next(store.glob("real/*/scores.json"))
    run = min(store.glob("runs/dcgan-0-*"))
    return run / "snapshots" / "step-00000100" / file if file in ("scores.json", "samples.png") else run / file


def damage(path: Path) -> SearchStrategy[bytes]:
    """What a file may be damaged to."""
    content = path.read_bytes()
    if path.suffix == ".json":
        return damaged_json(json.loads(content)) | damaged_bytes(content)
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
        of_rows = damaged_json(rows).map(
            lambda text: (
                b"\n".join(json.dumps(row).encode() for row in found) + b"\n"
                if isinstance(found := json.loads(text), list)
                else text
            )
        )
        return of_rows | damaged_bytes(content)
    return damaged_bytes(content)


def report(store: Path) -> str:
    """What `gan-bench report` does; the error's text, or "" where tables and page were written."""
    for name in ("results.csv", "comparisons.csv", "report.html"):
        (store / name).unlink(missing_ok=True)
    told = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_tables(store)
            page.write_report([store], store / "report.html")
    except GanBenchError as error:
        told = str(error)
    if told:
        assert "\n" not in told
        return told
    assert (store / "results.csv").read_text(encoding="utf-8").startswith("run,")
    assert (store / "comparisons.csv").exists()
    assert (store / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    return ""


def check(store: Path, file: Path, content: bytes) -> None:
    """One damaged file never costs more than its own run's numbers, or tells which file it is."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        error = report(store)
        assert not error or file.name in error, error
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize("inputs", [5, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file(whole: Path, tmp_path: Path, file: str, inputs: int) -> None:
    store = Path(shutil.copytree(whole, tmp_path / "store"))
    assert report(store) == ""
    path = place(store, file)
    fuzz(inputs, damage(path), partial(check, store, path))


@pytest.mark.parametrize("inputs", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_damaged_list_of_draws(tmp_path: Path, inputs: int) -> None:
    store = search_store.write_search(tmp_path / "store", draws=3, seeds=1)
    document = json.loads((store / "grid.json").read_text())
    assert report(store) == ""

    def check_search(text: bytes) -> None:
        check(store, store / "grid.json", json.dumps({**document, "search": json.loads(text)}).encode())

    fuzz(inputs, damaged_json(document["search"]).filter(is_json), check_search)


def is_json(text: bytes) -> bool:
    """Whether a damaged text is still JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("speed.json", {"session": []}),
        ("scores.json", {"scores": [fake_store.score(1e308)]}),
        ("scores.json", {"scores": [fake_store.score(-1e308)]}),
        ("result.json", {"status": "finished", "steps": 100, "seconds": float("inf"), "images_per_second": 1e308}),
    ],
)
def test_what_fuzzing_has_found(whole: Path, tmp_path: Path, file: str, change: dict[str, Any]) -> None:
    store = Path(shutil.copytree(whole, tmp_path / "store"))
    check(store, place(store, file), json.dumps(change).encode())


@pytest.mark.parametrize("inputs", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_damaged_curves_of_a_run_that_is_to_go_on(whole: Path, tmp_path: Path, inputs: int) -> None:
    """What can be read of them, up to the checkpoint's step, stays."""
    store = Path(shutil.copytree(whole, tmp_path / "store"))
    folder = RunFolder(min(store.glob("runs/dcgan-0-*")))
    before = folder.curves_file.read_bytes()

    def check(content: bytes) -> None:
        folder.curves_file.write_bytes(content)
        folder.cut_curves(75)
        steps = [json.loads(line)["step"] for line in folder.curves_file.read_bytes().splitlines()]
        assert all(int(step) <= 75 for step in steps)
        folder.curves_file.write_bytes(before)

    fuzz(inputs, damage(folder.curves_file), check)


@pytest.mark.parametrize("inputs", [50, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("file", ["result.json", "scores.json"])
def test_what_is_left_to_do_for_a_damaged_run_can_be_told(whole: Path, tmp_path: Path, file: str, inputs: int) -> None:
    store = Path(shutil.copytree(whole, tmp_path / "store"))
    path = place(store, file)
    folder = RunFolder(next(parent for parent in path.parents if parent.parent.name == "runs"))
    before = path.read_bytes()

    def check(content: bytes) -> None:
        path.write_bytes(content)
        state = folder.read()
        assert state.finished_steps >= 0
        assert all(isinstance(label, str) for snapshot in state.snapshots for label, _ in snapshot.columns)
        path.write_bytes(before)

    fuzz(inputs, damage(path), check)
