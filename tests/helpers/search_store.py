"""A synthetic store of a search: draws of a learning rate for two levels, and the runs of the best ones, made without training.

python tests/helpers/search_store.py FOLDER [DRAWS]    writes one to look at
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from fake_store import BASELINE, FINGERPRINT, moment, run_document, sample_grid, score, write, write_curves

SELECTION = "11aa22bb"  # id of the protocol that chooses
TITLE = "Which network?"
LEVELS = {"dcgan": 1.0, "fcgan": 1.6}  # quality at the best learning rate; lower is better
SEARCH_SEED = 1000


def drawn_rates(draws: int) -> list[float]:
    """The learning rates of so many draws."""
    return [float(f"{10**u:.3g}") for u in np.random.default_rng(1).uniform(-5, -1, draws)]


def true_score(level: str, rate: float) -> float | None:
    """What a learning rate is worth to a level; None: it does not train."""
    return None if rate > 0.03 else LEVELS[level] * (5 + 8 * (np.log10(rate) + 3.2) ** 2)


def write_search(store: Path, draws: int = 24, seeds: int = 6, ended: int | None = None, tested: bool = True) -> Path:
    """Write a store: of each level so many draws, of which the first `ended` have; with `tested`, the second stage too."""
    rates = drawn_rates(draws)
    runs: dict[str, dict[str, Any]] = {}
    levels, compared = [], []
    for name in LEVELS:
        made = []
        for number, rate in enumerate(rates):
            run = f"{name}-{SEARCH_SEED}-{number:012x}"
            runs[run] = {"label": f"{name}, lr {rate:g}", "steps": 100}
            if ended is None or number < ended:
                _run(store / "runs" / run, name, rate, SEARCH_SEED, true_score(name, rate), half="selection")
            made.append({"values": {"optimizer.lr": rate}, "runs": {str(SEARCH_SEED): run}})
        scores = [true_score(name, rate) for rate in rates]
        best = min(range(draws), key=lambda number: (scores[number] is None, scores[number] or 0))
        chosen = {"chosen": best} if tested else {}
        choosing = {"label": "FD[classifier]", "protocol_id": SELECTION}
        levels.append({"label": name, "levels": {TITLE: name}, "score": choosing, "draws": made, **chosen})
        own = {}
        for seed in range(seeds if tested else 0):
            run = own[str(seed)] = f"{name}-{seed}-{best + 1000:012x}"
            runs[run] = {"label": name, "steps": 100}
            found = float((scores[best] or 0) * (1.1 + 0.02 * np.random.default_rng(seed).normal()))
            _run(store / "runs" / run, name, rates[best], seed, found, half="test")
        compared.append({"label": name, "values": {"architecture": name}, "reference": name == "dcgan", "runs": own})
    comparisons = [{"title": TITLE, "axes": ["architecture"], "levels": compared}] if tested else []
    search = {"seed": 0, "seeds": [SEARCH_SEED], "to_come": 0 if tested else 2 * seeds, "levels": levels}
    columns = [_score(1.0, half)["protocol_id"] for half in ("test", "selection")]
    scored = [{"label": "FD[classifier]", "protocol_id": one} for one in columns]
    grid = {"name": "searched", "arguments": ["grid.toml"], "seeds": list(range(seeds)), "runs": runs}
    write(
        store / "grid.json",
        {**grid, "comparisons": comparisons, "scores": [{**scored[0], "headline": 0}, scored[1]], "search": search},
    )
    write(store / "real" / FINGERPRINT[:12] / "scores.json", {"scores": [_score(0.6, "test")]})
    (store / "grid.toml").write_text('name = "searched"\n')
    return store


def _score(value: float, half: str) -> dict[str, Any]:
    found = score(value, protocol_id=SELECTION if half == "selection" else "33cc44dd")
    split = {"split": f"{half} half of held out", "real": 180}
    return {**found, "protocol": {**found["protocol"], **split}}


def _run(folder: Path, name: str, rate: float, seed: int, value: float | None, half: str) -> None:
    settings = {**BASELINE, "architecture": {"name": name, "depth": 2, "width": 32}}
    settings["optimizer"] = {**BASELINE["optimizer"], "lr": rate}
    write(folder / "run.json", run_document(folder.name, settings, seed, "0" * 64, 100, 1))
    write_curves(folder / "curves.jsonl", 100, 1.0, np.random.default_rng(seed))
    facts = moment(100)
    if value is None:
        failed = {"status": "failed", "reason": "the generator's loss is NaN at step 100"}
        write(folder / "result.json", {**{k: v for k, v in facts.items() if k != "step"}, "steps": 100, **failed})
        return
    snapshot = folder / "snapshots" / "step-00000100"
    write(snapshot / "scores.json", {**facts, "scores": [_score(value, half)]})
    (snapshot / "samples.png").write_bytes(sample_grid(0.1, seed))
    write(
        folder / "result.json", {**{k: v for k, v in facts.items() if k != "step"}, "steps": 100, "status": "finished"}
    )


if __name__ == "__main__":
    write_search(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24)
