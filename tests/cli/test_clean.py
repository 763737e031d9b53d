"""`gan-bench clean`: what it shows, what it deletes, and what it must never touch."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fake_store import write_store
from filelock import FileLock
from stores import gan_bench, run_folders

from gan_bench.cli import clean
from gan_bench.store import attempt

HEX = "0123456789ab"


@pytest.fixture
def store(tmp_path) -> Path:
    return write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False)


@pytest.fixture
def waste(store) -> list[Path]:
    """All kinds of it, put into the store."""
    wanted = run_folders(store)[0]
    document = json.loads((wanted / "run.json").read_text())
    stale = store / "runs" / f"{wanted.name[:-12]}{HEX}"
    unasked = store / "runs" / f"dcgan-7-{HEX}"
    killed = store / "runs" / f"dcgan-8-{HEX}"  # before it had written anything
    for folder, text in ((stale, json.dumps(document)), (unasked, json.dumps({**document, "seed": 7})), (killed, "")):
        folder.mkdir()
        (folder / "output.txt").write_text("x" * 1000)
        if text:
            (folder / "run.json").write_text(text)
    files = [
        store / "runs" / f".dcgan-9-{HEX}.lock",
        store / "runs" / f".{wanted.name}.lock",
        store / "runs" / f".{unasked.name}.attempt",
        store / "runs" / f".{wanted.name}.0123abcd",
        store / ".results.csv.0123abcd",
        next((store / "real").iterdir()) / ".scores.json.0123abcd",
        wanted / ".checkpoint.pt.0123abcd",
        wanted / "checkpoint.damaged.pt",
        next((wanted / "snapshots").iterdir()) / ".scores.json.0123abcd",
    ]
    for file in files:
        file.write_text("")
    dead = {"machine": attempt.machine(), "process": 2**22 + 1}  # there are no more than that
    attempt.token(unasked).write_text(json.dumps(dead))
    unfinished = wanted / "snapshots" / ".step-00000075"
    unfinished.mkdir()
    (unfinished / "samples.png").write_text("half a pictu")
    return [stale, unasked, killed, *files, unfinished]


def contents(folder: Path) -> set[str]:
    """Every path below a folder, the store's own lock excepted."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path != folder / ".lock"}


def test_a_clean_store_has_nothing_to_delete(store):
    before = contents(store)
    assert "There is nothing to delete in store" in gan_bench("clean", "store", "--yes", cwd=store.parent).stdout
    assert contents(store) == before


def test_without_a_terminal_it_only_shows(store, waste):
    before = contents(store)
    shown = gan_bench("clean", store, cwd=store.parent).stdout
    lines = {line.split("  ")[0]: line for line in shown.splitlines()}
    assert set(lines) >= {str(path.relative_to(store)) for path in waste}
    document = json.loads((waste[0] / "run.json").read_text())
    trained = [run for run in run_folders(store) if run not in waste]
    again = next(run.name for run in trained if json.loads((run / "run.json").read_text()) == document)
    assert f"stale: trained again as {again}" in lines[f"runs/{waste[0].name}"]
    assert "not asked for by the store's grid" in lines[f"runs/dcgan-7-{HEX}"]
    assert lines[f"runs/dcgan-8-{HEX}"].endswith(" kB")
    assert f"{len(waste)} files and folders of " in shown
    assert "Give --yes" in shown
    assert contents(store) == before


@pytest.mark.parametrize(("answer", "deleted"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_at_a_terminal_it_asks(store, waste, monkeypatch, answer, deleted):
    from click.testing import CliRunner

    from gan_bench.cli import main

    monkeypatch.setattr(clean, "_terminal", lambda: True)
    done = CliRunner().invoke(main, ["clean", str(store)], input=answer)
    assert done.exit_code == 0
    assert f"Delete these {len(waste)}? [y/N]" in done.output
    assert {path.exists() for path in waste} == {not deleted}


def test_it_deletes_what_it_showed_and_nothing_else(store, waste):
    below = tuple(f"{path.relative_to(store)}{os.sep}" for path in waste)
    gone = {str(path.relative_to(store)) for path in waste}
    rest = {name for name in contents(store) if name not in gone and not name.startswith(below)}
    tables = gan_bench("report", store, cwd=store.parent) and (store / "results.csv").read_text()
    gan_bench("clean", store, "--yes", cwd=store.parent)
    assert contents(store) == rest | {"results.csv", "comparisons.csv", "report.html"}
    gan_bench("report", store, cwd=store.parent)
    assert (store / "results.csv").read_text() == tables


def test_a_grid_file_names_its_store(store, waste, tmp_path):
    (tmp_path / "runs").mkdir()
    store.rename(tmp_path / "runs" / "quickstart")
    text = 'name = "quickstart"\ndataset = "digits"\narchitecture = "dcgan"\nsteps = 5\nplugins = ["no.py"]\n'
    (tmp_path / "grid.toml").write_text(text)  # its plugins are no matter
    assert "Deleted" in gan_bench("clean", "grid.toml", "--yes", cwd=tmp_path).stdout
    assert not (tmp_path / "runs" / "quickstart" / "runs" / f"dcgan-7-{HEX}").exists()


def test_the_current_folder_is_the_default(store, waste):
    assert "Deleted" in gan_bench("clean", "--yes", cwd=store).stdout
    done = gan_bench("clean", cwd=store.parent, code=2)
    assert "holds no grid.json" in done.stderr


@pytest.mark.parametrize("text", ["{", '{"runs": 5}', "[" * 100_000])
def test_a_damaged_grid_json_makes_nothing_unasked_for(store, waste, text):
    (store / "grid.json").write_text(text)
    before = contents(store)
    assert "grid.json" in gan_bench("clean", store, "--yes", cwd=store.parent, code=2).stderr
    (store / "grid.json").unlink()
    gan_bench("clean", store, "--yes", cwd=store.parent, code=2)
    assert contents(store) == before - {"grid.json"}


def test_it_refuses_while_a_run_is_at_work(store, waste, monkeypatch):
    before = contents(store)
    with FileLock(store / ".lock"):
        assert "a gan-bench run is at work" in gan_bench("clean", store, "--yes", cwd=store.parent, code=2).stderr
    # A worker whose parent was killed has the token of its run alone; it may be in the middle of a checkpoint.
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 0.1)
    for name in (f"dcgan-6-{HEX}", run_folders(store)[-1].name):
        leftover = store / "runs" / name / ".checkpoint.pt.0123abcd"
        leftover.parent.mkdir(exist_ok=True)
        leftover.touch()
        with attempt.Attempt(attempt.token(store / "runs" / name), "0"):
            gan_bench("clean", store, "--yes", cwd=store.parent, code=2)
        leftover.unlink()
    assert before <= contents(store)


def test_links_are_neither_followed_nor_deleted(store, waste, tmp_path):
    outside = tmp_path / "outside"
    (outside / "snapshots" / ".step-00000050").mkdir(parents=True)
    (outside / "checkpoint.damaged.pt").write_text("mine")
    runs, wanted = store / "runs", run_folders(store)[-1]
    links = [runs / f"dcgan-5-{HEX}", waste[1] / "link", store / ".link.0123abcd", runs / f".dcgan-4-{HEX}.lock"]
    links += [wanted / "snapshots" / ".step-00000060", wanted / "link"]
    for link in links:
        link.symlink_to(outside)
    before = contents(outside)
    shown = gan_bench("clean", store, "--yes", cwd=tmp_path).stdout
    assert contents(outside) == before
    assert [link.is_symlink() for link in links] == [True, False, True, True, True, True]  # one lay in a run folder
    assert "outside" not in shown
    snapshots = wanted / "snapshots"
    snapshots.rename(tmp_path / "moved")
    snapshots.symlink_to(outside / "snapshots")
    gan_bench("clean", store, "--yes", cwd=tmp_path)
    assert contents(outside) == before
    runs.rename(tmp_path / "moved runs")
    runs.symlink_to(outside)
    assert "runs is a symbolic link" in gan_bench("clean", store, "--yes", cwd=tmp_path, code=2).stderr
    assert contents(outside) == before


def test_someones_own_files_stay(store, waste):
    own = [store / "runs" / "notes", store / "runs" / "dcgan-0-backup", store / "notes.txt", store / "runs" / ".hidden"]
    for path in own:
        path.mkdir() if path.suffix != ".txt" else path.touch()
    gan_bench("clean", store, "--yes", cwd=store.parent)
    assert all(path.exists() for path in own)


def test_kept_stale_runs_are_asked_for(store, waste):
    grid = json.loads((store / "grid.json").read_text())
    old = f"dcgan-7-{HEX}"
    grid["runs"][old] = {"label": "x", "steps": 50, "stale": "the source of architecture 'dcgan' has changed"}
    (store / "grid.json").write_text(json.dumps(grid))
    gan_bench("clean", store, "--yes", cwd=store.parent)
    assert (store / "runs" / old).is_dir()


def test_names_that_a_terminal_would_obey_are_shown_quoted(store):
    (store / ".\x1b[2Jx.0123abcd").touch()
    shown = gan_bench("clean", store, cwd=store.parent).stdout
    assert "\\x1b[2Jx" in shown
    assert "\x1b" not in shown
