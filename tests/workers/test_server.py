"""The process that starts workers: forked from the command's own, of which it keeps nothing but what was imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is forked on Linux alone")
CALLER = """
import os, sys, threading
{before}
from gan_bench.workers.processes import apart, server, warm_up, worker_context

LOOK = '''
import gc, json, os
from multiprocessing import get_context

codes = []
for method in ("forkserver", "spawn"):  # a worker's own
    child = get_context(method).Process(target=print)
    child.start()
    child.join()
    codes.append(child.exitcode)
files = [f"/proc/self/fd/{{number}}" for number in os.listdir("/proc/self/fd")]
files = [os.readlink(one) for one in files if os.path.exists(one)]
found = dict(server=os.getppid(), codes=codes, files=files, collecting=gc.get_threshold())
with open("told.json", "w") as file:
    json.dump(found, file)
'''
held = open("held", "w")
print("once", end=" ")
warm_up((500, 6, 7))
with apart():
    worker = worker_context().Process(target=exec, args=(LOOK,))
    worker.start()
worker.join()
with open(f"/proc/{{server()}}/cmdline") as line:
    print(server(), "forkserver" in line.read())
"""
THREAD = "threading.Thread(target=threading.Event().wait, daemon=True).start()"


@pytest.mark.slow
@pytest.mark.parametrize(("before", "interpreter"), [("", False), (THREAD, True), ("import torch", True)])
def test_it_is_a_fork_of_a_process_that_had_no_use_of_pytorch_yet(tmp_path, before, interpreter):
    script = tmp_path / "caller.py"
    script.write_text(CALLER.format(before=before))
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads((tmp_path / "told.json").read_text())
    assert (done.stdout.split(), done.stderr) == (["once", str(found["server"]), str(interpreter)], "")
    assert found["codes"] == [0, 0]
    assert interpreter or found["collecting"] == [500, 6, 7]
    assert not [path for path in found["files"] if path.endswith("/held")], "what is open stays the caller's"


FORK = """
import os
from gan_bench.workers.processes import _fork

code = "import sys; print(sys.argv); raise SystemExit"
arguments = ["python", "-P", "-c", code, "run", "grid.toml"]  # newer Pythons give the caller's along
print(os.waitpid(_fork(None, (700, 10, 10), "python", arguments, []), 0)[1], flush=True)
print(os.waitpid(_fork(None, (700, 10, 10), "python", ["python", "-c", "1 / 0"], []), 0)[1] >> 8)
"""


def test_a_fork_does_what_an_interpreter_would():
    done = subprocess.run([sys.executable, "-P", "-c", FORK], capture_output=True, text=True, check=True)
    assert done.stdout == "['-c', 'run', 'grid.toml']\n0\n1\n"
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
