"""A plugin file for commands on file systems whose locks hold nobody back, and that don't wait as long as usual.

ATTEMPT_SECONDS="BEAT:SILENT:DEAD:BUSY" in the environment. With ALONE=no, two commands may work in one store.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from types import SimpleNamespace

from gan_bench import hookimpl
from gan_bench.commands import run
from gan_bench.store import attempt
from gan_bench.workers import executor

fcntl.flock = lambda file, how: None
beat, silent, dead, busy = map(float, os.environ["ATTEMPT_SECONDS"].split(":"))
attempt.BEAT_SECONDS, attempt.SILENT_SECONDS, attempt.DEAD_SECONDS, executor.BUSY_SECONDS = beat, silent, dead, busy
if os.environ.get("ALONE") == "no":
    run.hold = lambda *_: contextlib.nullcontext(SimpleNamespace(go_on=lambda: None))


@hookimpl
def gan_bench_tricks():
    return []
