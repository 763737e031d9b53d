"""What the report says of each run, and once of all runs of a cell."""

from __future__ import annotations

import json

import pytest
from fake_store import write, write_store

from gan_bench.findings.tables import load
from gan_bench_reports.page import write_report
from gan_bench_reports.run_details import TAIL, cell_views


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "store", seeds=2, snapshots=2, steps=100)


def change(file, **keys):
    write(file, {**json.loads(file.read_text()), **keys})


def runs(store, **options):
    return {run.run: run for cell in cell_views(load(store), **options) for run in cell.runs}


def test_runs_of_a_cell_stand_together_with_what_they_share(store):
    cells = cell_views(load(store))
    assert [len(cell.runs) for cell in cells] == [2] * 7
    assert sum(not cell.differences for cell in cells) == 1  # the baseline
    (deep,) = [cell for cell in cells if cell.name == "dcgan, depth 3, no tricks"]
    assert deep.differences == "architecture.depth"
    assert ("architecture.depth", "3", "2") in deep.settings
    provenance = dict(deep.provenance)
    assert provenance["dataset fingerprint"] == "ab" * 32
    assert provenance["architecture dcgan"].endswith("source " + "cd" * 32)
    assert provenance["score FD[classifier]"] == "protocol a1b2c3d4, features classifier, 2000 generated, 360 real"
    assert [name for name, _ in deep.networks] == ["generator", "discriminator"]


def test_runs_that_differ_in_more_than_the_seed_stand_apart(store):
    run = next((store / "runs").glob("fcgan-0-*"))
    change(run / "run.json", plugins=[{"kind": "architecture", "name": "fcgan", "origin": "x", "source": "ef" * 32}])
    change(next((store / "runs").glob("fcgan-1-*")) / "run.json", sessions=[])
    cells = [cell for cell in cell_views(load(store)) if cell.name.startswith("fcgan")]
    assert [len(cell.runs) for cell in cells] == [1, 1]


def test_a_run_that_has_not_begun_stands_with_its_cell(store):
    run = next((store / "runs").glob("fcgan-1-*"))
    for file in run.rglob("*.*"):
        file.unlink()
    (cell,) = [cell for cell in cell_views(load(store)) if cell.name.startswith("fcgan")]
    assert [run.status for run in cell.runs] == ["finished", "unfinished"]
    assert cell.settings


def test_what_happened_to_a_run_is_told_in_order(store):
    run = next((store / "runs").glob("fcgan-1-*"))
    document = json.loads((run / "run.json").read_text())
    first = document["sessions"][0]
    change(run / "run.json", sessions=[first, {**first, "from_step": 50, "started": "2026-01-02T00:00:00+00:00"}])
    scores = next(run.glob("snapshots/*/scores.json"))
    entry = json.loads(scores.read_text())["scores"]
    change(scores, scores=[{**entry[0], "value": None, "error": "too few samples"}, entry[1]])
    events = runs(store)[run.name].events
    assert [what.split(":")[0] for _, what in events] == [
        "started", "went on from step 50", "FD[classifier] could not be computed", "failed at step 60",
    ]  # fmt: skip
    assert "versions.torch 2.11.0" in events[0][1]
    assert events[2] == ("warning", "FD[classifier] could not be computed: too few samples")


def test_the_end_of_what_plugins_printed_is_shown_as_text(store, tmp_path):
    first, second, third = sorted((store / "runs").iterdir())[:3]
    (first / "output.txt").write_bytes(b"<script>alert(1)</script>\n\x1b[31mred\x00\xff\n")
    (second / "output.txt").write_text("".join(f"line {i}\n" for i in range(2000)))
    (tmp_path / "secret").write_text("secret")
    (third / "output.txt").symlink_to(tmp_path / "secret")
    shown = runs(store)
    assert shown[first.name].output == "<script>alert(1)</script>\n [31mred \ufffd"
    lines = shown[second.name].output.splitlines()
    assert lines[-1] == "line 1999"
    assert lines[0] == f"line {2000 - len(lines)}"  # whole lines
    assert TAIL / 2 < len(shown[second.name].output) < TAIL
    assert shown[third.name].output == ""
    write_report([store], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)" not in html


def test_folders_are_relative_to_the_page(store, tmp_path):
    for page, start in ((store, "runs/"), (tmp_path, "store/runs/"), (tmp_path / "elsewhere", "../store/runs/")):
        for run in runs(store, page=page).values():
            assert dict(run.place)["folder"] == start + run.run


def test_cells_stand_in_the_grid_s_order(store):
    assert [cell.name for cell in cell_views(load(store))] == [
        "dcgan, depth 2, no tricks",
        "fcgan, no tricks",
        "dcgan, depth 2, label_noise (amount 0.05)",
        "dcgan, depth 2, ema (decay 0.999)",
        "dcgan, depth 2, label_noise (amount 0.05) + ema (decay 0.999)",
        "dcgan, depth 1, no tricks",
        "dcgan, depth 3, no tricks",
    ]


def test_an_outcome_is_told_in_units(store):
    run = next((store / "runs").glob("fcgan-0-*"))
    change(run / "result.json", peak_memory=412_000_000, images=96_000, share_of_peak=None, time={"training": 7300.0})
    outcome = dict(runs(store)[run.name].outcome)
    told = [outcome[name] for name in ("peak_memory", "images", "share_of_peak", "time.training")]
    assert told == ["412 MB", "96\u202f000", "none", "2.0 h"]
