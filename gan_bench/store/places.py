"""What lies where in a run folder (docs/run-folder.md)."""

from __future__ import annotations

import re
from pathlib import Path

SNAPSHOT = re.compile(r"step-(\d{8,18})")  # a snapshot's folder
REAL = ("samples.png", "training.png")  # of a dataset's held-out part, and of what is trained on
REAL_CLASSES = "classes.png"  # of the held-out part, a row a class, where samples are asked for by class
CLUSTER = ".cluster"  # in a store: what other machines that train for it find there, and tell
WEIGHTS = "weights.pt"  # of the sampled network, in a snapshot's folder


def snapshot_name(step: int) -> str:
    """What the folder of the snapshot after so many G steps is called."""
    return f"step-{step:08d}"


class Places:
    """The files of one run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_file = path / "run.json"
        self.result_file = path / "result.json"
        self.curves_file = path / "curves.jsonl"
        self.checkpoint_file = path / "checkpoint.pt"
        self.previous_file = path / "checkpoint.previous.pt"
        self.output_file = path / "output.txt"
        self.hang_file = path / ".hang"  # where a run hung, as long as it trains
        self.snapshots = path / "snapshots"

    def snapshot(self, step: int) -> Path:
        """The folder of the snapshot after so many G steps."""
        return self.snapshots / snapshot_name(step)

    def snapshot_steps(self) -> list[int]:
        """Steps of the complete snapshots, in order."""
        names = [SNAPSHOT.fullmatch(folder.name) for folder in self.snapshots.glob("step-*")]
        return sorted(int(name[1]) for name in names if name)

    def has_weights(self, step: int) -> bool:
        """Whether a snapshot's weights were kept."""
        return (self.snapshot(step) / WEIGHTS).exists()
