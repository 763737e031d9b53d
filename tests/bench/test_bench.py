"""`gan-bench bench`: every contestant really trains, in turns."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from functools import partial

import pytest
import torch
from small_runs import CPU
from stores import gan_bench
from turns import fail, noting

from gan_bench.bench import cases as cases_module
from gan_bench.bench import teams
from gan_bench.bench.cases import cases
from gan_bench.bench.contestants import engine
from gan_bench.bench.rounds import WARM_UP, Contestant, take_turns
from gan_bench.errors import GanBenchError
from gan_bench.training.steps import BLOCK

ROW = re.compile(r"(.+?)  +([\d,]+)  +([\d,]+) to ([\d,]+)  +([\d.]+) x  +(\d+)%")


def rows(text: str) -> dict[str, list[float]]:
    """Images/s, lowest, highest, ratio and share, by contestant."""
    found = filter(None, map(ROW.fullmatch, map(str.strip, text.splitlines())))
    return {match[1]: [float(number.replace(",", "")) for number in match.groups()[1:]] for match in found}


@pytest.mark.slow
def test_prints_every_contestant_with_ratio_and_share(tmp_path, monkeypatch):
    monkeypatch.setattr(teams, "cores", lambda: 2)
    options = ("--case", "16x16", "--seconds", "0.1", "--rounds", "2", "--devices", "cpu")
    text = gan_bench("bench", *options, cwd=tmp_path).stdout
    assert re.search(r"peak in fp32: [\d,]+ GFLOP/s a core", text)
    assert "dcgan 16x16, width 16 (quickstart), batch 64" in text
    figures = rows(text)
    left_out = re.findall(r"(usual loop, compiled, threads: \d): left out \((.+)\)", text)  # no C++ compiler here, say
    assert [name for name in figures if "compiled" not in name] == [
        "usual loop, threads: 1",
        "usual loop, threads: 2",
        "gan-bench in fp32, processes: 1",
        "gan-bench in fp32, processes: 2",
        "gan-bench in bf16, processes: 1",
        "gan-bench in bf16, processes: 2",
    ]
    compiled = {name for name in figures if "compiled" in name} | {name for name, _ in left_out}
    assert compiled == {"usual loop, compiled, threads: 1", "usual loop, compiled, threads: 2"}
    best = max(speed for name, (speed, *_) in figures.items() if name.startswith("usual"))
    for speed, low, high, ratio, share in figures.values():
        assert 0 < low <= speed <= high
        assert 0 <= share <= 100  # in whole percents: on a busy machine it may be none
        assert ratio == pytest.approx(speed / best, abs=0.02)


def test_an_unknown_case_is_told_with_those_there_are(tmp_path):
    done = gan_bench("bench", "--case", "biggan", cwd=tmp_path, code=2)
    assert "no case has 'biggan' in its title; there are dcgan 28x28" in done.stderr
    assert "canon: R1 in every step" in " ".join(done.stderr.split())


def test_slots_are_advanced_together(monkeypatch):
    monkeypatch.setattr(cases_module, "PICTURES", 20)
    assert engine(cases()[2], 8, CPU, 3, "bf16")() == 24


@pytest.mark.parametrize(("most", "counts"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8])])
def test_counts_up_to_all_cores(most, counts):
    assert teams.doublings(most) == counts


@pytest.mark.slow
def test_turns_don_t_overlap_and_a_contestant_keeps_its_process(tmp_path):
    a, b = (Contestant(partial(noting, tmp_path, name)) for name in "ab")
    speeds = take_turns({"first": [a], "second": [b], "third": [a]}, seconds=0.05, rounds=2, tell=pytest.fail)
    assert all(len(own) == 2 and min(own) > 0 and max(own) < 10 / 0.001 for own in speeds.values())
    notes = {name: [line.split() for line in (tmp_path / name).read_text().splitlines()][WARM_UP:] for name in "ab"}
    assert len({process for process, _ in notes["a"]}) == 1
    order = [name for _, name in sorted((float(at), name) for name in "ab" for _, at in notes[name])]
    assert "".join(name for name, _ in itertools.groupby(order)) == "ababa"


@pytest.mark.slow
def test_a_contestant_that_fails_ends_all(tmp_path):
    contestants = [Contestant(fail), Contestant(partial(noting, tmp_path, "other"))]
    with pytest.raises(GanBenchError, match="ended before its first turn"):
        take_turns({"both": contestants}, seconds=0.05, rounds=1, tell=pytest.fail)


@pytest.mark.slow
def test_an_optional_contestant_that_fails_is_left_out_with_its_reason(tmp_path):
    told: list[str] = []
    a, b, c = (
        Contestant(build, optional=True) for build in (fail, partial(noting, tmp_path, "other"), partial(os._exit, 3))
    )
    speeds = take_turns({"both": [a, b], "one": [b], "dead": [c]}, seconds=0.05, rounds=1, tell=told.append)
    assert list(speeds) == ["one"]
    assert told == ["both: left out (ValueError: no such networks)", "dead: left out (its process ended)"]


COMPILING = """
import sys
from functools import partial
import torch
from gan_bench.bench import cases
from gan_bench.bench.contestants import usual
from gan_bench.bench.rounds import Contestant, take_turns

cases.PICTURES = 20
loop = partial(usual, cases.cases()[2], 8, torch.device("cpu"))
teams = {"plain": [Contestant(loop)], "compiled": [Contestant(partial(loop, compiled="default"), optional=True)]}
print(*take_turns(teams, seconds=0.05, rounds=1, tell=lambda line: print(line, file=sys.stderr)))
"""


@pytest.mark.slow
def test_where_nothing_compiles_the_compiled_loop_is_left_out_and_it_is_said_why(tmp_path):
    # Of its own: the server of processes has the environment that it was started in, and what was compiled before is kept.
    environment = os.environ | {"CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILING], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["plain"]
    assert done.stderr.count("compiled: left out (") == 1


@pytest.mark.gpu
def test_contestants_train_on_the_gpu(tmp_path, monkeypatch):
    device = torch.device("cuda:0")
    assert engine(cases()[2], 8, device, 2, "fp32")() == 2 * BLOCK * 8
    monkeypatch.setattr(teams, "GPU_SLOTS", (1, 2))
    options = ("--case", "16x16", "--seconds", "0.1", "--rounds", "1", "--devices", "cuda:0")
    text = gan_bench("bench", *options, cwd=tmp_path).stdout
    figures = rows(text)
    assert "usual loop, DataLoader" in figures
    assert "usual loop, data on the GPU, compiled to CUDA graphs" in text  # as a team, or why it was left out
    assert "gan-bench in fp32, slots: 2" in figures
