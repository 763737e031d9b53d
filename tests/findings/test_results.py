"""Stores read as tables, whole and damaged."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
from fake_store import BASELINE, FINGERPRINT, kid, score, write, write_run, write_store

from gan_bench.errors import GanBenchError
from gan_bench.findings import run_folders
from gan_bench.findings.score_columns import column_title
from gan_bench.findings.settings_text import flatten
from gan_bench.findings.tables import load, write_tables


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=3, snapshots=3, steps=300)


def test_a_row_a_run_with_what_varies(store):
    runs = load(store).runs
    assert len(runs) == 21
    assert runs["run"].is_unique
    assert {"architecture", "architecture.depth", "architecture.width", "tricks"} <= set(runs.columns)
    assert not {"batch_size", "optimizer.lr", "architecture.latent"} & set(runs.columns)  # equal everywhere
    assert runs["status"].value_counts().to_dict() == {"finished": 19, "failed": 1, "unfinished": 1}
    failed = runs[runs["status"] == "failed"].iloc[0]
    assert (failed["reason"], failed["g_steps"]) == ("the generator's loss is NaN at step 900", 180)
    assert set(runs["cell"]) >= {"fcgan, no tricks", "dcgan, depth 2, ema (decay 0.999)", "dcgan, depth 3, no tricks"}
    assert set(runs["tricks"]) >= {"no tricks", "label_noise (amount 0.05) + ema (decay 0.999)"}


def test_last_and_best_come_from_the_files(store):
    results = load(store)
    for row in results.runs.to_dict("records"):
        files = sorted((store / "runs" / row["run"] / "snapshots").glob("*/scores.json"))
        values = {int(f.parent.name[5:]): json.loads(f.read_text())["scores"][0]["value"] for f in files}
        assert row["FD[classifier] last"] == values[max(values)]
        assert row["FD[classifier] best"] == min(values.values())
        assert values[row["FD[classifier] best step"]] == row["FD[classifier] best"]


def test_the_best_snapshots_score_on_other_samples_is_told_where_there_is_one(tmp_path):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, snapshots=2, steps=100)
    write_run(tmp_path / "runs" / "b", BASELINE, 1, "1" * 64, snapshots=2, steps=100)
    file = run / "snapshots" / "step-00000100" / "scores.json"
    document = json.loads(file.read_text())
    write(file, document | {"scores": [score(0.1), kid(9.0)], "again": [score(0.4)]})
    runs = load(tmp_path).runs.set_index("run")
    assert list(runs.loc["a", ["FD[classifier] best", "FD[classifier] best step", "FD[classifier] best again"]]) == [
        0.1,
        100,
        0.4,
    ]
    assert pd.isna(runs.at["a", "KID[classifier] best again"])
    assert pd.isna(runs.at["b", "FD[classifier] best again"])


def test_comparisons_and_curves(store):
    results = load(store)
    grid = json.loads((store / "grid.json").read_text())
    assert len(results.comparisons) == sum(len(level["runs"]) for c in grid["comparisons"] for level in c["levels"])
    assert set(results.comparisons["run"]) == set(results.runs["run"])
    assert results.curves.groupby("run").size().max() == 300 // 25
    unfinished = results.runs[results.runs["status"] == "unfinished"].iloc[0]
    assert unfinished["g_steps"] == 175  # from the last complete window


def test_tables_are_written(store):
    write_tables(store)
    written = pd.read_csv(store / "results.csv", keep_default_na=False)
    assert list(written["run"]) == list(load(store).runs["run"])
    assert written["folder"][0] == f"runs/{written['run'][0]}"
    assert list(pd.read_csv(store / "comparisons.csv").columns) == ["comparison", "level", "reference", "run", "seed"]
    assert not list(store.glob(".results*"))


def test_titles_say_features_and_samples():
    assert column_title("FD[classifier]", PROTOCOL) == "FD[classifier] (2000 generated, 360 real)"
    assert column_title("FD[x]", {}) == "FD[x]"


def test_two_protocols_are_two_columns(tmp_path):
    a = write_run(tmp_path / "runs" / "a", BASELINE, 0, "0" * 64, snapshots=1, steps=100)
    write_run(tmp_path / "runs" / "b", BASELINE, 1, "1" * 64, snapshots=1, steps=100)
    write(a / "snapshots" / "step-00000100" / "scores.json", {"scores": [score(7.0, 500, "ffee0011"), kid(-0.1)]})
    runs = load(tmp_path).runs.set_index("run")
    assert runs.at["a", "FD[classifier] #ffee last"] == 7.0
    assert pd.isna(runs.at["a", "FD[classifier] #a1b2 last"])
    assert runs.at["a", "KID[classifier] last"] == -0.1
    assert load(tmp_path).scores[0].title == "FD[classifier] #ffee (500 generated, 360 real)"


PROTOCOL = {
    "metric": {"name": "fid", "source": "0a1b"},
    "dataset": "77" * 32,
    "generated": 2000,
    "real": 360,
    "split": "held out",
    "mode": "evaluation",
    "quantisation": "8 bits",
    "features": {
        "features": "classifier",
        "dimension": 64,
        "resize": "none",
        "weights_sha256": "ab",
        "test_accuracy": 0.98,
    },
    "extractor": {"name": "classifier", "source": "0c1d"},
    "number": "precision",
}


@pytest.mark.parametrize("same_id", [False, True])
@pytest.mark.parametrize("path", sorted(flatten(PROTOCOL)))
def test_scores_whose_protocols_differ_in_one_field_share_no_column(tmp_path, path, same_id):
    other = json.loads(json.dumps(PROTOCOL))
    *outer, last = (path if path != "metric" and path != "extractor" else f"{path}.name").split(".")
    place = other[outer[0]] if outer else other
    place[last] = f"not {place[last]}" if isinstance(place[last], str) else place[last] / 2
    for run, protocol, value in (("a", PROTOCOL, 5.0), ("b", other, 7.0)):
        folder = write_run(tmp_path / run / "runs" / run, BASELINE, 0, "0" * 64, snapshots=1, steps=100)
        protocol_id = "aaaa1111" if same_id or run == "a" else "bbbb2222"
        entry = {**score(value, protocol_id=protocol_id), "protocol": protocol}
        write(folder / "snapshots" / "step-00000100" / "scores.json", {"scores": [entry]})
    results = load(tmp_path / "a", tmp_path / "b")
    assert [column.differs for column in results.scores] == [(path,), (path,)]
    lasts = results.runs[[f"{column.label} last" for column in results.scores]]
    assert lasts.count().tolist() == [1, 1], "a column each"
    assert lasts.sum().tolist() == [5, 7]
    assert sorted(results.snapshots["score"]) == sorted(column.label for column in results.scores)


def test_cost_unit_training_and_neighbours_are_read(tmp_path):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, "0" * 64, snapshots=2, steps=100)
    for step, cost in ((50, 0.2), (100, 0.4)):
        entry = {**score(5.0), "unit": "share", "against_training": {"value": step / 10}}
        failed = {**kid(0.1), "against_training": {"value": None, "error": "too few"}}
        folder = run / "snapshots" / f"step-{step:08d}"
        write(folder / "scores.json", {"scores": [entry, failed], "time": {"features": 1.0, "fid": cost}})
        (folder / "neighbours.png").write_bytes(b"")
    results = load(tmp_path)
    fd, other = results.scores
    assert (fd.unit, fd.cost) == ("share", pytest.approx(0.3))
    assert (other.unit, other.cost) == ("", None)
    rows = results.snapshots[results.snapshots["score"] == fd.label]
    assert rows[["step", "against_training", "cost"]].values.tolist() == [[50, 5, 0.2], [100, 10, 0.4]]
    assert results.runs.at[0, "FD[classifier] last against training"] == 10
    assert "KID[classifier] last against training" not in results.runs
    assert results.neighbours["step"].tolist() == [50, 100]
    assert results.neighbours["path"].tolist() == sorted(run.glob("snapshots/*/neighbours.png"))


def test_equal_protocols_of_two_stores_share_a_column(tmp_path):
    for run in ("a", "b"):
        write_run(tmp_path / run / "runs" / run, BASELINE, 0, "0" * 64, snapshots=1, steps=100)
    (fd, _) = load(tmp_path / "a", tmp_path / "b").scores
    assert (fd.label, fd.differs) == ("FD[classifier]", ())


def retold(folder, file, **changes):
    """Change a JSON file of a run folder."""
    write(folder / file, json.loads((folder / file).read_text()) | changes)


def on_dataset(folder, name, protocol_id, fingerprint):
    """Let a run be one on another dataset."""
    retold(folder, "run.json", dataset={"name": name, "fingerprint": fingerprint})
    for file in (folder / "snapshots").glob("*/scores.json"):
        write(file, {"scores": [score(5.0, protocol_id=protocol_id)]})


def test_scores_of_several_datasets_are_told_apart_by_name(tmp_path):
    for i, (name, protocol_id) in enumerate([("mnist", "aaaa1111"), ("digits", "bbbb2222"), ("digits", "cccc3333")]):
        run = write_run(tmp_path / "runs" / f"{name}-{i}", BASELINE, i, f"{i}" * 64, snapshots=1, steps=100)
        on_dataset(run, name, protocol_id, name * 12)
    assert [(column.label, column.title) for column in load(tmp_path).scores] == [
        ("FD[classifier] on digits #bbbb", "FD[classifier] on digits #bbbb (2000 generated, 360 real)"),
        ("FD[classifier] on digits #cccc", "FD[classifier] on digits #cccc (2000 generated, 360 real)"),
        ("FD[classifier] on mnist", "FD[classifier] on mnist (2000 generated, 360 real)"),
    ]


def test_real_scores_of_other_datasets_are_left_out(tmp_path):
    write_run(tmp_path / "runs" / "a", BASELINE, 0, snapshots=1, steps=100)
    write(tmp_path / "real" / FINGERPRINT[:12] / "scores.json", {"scores": [score(0.6)]})
    write(tmp_path / "real" / "0123456789ab" / "scores.json", {"scores": [score(0.1, protocol_id="0ddba115")]})
    results = load(tmp_path)
    assert [column.label for column in results.scores] == ["FD[classifier]", "KID[classifier]"]
    assert results.real[["score", "value"]].values.tolist() == [["FD[classifier]", 0.6]]


def test_last_is_of_the_last_snapshot_or_empty(tmp_path):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, snapshots=2, steps=100)
    write(run / "snapshots" / "step-00000100" / "scores.json", {"scores": [kid(-0.1)]})
    row = load(tmp_path).runs.iloc[0]
    assert pd.isna(row["FD[classifier] last"])
    assert row["FD[classifier] best step"] == 50
    assert row["KID[classifier] last"] == -0.1
    (run / "snapshots" / "step-00000100" / "scores.json").unlink()
    assert pd.isna(load(tmp_path).runs.at[0, "KID[classifier] last"])


def grid_of(runs, **comparison):
    """A grid.json of these runs; `comparison` has the runs of its one level by seed."""
    levels = [{"label": "all", "reference": True, "runs": comparison}] if comparison else []
    comparisons = [{"title": "?", "levels": levels}] if levels else []
    return {"name": "g", "arguments": [], "runs": runs, "comparisons": comparisons}


def test_the_grid_says_which_runs_how_they_are_called_and_how_long_they_are(tmp_path):
    for name in ("a", "old"):
        write_run(tmp_path / "runs" / name, BASELINE, 0, snapshots=2, steps=100)
    runs = {"a": {"label": "dcgan, new", "steps": 50}, "b": {"label": "dcgan, new", "steps": 50}}
    write(tmp_path / "grid.json", grid_of(runs, **{"0": "a", "7": "b"}))
    write_tables(tmp_path)
    table = pd.read_csv(tmp_path / "results.csv")
    assert table[["run", "cell", "seed", "status"]].values.tolist() == [
        ["a", "dcgan, new", 0, "finished"],
        ["b", "dcgan, new", 7, "unfinished"],  # has no folder yet
    ]
    assert table["g_steps"][0] == 50
    assert load(tmp_path).curves["step"].max() == 50


@pytest.mark.parametrize(
    "grid", [grid_of({"a": 100}), {"comparisons": [{"title": "?", "levels": []}]}, {"name": 1}, grid_of({}, x="a")]
)
def test_a_grid_of_another_form_is_refused(tmp_path, grid):
    write(tmp_path / "grid.json", grid)
    with pytest.raises(GanBenchError, match=r"grid\.json is damaged: .*`gan-bench run`"):
        load(tmp_path)


def test_a_line_being_written_is_left_out(tmp_path):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, snapshots=1, steps=100)
    with (run / "curves.jsonl").open("a") as file:
        file.write('{"step": 125, "loss_')
    assert load(tmp_path).curves["step"].tolist() == [25, 50, 75, 100]


def test_null_and_missing_values(tmp_path):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, snapshots=2, steps=100)
    write(
        run / "snapshots" / "step-00000100" / "scores.json",
        {"scores": [{**score(0.0), "value": None, "error": "too few"}]},
    )
    row = load(tmp_path).runs.iloc[0]
    assert pd.isna(row["FD[classifier] last"])
    assert row["FD[classifier] best step"] == 50
    assert "too few" in set(load(tmp_path).snapshots["error"])


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", "{", "run.json is damaged"),
        ("result.json", "[1]", "result.json is damaged: it holds no JSON object"),
        ("result.json", "{}", "result.json is damaged: status: Field required"),
        (
            "result.json",
            '{"status": "done", "steps": 100}',
            "result.json is damaged: status: Input should be 'finished' or",
        ),
        ("result.json", '{"status": "finished", "steps": "all"}', "result.json is damaged: steps: "),
        ("result.json", '{"status": "finished"}', "result.json is damaged: a finished run has steps,"),
        (
            "run.json",
            '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
            "run.json is damaged: its values are nested too deeply",
        ),
        ("result.json", "", "result.json is damaged"),
        ("run.json", "[]", "run.json is damaged: it holds no JSON object"),
        ("run.json", '{"seed": "none"}', "run.json is damaged: seed: "),
        ("run.json", '{"settings": {"tricks": ["ema"]}}', "run.json is damaged: settings.tricks.0: "),
        ("run.json", '{"seed": 1000000000000000000000}', "run.json is damaged: seed: "),
        ("run.json", '{"networks": [1]}', "run.json is damaged: networks: "),
        ("run.json", '{"dataset": "digits"}', "run.json is damaged: dataset: "),
        ("curves.jsonl", "{}\n\0\n", "curves.jsonl is damaged"),
        ("curves.jsonl", '{"step": "25"}\n', "curves.jsonl is damaged: a line is no object with a step"),
        ("curves.jsonl", '{"step": 25, "loss_g": "1"}\n', "curves.jsonl is damaged: a value is no number"),
        ("snapshots/step-00000100/scores.json", '{"scores": [{}]}', "scores.json is damaged"),
        ("run.json", b"\xff\xfe", "run.json is damaged"),
    ],
)
def test_a_damaged_run_is_shown_with_its_reason(tmp_path, file, content, said):
    write_run(tmp_path / "runs" / "good", BASELINE, 0, "0" * 64, snapshots=1, steps=100)
    run = write_run(tmp_path / "runs" / "torn", BASELINE, 1, "1" * 64, snapshots=1, steps=100)
    (run / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    runs = load(tmp_path).runs.set_index("run")
    assert runs.at["good", "status"] == "finished"
    assert runs.at["torn", "status"] == "damaged"
    assert said in runs.at["torn", "reason"]
    write_tables(tmp_path)


def test_run_folders_that_have_only_begun(tmp_path):
    (tmp_path / "runs" / "new").mkdir(parents=True)
    (tmp_path / "runs" / ".beside").mkdir()
    runs = load(tmp_path).runs
    assert runs[["run", "status"]].values.tolist() == [["new", "unfinished"]]
    (tmp_path / "runs" / "new").rmdir()
    assert load(tmp_path).runs.empty
    write_tables(tmp_path)


def test_what_a_finished_run_said_of_its_health_is_not_found_out_again(tmp_path, monkeypatch):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, snapshots=1, steps=100)
    found = {"name": "collapsed", "step": 50, "evidence": "all alike"}
    result = json.loads((run / "result.json").read_text())
    write(run / "result.json", result | {"health": "collapsed", "diagnoses": [found]})
    monkeypatch.setattr(run_folders, "diagnose", lambda _: pytest.fail("it was"))
    results = load(tmp_path)
    assert results.runs["health"].tolist() == ["collapsed"]
    assert results.diagnoses.to_dict("records") == [{"run": "a", **found}]


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(GanBenchError, match="is no store"):
        load(tmp_path)
    (tmp_path / "grid.json").write_text("{")
    with pytest.raises(GanBenchError, match=r"grid\.json is damaged"):
        load(tmp_path)


def test_several_stores(store, tmp_path):
    other = write_store(tmp_path / "quickstart", seeds=1, snapshots=1, steps=100, trouble=False)
    results = load(store, other, store)
    assert list(results.stores) == ["quickstart", "quickstart (2)"]
    assert len(results.runs) == 21 + 7
    assert set(results.comparisons["run"]) == set(results.runs["run"])
    assert results.runs["run"].str.startswith(("quickstart/", "quickstart (2)/")).all()


def test_settings_as_text():
    assert flatten({"architecture": {"name": "dcgan", "depth": 2}, "tricks": [], "batch_size": 64}) == {
        "architecture": "dcgan",
        "architecture.depth": 2,
        "tricks": "no tricks",
        "batch_size": 64,
    }
    assert flatten({"tricks": [{"name": "label_noise", "amount": 0.05}, {"name": "ema"}]}) == {
        "tricks": "label_noise (amount 0.05) + ema"
    }


def test_torch_is_not_imported(store):
    code = f"import sys, gan_bench.findings.tables as r; r.load({str(store)!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
