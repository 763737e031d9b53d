"""Memory, file handles, threads and run folders stay flat over hundreds of runs."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from stores import command

RUNS = 500
GRID = f"""
name = "soak"
dataset = {{ name = "gaussians", training = 1000, held_out = 500 }}
architecture = {{ name = "fcgan", depth = 1, width = 16, latent = 4 }}
seeds = "0-{RUNS // 10 - 1}"
steps = 50

[evaluate]
snapshots = 1
samples = 100
features = "random"

[[compare]]
title = "Which rate?"
"optimizer.lr" = [1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5, 7e-5, 8e-5, 9e-5, 1e-4]
"""


def observe(process: int) -> tuple[int, int, int] | None:
    """Resident bytes, file handles and threads of a process; None where it has ended."""
    folder = Path("/proc") / str(process)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        return pages * 4096, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None


def session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader:
            found.append(int(folder.name))
    return found


@pytest.mark.slow
def test_hundreds_of_tiny_runs(tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    process = subprocess.Popen(
        command("run", "grid.toml", "--out", "store", "--devices", "cpu"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    seen: dict[int, list[tuple[float, int, int, int]]] = defaultdict(list)  # process -> share of the runs, what it has
    runs = tmp_path / "store" / "runs"
    while process.poll() is None:
        done = sum(1 for name in runs.iterdir() if name.name[0] != ".") / RUNS if runs.exists() else 0.0
        for member in session(process.pid):
            if (found := observe(member)) and done < 0.99:  # tables and report come then
                seen[member].append((done, *found))
        time.sleep(0.5)
    assert process.returncode == 0
    table = pd.read_csv(tmp_path / "store" / "results.csv")
    assert (table.status == "finished").sum() == RUNS
    lasting = {member: found for member, found in seen.items() if found[0][0] < 0.3 and found[-1][0] > 0.9}
    assert len(lasting) >= 3, "the parent and its workers"
    for found in lasting.values():
        early, late = ([row for row in found if low <= row[0] < high] for low, high in ((0.3, 0.5), (0.8, 1.0)))
        memory, handles, threads = ([max(row[i] for row in part) for part in (early, late)] for i in (1, 2, 3))
        print(f"memory {memory[0] / 1e6:.0f} to {memory[1] / 1e6:.0f} MB, handles {handles}, threads {threads}")
        assert memory[1] < memory[0] + RUNS * 15e3  # a leak of 30 kB a run
        assert handles[1] <= handles[0] + 1
        assert threads[1] <= threads[0]
    sizes = [sum(f.stat().st_size for f in folder.rglob("*")) for folder in runs.glob("[!.]*")]
    assert max(sizes) < 1.2 * min(sizes)
