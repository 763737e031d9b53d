"""The whole chain from run folders to the page's sentences, under no effect at all and under known ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load

SEEDS = 6


def write_store(
    store: Path, levels: dict[tuple[str, str], list[float]], same: tuple[tuple[str, str], ...] = ()
) -> Path:
    """A store whose runs have nothing but scores: one comparison of two axes. Those of `same` are the first level's runs."""
    runs: dict[tuple[str, str], dict[str, str]] = {}
    for cell, values in levels.items():
        runs[cell] = {str(seed): f"{'-'.join(cell)}-{seed}".replace(" ", "_") for seed in range(len(values))}
        for seed, value in enumerate(values):
            folder = store / "runs" / runs[cell][str(seed)]
            snapshot = folder / "snapshots" / "step-00000100"
            snapshot.mkdir(parents=True)
            row = {"step": 100, "d_steps": 100, "images": 6400, "seconds": 1.0}
            score = {
                "metric": "fid",
                "label": "FD",
                "value": value,
                "protocol_id": "0",
                "better": "lower",
                "scale": "log",
            }
            (snapshot / "scores.json").write_text(json.dumps({**row, "scores": [score]}))
            (folder / "run.json").write_text(json.dumps({"seed": seed, "settings": {"tricks": []}}))
            (folder / "result.json").write_text(json.dumps({"status": "finished", "steps": 100, **row}))
    first = next(iter(runs))
    entries = [
        {
            "label": ", ".join(cell),
            "values": dict(zip(("a", "b"), cell, strict=True)),
            "reference": cell == first,
            "runs": runs[first] if cell in same else runs[cell],
        }
        for cell in levels
    ]
    facts = {
        "name": "null",
        "arguments": [],
        "seeds": list(range(SEEDS)),
        "runs": {run: {"label": run, "steps": 100} for own in runs.values() for run in own.values()},
        "comparisons": [{"title": "Which?", "axes": ["a", "b"], "budget": "steps", "levels": entries}],
    }
    (store / "grid.json").write_text(json.dumps(facts))
    return store


def verdicts(store: Path) -> dict[str, str]:
    """By what is compared: levels, main effects and interactions."""
    (comparison,) = compare(load(store))
    found = {entry.level.label: entry.verdict for entry in comparison.answers}
    return found | {effect.change: effect.finding.verdict for effect in comparison.effects}


CELLS = [(a, b) for a in ("one", "two") for b in ("x", "y")]


def test_equal_runs_under_two_labels_are_no_finding(tmp_path):
    rng = np.random.default_rng(0)
    levels = {cell: list(np.exp(rng.normal(size=SEEDS))) for cell in CELLS}
    found = verdicts(write_store(tmp_path / "store", levels, same=(("two", "x"),)))
    assert found["two, x"] == "no difference can be told"
    assert found.keys() == {"one, y", "two, x", "two, y", "two", "y", "two together with y"}


def test_known_effects_are_found(tmp_path):
    rng = np.random.default_rng(0)
    effects = {("one", "x"): 0.0, ("one", "y"): -1.0, ("two", "x"): 0.0, ("two", "y"): 1.0}
    levels = {cell: list(np.exp(effect + rng.normal(0, 0.1, SEEDS))) for cell, effect in effects.items()}
    found = verdicts(write_store(tmp_path / "store", levels))
    assert (found["one, y"], found["two, y"], found["two, x"]) == ("better", "worse", "no difference can be told")
    assert (found["two"], found["two together with y"]) == ("worse", "worse")
    (comparison,) = compare(load(tmp_path / "store"))
    by_change = {effect.change: effect for effect in comparison.effects}
    assert (
        "It depends on the other axis, −64 % with one and +209 % with two: read these, not their mean."
        in by_change["y"].sentence
    )


@pytest.mark.slow
def test_under_no_effect_at_most_one_report_in_twenty_has_a_finding(tmp_path):
    """Were each of the 7 tests of a report made at 5 %, about 20 % of reports would have a finding: 60 of them tell.

    `test_known_effects.py` has more reports, of tables that are on no disk.
    """
    rng, reports, wrong = np.random.default_rng(1), 60, 0
    for i in range(reports):
        luck = rng.normal(size=SEEDS)  # of a seed, in all cells
        levels = {cell: list(np.exp(luck + rng.normal(size=SEEDS))) for cell in CELLS}
        found = verdicts(write_store(tmp_path / f"store{i}", levels))
        wrong += bool({"better", "worse"} & set(found.values()))
    print(f"{wrong} of {reports} reports")
    assert wrong <= 0.05 * reports + 2 * (0.05 * 0.95 * reports) ** 0.5  # two standard errors of the simulation
