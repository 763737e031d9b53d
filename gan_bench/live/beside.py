"""Serving a store's page: in this process, or in one beside a `gan-bench run`, where it holds up nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from gan_bench.console import say
from gan_bench.errors import GanBenchError
from gan_bench.live.server import Server, address, listen, new_token

NICE = 10  # training goes first
OPEN_SECONDS = 5.0  # a page that has asked within them is open
LAST_SECONDS = 5.0  # that an open page has at least to hear of the end
MOST_SECONDS = 30.0  # and at most, where a busy machine takes long to make the page


def make_server(
    listener: socket.socket, token: str, stores: Sequence[Path], plugins: Sequence[Path], at_work: Callable[[], bool]
) -> Server:
    """A server of the stores' page. GanBenchError: no plugin makes one."""
    from gan_bench.api.asking import ask
    from gan_bench.api.registry import Registry  # imports plugins, and so torch

    tell = partial(say, err=True)
    pages = ask(Registry.load(plugins).manager, "gan_bench_live", tell, stores=list(stores), at_work=at_work)
    if not pages:
        raise GanBenchError("no plugin has a page to watch; gan_bench_reports, which has one, is missing or broken")
    return Server(listener, token, pages[0])


@contextmanager
def beside(store: Path, plugins: Sequence[Path], port: int) -> Iterator[str]:
    """A process that serves the store's page for as long as the block lasts, at the address that the block gets.

    GanBenchError: the port is taken. When the block or this process ends, in whatever way, the other tells open pages so
    and ends too; nobody waits for it.
    """
    with listen(port) as listener:
        token = new_token()
        task = {
            "listener": listener.fileno(),
            "token": token,
            "store": str(store),
            "plugins": [str(file) for file in plugins],
        }
        _, pipe = start(__name__, task, pass_fds=[listener.fileno()])
        place = address(listener, token)
    try:
        yield place
    finally:
        pipe.close()


def start(
    module: str, task: dict[str, Any], pass_fds: Collection[int] = ()
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """A process that calls a module's `main`, which reads the task, and a pipe whose end it then waits for: that is ours."""
    # -P: what the current folder holds is not imported. A session of its own: Ctrl-C is not for it.
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {module} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    assert process.stdin is not None
    # By the pipe, for other users see a process's arguments.
    process.stdin.write(json.dumps(task).encode() + b"\n")
    process.stdin.flush()
    return process, process.stdin


def task_and_end() -> tuple[dict[str, Any], threading.Event]:
    """In a process that was started so: its task, and what is set when the other end of the pipe is closed.

    SystemExit: whoever started it has ended before it could say what is to be done.
    """
    os.nice(NICE)
    task = json.loads(sys.stdin.readline() or "null")
    if task is None:
        sys.exit()
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return task, ended


def main() -> None:
    """The process beside a run."""
    task, ended = task_and_end()
    server = make_server(
        socket.socket(fileno=task["listener"]),
        task["token"],
        [Path(task["store"])],
        [Path(file) for file in task["plugins"]],
        lambda: not ended.is_set(),
    )

    def end() -> None:
        ended.wait()
        end = time.monotonic()
        if end - server.asked < OPEN_SECONDS or server.told < server.asked:  # or an answer is being made
            time.sleep(LAST_SECONDS)
            while server.told < end and time.monotonic() - end < MOST_SECONDS:
                time.sleep(0.1)
        server.shutdown()

    threading.Thread(target=end, daemon=True).start()
    server.serve_forever()
