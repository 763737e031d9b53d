"""Ctrl-C in the first seconds of a command, while libraries are imported."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from stores import command, gan_bench

from gan_bench.cli.interrupt import STOPPED

DEAF = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100):
        pass
except BaseException:  # as some libraries do
    raise ImportError("damaged")
"""


def test_ctrl_c_within_an_import_ends_the_command_whatever_the_library_makes_of_it(tmp_path):
    done = plugins(tmp_path, subprocess.PIPE)
    assert (done.returncode, done.stderr) == (130, f"{STOPPED}\n")


def test_so_it_does_where_nobody_reads_what_it_says(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as unread:
        assert plugins(tmp_path, unread).returncode == 130


def plugins(folder: Path, stderr: Any) -> subprocess.CompletedProcess[str]:
    """A command that imports what sends Ctrl-C and swallows it."""
    (folder / "deaf.py").write_text(DEAF)
    (folder / "own.py").write_text("import deaf")
    return subprocess.run(
        command("plugins", "--plugin", "own.py"),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def test_afterwards_ctrl_c_is_what_it_was(tmp_path):
    gan_bench("--version", cwd=tmp_path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
