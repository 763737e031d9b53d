"""Each loss by its formula in float64, by the trajectory of Dirac-GAN, and around others."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from dirac import H, train
from small_runs import make_loop
from torch import nn
from torch.func import functional_call

from gan_bench import Architecture, BinaryCrossEntropy, DataSpec, Hinge
from gan_bench.api.randomness import Streams
from gan_bench.api.seen import Seen
from gan_bench.training.build import build_loop
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.hinge import HingeLoss
from gan_bench_plugins.tricks.history import History
from gan_bench_plugins.tricks.label_smoothing import LabelSmoothing
from gan_bench_plugins.tricks.lsgan import LSGAN, LeastSquares
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.ragan import RaGAN, RelativisticAverage
from gan_bench_plugins.tricks.relativistic import Pairing, Relativistic
from gan_bench_plugins.tricks.saturating import Minimax, Saturating
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.top_k import OfTheBest, TopK
from gan_bench_plugins.tricks.unrolled import LookingAhead, Unrolled
from gan_bench_plugins.tricks.wgan_clip import WassersteinClip

TINY = FCGAN(latent=4, width=8, depth=1)
REAL = torch.tensor([[2.0], [-0.5], [0.3], [1.5], [-3.0]], dtype=torch.float64)
FAKE = torch.tensor([[-1.0], [0.7], [2.5], [0.1], [-0.4]], dtype=torch.float64)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def log_sigmoid(x):
    return math.log(sigmoid(x))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


R, F = REAL.flatten().tolist(), FAKE.flatten().tolist()
PAIRS = list(zip(R, F, strict=True))
FORMULAS = {  # of D and of G, as the papers write them
    LeastSquares: (
        mean((r - 1) ** 2 for r in R) / 2 + mean(f**2 for f in F) / 2,
        mean((f - 1) ** 2 for f in F) / 2,
    ),
    Pairing: (-mean(log_sigmoid(r - f) for r, f in PAIRS), -mean(log_sigmoid(f - r) for r, f in PAIRS)),
    RelativisticAverage: (
        -mean(log_sigmoid(r - mean(F)) for r in R) - mean(math.log(1 - sigmoid(f - mean(R))) for f in F),
        -mean(log_sigmoid(f - mean(R)) for f in F) - mean(math.log(1 - sigmoid(r - mean(F))) for r in R),
    ),
    Minimax: (
        -mean(log_sigmoid(r) for r in R) - mean(math.log(1 - sigmoid(f)) for f in F),
        mean(math.log(1 - sigmoid(f)) for f in F),
    ),
}


@pytest.mark.parametrize("cls", FORMULAS)
def test_values_and_gradients_are_the_formulas(cls):
    loss = cls()
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(FORMULAS[cls][0], rel=1e-12)
    assert loss.generator(FAKE, REAL).item() == pytest.approx(FORMULAS[cls][1], rel=1e-12)
    inputs = [logits.clone().requires_grad_() for logits in (REAL, FAKE)]
    assert torch.autograd.gradcheck(loss.discriminator, inputs)
    assert torch.autograd.gradcheck(loss.generator, inputs[::-1])


@pytest.mark.parametrize("cls", FORMULAS)
def test_several_logits_of_a_sample_are_averaged(cls):
    loss, alone = cls(), [(REAL, FAKE), (FAKE * 2, REAL)]
    real, fake = (torch.cat(columns, 1) for columns in zip(*alone, strict=True))
    expected = mean(loss.discriminator(r, f).item() for r, f in alone)
    assert loss.discriminator(real, fake).item() == pytest.approx(expected, rel=1e-12)
    assert loss.generator(fake, real).item() == pytest.approx(mean(loss.generator(f, r).item() for r, f in alone))


def test_label_tricks_act_on_the_losses_that_have_targets():
    for trick, expected in (
        (LSGAN(), mean((r - 0.9) ** 2 for r in R) / 2 + mean(f**2 for f in F) / 2),
        (Saturating(), FORMULAS[Minimax][0] + 0.1 * mean(R)),
    ):
        loss = make_loop(TINY, [trick, LabelSmoothing()]).recipe.loss
        assert loss.discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
    for trick in (Relativistic(), RaGAN(), WassersteinClip()):
        with pytest.raises(ValueError, match="has no targets"):
            make_loop(TINY, [trick, LabelSmoothing()])


def test_a_target_of_g_moves_the_minimax_loss_as_it_moves_the_other():
    minimax, usual = Minimax(), BinaryCrossEntropy()
    for loss in (minimax, usual):
        loss.transform_targets([lambda target, network, real: target + 0.25 if network == "generator" else target])
    for loss, plain in ((minimax, Minimax()), (usual, BinaryCrossEntropy())):
        assert (loss.generator(FAKE) - plain.generator(FAKE)).item() == pytest.approx(-0.25 * mean(F))


# Dirac-GAN: real 0, fake theta, D(x) = psi x, so that r = 0 and f = psi theta. The slopes of both losses by f:
SLOPES = {
    LSGAN(): (lambda f: f, lambda f: f - 1),
    Relativistic(): (sigmoid, lambda f: -sigmoid(-f)),
    RaGAN(): (lambda f: 2 * sigmoid(f), lambda f: -2 * sigmoid(-f)),
    Saturating(): (sigmoid, lambda f: -sigmoid(f)),
    HingeLoss(): (lambda f: float(f > -1), lambda f: -1.0),
}


@pytest.mark.parametrize("trick", SLOPES, ids=lambda trick: trick.name)
def test_dirac_gan_goes_its_way(trick):
    of_d, of_g = SLOPES[trick]
    psi, theta = start = (1.0, -0.5)
    path = [start]
    for _ in range(60):
        psi -= H * of_d(psi * theta) * theta
        theta -= H * of_g(psi * theta) * psi
        path.append((psi, theta))
    assert train(60, start, [trick]) == pytest.approx(torch.tensor(path).numpy(), abs=2e-5)


def test_clipped_dirac_gan_goes_its_way():
    psi, theta = start = (0.08, 0.1)
    path = [start]
    for _ in range(60):
        for _ in range(3):
            psi = min(max(psi - H * theta, -0.1), 0.1)
        theta += H * psi
        path.append((psi, theta))
    found = train(60, start, [WassersteinClip(clip=0.1, d_steps=3)])
    assert found == pytest.approx(torch.tensor(path).numpy(), abs=2e-5)
    assert {-0.1, 0.1} <= {round(psi, 6) for psi in found[:, 0]}


def test_every_weight_of_the_critic_is_clipped_after_its_five_updates():
    loop = make_loop(TINY, [SpectralNorm(), WassersteinClip()])
    g = [p.clone() for p in loop.g_parameters]
    loop.step()
    assert loop.d_steps == 5
    assert max(p.abs().max().item() for p in loop.d_parameters) == pytest.approx(0.01)
    assert max(p.abs().max().item() for p in g) > 0.01


UNROLLED = [(True, False), (False, False), (True, True)]


@pytest.mark.parametrize(("through", "minimax"), UNROLLED)
def test_unrolled_dirac_gan_goes_its_way(through, minimax):
    steps, rate = 3, 0.2
    psi, theta = start = (1.0, 0.5)
    path = [start]
    for _ in range(60):
        psi -= H * sigmoid(psi * theta) * theta
        ahead, by_theta = psi, 0.0  # D's parameter some steps later, and its derivative by theta
        for _ in range(steps):
            s = sigmoid(ahead * theta)
            by_theta -= rate * (s * (1 - s) * (by_theta * theta + ahead) * theta + s)
            ahead -= rate * s * theta
        slope = -sigmoid(ahead * theta) if minimax else -sigmoid(-ahead * theta)
        theta -= H * slope * (ahead + (by_theta * theta if through else 0))
        path.append((psi, theta))
    trick = Unrolled(steps=steps, lr=rate, through=through, minimax=minimax)
    assert train(60, start, [trick]) == pytest.approx(torch.tensor(path).numpy(), abs=2e-5)


def networks_in_float64(outputs=1):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        d = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, outputs)).double()
        return d, torch.randn(5, 2).double(), torch.randn(5, 2).double()


@pytest.mark.parametrize("inner", [BinaryCrossEntropy, Pairing])
@pytest.mark.parametrize("minimax", [False, True])
def test_unrolling_is_descent_by_a_copy_of_d_and_differentiable_through_it(inner, minimax):
    d, real, fake = networks_in_float64()
    loss = LookingAhead(inner(), SimpleNamespace(discriminator=d), Unrolled(steps=2, lr=0.3, minimax=minimax))

    def value(fake):
        seen = Seen(real, fake, d(real), d(fake))
        return loss.generator(seen.fake_logits, seen.real_logits, seen)

    copied = copy.deepcopy(d)
    sgd = torch.optim.SGD(copied.parameters(), lr=0.3)
    for _ in range(2):
        sgd.zero_grad()
        inner().discriminator(copied(real), copied(fake)).backward()
        sgd.step()
    plain = inner()
    expected = plain.generator(copied(fake), copied(real))
    if minimax:
        expected = -plain.discriminator(copied(real), copied(fake))
    assert value(fake).item() == pytest.approx(expected.item(), rel=1e-10)
    assert torch.autograd.gradcheck(value, fake.clone().requires_grad_())


def test_a_look_ahead_takes_labels_and_leaves_class_logits_alone():
    d, real, fake = networks_in_float64(outputs=3)
    labels = torch.tensor([0, 1, 2, 1, 0])

    class OfLabels(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = d

        def forward(self, x, y):
            found = self.body(x)
            return found.gather(1, y[:, None]), found

    loss = LookingAhead(BinaryCrossEntropy(), SimpleNamespace(discriminator=OfLabels()), Unrolled(steps=1, lr=0.3))
    seen = Seen(real, fake, None, None, real_labels=labels, fake_labels=labels.flip(0))
    found = loss.generator(torch.zeros(5, 1), None, seen)
    weights = dict(d.named_parameters())
    plain = BinaryCrossEntropy()

    def logits(x, y):
        return functional_call(d, weights, x).gather(1, y[:, None])

    slopes = torch.autograd.grad(
        plain.discriminator(logits(real, labels), logits(fake, labels.flip(0))), [*weights.values()]
    )
    weights = {name: w - 0.3 * slope for (name, w), slope in zip(weights.items(), slopes, strict=True)}
    assert found.item() == pytest.approx(plain.generator(logits(fake, labels.flip(0))).item(), rel=1e-10)


def test_looking_ahead_leaves_the_discriminator_as_it_was():
    loop = make_loop(DCGAN(latent=4, width=4, depth=1, dropout=0), [Unrolled(steps=2), SpectralNorm()])
    norm = nn.BatchNorm2d(1)
    loop.recipe.discriminator.insert(0, norm)
    real = loop.take_real()
    fake = loop.generate("G", real)
    loop.recipe.see(fake.samples)
    before = copy.deepcopy(loop.recipe.discriminator.state_dict())
    loop.update_generator(fake, real)
    after = loop.recipe.discriminator.state_dict()
    changed = [name for name, value in after.items() if not torch.equal(value, before[name])]
    assert set(changed) <= {f"0.{name}" for name, _ in norm.named_buffers()}
    assert norm.num_batches_tracked == 2  # the loop's own passes


def best(k, *logits):
    """Of logits (B, 1 or more) those rows that have the k highest means in the first."""
    rows = sorted(range(len(logits[0])), key=lambda i: -logits[0][i].mean().item())[:k]
    return [one[rows] for one in logits]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("inner", [BinaryCrossEntropy, Hinge, LeastSquares, Minimax, Pairing])
def test_top_k_is_the_inner_loss_of_the_k_best_alone(inner, columns, k):
    real, fake = (torch.cat([logits * (i + 1) for i in range(columns)], 1) for logits in (REAL, FAKE))
    fake.requires_grad_()
    found = OfTheBest(inner(), lambda: torch.tensor(k / 5 + 0.01)).generator(fake, real)
    expected = inner().generator(*best(k, fake, real))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    slopes = [torch.autograd.grad(value, fake, retain_graph=True)[0] for value in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-9)


def test_the_share_falls_by_a_factor_every_so_many_steps_down_to_its_least():
    recipe = make_loop(TINY, [TopK(share=0.5, factor=0.8, every=10)]).recipe
    shares = []
    for step in (0, 9, 10, 25, 35, 1000):
        recipe.step.fill_(step)
        shares.append(recipe.loss.share().item())
    assert shares == pytest.approx([1, 1, 0.8, 0.64, 0.512, 0.5])


def test_wrapped_losses_compose_in_any_order():
    fake = torch.tensor([[3.0], [1.0], [0.0], [-2.0]])
    for tricks in ([TopK(), HingeLoss()], [HingeLoss(), TopK()]):
        loop = make_loop(TINY, tricks)
        loop.recipe.step.fill_(10**6)
        assert loop.recipe.loss.generator(fake, None).item() == pytest.approx(-2)
        loop.step()
    for tricks in ([TopK(), Relativistic(), Unrolled()], [Unrolled(), TopK(), Relativistic()]):
        loss = make_loop(TINY, tricks).recipe.loss
        assert [type(one) for one in (loss, loss.inner, loss.inner.inner)] == [LookingAhead, OfTheBest, Pairing]


def of_history(size, batch=4):
    """The transform of D's fakes."""
    recipe = make_loop(TINY, [History(size=size)], shape=(2,), batch_size=batch).recipe
    return recipe, recipe.fake_transforms[0]


def test_half_of_ds_fakes_are_of_before():
    recipe, transform = of_history(size=100)
    ages = []
    for step in range(400):
        fake = torch.full((4, 2), float(step))
        found, labels = transform(fake, torch.full((4,), step))
        assert torch.equal(labels, found[:, 0].long())  # each fake's own
        assert found[:2].eq(step).all()  # new ones
        if step == 0:
            assert found.eq(0).all()  # there was nothing before
        else:
            assert found[2:].lt(step).all()
        ages += [step - age for age in found[2:, 0].tolist()] if step >= 100 else []
    assert recipe.state["trick:history.filled"] == 100
    # Each time 2 of 100 give way, so an age has the geometric distribution of mean 50.
    assert mean(ages) == pytest.approx(50, rel=0.15)


def test_the_buffer_fills_before_it_replaces():
    recipe, transform = of_history(size=5)
    held = recipe.state["trick:history.held"]
    for step in (1, 2):
        transform(torch.full((4, 2), float(step)), None)
    assert sorted(held[:, 0].tolist()) == [0, 1, 1, 2, 2]
    transform(torch.full((4, 2), 3.0), None)
    assert held[:, 0].tolist().count(3) == 2
    assert 0 not in held[:, 0]


def test_history_is_of_d_alone_and_needs_two_samples():
    loop = make_loop(TINY, [History()])
    for _ in range(3):
        loop.step()
    fake = loop.generate("G")
    assert torch.equal(loop.recipe.see(fake.samples), fake.samples)
    with pytest.raises(ValueError, match="batch_size of at least 2"):
        make_loop(TINY, [History()], batch_size=1)


def test_penalties_see_the_fakes_of_before():
    seen = []
    loop = make_loop(TINY, [History(), R1()])
    loop.recipe.penalty(lambda discriminator, one: seen.append(one.fake_samples) or one.fake_logits.sum() * 0)
    for _ in range(2):
        loop.step()
    assert not torch.equal(seen[1][4:], seen[0][4:])
    assert all(any(torch.equal(row, old) for old in seen[0]) for row in seen[1][4:])


class Labelled(Architecture):
    """Linear networks that are told classes; D gives class logits too."""

    name = "labelled"
    conditional: str = "auxiliary"

    def generator(self, data):
        return OfClasses(self.latent + 3, 2)

    def discriminator(self, data):
        return OfClasses(5, 4)


class OfClasses(nn.Module):
    """A linear layer of an input and its class; of four outputs, one is D's logit."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x, y):
        found = self.linear(torch.cat((x, nn.functional.one_hot(y, 3)), 1))
        return (found[:, :1], found[:, 1:]) if found.shape[1] == 4 else found


@pytest.mark.parametrize(
    "loss", [LSGAN(), Relativistic(), RaGAN(), Saturating(), WassersteinClip()], ids=lambda t: t.name
)
def test_networks_that_take_labels(loss):
    sgd = {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    labels = torch.tensor([0, 1, 2, 1, 1, 0])
    loop = build_loop(
        Labelled(latent=4),
        DataSpec((2,), "points", classes=("a", "b", "c")),
        Streams(0, torch.device("cpu")),
        lambda memory: lambda: (torch.ones(6, 2), labels),
        tricks=[TopK(factor=0.5, every=1), loss, Unrolled(steps=2), History(size=9)],
        optimizer={"generator": sgd, "discriminator": sgd},
        batch_size=6,
    )
    before = [p.detach().clone() for p in loop.g_parameters]
    for _ in range(4):
        loop.step()
    assert all(math.isfinite(value) for value in loop.window.means().values())
    assert not any(map(torch.equal, before, loop.g_parameters))
