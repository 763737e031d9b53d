"""A plugin file that kills its process between what a tracker is told and the note of it.

KILL_AT="TRACKER:COUNT" in the environment: at that tracker's COUNTth call, once it has kept all.
"""

from __future__ import annotations

import os
import signal

from gan_bench import hookimpl
from gan_bench.api import trackers
from gan_bench.commands.track import Teller

TRACKER, COUNT = os.environ["KILL_AT"].split(":")
calls = []


def opened(self, really=Teller._open):
    found = really(self)
    tracker = found[0]
    if self.cls.name == TRACKER and "tell" not in vars(tracker):
        tell = tracker.tell

        def tell_and_die(*facts, **options):
            tell(*facts, **options)
            calls.append(facts)
            if len(calls) == int(COUNT):
                os.kill(os.getpid(), signal.SIGKILL)

        tracker.tell = tell_and_die
    return found


Teller._open = opened


@hookimpl
def gan_bench_trackers() -> list[type[trackers.Tracker]]:
    return []
