"""A network that a trick puts in place of the architecture's is what is trained, saved, sampled, scored and counted."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from small_runs import CPU, finish, interrupt, make_loop, open_run
from stores import assert_equal_runs
from torch import nn

from gan_bench import DataSpec, GanBenchError, Trick, load_generator
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.data.prepare import prepare
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import draw
from gan_bench.store.documents import write_object
from gan_bench.store.folder import RunFolder, load_sampled
from gan_bench.training.build import build_loop
from gan_bench.training.dry import dry_pass
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.ema import EMA

ADAM = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
PLUGIN = """
import torch
from torch import nn

from gan_bench import Trick, hookimpl


class Bent(nn.Module):
    "A network whose output goes through one more layer of its own."

    def __init__(self, network, size):
        super().__init__()
        self.network, self.size = network, size
        self.last = nn.Linear(size, size)

    def forward(self, x):
        y = self.network(x)
        return torch.tanh(self.last(y.flatten(1)).view_as(y))


class BentG(Trick):
    "G goes on in one more layer."

    name = "bent_g"

    def edit(self, recipe):
        recipe.generator = Bent(recipe.generator, recipe.data.numel)


class BentD(Trick):
    "D goes on in one more layer."

    name = "bent_d"

    def edit(self, recipe):
        recipe.discriminator = Bent(recipe.discriminator, 1)


@hookimpl
def gan_bench_tricks():
    return [BentG, BentD]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugins") / "bent.py"
    file.write_text(PLUGIN)
    return Registry.load([file])


@pytest.fixture(scope="module")
def data(registry):
    return prepare(registry.create("dataset", {"name": "digits", "size": 8}))


@pytest.fixture(scope="module")
def evaluator(registry, data):
    return Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 64, CPU)


def cell_of(registry, *tricks, architecture="dcgan"):
    settings = {
        "dataset": {"name": "digits", "size": 8},
        "architecture": {"name": architecture, "width": 4, "latent": 8, "depth": 1},
        "tricks": [{"name": name} for name in tricks],
        "optimizer": {"generator": ADAM, "discriminator": ADAM},
        "batch_size": 16,
    }
    return cell_from_settings(settings, registry)


ORDERS = [
    ("bent_g", "bent_d"),
    ("bent_g", "ema"),
    ("ema", "bent_g"),
    ("spectral_norm", "bent_d"),
    ("bent_d", "spectral_norm"),
]


@pytest.mark.parametrize("tricks", ORDERS, ids="+".join)
def test_it_is_trained_saved_sampled_loaded_and_resumed(registry, data, evaluator, tmp_path, tricks):
    cell = cell_of(registry, *tricks)
    training = open_run(cell, (6, 12), tmp_path / "whole", data, evaluator)
    recipe, first = training.recipe, "network.0.weight" if "bent_g" in tricks else "0.weight"
    before = recipe.generator.state_dict()[first].clone()
    whole = RunFolder(finish(training))
    saved, _ = whole.load_checkpoint()
    for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        assert saved[name].keys() == network.state_dict().keys()
    assert not torch.equal(saved["generator"][first], before)
    weights = load_sampled(whole, 12, open_run(cell, (6, 12), tmp_path / "fresh", data, evaluator).recipe.sampled)
    with recipe.ready_to_sample():
        assert torch.equal(draw(weights, 8, 20, 0, CPU), draw(recipe.sampled, 8, 20, 0, CPU))
    if "ema" not in tricks:
        for mine, trained in zip(weights.parameters(), recipe.generator.parameters(), strict=True):
            assert torch.equal(mine, trained)
    interrupt(open_run(cell, (6, 12), tmp_path / "parts", data, evaluator), 5)
    interrupt(open_run(cell, (6, 12), tmp_path / "parts", data, evaluator), 9)
    assert_equal_runs(finish(open_run(cell, (6, 12), tmp_path / "parts", data, evaluator)), whole.path)


@pytest.mark.parametrize("order", [("ema", "bent_g"), ("bent_g", "ema")])
def test_an_average_is_one_of_what_is_trained_whatever_the_order(registry, order):
    tricks = [EMA(decay=0.9) if name == "ema" else registry.create("trick", name) for name in order]
    loop = make_loop(DCGAN(latent=6, width=4, depth=1), tricks)
    before = [p.detach().clone() for p in loop.g_parameters]
    assert len(before) == len(list(loop.recipe.generator.parameters()))
    loop.step()
    for average, old, new in zip(loop.recipe.sampled.parameters(), before, loop.g_parameters, strict=True):
        torch.testing.assert_close(average, 0.9 * old + 0.1 * new)
        assert not torch.equal(old, new)


def test_its_weights_are_drawn_from_the_tricks_stream_on_the_cpu(registry):
    first, again, other = (
        make_loop(FCGAN(latent=6, width=8), [registry.create("trick", "bent_d")], seed=seed) for seed in (0, 0, 1)
    )
    weight, same, differs = (loop.recipe.discriminator.last.weight for loop in (first, again, other))
    assert torch.equal(weight, same)
    assert not torch.equal(weight, differs)
    plain = make_loop(FCGAN(latent=6, width=8))
    for a, b in zip(plain.d_parameters, first.d_parameters, strict=False):
        assert torch.equal(a, b), "the architecture's own weights are not shifted"


@pytest.mark.parametrize("work", [0.0, 1e12], ids=["meta", "real"])
def test_it_is_what_is_counted(registry, monkeypatch, work):
    monkeypatch.setattr("gan_bench.training.dry._passes", {})
    monkeypatch.setattr("gan_bench.training.dry.REAL_WORK", work)
    plain, bent = dry_pass(cell_of(registry)), dry_pass(cell_of(registry, "bent_g", "bent_d"))
    for name, size in (("generator", 64), ("discriminator", 1)):
        before, after = plain.networks[name], bent.networks[name]
        for key in ("parameters", "trainable"):
            assert after[key] - before[key] == size * size + size
            assert sum(layer[key] for layer in after["layers"]) == after[key]
        assert after["flops"] - before["flops"] == 2 * size * size
        assert len(after["layers"]) == len(before["layers"]) + 1
    assert bent.checkpoint_bytes > plain.checkpoint_bytes + 3 * 4 * (64 * 64 + 64)
    normed = dry_pass(cell_of(registry, "spectral_norm")).networks["discriminator"]
    assert normed["trainable"] == plain.networks["discriminator"]["trainable"]
    assert normed["parameters"] > normed["trainable"], "its vectors are no parameters that are trained"
    assert sum(layer["parameters"] for layer in normed["layers"]) == normed["parameters"]
    assert [layer["type"] for layer in normed["layers"]] == [
        layer["type"] for layer in plain.networks["discriminator"]["layers"]
    ]


def test_a_layer_is_put_where_it_belongs_and_made_fast(registry):
    class Filtered(Trick):
        """D sees through one more convolution."""

        name = "filtered"

        def edit(self, recipe):
            recipe.discriminator = nn.Sequential(
                nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 1), recipe.discriminator
            )

    loop = make_loop(FCGAN(latent=6, width=8), [Filtered()])
    layer = loop.recipe.discriminator[0]
    assert type(layer).__name__ == "ThinConv2d"
    memory = []
    sgd = {"name": "sgd", "lr": 1e-2}
    build_loop(
        FCGAN(latent=6, width=8),
        DataSpec((1, 8, 8)),
        Streams(0, CPU),
        memory.append,
        tricks=[Filtered()],
        optimizer={"generator": sgd, "discriminator": sgd},
        batch_size=4,
    )
    assert memory == [torch.channels_last], "batches come in the memory format of what D has become"


class Left(Trick):
    """Leaves something in the recipe."""

    name = "left"

    def edit(self, recipe):
        setattr(recipe, WHAT, MAKE(recipe))


class Double(nn.Module):
    def forward(self, x):
        return x.double()


WHAT, MAKE = "generator", None


@pytest.mark.parametrize(
    ("what", "make", "said"),
    [
        ("generator", lambda recipe: 3, "the recipe's generator must be a torch.nn.Module"),
        ("discriminator", lambda recipe: lambda x: x, "the recipe's discriminator must be a torch.nn.Module"),
        ("discriminator", lambda recipe: nn.Flatten(), "the recipe's discriminator has no parameters that could be"),
        ("generator", lambda recipe: recipe.generator.double(), "the recipe's generator's parameters must be float32"),
        (
            "discriminator",
            lambda recipe: nn.Sequential(recipe.discriminator, Double()),
            "the discriminator (in left at",
        ),
    ],
)
def test_what_is_no_network_is_refused_before_anything_trains(registry, monkeypatch, what, make, said):
    monkeypatch.setitem(globals(), "WHAT", what)
    monkeypatch.setitem(globals(), "MAKE", make)
    monkeypatch.setattr("gan_bench.training.dry._passes", {})
    cell = cell_of(registry)
    object.__setattr__(cell, "tricks", (Left(),))
    with pytest.raises(GanBenchError) as caught:
        dry_pass(cell)
    assert said in str(caught.value)


def test_a_registered_tensor_on_another_device_is_refused():
    class Elsewhere(Trick):
        """Keeps a tensor on the CPU, where no CUDA graph changes it."""

        name = "elsewhere"

        def edit(self, recipe):
            recipe.register("count", torch.zeros((), device="cpu"))

    sgd = {"name": "sgd", "lr": 1e-2}
    for device, refused in ((CPU, False), (torch.device("meta"), True)):
        with (
            pytest.raises(ValueError, match=r"recipe.step.device \(found: trick:elsewhere.count, on cpu\)")
            if refused
            else nullcontext()
        ):
            build_loop(
                FCGAN(latent=6, width=8),
                DataSpec((1, 8, 8)),
                Streams(0, device),
                lambda memory: lambda: None,
                tricks=[Elsewhere()],
                optimizer={"generator": sgd, "discriminator": sgd},
                batch_size=4,
            )


def test_a_loaded_run_is_the_one_that_was_scored(registry, data, evaluator, tmp_path):
    cell = cell_of(registry, "bent_g", "spectral_norm")
    training = open_run(cell, (4,), tmp_path / "run", data, evaluator)
    finish(training)
    plugins = [
        {"kind": found.kind, "name": found.name, "source": found.source_hash, "file": str(found.source)}
        for found in registry.those(cell.plugins)
        if found.origin.startswith("file ")
    ]
    dataset = {"name": "digits", "fingerprint": "", "shape": [1, 8, 8], "kind": "image", "classes": None}
    facts = {"seed": 0, "settings": cell.settings, "total_steps": 4, "dataset": dataset, "plugins": plugins}
    write_object(training.folder.run_file, facts)
    loaded = load_generator(tmp_path / "run", allow_plugins=True)
    z = torch.randn(3, 8)
    assert torch.equal(loaded(z), training.recipe.sampled.eval()(z))
