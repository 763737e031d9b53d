"""Runs that were begun on another kind of device: left as they are, unless a person says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from stores import assert_equal_runs, gan_bench, run_folders, write_grid

from gan_bench.data import device_kind
from gan_bench.data.device_kind import features_folder
from gan_bench.store.documents import write_object
from gan_bench.workers.device import kind

ELSEWHERE = "NVIDIA H200, torch 2.9.1, cuDNN 91002"
CPU = torch.device("cpu")


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run of two that stands at its end, on another kind of device, and is not finished; beside it the whole store."""
    gan_bench("run", write_grid(tmp_path), "--out", "store", cwd=tmp_path)
    run = run_folders(tmp_path / "store")[0]
    (run / "result.json").unlink()
    assert kinds(run) == [kind(CPU)]
    trained_on(run, ELSEWHERE)
    return run


def trained_on(run: Path, *kinds: str) -> None:
    """Change what a run's sessions say; without kinds, that of its first one is as it was before they were kept."""
    document = json.loads((run / "run.json").read_text())
    del document["checksum"], document["sessions"][0]["kind"]
    document["sessions"] = [{**document["sessions"][0], "kind": name} for name in kinds] or document["sessions"][:1]
    write_object(run / "run.json", document)


def contents(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.rglob("*") if file.is_file()}


def kinds(run: Path) -> list[str]:
    return [session["kind"] for session in json.loads((run / "run.json").read_text())["sessions"]]


@pytest.mark.slow
def test_it_is_left_as_it_is_until_a_person_says_otherwise(begun, tmp_path):
    before = contents(begun)
    done = gan_bench("run", tmp_path / "grid.toml", "--out", "store", cwd=tmp_path, code=1)
    told = " ".join(done.stderr.split())
    assert (
        f"failed: it was begun on {ELSEWHERE}, and goes on only there, to the same bits; here is {kind(CPU)}." in told
    )
    assert "--any-device goes on all the same, --fresh begins again" in told
    assert contents(begun) == before
    gan_bench("run", tmp_path / "grid.toml", "--out", "store", "--any-device", cwd=tmp_path)
    assert kinds(begun) == [ELSEWHERE, kind(CPU)]
    assert json.loads((begun / "result.json").read_text())["status"] == "finished"
    assert "of mixed kinds of device" in (tmp_path / "store/report.html").read_text()


@pytest.mark.slow
def test_it_is_trained_afresh_anywhere(begun, tmp_path):
    gan_bench("run", tmp_path / "grid.toml", "--out", "store", "--fresh", cwd=tmp_path)
    assert kinds(begun) == [kind(CPU)]


@pytest.mark.slow
def test_what_has_finished_is_scored_anywhere_and_that_trains_nothing(begun, tmp_path):
    gan_bench("run", tmp_path / "grid.toml", "--out", "store", "--any-device", cwd=tmp_path)
    trained_on(begun, ELSEWHERE)
    gan_bench("run", tmp_path / "grid.toml", "--out", "store", "--set", "evaluate.samples=70", cwd=tmp_path)
    assert kinds(begun) == [ELSEWHERE, ""]


@pytest.mark.slow
def test_a_run_of_before_kinds_were_kept_goes_on(begun, tmp_path):
    trained_on(begun)
    gan_bench("run", tmp_path / "grid.toml", "--out", "store", cwd=tmp_path)
    gan_bench("run", tmp_path / "grid.toml", "--out", "whole", cwd=tmp_path)
    assert_equal_runs(begun, tmp_path / "whole/runs" / begun.name)


def test_features_of_one_kind_are_not_those_of_another(tmp_path, monkeypatch):
    here = features_folder(tmp_path, CPU)
    assert here.parent == tmp_path / "features"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert "DEFAULT" in kind(CPU)
    assert features_folder(tmp_path, CPU) != here


INTEL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: {}\nmodel name\t: Intel(R) Xeon(R) Processor\n"
ARM = "CPU implementer\t: 0x41\nCPU part\t: 0xd40\n\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize(
    ("cpuinfo", "said"),
    [(INTEL.format(106), "GenuineIntel 6 106"), (INTEL.format(143), "GenuineIntel 6 143"), (ARM, "0x41 0xd40")],
)
def test_generations_of_processors_with_the_same_instructions_are_kinds_of_their_own(
    tmp_path, monkeypatch, cpuinfo, said
):
    """Of which clouds give all the same name."""
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(device_kind, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(device_kind, "_processor", device_kind._processor.__wrapped__)
    assert f" {said} " in kind(CPU)
