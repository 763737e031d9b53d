"""A command that is killed, at chosen moments or at random ones, and goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

from stores import assert_equal_stores, command, gan_bench

KILLER = Path(__file__).with_name("killer.py")


class Victim:
    """A grid in a folder, `run` with some options and killed; `whole` is the store of an uninterrupted run."""

    def __init__(self, folder: Path, whole: Path, grid: Path, *options: object) -> None:
        self.folder, self.whole, self.grid, self.options, self.kills = folder, whole, grid, options, 0

    def start(self, *options: object, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command("run", self.grid, "--out", "killed", *self.options, *options),
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def kill_at(self, point: str, count: int, who: str, *options: str) -> None:
        """Run the command until it is killed at a chosen point, or to its end if one of its workers was."""
        counter = self.folder / "counter"
        counter.unlink(missing_ok=True)
        cache = str(self.folder / f"cache-{self.kills}") if point == "decoding" else os.environ["GAN_BENCH_CACHE"]
        process = self.start(
            "--plugin",
            KILLER,
            *options,
            KILL_AT=f"{point}:{count}:{who}",
            KILL_COUNTER=str(counter),
            GAN_BENCH_CACHE=cache,
        )
        errors = process.communicate(timeout=900)[1].decode()
        assert process.returncode == (-signal.SIGKILL if who == "all" else 0), errors
        assert counter.stat().st_size >= count
        self.kills += 1

    def kill_after(self, seconds: float, chance: random.Random) -> None:
        """Kill the parent, another process, or all, after a time; the command may come to its end before or after."""
        process = self.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            who = chance.choice(["all", "parent", "another"])
            others = [pid for pid in processes(process.pid) if pid != process.pid]
            if who == "all":
                os.killpg(process.pid, signal.SIGKILL)
            elif who == "parent" or not others:
                process.kill()
            else:
                os.kill(chance.choice(others), signal.SIGKILL)
            self.kills += 1
        errors = process.communicate(timeout=900)[1].decode()
        assert process.returncode in (0, -signal.SIGKILL), errors

    def finish_and_compare(self, name: str) -> None:
        """The same command ends, with every tensor, curve, score and picture of the uninterrupted run; the store gets a name."""
        gan_bench("run", self.grid, "--out", "killed", *self.options, cwd=self.folder)
        assert_equal_stores(self.whole, self.folder / "killed")
        (self.folder / "killed").rename(self.folder / name)


def processes(session: int) -> list[int]:
    """All processes of a session, as far as they still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                found.append(int(folder.name))
        except ProcessLookupError:
            continue
    return found
