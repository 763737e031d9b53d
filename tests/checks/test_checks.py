"""The checks find what is wrong with a plugin, and say in which file and line."""

from __future__ import annotations

import pytest

from gan_bench.api.registry import Registry
from gan_bench.checks.check import Failed, Skipped
from gan_bench.checks.plugins import checks_of

TRICK = '''
import os, random
import numpy as np
import torch
from gan_bench import Field, Trick, hookimpl

STEPS = []

class Mine(Trick):
    """Mine (Nobody 2026)."""
    name = "mine"
    by: float = Field(0.5, gt=0, le=1, description="factor")
    pass  # of the class

    def edit(self, recipe):
        def dim(x):
            return x * self.by  # what it does
        recipe.d_inputs(dim)
        pass  # of edit

@hookimpl
def gan_bench_tricks():
    return [Mine]
'''
ARCHITECTURE = '''
import os
import torch
from torch import nn
from gan_bench import Architecture, Field, hookimpl

class Counts(nn.Module):
    calls = 0
    def forward(self, x):
        self.calls += 1
        return x * (1 + self.calls / 100)

class Mine(Architecture):
    """Mine (Nobody 2026)."""
    name = "mine"
    latent: int = Field(4, ge=1, description="size of z")

    def generator(self, data):
        last = nn.Unflatten(1, data.shape)
        return nn.Sequential(nn.Linear(self.latent, data.numel), nn.Tanh(), last)

    def discriminator(self, data):
        last = nn.Linear(data.numel, 1)
        return nn.Sequential(nn.Flatten(), last)

@hookimpl
def gan_bench_architectures():
    return [Mine]
'''
DATASET = '''
import numpy as np
import torch
from gan_bench import ArrayPart, Dataset, Field, Parts, hookimpl

class Mine(Dataset):
    """Mine."""
    name = "mine"
    shape = (1, 8, 8)

    def classes(self):
        return "a", "b"

    def load(self):
        random = np.random.default_rng(0)
        pictures = random.integers(0, 255, (40, 1, 8, 8)).astype("uint8")
        labels = np.arange(40) % 2
        return Parts(ArrayPart(pictures[:30], labels[:30]), ArrayPart(pictures[30:], labels[30:]))

@hookimpl
def gan_bench_datasets():
    return [Mine]
'''
METRIC = '''
import torch
from gan_bench import Field, Metric, hookimpl

class Mine(Metric):
    """Mine (Nobody 2026)."""
    name = "mine"
    side = "distance"

    def score(self, generated, real):
        return (generated.mean(0) - real.mean(0)).norm().item()

@hookimpl
def gan_bench_metrics():
    return [Mine]
'''
FEATURES = '''
import torch
from torch import nn
from gan_bench import FeatureExtractor, NetworkFeatures, hookimpl

class Mine(FeatureExtractor):
    """Mine."""
    name = "mine"

    def prepare(self, data, cache, device):
        network = nn.Flatten()
        return NetworkFeatures(network, "mine", data.spec, device, data.spec.numel, {})

@hookimpl
def gan_bench_features():
    return [Mine]
'''


@pytest.fixture
def failures(tmp_path):
    """What fails of a plugin file with one place replaced, by the check's name: the number of the line, and the rule."""

    def failures(text: str, old: str = "", new: str = "", only: str = "") -> dict[str, tuple[int | None, str]]:
        assert old in text
        file = tmp_path / "mine.py"
        file.write_text(text.replace(old, new, 1))
        registry = Registry.load([file])
        (found,) = (one for one in registry.found if one.of_file)
        failed, places = {}, set()
        for check in checks_of(found, registry):
            if only not in ("", check.name):
                continue
            try:
                check.run()
            except Failed as failure:
                failed[check.name] = failure.line, failure.rule
                places.add(failure.file and failure.file.resolve())
            except Skipped:
                continue
        assert places <= {file.resolve()}
        return failed

    return failures


def line(text: str, part: str) -> int:
    """The number of the first line that has this in it."""
    return next(number for number, one in enumerate(text.split("\n"), 1) if part in one)


@pytest.mark.slow
@pytest.mark.parametrize("text", [TRICK, ARCHITECTURE, DATASET, METRIC, FEATURES], ids=["t", "a", "d", "m", "f"])
def test_what_is_sound_passes(failures, text):
    assert failures(text) == {}


CONDITIONAL = '''
from typing import Literal
import torch
from torch import nn
from gan_bench import Architecture, Field, hookimpl

class Of(nn.Module):
    def __init__(self, network, classes, width):
        super().__init__()
        self.network, self.embedding = network, nn.Embedding(classes, width)

class G(Of):
    def forward(self, z, y):
        return self.network(torch.cat((z, self.embedding(y)), 1))

class D(Of):
    def __init__(self, network, classes, width, auxiliary):
        super().__init__(network, classes, width)
        self.head = nn.Linear(width, 1)
        self.auxiliary = auxiliary

    def forward(self, x, y):
        h = self.network(x)
        if self.auxiliary:
            return self.head(h), h @ self.embedding.weight.T
        return self.head(h) + (h * self.embedding(y)).sum(1, keepdim=True)

class Mine(Architecture):
    """Mine (Nobody 2026)."""
    name = "mine"
    latent: int = Field(4, ge=1, description="size of z")
    conditional: Literal["none", "projection", "auxiliary"] = Field("none", description="how")

    def generator(self, data):
        told = len(data.classes) if self.takes_labels else 0
        network = nn.Sequential(nn.Linear(self.latent + told, data.numel), nn.Tanh(), nn.Unflatten(1, data.shape))
        return G(network, told, told) if told else network

    def discriminator(self, data):
        body = nn.Sequential(nn.Flatten(), nn.Linear(data.numel, 6))
        if not self.takes_labels:
            return body.append(nn.Linear(6, 1))
        return D(body, len(data.classes), 6, self.conditional == "auxiliary")  # told

@hookimpl
def gan_bench_architectures():
    return [Mine]
'''


@pytest.mark.slow
def test_each_way_to_be_told_the_classes_is_tried(failures):
    assert failures(CONDITIONAL) == {}
    alone = failures(
        CONDITIONAL, "return self.head(h) + (h * self.embedding(y)).sum(1, keepdim=True)", "return self.head(h)"
    )
    said = "embedding.weight of the discriminator stays as it was drawn: no gradient reaches it in 7 steps"
    assert alone == {"trains, every parameter": (line(CONDITIONAL, "def discriminator"), said)}
    broken = failures(CONDITIONAL, "h @ self.embedding.weight.T", "h", "makes samples and judges them")
    assert "the discriminator's second output must return float32 (2, 4)" in str(broken)


SEEDED = "return torch.manual_seed(3) and x * torch.rand_like(x)"
EDIT = "def edit"


@pytest.mark.parametrize(
    ("old", "new", "check", "at", "said"),
    [
        ('"""Mine (Nobody 2026)."""', "", "says what it and each parameter is", "class Mine", "it has no docstring"),
        (
            ', description="factor"',
            "",
            "says what it and each parameter is",
            "by: float",
            "`by` needs Field(..., descr",
        ),
        ("(Nobody 2026)", "", "cites where it is from", "class Mine", "its docstring does not say where it is from"),
        (
            "pass  # of the class",
            'checked_with = ({"by": 2.0},)',
            "can be made",
            "class Mine",
            "its checked_with has {'by': 2.0}: by: Input should be less than or equal to 1",
        ),
        ("pass  # of the class", "checked_with = 3", "can be made", "class Mine", "TypeError: "),
        (
            "pass  # of the class",
            'checked_with = ({"by": 0.5},)',
            "can be made",
            "class Mine",
            "its checked_with has {'by': 0.5}, which changes nothing",
        ),
        (
            "return x * self.by",
            "return x",
            "changes something",
            EDIT,
            "it changes nothing: 7 steps end as they do without",
        ),
        (
            "return x * self.by",
            "return x * (1 / 0)",
            "trains",
            "return x * (1 / 0)",
            "ZeroDivisionError: division by zero",
        ),
        ("return x * self.by", "return x * torch.nan", "trains", EDIT, "not a finite number in the first step: loss_d"),
        ("return x * self.by", "return x.double()", "trains", None, "dtype"),
        (
            "return x * self.by",
            "STEPS.append(1); return x * len(STEPS)",
            "is reproducible",
            EDIT,
            "trained again from the same seed, it ends otherwise: generator.",
        ),
        (
            "def dim(x):",
            "steps = []\n        def dim(x):\n            steps.append(1); return x * len(steps)",
            "resumes to the same bits",
            EDIT,
            "it does not resume to the same bits: generator.",
        ),
        (
            "return x * self.by",
            "return x * (1 + int.from_bytes(os.urandom(1), 'big'))",
            "is reproducible",
            EDIT,
            "trained again from the same seed, it ends otherwise",
        ),
        (
            "return x * self.by",
            "return x * np.random.rand()",
            "leaves global state alone",
            EDIT,
            "it changes what all runs of a process share: NumPy's generator",
        ),
        (
            "return x * self.by",
            "torch.use_deterministic_algorithms(True); return x * self.by",
            "leaves global state alone",
            EDIT,
            "it changes what all runs of a process share: deterministic algorithms",
        ),
        ("return x * self.by", SEEDED, "draws from its own stream", EDIT, "it seeds PyTorch's generator"),
        (
            "return x * self.by",
            "return x * (1 - recipe.step / recipe.total_steps)",
            "is the same in longer training, unless it needs the length",
            EDIT,
            "where longer training is asked for, its first steps are others",
        ),
        (
            "pass  # of edit",
            'raise ValueError("too plain")',
            "trains",
            EDIT,
            "{'name': 'mine', 'by': 0.5} refuses all networks that it is tried on: ",
        ),
        ("pass  # of edit", "raise ValueError", "trains", EDIT, "it refuses networks without saying why"),
        (
            "pass  # of edit",
            "recipe.d_steps = 2",
            "trains",
            EDIT,
            "mine replaces the schedule; say so: replaces = {'sch",
        ),
        (
            "pass  # of edit",
            "recipe.optimizer['generator']['lr'] = 0.0",
            "trains",
            EDIT,
            "no parameter of the generator changes in 7 steps",
        ),
        (
            "pass  # of edit",
            "recipe.nonsense = 2",
            "trains",
            "recipe.nonsense",
            "AttributeError: 'Recipe' object has no",
        ),
    ],
)
def test_what_is_wrong_with_a_trick(failures, old, new, check, at, said):
    found = failures(TRICK, old, new, check)
    assert check in found, found
    where, rule = found[check]
    assert rule.startswith(said) or said in rule, rule
    if at is not None:
        assert where == line(TRICK.replace(old, new, 1), at)


@pytest.mark.slow
def test_a_trick_that_needs_the_length_may_read_it(failures):
    text = TRICK.replace("return x * self.by", "return x * (1 - recipe.step / recipe.total_steps)")
    assert failures(text, "pass  # of the class", "needs_length = True") == {}


@pytest.mark.slow
def test_a_trick_that_shows_with_other_parameters_says_so(failures):
    text = TRICK.replace("0.5, gt=0", "1.0, gt=0")
    assert failures(text).keys() == {"changes something"}
    assert failures(text, "pass  # of the class", 'checked_with = ({"by": 0.5},)') == {}


def test_what_a_trick_is_checked_on_must_be_there(failures):
    found = failures(
        TRICK, "pass  # of the class", 'checked_on = ({"name": "nowhere"},)', "does so with all networks that it takes"
    )
    ((_, rule),) = found.values()
    assert rule.startswith("no architecture is called 'nowhere'")


@pytest.mark.slow
def test_a_trick_that_needs_other_networks_names_them(failures):
    text = TRICK.replace(
        "pass  # of edit", "if len(list(recipe.generator.modules())) < 15: raise ValueError('too few layers')"
    )
    assert "trains" in failures(text)
    networks = '{"name": "fcgan", "width": 8, "depth": 4}'
    assert failures(text, "pass  # of the class", f"checked_on = ({networks},)") == {}


@pytest.mark.parametrize(
    ("old", "new", "check", "at", "said"),
    [
        (
            "nn.Linear(self.latent, data.numel)",
            "nn.Linear(self.latent, data.numel).double()",
            "makes samples and judges them",
            "def generator",
            "the generator's parameters must be float32 (found: 0.weight of torch.float64)",
        ),
        (
            "nn.Unflatten(1, data.shape)",
            "nn.Unflatten(1, (1, *data.shape))",
            "makes samples and judges them",
            "def generator",
            "the generator must return float32 (2, 1, 8, 8) for a batch of two",
        ),
        (
            "last = nn.Linear(data.numel, 1)",
            "last = nn.Linear(data.numel, 1); last.unused = nn.Linear(2, 2)",
            "trains, every parameter",
            "def discriminator",
            "1.unused.weight of the discriminator stays as it was drawn: no gradient reaches it",
        ),
        (
            "last = nn.Unflatten(1, data.shape)",
            "last = nn.Unflatten(1, data.shape); torch.manual_seed(0)",
            "seeds nothing",
            "def generator",
            "it seeds PyTorch's generator",
        ),
        (
            "last = nn.Linear(data.numel, 1)",
            "last = nn.Linear(data.numel, 1); last.weight.data *= 1 + os.urandom(1)[0]",
            "is built equal from an equal seed",
            "def discriminator",
            "built twice from one seed, the discriminator begins otherwise: 1.weight differs",
        ),
        ("nn.Tanh()", "Counts()", "resumes to the same bits", "class Mine", "it does not resume to the same bits"),
        (
            "last = nn.Unflatten(1, data.shape)",
            "last = nn.Unflatten(1, data.shape); torch.set_num_threads(2)",
            "leaves global state alone",
            "class Mine",
            "it changes what all runs of a process share: number of threads",
        ),
        (
            "last = nn.Unflatten(1, data.shape)",
            "raise ValueError('nothing suits me')",
            "makes samples and judges them",
            "class Mine",
            "it takes none of the data that it is tried on",
        ),
    ],
)
def test_what_is_wrong_with_an_architecture(failures, old, new, check, at, said):
    found = failures(ARCHITECTURE, old, new, check)
    assert check in found, found
    where, rule = found[check]
    assert rule.startswith(said), rule
    assert where == line(ARCHITECTURE.replace(old, new, 1), at)


@pytest.mark.parametrize(
    ("old", "new", "check", "said"),
    [
        (
            '.astype("uint8")',
            '.astype("float32")',
            "gives samples as it says",
            "training[0] must be uint8 of shape (1, 8, 8) (found: float32",
        ),
        (
            "(40, 1, 8, 8)",
            "(40, 8, 8)",
            "gives samples as it says",
            "training[0] must be uint8 of shape (1, 8, 8) (found: uint8 of (8, 8))",
        ),
        (
            "shape = (1, 8, 8)",
            "shape = property(lambda self: 8)",
            "gives samples as it says",
            "dataset mine: `shape` must be",
        ),
        ("% 2", "% 3", "gives samples as it says", "the label of training[5] must be one of 2 classes (found: 2)"),
        (
            "pictures[30:], labels[30:]",
            "pictures[40:], labels[40:]",
            "gives samples as it says",
            "a part has no samples",
        ),
        ("default_rng(0)", "default_rng()", "gives the same samples each time", "loaded again, training[0] is another"),
        (
            "random = np.random.default_rng(0)",
            "np.random.seed(0); random = np.random.default_rng(0)",
            "leaves global state alone",
            "it changes what all runs of a process share: NumPy's generator",
        ),
    ],
)
def test_what_is_wrong_with_a_dataset(failures, old, new, check, said):
    found = failures(DATASET, old, new, check)
    assert check in found, found
    assert found[check][1].startswith(said), found[check]
    assert found[check][0] == line(DATASET, "class Mine" if "shape =" in old else "def load")


SCORE = "(generated.mean(0) - real.mean(0)).norm().item()"


@pytest.mark.parametrize(
    ("new", "check", "said"),
    [
        (
            "generated.mean(0) + 'a'",
            "gives finite numbers, or says why not",
            "TypeError: unsupported operand type(s) for +: 'Tensor' and 'str'; a number that can't be had is a ValueError",
        ),
        ("generated.mean() / 0", "gives finite numbers, or says why not", "mine is "),
        (f"-{SCORE}", "takes real data for better than noise", "mine[flat] is "),
        (
            f"{SCORE} + __import__('os').urandom(1)[0]",
            "is deterministic",
            "computed again of the same samples, it is another",
        ),
        (
            f"torch.set_default_dtype(torch.float64) or {SCORE}",
            "leaves global state alone",
            "it changes what all runs of a process share: default dtype",
        ),
    ],
)
def test_what_is_wrong_with_a_metric(failures, new, check, said):
    found = failures(METRIC, SCORE, new, check)
    assert check in found, found
    assert found[check][1].startswith(said), found[check]
    assert found[check][0] == line(METRIC, "    return (generated" if "TypeError" in said else "def score")


@pytest.mark.parametrize(
    ("new", "check", "said"),
    [
        (
            "nn.Sequential(nn.Flatten(), nn.Softmax(0))",
            "gives features of each sample",
            "a sample's features must not depend on the others of its batch",
        ),
        (
            "nn.Sequential(nn.Flatten(), nn.Linear(data.spec.numel, 3))",
            "is deterministic",
            "prepared again for the same data",
        ),
        (
            "nn.Sequential(nn.Flatten(), nn.Linear(data.spec.numel, 3))",
            "leaves global state alone",
            "it changes what all runs",
        ),
    ],
)
def test_what_is_wrong_with_features(failures, new, check, said):
    found = failures(FEATURES, "nn.Flatten()", new, check)
    assert check in found, found
    assert found[check][1].startswith(said), found[check]
    assert found[check][0] == line(FEATURES, "def prepare")
