"""What the command tells of its speed."""

from __future__ import annotations

import json
import time

import pandas as pd
import pytest
from stores import GRID, gan_bench, run_folders, write_grid

from gan_bench.store.documents import Session
from gan_bench.training.meters import Clock
from gan_bench.workers.events import Advanced, Failed, Finished, Returned, Started
from gan_bench.workers.speed import Speed, speed_text, write_speed


def test_a_session_adds_up_its_runs():
    speed = Speed(2, {"a": 1250.0, "b": 100.0}, began=time.monotonic() - 10)
    speed(Started("a", 50, images=500))  # trained before
    speed(Advanced("a", 150, images=1500, means={}, diagnoses={}))
    speed(Returned("a", seconds={"training": 1.0}))  # goes on from its checkpoint, elsewhere
    speed(Started("a", 100, images=1000))
    speed(Finished("a", images=2500, seconds={"training": 5.0, "evaluation": 2.0}))
    speed(Started("b", 0, images=0))
    speed(Failed("b", "a fault", images=500, seconds={"training": 4.0, "checkpoints": 1.0}))
    summary = speed.summary()
    assert summary.images == 2000 + 500 + 500  # the step back to the checkpoint was trained twice
    assert summary.images_per_second == pytest.approx(300, rel=0.01)
    assert summary.share_of_peak == pytest.approx((2500 / 1250 + 500 / 100) / 20, rel=0.01)
    shares = {"training": 0.5, "evaluation": 0.1, "checkpoints": 0.05, "waiting": 0.35}
    assert summary.time == pytest.approx(shares, rel=0.01)
    assert speed_text(summary).startswith("3,000 images in 10 s: 300 images/s, 35% of the peak of 2 processes")


def test_runs_that_share_a_process_have_shares_of_their_time():
    speed = Speed(1, {"a": 1.0, "b": 1.0}, began=time.monotonic() - 10)
    for run in "ab":
        speed(Finished(run, images=5, seconds={"training": 9.0, "evaluation": 1.0}))
    assert speed.summary().time == pytest.approx(
        {"training": 0.9, "evaluation": 0.1, "checkpoints": 0, "waiting": 0}, abs=0.001
    )


def test_sessions_are_appended_and_a_damaged_file_is_begun_anew(tmp_path):
    one, two, three = (Speed(count, {}).summary() for count in (1, 2, 3))
    write_speed(tmp_path, one)
    write_speed(tmp_path, two)
    assert json.loads((tmp_path / "speed.json").read_text()) == {"sessions": [one.as_json(), two.as_json()]}
    for damaged in ("{", "{}", "[]", '{"sessions": 3}', '{"sessions": [{"n": 1}]}'):
        (tmp_path / "speed.json").write_text(damaged)
        write_speed(tmp_path, three)
        assert json.loads((tmp_path / "speed.json").read_text()) == {"sessions": [three.as_json()]}


def test_a_clock_goes_on_over_sessions():
    first = Clock()
    first.start()
    with first.running("evaluation"):
        time.sleep(0.05)
    second = Clock(first.seconds())
    assert second.seconds()["evaluation"] >= 0.05
    assert second.session()["evaluation"] == 0
    assert second.training >= 0


@pytest.mark.slow
def test_results_and_report_tell_rates_shares_and_where_the_time_went(tmp_path):
    gan_bench("run", write_grid(tmp_path, GRID), cwd=tmp_path)
    store = tmp_path / "runs" / "toy"
    runs = pd.read_csv(store / "results.csv")
    result = json.loads((run_folders(store)[0] / "result.json").read_text())
    row = runs.set_index("run").loc[run_folders(store)[0].name]
    assert set(result["time"]) == {"training", "evaluation", "checkpoints", "waiting"}
    assert row["seconds"] == pytest.approx(result["seconds"])
    assert row["images_per_second"] == pytest.approx(result["images"] / result["time"]["training"])
    assert row["evaluation_seconds"] == result["time"]["evaluation"] > 0
    assert 0 < row["share_of_peak"] < 1
    (session,) = json.loads((store / "speed.json").read_text())["sessions"]
    assert session["images"] == runs["images"].sum()
    assert sum(session["time"].values()) == pytest.approx(1)
    assert speed_text(Session(**session)) in (store / "report.html").read_text()
