"""Ctrl-C in the first seconds of a command, while libraries are imported."""

from __future__ import annotations

import os
import signal
import subprocess

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
    (tmp_path / "deaf.py").write_text(DEAF)
    (tmp_path / "own.py").write_text("import deaf")
    done = subprocess.run(
        command("plugins", "--plugin", "own.py"),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (130, f"{STOPPED}\n")


def test_afterwards_ctrl_c_is_what_it_was(tmp_path):
    gan_bench("--version", cwd=tmp_path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
