"""Thousands of runs in one store: what plan, run, load, the tables and the page take, each in a process of its own.

pytest benchmarks/test_many_runs.py -s    10,000 runs; half an hour
MANY=100000 pytest benchmarks/test_many_runs.py -s    an hour; leave the sources alone meanwhile

Workers are stood for by one that copies one real run (`many_runs.Template`); its processor time is told apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING

from sleepers import SleepingHost

if TYPE_CHECKING:
    from gan_bench.workers.jobs import Job, Setup

RUNS = int(os.environ.get("MANY", "10000"))
SEEDS, WINDOWS = 100, 200 if RUNS <= 10_000 else 20


def main(what: str, folder: Path) -> None:
    """One stage, in a process of its own; prints its processor seconds and peak memory."""
    from gan_bench.grid import load_grid

    store, extra, copying = folder / "store", {}, 0.0
    began = time.process_time()
    if what in ("plan", "resume", "run"):
        from many_runs import EXECUTION, Template

        from gan_bench.commands import run as run_module
        from gan_bench.commands.run import GridWork
        from gan_bench.planning.planned import plan_runs
        from gan_bench.workers import engine

        work = GridWork(load_grid(folder / "grid.toml"), out=store, execution=EXECUTION)
        run_module.write_outputs = lambda *_, **__: None  # a stage of its own
        if what == "run":
            work.run(only=work.prepared.courses[0].name(0))  # one real run
            runs, _ = plan_runs(work.prepared, store)
            template = Template(runs[0])
            known = {run.name: (run, number) for number, run in enumerate(runs)}

            def finish(job: Job, _: Setup) -> None:
                nonlocal copying
                began, (run, number) = time.process_time(), known[job.run]
                if not run.path.exists():
                    template.copy(run, number)
                copying += time.process_time() - began

            engine.LocalHost = lambda devices: SleepingHost(2, finish=finish)  # type: ignore[assignment, misc]
            began = time.process_time()
        if what == "plan":
            runs, _ = plan_runs(work.prepared, store)
            assert {run.todo() for run in runs} == {"train"}
        else:
            assert work.run().exit_code == 0
        extra = {"of it copying": round(copying, 1)} if what == "run" else {}
    elif what in ("load", "load from files", "tables and index"):
        from gan_bench.findings.tables import load, write_tables

        results = load(store, verify=what == "load from files", keep=what == "tables and index")
        if what == "tables and index":
            write_tables(store, results)
        extra = {"runs": len(results.runs), "windows": len(results.curves)}
    else:
        from gan_bench_reports.page import write_report

        write_report([store], store / "report.html")
        extra = {"MB": round((store / "report.html").stat().st_size / 1e6, 1)}
    memory = getrusage(RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"CPU s": round(time.process_time() - began, 1), "peak GB": round(memory, 2), **extra}))


STAGES = ("plan", "run", "tables and index", "load", "load from files", "resume", "page")


def test_what_many_runs_take(tmp_path: Path) -> None:
    from many_runs import write_grid

    write_grid(tmp_path, RUNS // SEEDS, SEEDS, WINDOWS)
    helpers = Path(__file__).parents[1] / "tests" / "helpers"
    found: dict[str, dict[str, float]] = {}
    for what in STAGES:
        done = subprocess.run(
            [sys.executable, __file__, what, tmp_path],
            env={**os.environ, "PYTHONPATH": str(helpers), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[what] = json.loads(done.stdout.splitlines()[-1])
        print(f"\n{RUNS:,} runs, {what}: {found[what]}", end="", flush=True)
    if RUNS == 10_000:
        assert found["load"]["CPU s"] < 10
        assert found["load"]["peak GB"] < 1
        assert found["resume"]["CPU s"] < 20
        assert found["page"]["MB"] < 15


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
