"""What a node prepares for a cluster is all there for whoever plans and trains."""

from __future__ import annotations

import pytest
import torch
from stores import write_grid

from gan_bench.commands.bundle import write_bundle
from gan_bench.commands.command import Command
from gan_bench.commands.prepared import prepare
from gan_bench.workers.engine import LocalEngine


@pytest.mark.slow
def test_nobody_computes_again_what_a_node_has_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    command, store = Command(grid=write_grid(tmp_path, steps="steps = 10"), out=tmp_path / "store"), tmp_path / "store"
    monkeypatch.chdir(tmp_path)
    write_bundle(command, command.load(), store)
    threads = torch.get_num_threads()
    prepared = prepare(store, "cpu")
    assert torch.get_num_threads() == threads
    assert list(prepared.features.iterdir())
    assert prepared.peaks["fp32"] > 1e8
    for name in ("gan_bench.data.embedding.Embedding.extract", "gan_bench.data.prepare.decode"):
        monkeypatch.setattr(name, None)
    engine = LocalEngine("cpu")
    engine.features = prepared.features
    outcome, _ = command.perform(command.load(), engine)
    assert (outcome.runs, outcome.exit_code) == (2, 0)
