"""Adding seeds until comparisons are settled: which looks there are, and how often what is said at them is wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from stores import assert_equal_stores, command, gan_bench, write_grid
from tables import findings, verdicts

from gan_bench.commands.until_settled import ending, grown, state
from gan_bench.errors import GanBenchError
from gan_bench.planning.looks import first_looks, kept_looks
from gan_bench.stats.paired import finding_of, paired_difference
from gan_bench.stats.sequential import Look, at_look, next_look, seeds_of, share, with_look

CELLS = [(a, b) for a in ("one", "two") for b in ("x", "y")]


def looks_of(*sizes: int) -> list[Look]:
    """Looks at so many seeds."""
    looks, seen = [], 0
    for size in sizes:
        looks, seen = with_look(looks, range(seen, size)), size
    return looks


def grid_of(*seeds: int, titles: tuple[str, ...] = ("A",)):
    return SimpleNamespace(seeds=seeds, comparisons=[SimpleNamespace(title=title) for title in titles])


def test_shares_of_all_looks_sum_to_one():
    assert [share(1), share(2)] == pytest.approx([0.2, 0.16])
    assert math.fsum(share(look) for look in range(1, 200)) == pytest.approx(1)


def test_looks_have_half_as_many_seeds_again_and_stop_at_the_limit():
    looks = with_look([], range(6))
    for _ in range(9):
        looks = next_look(looks, 30)
    assert [len(seeds_of(looks[: i + 1])) for i in range(len(looks))] == [6, 9, 14, 21, 30]
    assert seeds_of(looks) == list(range(30))
    assert [len(look.seeds) for look in next_look(looks, 50)][-1] == 15  # the limit was raised
    assert next_look(with_look([], [3, 9, 4, 5, 6, 7]), 30)[1].seeds == (10, 11, 12)


def test_the_first_look_has_the_grids_seeds_and_six_at_least():
    assert first_looks(grid_of(0, 1), {}, 30) == {"A": looks_of(6)}
    assert first_looks(grid_of(*range(8)), {}, 30) == {"A": looks_of(8)}
    assert first_looks(grid_of(0, 1), {"A": looks_of(6, 9)}, 30) == {"A": looks_of(6, 9)}
    with pytest.raises(GanBenchError, match="raise --most-seeds"):
        first_looks(grid_of(*range(8)), {}, 7)


def test_at_a_look_p_and_interval_are_those_of_its_share():
    d = np.random.default_rng(0).normal(0.5, 1, 9)
    plain = finding_of(tuple(range(9)), d, "raw", "lower")
    looked = at_look(plain, 2, share(2))
    assert looked.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue / 0.16)
    reference = stats.ttest_1samp(d, 0).confidence_interval(1 - 0.05 * 0.16)
    assert looked.interval == pytest.approx(tuple(reference))
    assert (looked.mean, looked.look) == (plain.mean, 2)
    assert at_look(finding_of((), np.array([]), "raw", "lower"), 1, 0.2).p is None


def store_with(folder, seeds: range, looks: list[Look] | None = None, ended: bool = True):
    """A store whose comparison A has two levels."""
    folder.mkdir(parents=True, exist_ok=True)
    levels = []
    for level in ("x", "y"):
        runs = {str(seed): f"{level}-{seed}" for seed in seeds}
        for run in runs.values():
            (folder / "runs" / run).mkdir(parents=True, exist_ok=True)
            if ended:
                (folder / "runs" / run / "result.json").write_text("{}")
        levels.append({"label": level, "reference": level == "x", "runs": runs})
    comparison = {"title": "A", "levels": levels, **({"looks": [look.facts() for look in looks]} if looks else {})}
    (folder / "grid.json").write_text(json.dumps({"seeds": [0, 1, 2, 3, 4, 5], "comparisons": [comparison]}))
    return folder


def kept(grid, store, levels=("x", "y")):
    runs = {seed: [f"{level}-{seed}" for level in levels] for seed in grid.seeds}
    return kept_looks(grid, store, {comparison.title: runs for comparison in grid.comparisons})


def test_what_a_later_command_makes_of_the_seeds_that_there_are(tmp_path):
    assert kept(grid_of(0, 1), tmp_path) == {}
    grown_store = store_with(tmp_path / "grown", range(9), looks_of(6, 9))
    assert kept(grid_of(*range(6)), grown_store) == {"A": looks_of(6, 9)}  # a plain `run` keeps what was added
    assert kept(grid_of(*range(12)), grown_store) == {"A": looks_of(6, 9, 12)}  # --seeds 0-11: one more look
    assert kept(grid_of(*range(4)), grown_store) == {}  # fewer, or others: another experiment
    assert kept(grid_of(*range(20, 30)), grown_store) == {}
    assert kept(grid_of(*range(12)), grown_store, ["x-of-another-learning-rate"]) == {}


def test_a_comparison_with_another_title_keeps_its_looks(tmp_path):
    store = store_with(tmp_path, range(9), looks_of(6, 9))
    renamed, both = grid_of(*range(6), titles=("B",)), grid_of(*range(6), titles=("B", "A"))
    assert kept(renamed, store) == {"B": looks_of(6, 9)}
    assert kept(grid_of(*range(12), titles=("B",)), store) == {"B": looks_of(6, 9, 12)}
    assert kept(both, store) == {"A": looks_of(6, 9), "B": looks_of(6, 9)}  # what the second one compares was seen, too
    assert kept(renamed, store, ["x", "y", "z"]) == {"B": looks_of(6, 9)}
    assert kept(renamed, store, ["x", "z"]) == {}  # of which no pair was seen


def test_comparisons_that_exchange_their_titles_keep_their_own_looks(tmp_path):
    store = store_with(tmp_path, range(9), looks_of(6, 9))
    document = json.loads((store / "grid.json").read_text())
    (first,) = document["comparisons"]
    levels = [
        {**level, "runs": {seed: f"other-{run}" for seed, run in level["runs"].items()}} for level in first["levels"]
    ]
    document["comparisons"].append({"title": "B", "levels": levels})
    (store / "grid.json").write_text(json.dumps(document))
    runs = {seed: [f"x-{seed}", f"y-{seed}"] for seed in range(6)}
    others = {seed: [f"other-{run}" for run in own] for seed, own in runs.items()}
    assert kept_looks(grid_of(*range(6)), store, {"A": others, "B": runs}) == {"B": looks_of(6, 9)}


def test_seeds_added_by_hand_are_a_look_if_there_was_anything_to_see(tmp_path):
    tested = store_with(tmp_path / "tested", range(6))
    assert kept(grid_of(*range(6)), tested) == {}
    assert kept(grid_of(*range(10)), tested) == {"A": looks_of(6, 10)}
    few = store_with(tmp_path / "few", range(3))
    assert kept(grid_of(*range(10)), few) == {}  # under six seeds nothing was tested
    broken_off = store_with(tmp_path / "broken", range(6), ended=False)
    assert kept(grid_of(*range(10)), broken_off) == {}
    begun = store_with(tmp_path / "begun", range(6), looks_of(6))
    for seed in (6, 7, 8):  # the second look was stopped before its runs had ended
        (begun / "runs" / f"x-{seed}").mkdir()
    facts = json.loads((begun / "grid.json").read_text())
    facts["comparisons"][0]["levels"][0]["runs"] |= {str(seed): f"x-{seed}" for seed in (6, 7, 8)}
    facts["comparisons"][0]["looks"] = [look.facts() for look in looks_of(6, 9)]
    (begun / "grid.json").write_text(json.dumps(facts))
    assert kept(grid_of(*range(12)), begun) == {"A": looks_of(6, 12)}


def cells_with(effect: float, n: int, rng, name: str = "ema") -> dict[tuple[str, ...], dict[int, float]]:
    reference = np.exp(rng.normal(size=n))
    level = reference * np.exp(effect + 0.1 * rng.normal(size=n))
    return {(f"not {name}",): dict(enumerate(reference)), (name,): dict(enumerate(level))}


def test_only_open_comparisons_get_more_seeds_until_the_limit():
    rng = np.random.default_rng(0)
    data = {"A": cells_with(-2.0, 6, rng), "B": cells_with(0.0, 6, rng, "lr")}
    looks = {"A": looks_of(6), "B": looks_of(6)}
    found = {c.title: c for c in findings(data, looks=looks, words=True)}
    assert (state(found["A"]), state(found["B"])) == ("settled", "open")
    more = grown(found, looks, 30)
    assert more == {"A": looks_of(6), "B": looks_of(6, 9)}
    assert grown(found, looks, 6) == looks
    assert ending(found, looks, 6) == [
        "A Settled with 6 seeds.",
        "B Still open with 6 seeds, the most that were asked for (--most-seeds 6).",
    ]
    said = found["A"].answers[0].sentence
    assert said.startswith(
        "ema is better than not ema: FD (2000 generated, 360 real) is 87 % lower in the geometric mean"
    )
    assert said.endswith("Look 1 (seeds may be added): interval and p hold at every look.")
    unfinished = {"A": data["A"], "B": {**data["B"], ("lr",): {**data["B"]["lr",], 3: math.nan}}}
    stuck = {c.title: c for c in findings(unfinished, looks=looks)}
    assert state(stuck["B"]) == "stuck"
    assert grown(stuck, looks, 30) == looks


def test_a_look_counts_once_all_of_its_runs_have_ended():
    """What is read while seeds 6 to 8 still train is what their predecessors said, failures of the new ones left out."""
    rng = np.random.default_rng(1)
    data = cells_with(-0.3, 9, rng)
    first = findings(
        {"A": {cell: {s: own[s] for s in range(6)} for cell, own in data.items()}}, looks={"A": looks_of(6)}
    )
    data["ema",] |= {7: math.nan, 8: None}
    (between,) = findings({"A": data}, looks={"A": looks_of(6, 9)}, words=True)
    assert between.answers[0].finding == first[0].answers[0].finding
    assert between.answers[0].sentence.endswith(" Not finished: seed 7 of ema.")
    data["ema",][7] = 0.5
    (then,) = findings({"A": data}, looks={"A": looks_of(6, 9)}, words=True)
    assert (then.answers[0].finding.look, then.answers[0].finding.failures) == (2, (1, 0))
    assert "Seed 8 of ema failed" in then.answers[0].sentence


def test_before_the_first_look_is_complete_there_is_no_verdict():
    data = cells_with(-2.0, 8, np.random.default_rng(2))
    data["ema",][7] = math.nan
    for looks in (None, {"A": looks_of(8)}):
        (found,) = findings({"A": data}, looks=looks, words=True)
        assert found.answers[0].verdict == "not tested"
        assert "There is no verdict before all of these runs have ended." in found.answers[0].sentence


def test_equal_runs_are_one_test_though_one_comparison_has_stopped_before_the_other():
    rng = np.random.default_rng(3)
    data = cells_with(-2.0, 9, rng) | {("open",): dict(enumerate(np.exp(rng.normal(size=9))))}
    short = {cell: {s: own[s] for s in range(6)} for cell, own in data.items() if cell != ("open",)}
    looks = {"A": looks_of(6), "B": looks_of(6, 9)}
    a, b = findings({"A": short, "B": data}, looks=looks)
    assert [answer.finding.family for answer in (*a.answers, *b.answers)] == [2, 2, 2]
    assert a.answers[0].finding.corrected == b.answers[0].finding.corrected == pytest.approx(2 * a.answers[0].finding.p)
    assert b.answers[0].finding.p < a.answers[0].finding.p


def test_p_and_interval_hold_over_five_looks_and_fixed_ones_do_not():
    """Of 400 levels without an effect, tested at 6, 9, 14, 21 and 30 seeds: fixed p values find one in about 15 %."""
    rng, trials, sizes = np.random.default_rng(4), 400, (6, 9, 14, 21, 30)
    naive = wrong = missed = 0
    for d in rng.normal(size=(trials, sizes[-1])):
        plain = [finding_of(tuple(range(n)), d[:n], "raw", "lower") for n in sizes]
        looked = [at_look(finding, k, share(k)) for k, finding in enumerate(plain, 1)]
        naive += any(finding.p <= 0.05 for finding in plain)
        wrong += any(finding.p <= 0.05 for finding in looked)
        missed += any(not finding.interval[0] <= 0 <= finding.interval[1] for finding in looked)
    assert naive / trials > 0.1
    assert wrong / trials <= 0.05
    assert missed == wrong  # the interval excludes 0 exactly where p is below 0.05


def test_ranks_hold_over_looks_too():
    """Runs fail at random, alike in both levels: the verdict comes from ranks at every look."""
    rng, trials, sizes = np.random.default_rng(5), 300, (6, 9, 14)
    wrong = 0
    for _ in range(trials):
        x, y = np.exp(rng.normal(size=(2, sizes[-1])))
        failed = rng.random((2, sizes[-1])) < 0.2
        found = []
        for k, n in enumerate(sizes, 1):
            level, reference = ({s: v[s] for s in range(n) if not f[s]} for v, f in zip((x, y), failed, strict=True))
            fails = tuple([s for s in range(n) if f[s]] for f in failed)
            found.append(at_look(paired_difference(level, reference, "log", "lower", fails), k, share(k)).verdict)
        wrong += bool({"better", "worse"} & set(found))
    assert wrong / trials <= 0.05


def grow(cells, most: int = 21) -> tuple[list, list[Look]]:
    """All of what `run --until-settled` does with a comparison, its runs being known; the findings of each look."""
    looks, seen = {"A": looks_of(6)}, []
    while True:
        seeds = seeds_of(looks["A"])
        found = findings({"A": {cell: {s: own[s] for s in seeds} for cell, own in cells.items()}}, looks=looks)
        seen.append(found)
        more = grown({"A": found[0]}, looks, most)
        if more == looks:
            return seen, looks["A"]
        looks = more


@pytest.mark.slow
def test_under_no_effect_at_most_one_growing_report_in_twenty_has_a_finding():
    """As in tests/whole/test_no_effect.py, with seeds added: no report at any look may say more often than in 5 % what is not so.

    All intervals of the store that are ever printed cover in the same 95 %, each level by itself.
    """
    rng, reports, wrong = np.random.default_rng(1), 120, 0
    missed, levels = 0, 0
    for _ in range(reports):
        luck = rng.normal(size=21)
        cells = {cell: dict(enumerate(np.exp(luck + rng.normal(size=21)))) for cell in CELLS}
        seen, _ = grow(cells)
        wrong += any({"better", "worse"} & set(verdicts(found).values()) for found in seen)
        for i in range(3):
            intervals = [found[0].answers[i].finding.interval for found in seen]
            missed += any(not low <= 0 <= high for low, high in intervals)
            levels += 1
    print(f"{wrong} of {reports} reports, {missed} of {levels} levels")
    assert wrong <= 0.05 * reports
    assert missed <= 0.05 * levels


@pytest.mark.slow
def test_known_effects_are_settled_with_as_many_seeds_as_they_take():
    rng = np.random.default_rng(2)
    used = {}
    for effect in (2.0, 1.2):
        right, sizes = 0, []
        for _ in range(40):
            reference = rng.normal(size=30)
            level = reference + effect + rng.normal(size=30)
            cells = {("x",): dict(enumerate(np.exp(reference))), ("y",): dict(enumerate(np.exp(level)))}
            seen, looks = grow(cells, 30)
            right += seen[-1][0].answers[0].verdict == "worse"
            sizes.append(len(seeds_of(looks)))
        used[effect] = float(np.mean(sizes))
        print(effect, right / 40, used[effect])
        assert right / 40 >= 0.9
    assert used[2.0] < 9 < used[1.2] < 21


ENDLESS = {"seeds": "seeds = [0, 1]", "steps": "steps = 8", "samples": "samples = 32", "snapshots": "snapshots = 1"}


@pytest.mark.slow
def test_run_until_settled_trains_what_is_missing_and_says_how_it_ended(tmp_path):
    file = write_grid(tmp_path, **ENDLESS)
    said = gan_bench("run", file, "--until-settled", "--most-seeds", 7, cwd=tmp_path).output
    assert "adding seed 6" in said or "Settled with 6 seeds" in said
    assert "seeds." in said or "the most that were asked for (--most-seeds 7)" in said
    store = tmp_path / "runs" / "toy"
    looks = json.loads((store / "grid.json").read_text())["comparisons"][0]["looks"]
    assert looks[0] == {"seeds": [0, 1, 2, 3, 4, 5], "share": 0.2}
    assert len(list((store / "runs").glob("dcgan-*"))) == 2 * sum(len(look["seeds"]) for look in looks)
    gan_bench("run", file, "--most-seeds", 7, cwd=tmp_path, code=2)
    gan_bench("run", file, "--until-settled", "--only", "ema", cwd=tmp_path, code=2)


@pytest.mark.slow
def test_a_killed_command_goes_on_with_the_same_looks(tmp_path):
    settings = ENDLESS | {"steps": "steps = 60"}
    whole = write_grid(tmp_path / "whole", **settings)
    gan_bench("run", whole, "--until-settled", "--most-seeds", 9, cwd=tmp_path / "whole")
    file = write_grid(tmp_path / "killed", **settings)
    arguments = command("run", file, "--until-settled", "--most-seeds", 9)
    runs = tmp_path / "killed" / "runs" / "toy" / "runs"
    for target in (3, 13):  # in the first look, and in the second
        process = subprocess.Popen(arguments, cwd=tmp_path / "killed", start_new_session=True)
        deadline = time.monotonic() + 240
        while len(list(runs.glob("dcgan-*/run.json"))) < target and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(arguments, cwd=tmp_path / "killed", check=True)
    assert_equal_stores(tmp_path / "whole" / "runs" / "toy", tmp_path / "killed" / "runs" / "toy")
    one, two = (json.loads((tmp_path / name / "runs/toy/grid.json").read_text()) for name in ("whole", "killed"))
    assert one["comparisons"] == two["comparisons"]
