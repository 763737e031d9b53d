"""A store's index: finished runs that have not changed are not opened again, and whatever is wrong with it costs time alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock
from many_runs import EXECUTION, write_many
from stores import gan_bench

from gan_bench.commands.run import run_grid
from gan_bench.console import plain_console
from gan_bench.findings.tables import Results, load, write_tables
from gan_bench.grid.load import Grid
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.planned import plan_runs
from gan_bench.store import index
from gan_bench.store.checked import read_checked

RUNS = 12
opened: Counter[str] | None = None


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if opened is not None and event in ("open", "os.scandir", "os.listdir") and "/store/runs" in str(arguments[0]):
        opened[event] += 1


sys.addaudithook(_count)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """What is opened in run folders, and how often, while the block lasts."""
    global opened
    found = opened = Counter()
    try:
        yield found
    finally:
        opened = None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grid, Path]:
    """A grid, and the store of all its runs."""
    return write_many(tmp_path_factory.mktemp("many"), 4, RUNS // 4, windows=2)


@pytest.fixture
def grid(made, tmp_path, monkeypatch) -> tuple[Grid, Path]:
    """The same with an index; a store of its own, that a test may damage."""
    monkeypatch.setattr("gan_bench.store.checked.FEWEST", RUNS)
    monkeypatch.setattr("gan_bench.findings.contents.FEWEST", RUNS)
    store = tmp_path / "store"
    shutil.copytree(made[1], store)
    shutil.rmtree(store / index.FOLDER, ignore_errors=True)
    resume(made[0], store)
    return made[0], store


def resume(grid: Grid, store: Path, **options: object) -> None:
    outcome = run_grid(grid, out=store, execution=EXECUTION, **options)
    assert (outcome.runs, outcome.exit_code) == (RUNS, 0)


def tables(store: Path, **options: bool) -> Results:
    found = load(store, **options)
    assert len(found.runs) == RUNS
    return found


def assert_equal(a: Results, b: Results) -> None:
    for name in ("runs", "curves", "snapshots", "comparisons", "diagnoses", "pictures", "neighbours", "by_class"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name))
    assert {run: one.as_json() for run, one in a.documents.items()} == {
        run: one.as_json() for run, one in b.documents.items()
    }
    assert {run: one.as_json() for run, one in a.outcomes.items()} == {
        run: one.as_json() for run, one in b.outcomes.items()
    }
    assert a.scores == b.scores


def a_run(store: Path) -> Path:
    return sorted(run for run in (store / "runs").iterdir() if not run.name.startswith("."))[RUNS // 2]


def test_a_resume_of_finished_runs_opens_none_of_their_files(grid, monkeypatch):
    monkeypatch.setattr("gan_bench.commands.run.ask", lambda *_, **__: [])  # the report reads pictures
    with counted() as found:
        resume(*grid)
    assert found == {"os.listdir": 1}, "runs/ is listed, and that is all"


def test_load_opens_no_file_of_ended_runs_and_finds_the_same(grid):
    with counted() as found:
        known = tables(grid[1])
    assert not found
    with counted() as read:
        assert_equal(known, tables(grid[1], verify=True))
    assert read["open"] >= RUNS * 5


def test_all_that_is_wrong_with_an_index_costs_time_alone(grid):
    store = grid[1]
    expected = tables(store, verify=True)
    files = sorted((store / index.FOLDER).iterdir())
    assert [file.name for file in files] == ["checked.json", "outputs", "runs-000001"]
    whole = [file.read_bytes() for file in files]
    for damage in (
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b" 1 ", b" 2 ", 1),  # of another version
        lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
    ):
        for file, content in zip(files, whole, strict=True):
            file.write_bytes(damage(content))
        assert not read_checked(store)
        with counted() as found:
            assert_equal(expected, tables(store))
        assert found["open"] >= RUNS * 5
    resume(*grid)
    assert len(read_checked(store)) == RUNS, "it is made anew"
    with counted() as found:
        assert_equal(expected, tables(store))
    assert not found
    index.forget(store)
    assert_equal(expected, tables(store))


@pytest.mark.slow
def test_an_index_that_lies_is_taken_for_none(grid):
    """With a right checksum, as a stranger could write it."""
    store = grid[1]
    expected = tables(store, verify=True)
    for change in (
        lambda value: {},
        lambda value: {**value, "groups": [[["step", "<i8", 10**9]]]},
        lambda value: {**value, "parts": [["settings", 3]] * 9},
        lambda value: {**value, "heads": [3] * 9},
        lambda value: {**value, "runs": {name: {**run, "snapshots": 3} for name, run in value["runs"].items()}},
        lambda value: {**value, "runs": {name: {**run, "result": {}} for name, run in value["runs"].items()}},
        lambda value: {**value, "runs": {name: {**run, "steps": float("inf")} for name, run in value["runs"].items()}},
        lambda value: {**value, "runs": {name: {**run, "curves": [0, 0, -1]} for name, run in value["runs"].items()}},
        lambda value: {
            **value,
            "groups": [[[name, "|S8", place] for name, _, place in own] for own in value["groups"]],
        },
        lambda value: {**value, "runs": {name: with_reason(run, "\ud800") for name, run in value["runs"].items()}},
        lambda value: {**value, "runs": {f"../../elsewhere/{name}": run for name, run in value["runs"].items()}},
    ):
        file = store / index.FOLDER / "runs-000001"
        whole = file.read_bytes()
        head, content = whole.split(b"\n", 1)
        text, _, raw = content.partition(b"\n")
        index.write_part(file, head.rpartition(b" ")[0], json.dumps(change(json.loads(text))).encode() + b"\n" + raw)
        assert_equal(expected, tables(store))
        file.write_bytes(whole)


def with_reason(entry: dict[str, Any], reason: str) -> dict[str, Any]:
    return {**entry, "result": {**entry["result"], "reason": reason}}


def test_an_index_does_not_vouch_for_folders_that_are_not_there(grid, tmp_path):
    """Whose stamp anybody could know."""
    store = grid[1]
    for run in (store / "runs").iterdir():
        shutil.rmtree(run)
    nothing = index.stamp(str(tmp_path / "nothing"), [])
    assert index.still_so({str(tmp_path / "nothing"): (nothing, [])}) == set()
    assert set(tables(store).runs["status"]) == {"unfinished"}


@pytest.mark.slow
def test_other_files_in_the_index_are_left_alone(grid):
    store = grid[1]
    (store / index.FOLDER / "runs-000001.bak").touch()
    shutil.rmtree(a_run(store))
    resume(*grid)
    assert [file.name for file in sorted((store / index.FOLDER).glob("runs-*"))] == [
        *("runs-000001", "runs-000001.bak", "runs-000002")
    ]


def test_what_was_found_damaged_is_not_vouched_for_any_more(grid, monkeypatch):
    """Also if the command that found it was stopped before it mended anything."""
    prepared, (own, store) = prepare_grid(grid[0], plain_console()), grid
    run = a_run(store)
    assert run.name in read_checked(store)
    (run / "curves.jsonl").write_text("")
    monkeypatch.setattr("gan_bench.workers.engine.LocalEngine.train", lambda *_: False)
    assert run_grid(own, out=store, execution=EXECUTION).stopped
    assert run.name not in read_checked(store)
    assert [one.name for one in plan_runs(prepared, store)[0] if one.todo() != "nothing"] == [run.name]


def test_a_failed_run_is_told_as_far_as_is_asked(grid):
    """Also one whose process ended, so that nobody has counted its steps."""
    store, run = grid[1], a_run(grid[1])
    result = json.loads((run / "result.json").read_text())
    for key in ("checksum", "steps", "d_steps", "images"):
        del result[key]
    (run / "result.json").write_text(json.dumps({**result, "status": "failed", "reason": "its process ended"}))
    write_tables(store, load(store, keep=True))
    document = json.loads((store / "grid.json").read_text())
    del document["checksum"]
    (store / "grid.json").write_text(json.dumps(document).replace('"steps": 50', '"steps": 25'))
    assert_equal(tables(store), tables(store, verify=True))


def test_a_copy_of_a_store_is_read(grid, tmp_path):
    """Its inodes are others, whatever its times say; so no index of a stranger's holds here."""
    shutil.copytree(grid[1], tmp_path / "copy" / "store")
    with counted() as found:
        load(tmp_path / "copy" / "store")
    assert found["open"] >= RUNS * 5


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda run: shutil.rmtree(next((run / "snapshots").iterdir())), id="a snapshot is lost"),
        pytest.param(lambda run: next(run.glob("snapshots/*/samples.png")).unlink(), id="a picture is lost"),
        pytest.param(lambda run: next(run.glob("snapshots/*/scores.json")).write_text("{"), id="scores are damaged"),
        pytest.param(lambda run: flip(next(run.glob("snapshots/*/weights.pt"))), id="weights are cut"),
        pytest.param(lambda run: (run / "curves.jsonl").write_text(""), id="curves are lost"),
        pytest.param(lambda run: (run / "run.json").unlink(), id="run.json is lost"),
        pytest.param(lambda run: (run / "result.json").write_text("{}"), id="result.json is damaged"),
    ],
)
def test_what_is_damaged_in_a_folder_is_found_without_being_asked_for(grid, damage: Callable[[Path], None]):
    store, run = grid[1], a_run(grid[1])
    damage(run)
    runs, _ = plan_runs(prepare_grid(grid[0], plain_console()), store)
    assert [one.name for one in runs if one.todo() != "nothing"] == [run.name]
    assert_equal(tables(store), tables(store, verify=True))


@pytest.mark.slow
def test_what_is_damaged_in_a_folder_is_mended_by_the_same_command(grid):
    store, run = grid[1], a_run(grid[1])
    before = tables(store)
    shutil.rmtree(next((run / "snapshots").iterdir()))
    resume(*grid)
    after = tables(store)
    assert_equal(after, tables(store, verify=True))
    assert set(after.runs["status"]) == {"finished"}
    others = before.snapshots["run"] != run.name
    pd.testing.assert_frame_equal(after.snapshots[others], before.snapshots[others])
    assert len(after.snapshots) == len(before.snapshots)


def flip(file: Path) -> None:
    """Cut a file that is a link to many runs' one inode."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:100])


@pytest.mark.slow
def test_verify_finds_what_leaves_no_trace(grid, monkeypatch):
    """A bit that a disk has flipped changes no time; one that is flipped here does."""
    facts_of = index.facts_of
    monkeypatch.setattr(index, "facts_of", lambda path: (found := facts_of(path)) and (*found[:2], *found[3:]))
    store, run = grid[1], a_run(grid[1])
    index.forget(store)
    resume(*grid)
    file = run / "curves.jsonl"
    facts = file.stat()
    content = file.read_bytes()
    with file.open("r+b") as opened_file:
        opened_file.write(content.replace(b'"loss_d": ', b'"loss_d":9', 1)[: len(content)])
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert set(tables(store).runs["status"]) == {"finished"}
    found = tables(store, verify=True).runs.set_index("run")["status"]
    assert found[run.name] == "damaged"
    resume(*grid, verify=True)
    assert set(tables(store).runs["status"]) == {"finished"}
    assert set(tables(store, verify=True).runs["status"]) == {"finished"}


@pytest.mark.slow
def test_runs_that_are_new_join_the_index(grid):
    store, run = grid[1], a_run(grid[1])
    shutil.rmtree(run)
    resume(*grid)
    assert len(read_checked(store)) == RUNS
    assert [file.name for file in sorted((store / index.FOLDER).glob("runs-*"))] == ["runs-000001", "runs-000002"]
    with counted() as found:
        tables(store)
    assert not found


def test_a_report_verifies_unless_somebody_is_at_work(grid):
    store = grid[1]
    command = ("report", store, "--verify", "--format", "md")
    with FileLock(store / ".lock"):
        assert "is at work" in gan_bench(*command, cwd=store, code=2).stderr
    assert read_checked(store)
    (a_run(store) / "result.json").write_text("{}")
    assert "damaged" in gan_bench(*command, cwd=store).stdout
    assert not (store / index.FOLDER).exists()


def test_a_small_store_has_none(grid, monkeypatch):
    monkeypatch.setattr("gan_bench.store.checked.FEWEST", RUNS + 1)
    monkeypatch.setattr("gan_bench.findings.contents.FEWEST", RUNS + 1)
    index.forget(grid[1])
    resume(*grid)
    assert not list((grid[1] / index.FOLDER).glob("runs-*"))
