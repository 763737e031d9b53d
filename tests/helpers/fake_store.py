"""A synthetic store in exactly the format of docs/run-folder.md, made without training.

python tests/helpers/fake_store.py FOLDER [SEEDS]    writes one to look at
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from gan_bench.grid.labels import tricks_text

WINDOW = 25
FINGERPRINT = "ab" * 32  # of the dataset
PROTOCOL = {"features": {"name": "classifier", "accuracy": 0.967}, "generated": 2000, "real": 360, "split": "held out"}
READ: dict[str, Any] = {  # what the dataset was found to be
    "class_counts": {
        "training": [142, 146, 142, 146, 145, 145, 145, 143, 139, 144],
        "held_out": [36, 36, 35, 37, 36, 37, 36, 36, 35, 36],
    },
    "reading": {
        "found": 1799,
        "treatment": "bicubic with antialiasing to 16x16",
        "notes": ["The folders train and test are the parts."],
        "counts": {"mode": {"L": 1797}},
        "different": {"mode": 1},
        "ranges": {"width": [8, 8], "height": [8, 8]},
        "left_out": [
            {"reason": "unreadable", "count": 2, "examples": ["1.png: truncated", "2.png: no picture"]},
            {"reason": "with an unknown ending (.heic)", "count": 30, "examples": ["3.heic"]},
        ],
        "equal": {"training": 4, "held_out": 0, "across": 1},
        "near": None,
    },
}
BASELINE: dict[str, Any] = {
    "dataset": {"name": "digits", "size": 16},
    "architecture": {"name": "dcgan", "latent": 64, "depth": 2, "width": 32},
    "tricks": [],
    "optimizer": {"name": "adam", "lr": 2e-4, "betas": [0.5, 0.999]},
    "batch_size": 64,
}
FCGAN = {"name": "fcgan", "latent": 64, "depth": 3, "width": 256}
NOISE, EMA = {"name": "label_noise", "amount": 0.05}, {"name": "ema", "decay": 0.999}

# Title, axes, and levels: label, values, replaced settings, quality (1 is the baseline's; lower is better).
COMPARISONS: list[tuple[str, list[str], list[tuple[str, dict[str, Any], dict[str, Any], float]]]] = [
    (
        "Convolutional or fully connected?",
        ["architecture"],
        [
            ("dcgan", {"architecture": "dcgan"}, {}, 1.0),
            ("fcgan", {"architecture": "fcgan"}, {"architecture": FCGAN}, 1.9),
        ],
    ),
    (
        "Which tricks help?",
        ["tricks"],
        [
            ("no tricks", {"tricks": []}, {}, 1.0),
            ("label_noise (amount 0.05)", {"tricks": ["label_noise"]}, {"tricks": [NOISE]}, 1.02),
            ("ema", {"tricks": ["ema"]}, {"tricks": [EMA]}, 0.7),
            ("label_noise (amount 0.05) + ema", {"tricks": ["label_noise", "ema"]}, {"tricks": [NOISE, EMA]}, 0.75),
        ],
    ),
    (
        "Do more layers help?",
        ["architecture.depth"],
        [
            (f"depth {d}", {"architecture.depth": d}, {"architecture": {**BASELINE["architecture"], "depth": d}}, q)
            for d, q in ((1, 1.35), (2, 1.0), (3, 0.93))
        ],
    ),
]


def write_store(
    store: Path, seeds: int = 3, snapshots: int = 6, steps: int = 1500, trouble: bool = True, sides: bool = False
) -> Path:
    """Write a store; with `trouble`, the last seed of fcgan has failed and that of depth 3 is unfinished.

    With `sides`, the grid asked for KID, precision and recall, and tests all three; else the store is one of before, which
    does not say what was asked.
    """
    comparisons: list[dict[str, Any]] = []
    written: dict[str, dict[str, Any]] = {}
    for title, axes, levels in COMPARISONS:
        entry: dict[str, Any] = {"title": title, "axes": axes, "budget": "steps", "levels": []}
        for label, values, change, quality in levels:
            settings, runs = {**BASELINE, **change}, {}
            for seed in range(seeds):
                identity = hashlib.sha256(json.dumps([settings, seed]).encode()).hexdigest()
                run = f"{settings['architecture']['name']}-{seed}-{identity[:12]}"
                runs[str(seed)] = run
                end = "finished"
                if trouble and seed == seeds - 1:
                    end = {"fcgan": "failed", "depth 3": "unfinished"}.get(label, end)
                if run not in written:
                    folder = write_run(store / "runs" / run, settings, seed, identity, quality, end, snapshots, steps)
                    if sides:
                        add_sides(folder, settings["architecture"]["name"] == "fcgan", quality, identity)
                    written[run] = {"label": cell_label(settings), "steps": steps}
            reference = label in ("dcgan", "no tricks", "depth 2")
            entry["levels"].append({"label": label, "values": values, "reference": reference, "runs": runs})
        comparisons.append(entry)
    grid = {"name": "quickstart", "arguments": ["grid.toml"], "seeds": list(range(seeds))}
    asked = [
        {key: one[key] for key in ("label", "protocol_id")} | {"headline": rank}
        for rank, one in enumerate((kid(0.0), *both_sides(0.0, 0.0)))
    ]
    grid |= {"scores": asked} if sides else {}
    write(store / "grid.json", {**grid, "runs": written, "comparisons": comparisons})
    write(
        store / "real" / FINGERPRINT[:12] / "scores.json",
        {"scores": [{**score(0.62), "generated": 1437}, kid(-0.0002), *(both_sides(0.83, 0.88) if sides else [])]},
    )
    for name, seed in (("samples", 99), ("training", 98)):
        (store / "real" / FINGERPRINT[:12] / f"{name}.png").write_bytes(sample_grid(0.0, seed))
    (store / "grid.toml").write_text('name = "quickstart"\n')
    return store


def cell_label(settings: dict[str, Any]) -> str:
    """A cell in words."""
    architecture = settings["architecture"]
    depth = f", depth {architecture['depth']}" if architecture["name"] == "dcgan" else ""
    return f"{architecture['name']}{depth}, {tricks_text(settings['tricks'])}"


def write_run(
    folder: Path,
    settings: dict[str, Any],
    seed: int,
    identity: str = "0" * 64,
    quality: float = 1.0,
    end: str = "finished",
    snapshots: int = 6,
    steps: int = 1500,
) -> Path:
    """Write one run folder: finished, or failed or unfinished after 60 % of its steps."""
    rng = np.random.default_rng(int(identity[:8], 16))
    quality *= float(np.exp(rng.normal(0, 0.08)))
    reached = steps if end == "finished" else int(steps * 0.6)
    write(folder / "run.json", run_document(folder.name, settings, seed, identity, steps, snapshots))
    pace = 0.0207 * (1 + int(identity[8:10], 16) / 1000)  # no two runs take the same time
    write_curves(folder / "curves.jsonl", reached, quality, rng, pace)
    for i in range(1, snapshots + 1):
        step = round(steps * i / snapshots)
        if step > reached:
            break
        snapshot = folder / "snapshots" / f"step-{step:08d}"
        value = 5 * quality * (1 + 25 * np.exp(-5 * step / steps)) * float(np.exp(rng.normal(0, 0.06)))
        write(snapshot / "scores.json", {**moment(step, pace), "scores": [score(value), kid(value / 500 - 0.01)]})
        noise = float(0.12 * quality + 1.2 * np.exp(-4 * step / steps))
        (snapshot / "samples.png").write_bytes(sample_grid(noise, seed))
        if i == snapshots:
            (snapshot / "neighbours.png").write_bytes(neighbours(noise, seed))
    if end == "unfinished":
        return folder
    result: dict[str, Any] = {
        "status": end,
        **moment(reached, pace),
        "images_per_second": 3100.0,
        "peak_memory": 412_000_000 + 1_000_000 * seed,
        "ended": "2026-01-02T03:04:05Z",
    }
    result["steps"] = result.pop("step")
    if end == "failed":
        result["reason"] = "the generator's loss is NaN at step 900"
        result["traceback"] = 'Traceback:\n  File "loop.py", line 81, in train\nFloatingPointError: <NaN> & co'
    write(folder / "result.json", result)
    return folder


def run_document(
    run: str, settings: dict[str, Any], seed: int, identity: str, steps: int, snapshots: int
) -> dict[str, Any]:
    """A run.json."""
    layers = [
        {"name": "1", "type": "Linear(in_features=64, out_features=1024)", "shape": [1024], "parameters": 66_560},
        {"name": "2", "type": "Unflatten(dim=1)", "shape": [64, 4, 4], "parameters": 0},
        {"name": "3", "type": "ConvTranspose2d(64, 32, kernel_size=(4, 4))", "shape": [32, 8, 8], "parameters": 32_800},
        {"name": "4", "type": "Tanh()", "shape": [1, 16, 16], "parameters": 513},
    ]
    scale = settings["architecture"]["depth"]
    networks = {
        name: {"parameters": size * scale, "trainable": size * scale, "flops": 40 * size * scale, "layers": layers}
        for name, size in (("generator", 99_873), ("discriminator", 60_001))
    }
    dataset = {"name": "digits", "fingerprint": FINGERPRINT, "shape": [1, 16, 16], "kind": "image", "held_out": 360}
    return {
        "run": run,
        "identity": identity,
        "seed": seed,
        "settings": settings,
        "total_steps": steps,
        "snapshot_steps": [round(steps * i / snapshots) for i in range(1, snapshots + 1)],
        "dataset": {**dataset, "training": 1437, "classes": list("0123456789"), **READ},
        "plugins": [{"kind": "architecture", "name": "dcgan", "origin": "gan-bench", "source": "cd" * 32}],
        "networks": networks,
        "execution": {"memory_format": "channels_last", "joined_pass": False},
        "sessions": [
            {
                "from_step": 0,
                "started": "2026-01-01T00:00:00+00:00",
                "device": "cpu",
                "threads": 1,
                "versions": {"python": "3.11.2", "torch": "2.11.0"},
                "hardware": {"processor": "an ordinary one"},
            }
        ],
    }


def write_curves(path: Path, steps: int, quality: float, rng: np.random.Generator, pace: float = 0.0207) -> None:
    """Write a curves.jsonl with losses that wander and a spike."""
    n = steps // WINDOW
    wander = np.cumsum(rng.normal(0, 0.02, (4, n)), axis=1) + rng.normal(0, 0.05, (4, n))
    levels = np.array([[0.9], [1.1 * quality], [1.2], [-1.3 * quality]]) + wander
    levels[:2] = np.abs(levels[:2]) + 0.02
    levels[1, n // 2] += 2.5
    with path.open("w") as file:
        for i in range(n):
            means = dict(
                zip(("loss_d", "loss_g", "logit_real", "logit_fake"), levels[:, i].round(6).tolist(), strict=True)
            )
            norms = {"grad_norm_g": 0.3 * means["loss_g"], "grad_norm_d": 0.2 * means["loss_d"]}
            file.write(json.dumps({**moment((i + 1) * WINDOW, pace), **means, **norms}) + "\n")


def moment(step: int, pace: float = 0.0207) -> dict[str, Any]:
    """Where training stands after so many steps, of so many seconds each."""
    return {"step": step, "d_steps": step, "images": step * 64, "seconds": round(step * pace, 3)}


def score(value: float, generated: int = 2000, protocol_id: str = "a1b2c3d4") -> dict[str, Any]:
    """An entry of scores.json."""
    protocol = {**PROTOCOL, "generated": generated}
    head = {"metric": "fid", "label": "FD[classifier]", "value": value, "better": "lower", "scale": "log"}
    return {**head, "protocol": protocol, "protocol_id": protocol_id}


def kid(value: float) -> dict[str, Any]:
    """An entry of scores.json for a score that may be negative."""
    return {**score(value, protocol_id="b2c3d4e5"), "metric": "kid", "label": "KID[classifier]", "scale": "raw"}


def both_sides(precision: float, recall: float) -> list[dict[str, Any]]:
    """Entries of scores.json for a number of quality and one of diversity."""
    head = {"metric": "precision_recall", "better": "higher", "scale": "raw", "unit": "share"}
    return [
        {**score(precision, protocol_id="c3d4e5f6"), **head, "label": "precision[random]", "side": "quality"},
        {**score(recall, protocol_id="d4e5f6a7"), **head, "label": "recall[classifier]", "side": "diversity"},
    ]


def add_sides(folder: Path, varied: bool, quality: float, identity: str) -> None:
    """Give every snapshot of a run precision and recall: `varied` runs draw worse but more varied samples."""
    rng = np.random.default_rng(int(identity[8:16], 16))
    for file in sorted(folder.glob("snapshots/*/scores.json")):
        document = json.loads(file.read_text())
        done = document["step"] / 1500
        precision = (0.41 if varied else 0.74 / quality**0.15) * done + float(rng.normal(0, 0.03))
        recall = (0.66 if varied else 0.47 / quality) * done + float(rng.normal(0, 0.04))
        scores = [{**one, "side": "distance"} for one in document["scores"]]
        document["scores"] = [*scores, *both_sides(min(max(precision, 0), 1), min(max(recall, 0), 1))]
        write(file, document)


def sample_grid(noise: float, seed: int) -> bytes:
    """A PNG of 10 x 10 handwritten digits of 16 x 16 pixels, with noise."""
    rng = np.random.default_rng(seed)
    digits = _digits()[rng.integers(0, 1797, 100)]
    return grid_of(np.clip(digits + rng.normal(0, noise, digits.shape), 0, 1) if noise else digits, 10)


def neighbours(noise: float, seed: int) -> bytes:
    """A PNG of 8 noisy digits, each followed by 5 others."""
    rng = np.random.default_rng(seed)
    digits = _digits()[rng.integers(0, 1797, 48)]
    digits[::6] = np.clip(digits[1::6] + rng.normal(0, noise, digits[::6].shape), 0, 1)
    return grid_of(digits, 6)


def grid_of(samples: np.ndarray, columns: int) -> bytes:
    """A PNG of grey samples (N, H, W) in [0, 1], a pixel apart."""
    height, width = samples.shape[1:]
    grid = np.ones((len(samples) // columns * (height + 1) + 1, columns * (width + 1) + 1))
    for i, sample in enumerate(samples):
        y, x = 1 + (height + 1) * (i // columns), 1 + (width + 1) * (i % columns)
        grid[y : y + height, x : x + width] = sample
    file = io.BytesIO()
    Image.fromarray((255 * grid).round().astype(np.uint8)).save(file, "png")
    return file.getvalue()


def _digits() -> np.ndarray:
    if not hasattr(_digits, "cache"):
        _digits.cache = load_digits().images.repeat(2, axis=1).repeat(2, axis=2) / 16  # type: ignore[attr-defined]
    return _digits.cache  # type: ignore[attr-defined]


def write(path: Path, value: Any) -> None:
    """Write JSON, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3, sides="--sides" in sys.argv)
