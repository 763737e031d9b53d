"""Plugin files with mistakes: the dry pass finds each before anything trains, and says it in one line with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from stores import gan_bench

from gan_bench.training import describe as networks
from gan_bench.training import dry

GRID = """
name = "bad"
plugins = ["plugin.py"]
dataset = { name = "digits", size = 8 }
architecture = ARCHITECTURE
tricks = TRICKS
seeds = [0]
steps = 3
batch_size = 8

[evaluate]
snapshots = 1
samples = 32
features = "random"
"""
PLUGIN = '''
import math
import sys

import torch
from torch import nn

from gan_bench import Architecture, Trick, hookimpl
from gan_bench.losses import BinaryCrossEntropy


class After(nn.Module):
    """A network, and a function of its output."""

    def __init__(self, network, function):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, x):
        return self.function(self, self.network(x))


class Mine(Architecture):
    """Mine."""

    name = "mine"

    def generator(self, data):
        network = nn.Sequential(nn.Linear(self.latent, data.numel), nn.Tanh(), nn.Unflatten(1, data.shape))
        return network  # of G

    def discriminator(self, data):
        network = nn.Sequential(nn.Flatten(), nn.Linear(data.numel, 1))
        return network  # of D


class Idea(Trick):
    """An idea."""

    name = "idea"
    replaces = {"loss", "targets", "schedule", "sampled"}

    def edit(self, recipe):
        pass  # the idea


@hookimpl
def gan_bench_architectures():
    return [Mine]


@hookimpl
def gan_bench_tricks():
    return [Idea]
'''
G, D, EDIT = (
    next(i for i, line in enumerate(PLUGIN.splitlines(), 1) if line.startswith(f"    def {name}"))
    for name in ("generator", "discriminator", "edit")
)


def plan(folder: Path, old: str, new: str, architecture: str = '"mine"', tricks: str = "[]", code: int = 2) -> str:
    """What `gan-bench plan` says of a plugin file with one place replaced, without what stands before it in all cases."""
    assert old in PLUGIN
    (folder / "plugin.py").write_text(PLUGIN.replace(old, new, 1))
    (folder / "grid.toml").write_text(GRID.replace("ARCHITECTURE", architecture).replace("TRICKS", tricks))
    done = gan_bench("plan", "grid.toml", "--no-pilot", cwd=folder, code=code)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (code == 2), "one line"
    assert not (folder / "runs").exists()
    return done.stderr.removeprefix("Error: ").strip()


def test_the_plugin_as_it_should_be(tmp_path: Path) -> None:
    assert plan(tmp_path, "pass", "pass", tricks='["idea"]', code=0) == ""


@pytest.fixture(params=[True, False], ids=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are taken for small ones, which are tried for real, or for large ones, which pass through the meta device too."""
    if not request.param:
        monkeypatch.setattr(networks, "REAL_PARAMETERS", 0)
        monkeypatch.setattr(dry, "REAL_WORK", 0)
    monkeypatch.setattr(dry, "_passes", {})
    networks.describe_architecture.cache_clear()


GENERATOR, DISCRIMINATOR = "return network  # of G", "return network  # of D"
OF_G = "the generator must return float32 (2, 1, 8, 8) for a batch of two"
OF_D = "the discriminator must return float32 (2, k) for a batch of two"


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("x[:, :, :4]", f"{OF_G}, it returns torch.float32 (2, 1, 4, 8)"),
        ("x.squeeze()", f"{OF_G}, it returns torch.float32 (2, 8, 8)"),
        ("x.double()", f"{OF_G}, it returns torch.float64 (2, 1, 8, 8)"),
        ("x.half()", f"{OF_G}, it returns torch.float16 (2, 1, 8, 8)"),
        ("(x, 1)", f"{OF_G}, it returns tuple"),
        ("None", f"{OF_G}, it returns NoneType"),
        ("x if m.training else x[:, :, 4:]", f"{OF_G} in evaluation mode, it returns torch.float32 (2, 1, 4, 8)"),
        ("x.detach()", "the generator's output leads no gradient to its parameters, so it could not learn"),
        (
            "x * math.nan",
            "the generator must return finite numbers for a batch of two, but 128 of 128 are not (found: nan)",
        ),
        ("x / 0", "the generator must return finite numbers for a batch of two, but 128 of 128 are not (found: "),
        ("x.sqrt()", "the generator must return finite numbers for a batch of two, but "),
        (
            "x * (1 if m.training else math.inf)",
            "the generator must return finite numbers for a batch of two in evaluation mode, but 128 of 128 are not",
        ),
    ],
)
def test_a_generators_output(tmp_path: Path, function: str, error: str) -> None:
    said = plan(tmp_path, GENERATOR, f"return After(network, lambda m, x: {function})")
    assert said.startswith(f"mine: plugin.py:{G}: {error}"), said


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("x[:, 0]", f"{OF_D}, it returns torch.float32 (2,)"),
        ("x.long()", f"{OF_D}, it returns torch.int64 (2, 1)"),
        ("x.sigmoid() if 0 else x.mean()", f"{OF_D}, it returns torch.float32 ()"),
        ("x.detach()", "the discriminator's output leads no gradient to its parameters, so it could not learn"),
        (
            "x * math.nan",
            "the discriminator must return finite numbers for a batch of two, but 2 of 2 are not (found: nan)",
        ),
        (
            "(x - x).log()",
            "the discriminator must return finite numbers for a batch of two, but 2 of 2 are not (found: -inf)",
        ),
    ],
)
def test_a_discriminators_output(tmp_path: Path, function: str, error: str) -> None:
    said = plan(tmp_path, DISCRIMINATOR, f"return After(network, lambda m, x: {function})")
    assert said.startswith(f"mine: plugin.py:{D}: {error}"), said


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(
    ("old", "new", "line", "error"),
    [
        (GENERATOR, "return 3", G, "the generator must be a torch.nn.Module (found: int)"),
        (DISCRIMINATOR, "pass", D, "the discriminator must be a torch.nn.Module (found: NoneType)"),
        (GENERATOR, "return nn.Identity()", G, "the generator has no parameters that could be trained"),
        (
            DISCRIMINATOR,
            "network.requires_grad_(False)\n        " + DISCRIMINATOR,
            D,
            "the discriminator has no parameters",
        ),
        (GENERATOR, "return network.double()", G, "the generator's parameters must be float32 (found: 0.weight of "),
        (
            GENERATOR,
            "nn.init.constant_(network[0].weight, math.nan)\n        " + GENERATOR,
            G,
            "the generator must return finite numbers for a batch of two, but 128 of 128 are not (found: nan)",
        ),
        (
            GENERATOR,
            "return nn.Bilinear(8, 8, 8)",
            G,
            "TypeError: Bilinear.forward() missing 1 required positional argu",
        ),
        (
            "generator(self, data)",
            "generator(self)",
            G,
            "TypeError: Mine.generator() takes 1 positional argument but 2",
        ),
        (
            "discriminator(self, data)",
            "discriminator(self, data, size)",
            D,
            "TypeError: Mine.discriminator() missing 1 ",
        ),
        (GENERATOR, "return After(network, lambda m, x: x.nothing)", G + 2, "AttributeError: 'Tensor' object has no "),
        (GENERATOR, "return After(network, lambda m, x: x + 1 / 0)", G + 2, "ZeroDivisionError: division by zero"),
        (GENERATOR, "raise ValueError('only\\nred')", G + 2, "ValueError: only red"),
        (GENERATOR, "sys.exit(3)", G + 2, "SystemExit: 3"),
        (GENERATOR, "return self.generator(data)", G + 1, "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_networks(tmp_path: Path, old: str, new: str, line: int, error: str) -> None:
    said = plan(tmp_path, old, new)
    lines = [
        f"mine: plugin.py:{line + more}: {error}" for more in (0, 1)
    ]  # where the stack ends is the interpreter's affair
    assert said.startswith(tuple(lines) if "Recursion" in error else lines[0]), said


def test_what_is_nan_only_after_one_step_is_found_where_the_step_is_real(tmp_path: Path) -> None:
    said = plan(tmp_path, DISCRIMINATOR, "return After(network, lambda m, x: x * 0 + (x * 0).sqrt())")
    numbers = "loss_g, gradients of the discriminator, gradients of the generator"
    assert said == f"mine: ValueError: not a finite number in the first step: {numbers} (in mine at plugin.py:{G})"


def test_a_learning_rate_however_large_is_no_mistake(tmp_path: Path) -> None:
    """Cells that differ in it alone share a dry pass, so that its outcome must not hang on it."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    grid = GRID.replace("ARCHITECTURE", '"mine"').replace("TRICKS", "[]")
    (tmp_path / "grid.toml").write_text(f'{grid}\n[optimizer]\nname = "sgd"\nlr = 1000\n')
    gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path)


def test_pictures_of_one_grey_are_not_what_is_tried(tmp_path: Path) -> None:
    """A network may divide by a picture's deviation, which real pictures have."""
    normed = "After(nn.Identity(), lambda m, x: x / x.std((1, 2, 3), keepdim=True))"
    plan(tmp_path, DISCRIMINATOR, f"return nn.Sequential({normed}, network)", code=0)


def test_weights_are_those_of_the_start(tmp_path: Path) -> None:
    """Weight normalisation divides by the weights, which must not be zeros."""
    plan(
        tmp_path,
        DISCRIMINATOR,
        "return nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(network[1]))",
        code=0,
    )


def test_a_recurrent_layer_is_described(tmp_path: Path) -> None:
    """Its output is a tuple."""
    last = "After(nn.LSTM(8, 5, batch_first=True), lambda m, x: x[0][:, -1])"
    text = PLUGIN.replace(DISCRIMINATOR, f"return nn.Sequential(nn.Flatten(1, 2), {last}, nn.Linear(5, 1))")
    (tmp_path / "plugin.py").write_text(text)
    shown = gan_bench("plugins", "mine", "--plugin", "plugin.py", "--data", "1x8x8", cwd=tmp_path).stdout
    assert "LSTM(8, 5, batch_first=True)" in shown


WHOLE = "must be a whole number of at least 1"
NOT_FINITE = "ValueError: not a finite number in the first step: "
LAMBDA = "TypeError: Idea.edit.<locals>.<lambda>() takes"


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ("recipe.nothing()", f"plugin.py:{EDIT + 1}: AttributeError: 'Recipe' object has no attribute 'nothing'"),
        ("recipe.d_stepz = 3", f"plugin.py:{EDIT + 1}: AttributeError: 'Recipe' object has no attribute 'd_stepz'"),
        ("sys.exit(3)", f"plugin.py:{EDIT + 1}: SystemExit: 3"),
        ("recipe.d_steps = 0", f"ValueError: the recipe's d_steps {WHOLE} (found: 0)"),
        ("recipe.d_steps = -1", f"ValueError: the recipe's d_steps {WHOLE} (found: -1)"),
        ("recipe.d_steps = 1.5", f"ValueError: the recipe's d_steps {WHOLE} (found: 1.5)"),
        ("recipe.g_per_d = 0", f"ValueError: the recipe's g_per_d {WHOLE} (found: 0)"),
        (
            "recipe.penalty(lambda d, seen: seen.real_logits.mean(), every=0)",
            f"ValueError: the recipe's every, of penalty 1, {WHOLE} (found: 0)",
        ),
        ("recipe.sampled = None", "ValueError: the recipe's sampled must be a torch.nn.Module (found: NoneType)"),
        (
            "recipe.sampled = nn.Linear(100, 5)",
            f"the sampled network (in idea at plugin.py:{EDIT}) must return float32 (2, 1, 8, 8) for a batch of two in ",
        ),
        ("recipe.loss = None", "ValueError: the recipe's loss must be a gan_bench.Loss (found: NoneType)"),
        ("recipe.loss = BinaryCrossEntropy", "ValueError: the recipe's loss must be a gan_bench.Loss (found: ABCMeta)"),
        (
            "recipe.register('x', 3)",
            "ValueError: what is registered must be a tensor, module or optimiser (found: trick:idea.x, int)",
        ),
        (
            "recipe.d_inputs(lambda x: x[:, :, :4])",
            "ValueError: what d_inputs gets must keep its shape (8, 1, 8, 8) (found: (8, 1, 4, 8))",
        ),
        (
            "recipe.d_fakes(lambda fake: fake[:4])",
            "ValueError: what d_fakes gets must keep its shape (8, 1, 8, 8) (found: (4, 1, 8, 8))",
        ),
        ("recipe.d_inputs(lambda: 0)", f"{LAMBDA} 0 positional arguments but 1 was given"),
        ("recipe.targets(lambda target: target)", f"{LAMBDA} 1 positional argument but 3 were given"),
        ("recipe.d_inputs(lambda x: x / 0)", f"{NOT_FINITE}loss_d, logit_real, logit_fake, loss_g, gradients of the "),
        ("recipe.penalty(lambda d, seen: seen.real_logits.mean() / 0)", f"{NOT_FINITE}"),
        ("recipe.after_d_step(lambda: recipe.report('mine', recipe.step / 0))", f"{NOT_FINITE}mine"),
        (
            "recipe.after_d_step(lambda: recipe.report('step', recipe.step))",
            f"plugin.py:{EDIT + 1}: ValueError: a trick can't report 'step', which the curves have already",
        ),
        (
            "recipe.after_d_step(lambda: recipe.report('a\\nb', recipe.step))",
            f"plugin.py:{EDIT + 1}: ValueError: what is reported needs a name of 1 to 100 readable characters",
        ),
        (
            "recipe.penalty(lambda d, seen: seen.real_logits)",
            "RuntimeError: grad can be implicitly created only for scalar",
        ),
        ("recipe.optimizer['generator']['lr'] = math.nan", "ValueError: Invalid learning rate: nan"),
    ],
)
def test_tricks(tmp_path: Path, new: str, error: str) -> None:
    said = plan(tmp_path, "pass  # the idea", new, tricks='["idea"]')
    assert said.startswith(f"mine: {error}"), said
    assert f"plugin.py:{EDIT}" in said or said.startswith("mine: plugin.py:"), said


def test_a_trick_with_a_wrong_signature(tmp_path: Path) -> None:
    said = plan(tmp_path, "def edit(self, recipe)", "def edit(self)", tricks='["idea"]')
    told = "TypeError: Idea.edit() takes 1 positional argument but 2 were given"
    assert said == f"mine: {told} (in idea at plugin.py:{EDIT})"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def (", "5: architecture: plugin.py:1: SyntaxError: invalid syntax"),
        (
            "import no_such_module",
            "5: architecture: plugin.py:1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("\0", "5: architecture: "),
        ("", "5: architecture: plugin.py: it implements no hook"),
        ("#" * 1_000_000, "5: architecture: plugin.py: it implements no hook"),
    ],
)
def test_files_that_are_no_plugins(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "plugin.py").write_text(text)
    (tmp_path / "grid.toml").write_text(GRID.replace("ARCHITECTURE", '"mine"').replace("TRICKS", "[]"))
    said = gan_bench("run", "grid.toml", cwd=tmp_path, code=2).stderr
    assert said.startswith(f"Error: grid.toml:{error}"), said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_bytes(PLUGIN.encode() + b'x = "\xff"\n')
    (tmp_path / "grid.toml").write_text(GRID.replace("ARCHITECTURE", '"mine"').replace("TRICKS", "[]"))
    said = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path, code=2).stderr
    assert said.startswith("Error: grid.toml:5: architecture: "), said
    assert "SyntaxError" in said


EVALUATION = '''
from gan_bench import FeatureExtractor, Metric, hookimpl


class Mean(Metric):
    """The mean."""

    name = "mean"

    def label(self, features):
        return f"mean[{features.label}]"

    def score(self, generated, reference):
        return generated.mean()


class Flat:
    label = "flat"
    protocol = {}

    def __call__(self, samples):
        return samples.flatten(1)


class Pixels(FeatureExtractor):
    """The pixels."""

    name = "mine"

    def prepare(self, data, cache, device):
        return Flat()


@hookimpl
def gan_bench_metrics():
    return [Mean]


@hookimpl
def gan_bench_features():
    return [Pixels]
'''


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "score(self, generated, reference)",
            "score(self, generated)",
            "metric mean at plugin.py:5 failed: ValueError: score()",
        ),
        (
            "label(self, features)",
            "label(self)",
            "metric mean at plugin.py:5 failed: TypeError: Mean.label() takes 1 pos",
        ),
        (
            'f"mean[{features.label}]"',
            "None",
            "metric mean at plugin.py:5 failed: ValueError: label() must return text",
        ),
        (
            "features.label",
            "features.lable",
            "metric mean at plugin.py:5 failed: plugin.py:11: AttributeError: 'Flat' ob",
        ),
        (
            "prepare(self, data, cache, device)",
            "prepare(self)",
            "features mine: prepare() at plugin.py:30 failed: TypeEr",
        ),
        (
            "return Flat()",
            "1 / 0",
            "features mine: prepare() at plugin.py:30 failed: plugin.py:31: ZeroDivisionError: divis",
        ),
        (
            "return Flat()",
            "pass",
            "features mine, NoneType at a place unknown failed: AttributeError: 'NoneType' object has",
        ),
        (
            "    protocol = {}\n",
            "",
            "features mine, Flat at plugin.py:17 failed: AttributeError: 'Flat' object has no attri",
        ),
        (
            "protocol = {}",
            "protocol = {1j: 1}",
            "features mine, Flat at plugin.py:17 failed: TypeError: keys must be str",
        ),
        (
            "samples.flatten(1)",
            "samples",
            "features mine, Flat at plugin.py:17 failed: ValueError: features of 2 samples m",
        ),
        ("samples.flatten(1)", "None", "features mine, Flat at plugin.py:17 failed: TypeError: expected Tensor"),
        (
            "samples.flatten(1)",
            "samples.nothing",
            "features mine, Flat at plugin.py:17 failed: plugin.py:22: Attribute",
        ),
    ],
)
def test_metrics_and_features(tmp_path: Path, old: str, new: str, error: str) -> None:
    """They are tried on two samples before anything trains, which would be for nothing."""
    assert old in EVALUATION
    (tmp_path / "plugin.py").write_text(EVALUATION.replace(old, new, 1))
    grid = GRID.replace("ARCHITECTURE", '"fcgan"').replace("TRICKS", "[]")
    (tmp_path / "grid.toml").write_text(grid.replace('"random"', '"mine"\nmetrics = ["mean"]'))
    said = gan_bench("run", "grid.toml", "--devices", "cpu", cwd=tmp_path, code=2).stderr
    assert said.startswith(f"Error: {error}"), said
    assert said.count("\n") == 1
    assert not list((tmp_path / "runs").glob("*/runs"))


DATASET = '''
import sys

import numpy as np

from gan_bench import ArrayPart, Dataset, Parts, hookimpl


class Noise(Dataset):
    """Noise."""

    name = "noise"
    shape = (1, 8, 8)

    def load(self):
        return Parts(training=self.part(20), held_out=self.part(5))

    def part(self, count):
        return ArrayPart(np.random.default_rng(count).integers(0, 256, (count, 1, 8, 8)).astype(np.uint8))


@hookimpl
def gan_bench_datasets():
    return [Noise]
'''


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "load(self)",
            "load(self, how)",
            "load() failed: TypeError: Noise.load() missing 1 required positional argument",
        ),
        ("return Parts", "sys.exit(3)\n        return Parts", "load() failed: plugin.py:16: SystemExit: 3."),
        (
            "return Parts",
            "1 / 0\n        return Parts",
            "load() failed: plugin.py:16: ZeroDivisionError: division by zero.",
        ),
        (
            ".astype(np.uint8)",
            "",
            "training part, sample 0: found int64 of shape (1, 8, 8), expected uint8 of shape (1, 8, 8).",
        ),
        (
            "(1, 8, 8)\n",
            "(1, 8, 9)\n",
            "training part, sample 0: found uint8 of shape (1, 8, 8), expected uint8 of shape (1, 8",
        ),
        ("self.part(5)", "self.part(0)", "the held_out part is empty."),
    ],
)
def test_datasets(tmp_path: Path, old: str, new: str, error: str) -> None:
    assert old in DATASET
    (tmp_path / "plugin.py").write_text(DATASET.replace(old, new, 1))
    grid = GRID.replace("ARCHITECTURE", '"fcgan"').replace("TRICKS", "[]")
    (tmp_path / "grid.toml").write_text(grid.replace('{ name = "digits", size = 8 }', '"noise"'))
    said = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path, code=2).stderr
    assert said.startswith(f"Error: grid.toml:4: dataset: {error}"), said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("evaluate", "error"),
    [
        (
            'metrics = ["kid", "modes"]',
            "12: evaluate.metrics[1]: modes can't be computed of digits: dataset digits tells no modes",
        ),
        (
            'metrics = ["precision_recall"]\nsamples = 2',
            "12: evaluate.metrics[0]: precision_recall can't be computed of digits: ",
        ),
    ],
)
def test_metrics_that_no_samples_of_this_data_can_have(tmp_path: Path, evaluate: str, error: str) -> None:
    """They would be missed after hours of training."""
    grid = GRID.replace('plugins = ["plugin.py"]', "").replace("ARCHITECTURE", '"fcgan"').replace("TRICKS", "[]")
    grid = grid.replace("[evaluate]\n", f"[evaluate]\n{evaluate}\n")
    if "samples = 2" in evaluate:
        grid = grid.replace("samples = 32\n", "")
    (tmp_path / "grid.toml").write_text(grid)
    said = gan_bench("run", "grid.toml", cwd=tmp_path, code=2).stderr
    assert said.startswith(f"Error: grid.toml:{error}"), said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs" / "bad" / "runs").exists()


@pytest.mark.slow
def test_a_metric_that_some_of_the_data_can_have_is_computed_there(tmp_path: Path) -> None:
    grid = GRID.replace('plugins = ["plugin.py"]', "").replace("ARCHITECTURE", '"fcgan"').replace("TRICKS", "[]")
    levels = '[[compare]]\ntitle = "?"\ndataset = [{ name = "digits", size = 8 }, "ring"]\n'
    (tmp_path / "grid.toml").write_text(grid.replace("[evaluate]\n", '[evaluate]\nmetrics = ["modes"]\n') + levels)
    said = " ".join(gan_bench("run", "grid.toml", cwd=tmp_path).stderr.split())
    assert "Warning: modes can't be computed of digits: dataset digits tells no modes" in said
    scores = [
        json.loads(file.read_text())["scores"] for file in tmp_path.glob("runs/bad/runs/*/snapshots/*/scores.json")
    ]
    assert sorted(score[0]["value"] is None for score in scores) == [False, True]


def test_two_pictures_are_too_few_for_a_distance_and_say_so(tmp_path: Path) -> None:
    for i in range(2):
        Image.new("L", (8, 8), 100 * i).save(tmp_path / f"{i}.png")
    grid = GRID.replace('plugins = ["plugin.py"]', "").replace("ARCHITECTURE", '"fcgan"').replace("TRICKS", "[]")
    (tmp_path / "grid.toml").write_text(grid.replace('name = "digits"', 'name = "folder", root = "."'))
    said = gan_bench("run", "grid.toml", cwd=tmp_path, code=2).stderr
    assert (
        "evaluate.metrics: kid can't be computed of folder: kid needs at least 20 real samples, not 1; precision_recall"
        in said
    )
    assert said.count("\n") == 1
