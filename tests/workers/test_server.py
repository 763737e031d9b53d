"""The process that starts workers: forked from the command's own, of which it keeps nothing but what was imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CALLER = """
import os, sys, threading
{before}
from gan_bench.workers.processes import apart, server, warm_up, worker_context

LOOK = '''
import json, os
from multiprocessing import get_context

child = get_context("forkserver").Process(target=print)  # whoever is forked may start a server of its own
child.start()
child.join()
files = [f"/proc/self/fd/{{number}}" for number in os.listdir("/proc/self/fd")]
found = dict(server=os.getppid(), code=child.exitcode, open=[os.readlink(one) for one in files if os.path.exists(one)])
with open("told.json", "w") as file:
    json.dump(found, file)
'''
held = open("held", "w")
print("once", end=" ")
warm_up()
with apart():
    worker = worker_context().Process(target=exec, args=(LOOK,))
    worker.start()
worker.join()
with open(f"/proc/{{server()}}/cmdline") as line:
    print(server(), "forkserver" in line.read())
"""
THREAD = "threading.Thread(target=threading.Event().wait, daemon=True).start()"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it is forked on Linux alone")
@pytest.mark.parametrize(("before", "fresh"), [("", "False"), (THREAD, "True")], ids=["alone", "beside a thread"])
def test_it_is_a_fork_of_a_process_without_other_threads(tmp_path, before, fresh):
    script = tmp_path / "caller.py"
    script.write_text(CALLER.format(before=before))
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads((tmp_path / "told.json").read_text())
    assert (done.stdout.split(), done.stderr) == (["once", str(found["server"]), fresh], "")
    assert found["code"] == 0
    assert not [path for path in found["open"] if path.endswith("/held")], "what is open stays the caller's"
