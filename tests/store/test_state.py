"""What a run folder says of itself when it is read: without a change, a warning, or a second look."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from fake_store import BASELINE, write_run

from gan_bench.api.samples import PreparedData
from gan_bench.canonical import canonical
from gan_bench.grid import Cell
from gan_bench.planning.runs import Run
from gan_bench.store import documents, state
from gan_bench.store.documents import RunDocument, ScoresDocument, read_object
from gan_bench.store.folder import RunFolder
from gan_bench.training.dry import DryPass

IDENTITY = "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that finished at step 100 and took snapshots at 50 and 100."""
    return RunFolder(write_run(tmp_path / "runs" / "a", BASELINE, 3, IDENTITY, snapshots=2, steps=100))


def unfinished(folder: RunFolder, steps: int = 75) -> RunFolder:
    """The same, interrupted: its last but one checkpoint stands at 50."""
    folder.result_file.unlink()
    for step in (50, steps):
        folder.save_checkpoint({"steps": step, "snapshots": [50], "weights": torch.ones(3)})
    return folder


def run_of(folder: RunFolder) -> Run:
    cell = SimpleNamespace(key=canonical(BASELINE), label="dcgan")
    known = {"data": cast(PreparedData, None), "dry": cast(DryPass, None)}  # which what is left to do does not hang on
    return Run(cast(Cell, cell), 3, IDENTITY, (50, 100), frozenset({100}), folder.path, **known)


def tree(folder: RunFolder) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_finished_run(folder):
    found = folder.read()
    assert (found.finished_steps, found.steps, found.failed, found.lost, found.faults) == (100, 100, False, "", ())
    assert [(shot.step, shot.has_weights, shot.spoiled) for shot in found.snapshots] == [
        (50, False, ()),
        (100, False, ()),
    ]
    assert found.snapshots[0].columns == {("FD[classifier]", "a1b2c3d4"), ("KID[classifier]", "b2c3d4e5")}
    assert run_of(folder).todo(found.snapshots[0].columns) == "nothing"


def test_an_unfinished_run_stands_at_the_last_checkpoint_that_can_be_read(folder):
    unfinished(folder)
    assert folder.read().steps == 75
    assert folder.read().checkpoint.snapshots == (50,)
    assert run_of(folder).todo() == "continue"
    folder.checkpoint_file.write_bytes(b"PK rubbish")
    assert folder.read().steps == 50


def test_damage_is_a_fault_that_says_what_is_done_without_the_file_and_no_warning(folder):
    unfinished(folder)
    folder.result_file.write_text("{")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (fault,) = folder.read().faults
        assert [str(each) for each in run_of(folder).faults] == [str(fault)]
    assert (fault.file, fault.without) == (folder.result_file, "the run goes on from its checkpoint")
    assert str(fault).startswith(f"{folder.path}: result.json is damaged: ")


@pytest.mark.parametrize(
    ("lost", "said", "todo"),
    [
        ("curves.jsonl", "curves.jsonl is damaged or has lost lines", "damaged"),
        ("snapshots/step-00000050/scores.json", "is damaged or lost, and no weights were kept there", "damaged"),
        ("run.json", "", "evaluate"),
    ],
)
def test_what_is_lost_is_trained_or_made_again(folder, lost, said, todo):
    (folder.path / lost).unlink()
    run = run_of(folder)
    assert run.todo() == todo
    assert said in run.state.lost
    assert [fault.without for fault in run.faults] == (["the run trains again from the start"] if said else [])


def test_a_run_that_was_trained_further_is_left_with_its_fault(folder):
    folder.curves_file.unlink()
    run = run_of(folder)
    short = replace(run, snapshot_steps=(50,), required=frozenset({50}))
    assert short.todo() == "nothing"
    assert "left as it is" in short.faults[0].without


def test_reading_changes_nothing(folder):
    unfinished(folder)
    folder.checkpoint_file.write_bytes(b"PK rubbish")
    folder.result_file.write_text("{")
    (folder.snapshot(50) / "scores.json").write_text("{")
    before = tree(folder)
    run = run_of(folder)
    assert (run.todo(), len(run.faults), run.state.steps) == ("damaged", 2, 50)
    assert tree(folder) == before


def test_each_file_is_read_once_whoever_asks(folder, monkeypatch):
    reads: Counter[str] = Counter()

    def counted(path: Path, form: type[Any]) -> Any:
        reads[f"{path.parent.name}/{path.name}"] += 1
        return read_object(path, form)

    for module in (documents, state):
        monkeypatch.setattr(module, "read_object", counted)
    run = run_of(folder)
    for _ in range(2):
        assert run.todo({("another", "protocol")}) == "nothing"  # no weights are kept that could be scored again
        assert (run.faults, run.state.steps, run.state.failed) == ([], 100, False)
        assert all(shot.columns for shot in run.state.snapshots)
    reads.pop("a/run.json")  # what it was made from is asked for by each `todo`, once a command
    assert reads == {"a/result.json": 1, "step-00000050/scores.json": 1, "step-00000100/scores.json": 1}


def test_a_run_that_has_not_begun_costs_no_read(tmp_path, monkeypatch):
    for module, name in ((state, "read_or_fault"), (state, "read_object"), (torch, "load")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("something was read"))
    run = run_of(RunFolder(tmp_path / "nowhere"))
    assert (run.todo(), run.faults, run.state.steps, run.state.snapshots) == ("train", [], 0, ())


# Documents ------------------------------------------------------------------------------------------------------------


def test_a_document_is_a_model_that_keeps_what_else_the_file_says(folder):
    document = read_object(folder.run_file, RunDocument)
    assert document is not None
    assert (document.seed, document.dataset and document.dataset.name) == (3, "digits")
    assert document.settings == BASELINE
    assert document.as_json() == json.loads(folder.run_file.read_text())
    assert read_object(folder.path / "none.json", RunDocument) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"settings": ' + '{"a": ' * 900 + "1" + "}" * 900 + "}",
        '{"a": ' + "[" * 41 + "]" * 41 + "}",
        '{"a": ' + "9" * 5000 + "}",
        '{"a": ' + "9" * 40 + "}",
        '{"a": {"\\ud800": 1}}',
        '{"a": ["\\ud800"]}',
        "null",
        '{"seed": -1}',
        '{"seed": 1, "checksum": "00000000"}',
    ],
)
def test_what_no_table_could_hold_is_damage(tmp_path, text):
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"^run\.json is damaged: "):
        read_object(file, RunDocument)


@pytest.mark.parametrize(("value", "read"), [("1e99", 1e99), ("1e101", None), ("NaN", None), ("-Infinity", None)])
def test_a_score_beyond_all_use_counts_as_not_computed(tmp_path, value, read):
    score = f'{{"metric": "m", "label": "m", "value": {value}, "protocol_id": "p"}}'
    (tmp_path / "scores.json").write_text(f'{{"scores": [{score}], "again": [{score}]}}')
    document = read_object(tmp_path / "scores.json", ScoresDocument)
    assert document is not None
    assert [one.value for one in (*document.scores, *document.again)] == [read, read]
