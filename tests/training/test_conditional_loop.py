"""Networks that take labels: which labels real and fake samples have, and that nothing of it is lost in an interruption."""

from __future__ import annotations

import pytest
import torch
from small_runs import ADAM, CPU, interrupt, make_loop, open_run
from stores import assert_equal
from torch.nn import functional as F

from gan_bench import DataSpec, Hinge, LossAround, Trick
from gan_bench.api.randomness import Stream, Streams
from gan_bench.api.registry import Registry
from gan_bench.data.prepare import prepare
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.training.build import build_loop
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP

PLUGIN = """
from typing import Literal

import torch
from torch import nn

from gan_bench import Architecture, Field, hookimpl


class G(nn.Module):
    def __init__(self, latent, data):
        super().__init__()
        self.classes, self.layer = nn.Embedding(len(data.classes), latent), nn.Linear(latent, data.numel)
        self.shape = data.shape

    def forward(self, z, y):
        return torch.tanh(self.layer(z + self.classes(y))).unflatten(1, self.shape)


class D(nn.Module):
    def __init__(self, data, auxiliary):
        super().__init__()
        self.hidden, self.logit = nn.Linear(data.numel, 7), nn.Linear(7, 1)
        self.classes = nn.Linear(7, len(data.classes)) if auxiliary else nn.Embedding(len(data.classes), 7)

    def forward(self, x, y):
        h = torch.tanh(self.hidden(x.flatten(1)))
        if isinstance(self.classes, nn.Linear):
            return self.logit(h), self.classes(h)
        return self.logit(h) + (self.classes(y) * h).sum(1, keepdim=True)


class Labelled(Architecture):
    "One layer and a half."

    name = "labelled"
    latent: int = Field(4, ge=1)
    conditional: Literal["none", "projection", "auxiliary"] = Field("projection")

    def generator(self, data):
        return G(self.latent, data)

    def discriminator(self, data):
        return D(data, self.conditional == "auxiliary")


@hookimpl
def gan_bench_architectures():
    return [Labelled]
"""
COUNTS = (10, 0, 30)  # of three classes
DATA = DataSpec((1, 2, 2), classes=("a", "b", "c"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugins") / "labelled.py"
    file.write_text(PLUGIN)
    return Registry.load([file])


def next_real():
    """Sixteen samples whose numbers are their label."""
    labels = torch.arange(16) % 3
    return (labels.float() - 1)[:, None, None, None].expand(16, 1, 2, 2).clone(), labels


def make(registry, *tricks, conditional="projection", counts=COUNTS, seed=0):
    architecture = registry.create("architecture", {"name": "labelled", "conditional": conditional})
    return build_loop(
        architecture,
        DATA,
        Streams(seed, CPU),
        lambda memory: next_real,
        tricks=tricks,
        optimizer={"generator": ADAM, "discriminator": ADAM},
        batch_size=16,
        class_counts=counts,
    )


class Looking(Trick):
    """Keeps what a penalty sees."""

    name = "looking"
    pairs: bool = True

    def edit(self, recipe):
        def look(discriminator, seen):
            KEPT.append((discriminator, seen))
            return seen.fake_logits.sum() * 0

        recipe.penalty(look, pairs=self.pairs)


KEPT: list = []


@pytest.fixture(autouse=True)
def nothing_kept():
    KEPT.clear()


def test_real_labels_stay_with_their_samples(registry):
    loop = make(registry)
    calls = []
    loop.recipe.discriminator.register_forward_hook(lambda module, inputs, output: calls.append(inputs))
    loop.step()
    samples, labels = calls[0]
    assert torch.equal(samples[:, 0, 0, 0], labels.float() - 1)
    assert len(calls) == 3
    assert all(len(inputs) == 2 for inputs in calls)


def test_labels_of_fakes_have_the_datas_proportions_and_a_stream_of_their_own(registry):
    loop = make(registry)
    labels = torch.cat([loop.generate("G").labels for _ in range(200)])
    shares = labels.bincount(minlength=3) / len(labels)
    assert shares[1] == 0
    assert shares[0].item() == pytest.approx(0.25, abs=0.03)
    with Stream(0, "labels of G", CPU):
        drawn = torch.cat([loop.recipe.draw_labels(16) for _ in range(200)])
    assert torch.equal(labels, drawn)
    unlabelled = make_loop(FCGAN(latent=4, width=8), batch_size=16)
    assert torch.equal(make(registry).generate("G").latents, unlabelled.generate("G").latents)


def test_fakes_of_one_step_have_other_labels_than_the_next_and_than_ds_own(registry):
    loop = make(registry)
    first, second, of_d = loop.generate("G").labels, loop.generate("G").labels, loop.generate("D").labels
    assert len({tuple(labels.tolist()) for labels in (first, second, of_d)}) == 3


class Relativistic(LossAround):
    generator_needs_real = True

    def __init__(self):
        super().__init__(Hinge())
        self.generator_needs_real = True


class Pairing(Trick):
    """A loss whose part for G reads real logits."""

    name = "pairing"
    replaces = {"loss", "targets"}

    def edit(self, recipe):
        recipe.loss = Relativistic()


@pytest.mark.parametrize(
    ("tricks", "paired"),
    [
        ([Looking(pairs=False)], False),
        ([Looking()], True),
        ([Looking(pairs=False), Pairing()], True),
        ([Looking(pairs=False), WassersteinGP()], True),
    ],
)
def test_fakes_that_are_paired_with_real_samples_have_their_labels(registry, tricks, paired):
    loop = make(registry, *tricks)
    for _ in range(2):
        loop.step()
    for _, seen in KEPT:
        assert torch.equal(seen.real_labels, next_real()[1])
        assert torch.equal(seen.fake_labels, seen.real_labels) is paired


def test_d_in_a_penalty_binds_the_real_labels_or_those_it_is_given(registry):
    loop = make(registry, Looking(pairs=False))
    loop.step()
    discriminator, seen = KEPT[0]
    network = loop.recipe.discriminator
    assert torch.equal(discriminator(seen.fake), network(seen.fake, seen.real_labels))
    assert torch.equal(discriminator(seen.fake, seen.fake_labels), network(seen.fake, seen.fake_labels))
    assert not torch.equal(discriminator(seen.fake), discriminator(seen.fake, seen.fake_labels))


class OfG(Trick):
    """Keeps what a penalty of G sees."""

    name = "of_g"
    needs_real: bool = False

    def edit(self, recipe):
        def look(discriminator, seen):
            KEPT.append((discriminator(seen.fake), discriminator(seen.fake, seen.fake_labels), seen))
            return seen.fake_logits.sum() * 0

        recipe.g_penalty(look, needs_real=self.needs_real)


@pytest.mark.parametrize("needs_real", [False, True])
def test_in_gs_step_it_binds_the_labels_of_the_fakes(registry, needs_real):
    make(registry, OfG(needs_real=needs_real)).step()
    ((bound, given, seen),) = KEPT
    assert torch.equal(bound, given)
    assert (seen.real_labels is not None) is needs_real
    assert seen.fake_labels.shape == (16,)


def test_an_auxiliary_classifiers_cross_entropy_is_added_to_both_losses(registry):
    loop = make(registry, conditional="auxiliary")
    generator, discriminator = loop.recipe.generator, loop.recipe.discriminator
    real, labels = next_real()
    fake = loop.generate("G")
    ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)

    def judged(samples, own):
        logits, classes = discriminator(samples, own)
        return logits, F.cross_entropy(classes, own)

    (r, class_r), (f, class_f) = judged(real, labels), judged(fake.samples.detach(), fake.labels)
    loss = F.binary_cross_entropy_with_logits(r, ones) + F.binary_cross_entropy_with_logits(f, zeros)
    of_d = torch.autograd.grad(loss + class_r + class_f, list(discriminator.parameters()))
    f, class_f = judged(fake.samples, fake.labels)
    of_g = torch.autograd.grad(
        F.binary_cross_entropy_with_logits(f, ones) + class_f, list(generator.parameters()), retain_graph=True
    )
    loop.update_generator(fake, None)
    torch.testing.assert_close([p.grad for p in generator.parameters()], list(of_g))
    loop.update_discriminator(loop.take_real(), fake)
    torch.testing.assert_close([p.grad for p in discriminator.parameters()], list(of_d))
    assert loop.window.means()["class_loss_d"] == pytest.approx((class_r + class_f).item(), rel=1e-4)


def test_a_wrapper_that_loses_class_logits_is_told(registry):
    class Short(torch.nn.Module):
        def __init__(self, network, rows):
            super().__init__()
            self.network, self.rows = network, rows

        def forward(self, x, y):
            logits, classes = self.network(x, y)
            return (logits, classes[: self.rows]) if self.rows else logits

    class Shortens(Trick):
        name = "shortens"
        rows: int = 0

        def edit(self, recipe):
            recipe.discriminator = Short(recipe.discriminator, self.rows)

    for rows, found in ((0, "none"), (4, r"\(4, 3\)")):
        with pytest.raises(ValueError, match=rf"D must give logits and class .* \(found: class logits {found}\)"):
            make(registry, Shortens(rows=rows), conditional="auxiliary").step()


def test_an_auxiliary_classifier_learns_the_classes(registry):
    loop = make(registry, conditional="auxiliary", counts=(1, 1, 1))
    for _ in range(300):
        loop.step()
    real, labels = next_real()
    assert torch.equal(loop.recipe.discriminator(real, labels)[1].argmax(1), labels)


def test_a_conditional_generator_is_called_with_latents_and_labels(registry):
    recipe = make(registry).recipe
    z, y = recipe.draw_inputs(40)
    assert (z.shape, y.shape, y.dtype) == ((40, 4), (40,), torch.int64)
    assert recipe.sampler()(z, y).shape == (40, 1, 2, 2)
    assert recipe.conditional
    recipe.latents(lambda z: z * 0)
    assert torch.equal(recipe.sampler()(z, y), recipe.generator(z * 0, y))


def test_data_without_classes_are_refused(registry):
    with pytest.raises(ValueError, match="labelled is conditional, and these data have no classes"):
        make_loop(registry.create("architecture", "labelled"))


@pytest.mark.parametrize(
    ("conditional", "tricks"), [("projection", []), ("projection", ["wgan_gp"]), ("auxiliary", ["r1", "ema"])]
)
def test_a_conditional_run_resumes_to_the_same_bits(registry, tmp_path, conditional, tricks):
    data = prepare(registry.create("dataset", {"name": "digits", "size": 8}))
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 20, CPU)
    adam = {**ADAM, "betas": [*ADAM["betas"]]}
    settings = {
        "dataset": {"name": "digits", "size": 8},
        "architecture": {"name": "labelled", "conditional": conditional},
        "tricks": [{"name": name} for name in tricks],
        "optimizer": {"generator": adam, "discriminator": adam},
        "batch_size": 8,
    }

    def run(name):
        return open_run(cell_from_settings(settings, registry), (20,), tmp_path / name, data, evaluator)

    whole = run("whole")
    interrupt(whole, 9)
    for step in (2, 5):
        interrupt(run("parts"), step)
    parts = run("parts")
    interrupt(parts, 9)
    assert_equal(parts.state_dict(), whole.state_dict())
    known = {tuple(sample.flatten().tolist()): int(label) for sample, label in zip(*_decoded(data), strict=True)}
    batch = whole.loop.take_real()
    assert [known[tuple(sample.flatten().tolist())] for sample in batch.samples] == batch.labels.tolist()


def _decoded(data):
    """Training samples in [-1, 1], and their labels."""
    return data.training.batch(torch.arange(len(data.training))), data.training.labels
