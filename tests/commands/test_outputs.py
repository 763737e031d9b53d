"""Tables and report are made again only where something has changed of what they are made of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stores import gan_bench, run_folders, write_grid

from gan_bench.commands import outputs

REPORT = """
from gan_bench import hookimpl

@hookimpl
def gan_bench_report(stores, output):
    output.with_suffix(".txt").write_text("mine")
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with a finished grid and its store, runs/toy."""
    folder = tmp_path_factory.mktemp("toy")
    gan_bench("run", write_grid(folder, steps="steps = 4"), cwd=folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """The same, for one test, with outputs that are known to be made of what is there."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    gan_bench("run", "grid.toml", cwd=tmp_path)
    return tmp_path


def made_again(folder: Path, *options: str) -> bool:
    """Whether a command writes the outputs again, all or none."""
    files = [folder / "runs/toy" / name for name in outputs.MADE]
    before = [file.stat().st_mtime_ns for file in files]
    gan_bench("run", "grid.toml", *options, cwd=folder)
    changed = {file.stat().st_mtime_ns != one for file, one in zip(files, before, strict=True)}
    assert len(changed) == 1
    return changed.pop()


def test_where_nothing_has_changed_they_stay(folder):
    assert not made_again(folder)
    assert made_again(folder, "--verify")
    assert not made_again(folder)


def rewrite(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)


def grow(folder: Path) -> None:
    file = folder / "grid.toml"
    file.write_text(file.read_text().replace("Which tricks?", "Which of these tricks?"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a score": lambda folder: rewrite(next(folder.glob("runs/toy/runs/*/snapshots/*/scores.json"))),
    "a curve": lambda folder: rewrite(next(folder.glob("runs/toy/runs/*/curves.jsonl"))),
    "real": lambda folder: rewrite(next(folder.glob("runs/toy/real/*/scores.json"))),
    "speed": lambda folder: rewrite(folder / "runs/toy/speed.json"),
    "the report": lambda folder: rewrite(folder / "runs/toy/report.html"),
    "a title": grow,
    "a run": lambda folder: shutil.rmtree(run_folders(folder / "runs/toy")[0]),
    "the note": lambda folder: (folder / "runs/toy/.index/outputs").write_text("damaged"),
}


def test_whatever_changes_makes_them_again(folder):
    for change, make in CHANGES.items():
        make(folder)
        assert made_again(folder), change
    assert not made_again(folder)


def test_other_code_makes_them_again(folder, monkeypatch):
    stamp = outputs.code_stamp
    monkeypatch.setattr(outputs, "code_stamp", lambda folder: stamp(folder) + "of tomorrow")
    assert made_again(folder)


def test_where_others_write_too_nobody_knows_what(folder):
    (folder / "mine.py").write_text(REPORT)
    file = folder / "grid.toml"
    file.write_text('plugins = ["mine.py"]\n' + file.read_text())
    for _ in range(2):
        assert made_again(folder, "--allow-plugins")
        os.unlink(folder / "runs/toy/report.txt")


def test_what_the_system_does_not_let_us_look_at_is_no_reason_to_end(folder, monkeypatch):
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(outputs, "facts_of", refuse)
    assert made_again(folder)


def test_a_stamp_of_code_changes_with_every_file_of_it(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "page.html").write_text("a")
    seen = [outputs.code_stamp(tmp_path)]
    (tmp_path / "inner" / "page.html").write_text("ab")
    seen.append(outputs.code_stamp(tmp_path))
    (tmp_path / "more.py").write_text("")
    seen.append(outputs.code_stamp(tmp_path))
    (tmp_path / "data.json").write_text(json.dumps(seen))
    assert len({*seen, outputs.code_stamp(tmp_path)}) == 3
