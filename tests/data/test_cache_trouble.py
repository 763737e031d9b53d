"""Users without a home, and caches that can't be used: one error with its cure, before anything trains."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from ramp import Ramp
from stores import command, gan_bench, write_grid

from gan_bench.data.cache import cache_root, caching
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError

CURE = "Set GAN_BENCH_CACHE to a folder that can be written"


@pytest.mark.parametrize("value", ["", "~nobody-of-this-name/cache"])
def test_no_home_is_one_error(monkeypatch, value):
    def unknown(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("GAN_BENCH_CACHE", value)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(unknown))
    with pytest.raises(GanBenchError, match=CURE):
        cache_root()


@pytest.mark.parametrize("part", ["", "datasets", "features", "peak.json"])
def test_a_cache_that_can_t_be_used_is_one_error(tmp_path, monkeypatch, part):
    grid = write_grid(tmp_path)
    cache = tmp_path / "cache"
    monkeypatch.setenv("GAN_BENCH_CACHE", str(cache))
    if part == "peak.json":
        (cache / part).mkdir(parents=True)
    else:  # a file in a folder's place stops root too
        (cache / part).parent.mkdir(exist_ok=True)
        (cache / part).write_text("")
    done = gan_bench("run", grid, cwd=tmp_path, code=2)
    assert f"the cache {cache}" in done.stderr.replace("\n", "")
    assert CURE in done.stderr.replace("\n", "")
    assert not list((tmp_path / "runs").glob("toy/runs/[!.]*"))


def test_what_is_no_fault_of_the_cache_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), caching(tmp_path / "cache"):
        (tmp_path / "weights.pt").read_bytes()
    with pytest.raises(GanBenchError, match="No such file"), caching(tmp_path):
        (tmp_path / "weights.pt").read_bytes()


def test_a_cache_that_is_complete_need_not_be_written(tmp_path):
    cache = tmp_path / "cache"
    known = prepare(Ramp(), cache)
    assert prepare(Ramp(), cache).fingerprint == known.fingerprint


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can become an unknown user")
def test_an_unknown_user_without_home_is_told_the_cure():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        os.chmod(folder, 0o755)
        done = _plan_as_nobody(write_grid(Path(folder)))
    assert done.returncode == 2, done.stderr
    assert CURE in done.stderr
    assert "Traceback" not in done.stderr


def _plan_as_nobody(grid: Path) -> subprocess.CompletedProcess[str]:
    unset = ("HOME", "XDG_CACHE_HOME", "GAN_BENCH_CACHE", "USER", "LOGNAME")
    return subprocess.run(
        command("plan", grid),
        cwd=grid.parent,
        env={key: value for key, value in os.environ.items() if key not in unset},
        preexec_fn=lambda: os.setreuid(54321, 0),  # whom nobody knows, and who may still read this Python
        capture_output=True,
        text=True,
    )
