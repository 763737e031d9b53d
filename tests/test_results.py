"""Stores read as tables, whole and damaged."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
from fake_store import BASELINE, kid, score, write, write_run, write_store

from gan_bench.errors import GanBenchError
from gan_bench.results import column_title, load, write_tables
from gan_bench.settings_text import flatten, tricks_text


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
    assert set(runs["cell"]) >= {"fcgan, no tricks", "dcgan, depth 2, ema(decay 0.999)", "dcgan, depth 3, no tricks"}


def test_last_and_best_come_from_the_files(store):
    results = load(store)
    for row in results.runs.to_dict("records"):
        files = sorted((store / "runs" / row["run"] / "snapshots").glob("*/scores.json"))
        values = {int(f.parent.name[5:]): json.loads(f.read_text())["scores"][0]["value"] for f in files}
        assert row["FD[classifier] last"] == values[max(values)]
        assert row["FD[classifier] best"] == min(values.values())
        assert values[row["FD[classifier] best step"]] == row["FD[classifier] best"]


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
    assert column_title(score(1.0)) == "FD[classifier] (2000 generated, 360 real)"
    assert column_title({"label": "FD[x]", "protocol": {}}) == "FD[x]"


def test_two_protocols_are_two_columns(tmp_path):
    a = write_run(tmp_path / "runs" / "a", BASELINE, 0, "0" * 64, snapshots=1, steps=100)
    write_run(tmp_path / "runs" / "b", BASELINE, 1, "1" * 64, snapshots=1, steps=100)
    write(a / "snapshots" / "step-00000100" / "scores.json", {"scores": [score(7.0, 500, "ffee0011"), kid(-0.1)]})
    runs = load(tmp_path).runs.set_index("run")
    assert runs.at["a", "FD[classifier] #ffee last"] == 7.0
    assert pd.isna(runs.at["a", "FD[classifier] #a1b2 last"])
    assert runs.at["a", "KID[classifier] last"] == -0.1
    assert load(tmp_path).scores[0].title == "FD[classifier] (500 generated, 360 real) #ffee"


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
        ("result.json", "{}", "a file lacks 'status'"),
        ("curves.jsonl", "{}\n\0\n", "curves.jsonl is damaged"),
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


def test_run_folders_that_have_only_begun(tmp_path):
    (tmp_path / "runs" / "new").mkdir(parents=True)
    (tmp_path / "runs" / ".beside").mkdir()
    runs = load(tmp_path).runs
    assert runs[["run", "status"]].values.tolist() == [["new", "unfinished"]]
    (tmp_path / "runs" / "new").rmdir()
    assert load(tmp_path).runs.empty
    write_tables(tmp_path)


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
        "tricks": "none",
        "batch_size": 64,
    }
    assert tricks_text([{"name": "label_noise", "amount": 0.05}, {"name": "ema"}]) == "label_noise(amount 0.05) + ema"


def test_torch_is_not_imported(store):
    code = f"import sys, gan_bench.results as r; r.load({str(store)!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
