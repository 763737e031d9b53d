"""What regularises D: each penalty's value and gradient against its formula in float64, and how it acts in a real loop."""

from __future__ import annotations

import pytest
import torch
from small_runs import ADAM, CPU, make_loop, some_data
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from gan_bench import Architecture, DataSpec, Seen, Trick
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.training.build import build_loop
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.ada import ADA
from gan_bench_plugins.tricks.clip_gradients import ClipGradients
from gan_bench_plugins.tricks.consistency import Consistency
from gan_bench_plugins.tricks.d_steps import DSteps
from gan_bench_plugins.tricks.dragan import DRAGAN
from gan_bench_plugins.tricks.dropout_off import DropoutOff
from gan_bench_plugins.tricks.gradient_normalisation import GradientNormalisation, Normalised
from gan_bench_plugins.tricks.lecam import LeCam
from gan_bench_plugins.tricks.minibatch_std import MinibatchStd
from gan_bench_plugins.tricks.pac import Pac
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.r2 import R2
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.spectral_regularisation import SpectralRegularisation
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP
from gan_bench_plugins.tricks.zero_centred_gp import ZeroCentredGP

TINY = DCGAN(latent=6, width=4, depth=1)
POINTS = FCGAN(latent=2, width=8, depth=1)
BATCH = 5


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


REAL, FAKE = numbers(BATCH, 3, seed=1), 2 * numbers(BATCH, 3, seed=2)
PARAMETERS = tuple(numbers(*shape, seed=i).requires_grad_() for i, shape in enumerate([(4, 3), (4,), (1, 4)], 3))


def d(x, w, b, v):
    """D(x) = v tanh(W x + b)."""
    return torch.tanh(x @ w.T + b) @ v.T


def slope(x, w, b, v):
    """Its gradient by x (B, 3), by the chain rule: W^T (v (1 - tanh^2))."""
    return (v * (1 - torch.tanh(x @ w.T + b) ** 2)) @ w


def seen_by(discriminate, real=REAL, fake=FAKE, **more):
    """What a penalty is given."""
    real, fake = (one.detach().clone().requires_grad_() for one in (real, fake))
    return Seen(real, fake, discriminate(real), discriminate(fake), real, fake, **more)


def squares(x, *parameters):
    return slope(x, *parameters).square().sum(1).mean()


def to_one(x, *parameters):
    return (slope(x, *parameters).norm(dim=1) - 1).square().mean()


def drawn(*shape, seed=0):
    """What a trick's stream draws first, where `loop` has it."""
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mixed():
    return torch.lerp(REAL, FAKE, drawn(BATCH, 1))


FORMULAS = {
    "r1": (R1(gamma=3.0), lambda *p: 1.5 * squares(REAL, *p)),
    "r2": (R2(gamma=3.0), lambda *p: 1.5 * squares(FAKE, *p)),
    "dragan": (DRAGAN(), lambda *p: 10 * to_one(REAL + 0.5 * REAL.std(correction=0) * drawn(BATCH, 3), *p)),
    "zero_centred_gp": (ZeroCentredGP(weight=7), lambda *p: 7 * squares(mixed(), *p)),
    "wgan_gp": (WassersteinGP(), lambda *p: 10 * to_one(mixed(), *p)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_penalty_and_its_gradient_are_the_formula(name):
    trick, formula = FORMULAS[name]
    loop = make_loop(POINTS, [trick], shape=(3,), batch_size=BATCH)
    (penalty,) = loop.recipe.penalties

    def term(*parameters):
        loop.streams[f"trick:{name}"].state = torch.Generator().manual_seed(0).get_state()

        def discriminate(x, y=None):
            return d(x, *parameters)

        return penalty.term(discriminate, seen_by(discriminate))

    ours, theirs = term(*PARAMETERS), formula(*PARAMETERS)
    torch.testing.assert_close(ours, theirs)
    gradients = (torch.autograd.grad(value, PARAMETERS, allow_unused=True) for value in (ours, theirs))
    for mine, exact in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, exact)
    assert gradcheck(term, PARAMETERS)
    assert penalty.pairs == (name in ("zero_centred_gp", "wgan_gp")), "only those between real and fake pair them"


@pytest.mark.parametrize("trick", [R1, R2])
def test_a_gradient_can_be_that_by_samples_before_they_were_transformed(trick):
    class Double(Trick):
        """D sees everything twice as large."""

        name = "double"

        def edit(self, recipe):
            recipe.d_inputs(lambda x: 2 * x)

    for before, times in ((False, 1), (True, 4)):
        loop = make_loop(POINTS, [trick(before_inputs=before), Double()], shape=(3,))
        linear = nn.Sequential(nn.Linear(3, 1))
        loop.recipe.discriminator = linear
        real = loop.take_real()
        of_real, of_fake = loop.look_at_both(real, loop.generate("G", train=False), differentiable=True)
        seen = Seen(of_real.seen, of_fake.seen, of_real.logits, of_fake.logits, real.samples, of_fake.batch.samples)
        value = loop.recipe.penalties[0].term(loop.discriminate, seen)
        assert value.item() == pytest.approx(times / 2 * linear[0].weight.square().sum().item(), rel=1e-5)


def test_r3gans_penalties_lead_back_through_augmentation():
    loop = make_loop(TINY, [ADA(start=0.7), R1(before_inputs=True), R2(before_inputs=True)])
    for _ in range(2):
        loop.step()
    assert all(p.grad.isfinite().all() for p in loop.d_parameters)


@pytest.mark.parametrize("trick", [R1(), WassersteinGP(), ZeroCentredGP(), DRAGAN()])
def test_in_packs_it_is_a_packs_gradient(trick):
    """A linear D of packs has one gradient everywhere, which m samples share."""
    loop = make_loop(POINTS, [Pac(m=2), trick], shape=(3,), batch_size=4)
    weight = numbers(1, 6, seed=9)

    def discriminate(x, y=None):
        return x.reshape(-1, 6) @ weight.T

    value = loop.recipe.penalties[0].term(discriminate, seen_by(discriminate, REAL[:4], FAKE[:4])).item()
    norm = weight.norm().item()
    exact = {"r1": norm**2 / 2, "zero_centred_gp": 10 * norm**2}.get(trick.name, 10 * (norm - 1) ** 2)
    assert value == pytest.approx(exact)


@pytest.mark.parametrize("form", ["squared", "relu"])
def test_lecam_draws_logits_to_the_moving_averages_of_the_others(form):
    loop = make_loop(POINTS, [LeCam(form=form, decay=0.9, start=1)], shape=(3,))
    (penalty,) = loop.recipe.penalties
    averages = None
    for step in range(4):
        loop.recipe.step.fill_(step)
        r, f = (numbers(BATCH, 1, seed=10 * step + i).requires_grad_() for i in (1, 2))
        value = penalty.term(None, Seen(REAL, FAKE, r, f))
        latest = [r.mean().item(), f.mean().item()]
        averages = latest if step < 1 else [0.9 * a + 0.1 * b for a, b in zip(averages, latest, strict=True)]
        assert loop.recipe.state["trick:lecam.averages"].tolist() == pytest.approx(averages, rel=1e-5)
        above, below = r - averages[1], averages[0] - f
        if form == "relu":
            above, below = F.relu(above), F.relu(below)
        exact = 0.3 * (above.square().mean() + below.square().mean()) * (step >= 1)
        torch.testing.assert_close(value, exact, rtol=1e-5, atol=1e-7)
        for mine, theirs in zip(*(torch.autograd.grad(one, (r, f)) for one in (value, exact)), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-7)


def test_lecam_begins_at_the_first_batch():
    loop = make_loop(TINY, [LeCam()])
    loop.step()
    averages = loop.recipe.state["trick:lecam.averages"]
    assert averages.tolist() == pytest.approx(
        [x.mean().item() for x in (loop.recipe.real_logits, loop.recipe.fake_logits)]
    )


def test_lecams_averages_move_in_every_update_of_d_from_the_second_on():
    loop = make_loop(TINY, [DSteps(k=3), LeCam(decay=0.9)])
    logits = []
    loop.recipe.after_d_step(lambda: logits.append((loop.recipe.real_logits.mean(), loop.recipe.fake_logits.mean())))
    loop.step()
    first, second, third = torch.tensor(logits)
    expected = 0.9 * (0.9 * first + 0.1 * second) + 0.1 * third
    torch.testing.assert_close(loop.recipe.state["trick:lecam.averages"].float(), expected)


def smooth(x):
    """A D that knows where things are: no two pixels weigh the same."""
    weight = torch.arange(1, x[0].numel() + 1, dtype=x.dtype) / x[0].numel()
    return torch.tanh(x.flatten(1) @ weight[:, None])


def consistency(trick, **more):
    """Its terms of D, what they are given, and D as it is asked: with which samples and labels."""
    asked = []

    def discriminate(x, y=None):
        asked.append((x, y))
        return smooth(x)

    loop = make_loop(TINY, [trick], batch_size=4)
    real, fake = loop.next_real(), loop.generate("G").samples
    return loop, asked, [p.term for p in loop.recipe.penalties], discriminate, seen_by(discriminate, real, fake, **more)


def test_consistency_is_the_squared_change_of_the_logit():
    labels = torch.tensor([0, 1, 1, 0]), torch.tensor([1, 0, 0, 1])
    more = {"real_labels": labels[0], "fake_labels": labels[1]}
    _, asked, terms, discriminate, seen = consistency(Consistency(weight=10, fake=5), **more)
    del asked[:]
    for term, weight, before, own in zip(terms, (10, 5), (seen.real, seen.fake), labels, strict=True):
        value = term(discriminate, seen)
        augmented, given = asked.pop()
        assert given is own
        assert value.item() == pytest.approx(weight * (smooth(before) - smooth(augmented)).square().mean().item())
        for picture, moved in zip(before, augmented, strict=True):
            assert is_moved(picture[0], moved[0])


def is_moved(picture, moved):
    """Whether it is the picture, or its mirror image, shifted by at most one of 8 pixels and mirrored at its borders."""
    wide = F.pad(torch.stack((picture, picture.flip(1)))[None], (1, 1, 1, 1), mode="reflect")[0]
    places = [(flip, down, right) for flip in (0, 1) for down in range(3) for right in range(3)]
    return any(torch.equal(wide[flip, a : a + 8, b : b + 8], moved) for flip, a, b in places)


class LinearG(nn.Module):
    """Pictures of the first latent alone."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, z):
        return self.gain * z[:, :1, None, None].expand(-1, 1, 8, 8)


def test_consistency_in_z_compares_with_fakes_of_latents_nearby():
    trick = Consistency(weight=0, latent=5, spread=0.5, sigma=0.1)
    loop, asked, (term,), discriminate, _ = consistency(trick)
    generator = loop.recipe.generator = LinearG()
    z = torch.randn(4, 6)
    fake = generator(z)
    seen = Seen(None, fake, None, smooth(fake), None, fake, z)
    del asked[:]
    value = term(discriminate, seen)
    ((other, _),) = asked
    noise = other[:, 0, 0, 0] - z[:, 0]
    assert 0 < noise.abs().max() < 0.5
    assert value.item() == pytest.approx(5 * (smooth(fake) - smooth(other)).square().mean().item())
    apart = loop.recipe.g_penalties[0].term(discriminate, seen)
    (slope_of_gain,) = torch.autograd.grad(apart, generator.gain)  # of -0.5 gain^2 mean(noise^2)
    assert apart.item() == pytest.approx(slope_of_gain.item() / 2, rel=1e-4)
    assert -0.5 * 0.1**2 * 5 < apart.item() < 0


def test_consistency_of_points_needs_noise():
    with pytest.raises(ValueError, match="these data are points: set its noise"):
        make_loop(POINTS, [Consistency()], shape=(3,))
    loop = make_loop(POINTS, [Consistency(noise=0.1)], shape=(3,), batch_size=4096)
    weight = torch.tensor([[1.0, 2.0, 2.0]])
    value = loop.recipe.penalties[0].term(
        lambda x, y=None: x @ weight.T, seen_by(lambda x: x @ weight.T, *torch.zeros(2, 4096, 3))
    )
    assert value.item() == pytest.approx(10 * 0.1**2 * 9, rel=0.1)


class Kept(Trick):
    """D learns from no fakes of the moment."""

    name = "kept"

    def edit(self, recipe):
        recipe.d_fakes(lambda fake: fake.flip(0))


def test_consistency_in_z_refuses_fakes_that_are_not_of_these_latents():
    with pytest.raises(ValueError, match="as G makes them"):
        make_loop(TINY, [Kept(), Consistency(latent=5)]).step()


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def test_gradient_normalisation_is_the_formula_with_gradients_of_gradients():
    inner = network()
    parameters = inner[1].weight, inner[1].bias, inner[3].weight
    with torch.no_grad():
        inner[3].bias.zero_()
    normalised = Normalised(inner)
    logits = d(REAL, *parameters)
    exact = logits / (slope(REAL, *parameters).norm(dim=1, keepdim=True) + logits.abs())
    ours = normalised(REAL)
    torch.testing.assert_close(ours, exact)
    for mine, theirs in zip(
        *(torch.autograd.grad(one.sum(), parameters, retain_graph=True) for one in (ours, exact)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
    x = REAL.clone().requires_grad_()
    assert gradcheck(normalised, x)
    assert gradgradcheck(normalised, x)
    (gradient,) = torch.autograd.grad(normalised(x).sum(), x)
    assert gradient.isfinite().all()
    with torch.no_grad():
        quiet = normalised(REAL)
    assert torch.equal(quiet, ours)
    assert not quiet.requires_grad


def test_gradient_normalisation_of_what_has_neither_size_nor_slope_is_nothing():
    """Where all units are dead it is 0 / 0; such samples teach nothing, and the others what they teach alone."""
    layer = nn.Linear(3, 1, bias=False).double()
    normalised = Normalised(nn.Sequential(nn.ReLU(), layer))
    x = torch.cat((REAL[:2].abs(), -torch.ones(1, 3, dtype=torch.float64))).requires_grad_()
    logits = normalised(x)
    assert logits[2] == 0
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    both, alone = (
        torch.autograd.grad(value, layer.weight, retain_graph=True)[0]
        for value in (logits.sum() + gradient.square().sum(), logits[:2].sum() + gradient[:2].square().sum())
    )
    assert alone.any()
    torch.testing.assert_close(both, alone)


def test_gradient_normalisation_hands_on_labels_and_class_logits():
    class Auxiliary(nn.Module):
        def forward(self, x, y):
            return (x * y[:, None]).sum(1, keepdim=True), x

    x, y = REAL, torch.arange(1, BATCH + 1)
    logits, classes = Normalised(Auxiliary())(x, y)
    own = (x * y[:, None]).sum(1, keepdim=True)
    torch.testing.assert_close(logits, own / (3**0.5 * y[:, None] + own.abs()))
    assert torch.equal(classes, x)


@pytest.mark.parametrize("tricks", [[], [R1()], [WassersteinGP(d_steps=2)], [R2(before_inputs=True)]], ids=len)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_normalised_discriminator_trains(tricks, precision):
    loop = make_loop(TINY, [*tricks, GradientNormalisation()], precision=precision)
    assert loop.joined is not bool(tricks)
    for _ in range(3):
        loop.step()
    assert loop.recipe.real_logits.abs().max() < 1
    assert all(p.grad.isfinite().all() for p in (*loop.d_parameters, *loop.g_parameters))


def test_a_normalised_discriminator_teaches_g_as_the_formula_does():
    """G's gradient through the normalised D, whose own gradient depends on the fakes, by finite differences."""
    normalised = Normalised(network(1))
    shift = numbers(3, seed=5).requires_grad_()
    assert gradcheck(lambda s: F.softplus(-normalised(FAKE + s)).mean(), shift)


@pytest.mark.parametrize("trick", [GradientNormalisation(), WassersteinGP()])
def test_what_needs_a_samples_own_gradient_refuses_batch_norm(trick):
    networks = (nn.Linear(6, 2), nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)))
    with pytest.raises(ValueError, match="must not have BatchNorm"):
        make_loop(TINY, [trick], shape=(2,), networks=networks)


def test_spectral_regularisation_is_half_the_squared_norms_and_their_gradient():
    loop = make_loop(TINY, [SpectralRegularisation(weight=0.5)])
    (penalty,) = loop.recipe.penalties
    layers = [m for m in loop.recipe.discriminator.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    first = penalty.term(None, None).item()
    for _ in range(300):
        value = penalty.term(None, None)
    triples = [torch.linalg.svd(layer.weight.detach().flatten(1).double(), full_matrices=False) for layer in layers]
    assert value.item() == pytest.approx(0.25 * sum(s[0].item() ** 2 for _, s, _ in triples), rel=1e-4)
    assert first < value.item(), "one iteration has not found the largest"
    gradients = torch.autograd.grad(value, [layer.weight for layer in layers])
    for (u, s, v), gradient in zip(triples, gradients, strict=True):  # weight sigma u v^T
        exact = 0.5 * s[0] * torch.outer(u[:, 0], v[0])
        torch.testing.assert_close(gradient.flatten(1).double(), exact, rtol=1e-2, atol=1e-4)


def test_spectral_regularisation_finds_a_weight_again_that_was_zero():
    """As the last weights of `r3gan`'s blocks are in the beginning."""
    loop = make_loop(TINY, [SpectralRegularisation(weight=2)])
    (penalty,) = loop.recipe.penalties
    layer = next(m for m in loop.recipe.discriminator.modules() if isinstance(m, nn.Linear))
    before = layer.weight.detach().clone()
    layer.weight.data.zero_()
    (gradient,) = torch.autograd.grad(penalty.term(None, None), layer.weight)
    assert not gradient.any()
    layer.weight.data.copy_(before)
    (gradient,) = torch.autograd.grad(penalty.term(None, None), layer.weight)
    assert gradient.norm().item() == pytest.approx(2 * before.norm().item(), rel=1e-3)  # of one row


def test_spectral_tricks_are_of_the_layers_that_other_tricks_bring():
    for trick in (SpectralRegularisation(), SpectralNorm()):
        for tricks in ([trick, MinibatchStd()], [MinibatchStd(), trick]):
            recipe = make_loop(TINY, tricks).recipe
            layers = [m for m in recipe.discriminator.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
            kept = [name for name in recipe.state if "spectral_regularisation" in name]
            assert len(kept) == len(layers) == 3 if trick.name == "spectral_regularisation" else not kept
            assert trick.name == "spectral_regularisation" or all(map(is_parametrized, layers))


def test_spectral_regularisation_refuses_a_network_without_layers():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

    with pytest.raises(ValueError, match="finds no linear or convolutional layer"):
        make_loop(TINY, [SpectralRegularisation()], networks=(nn.Linear(6, 2), Scale()))


@pytest.mark.parametrize("network", ["generator", "discriminator", "both"])
def test_gradients_are_clipped_by_their_norm_in_their_direction(network):
    clipped, plain = make_loop(TINY, [ClipGradients(max_norm=1e-3, network=network)]), make_loop(TINY)
    for loop in (clipped, plain):
        loop.update_discriminator(loop.take_real(), loop.generate("G"))
        loop.recipe.discriminator.load_state_dict(make_loop(TINY).recipe.discriminator.state_dict())
        loop.update_generator(loop.generate("G"), None)
    for name in ("generator", "discriminator"):
        ours, theirs = (torch.cat([p.grad.flatten() for p in loop.learns[name][0]]) for loop in (clipped, plain))
        if network in (name, "both"):
            assert ours.norm().item() == pytest.approx(1e-3, rel=1e-3)
            assert F.cosine_similarity(ours, theirs, dim=0).item() == pytest.approx(1, abs=1e-5)
        else:
            assert torch.equal(ours, theirs)


def test_small_gradients_are_left_alone():
    clipped, plain = make_loop(TINY, [ClipGradients(max_norm=1e6)]), make_loop(TINY)
    for loop in (clipped, plain):
        loop.step()
    for ours, theirs in zip(clipped.d_parameters, plain.d_parameters, strict=True):
        assert torch.equal(ours, theirs)


def test_without_dropout_it_is_the_network_of_dropout_0():
    off, none = make_loop(TINY, [DropoutOff()]), make_loop(TINY.model_copy(update={"dropout": 0.0}))
    for loop in (off, none):
        for _ in range(3):
            loop.step()
    for ours, theirs in zip(
        (*off.d_parameters, *off.g_parameters), (*none.d_parameters, *none.g_parameters), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("network", "told"), [("generator", "the generator"), ("both", "either network")])
def test_dropout_that_is_not_there_is_not_turned_off(network, told):
    with pytest.raises(ValueError, match=f"finds no dropout in {told}: leave it out"):
        make_loop(TINY.model_copy(update={"dropout": 0.0}), [DropoutOff(network=network)])


NAMES = (
    *("r1", "r2", "dragan", "zero_centred_gp", "wgan_gp", "lecam", "consistency", "gradient_normalisation"),
    *("spectral_regularisation", "clip_gradients", "dropout_off", "diff_augment", "ada"),
    *("minibatch_std", "minibatch_discrimination", "pac"),
)
OTHER = {"consistency": {"fake": 10, "latent": 5, "spread": 0.5}, "ada": {"start": 0.5}, "r2": {"before_inputs": True}}


class Conditioned(Architecture):
    """Networks that take labels: beside z, and beside x or as class logits of D."""

    name = "conditioned"
    conditional: str = "concat"

    def generator(self, data):
        return Joined(data, nn.Linear(self.latent + len(data.classes), data.numel), nn.Unflatten(1, data.shape))

    def discriminator(self, data):
        if self.conditional == "auxiliary":
            return Answers(data.numel, len(data.classes))
        return Joined(data, nn.Linear(data.numel + len(data.classes), 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1))


class Joined(nn.Sequential):
    """Layers on numbers and the one-hot label beside them."""

    def __init__(self, data, *layers):
        super().__init__(*layers)
        self.classes = len(data.classes)

    def forward(self, x, y):
        return super().forward(torch.cat((x.flatten(1), F.one_hot(y, self.classes).to(x.dtype)), 1))


class Answers(nn.Module):
    """Logit and class logits."""

    def __init__(self, size, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size, 8), nn.Tanh(), nn.Dropout(0.1))
        self.logit, self.classes = nn.Linear(8, 1), nn.Linear(8, classes)

    def forward(self, x, y):
        h = self.body(x)
        return self.logit(h), self.classes(h)


@pytest.mark.parametrize("conditional", ["concat", "auxiliary"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "pac"])
def test_it_trains_networks_that_take_labels(name, conditional):
    trick = Registry.load().create("trick", {"name": name, **OTHER.get(name, {})})
    draw, labels = some_data((1, 8, 8), 8), torch.arange(8) % 3
    loop = build_loop(
        Conditioned(latent=6, conditional=conditional),
        DataSpec((1, 8, 8), classes=("a", "b", "c")),
        Streams(0, CPU),
        lambda memory: lambda: (draw(), labels),
        tricks=[trick],
        optimizer={"generator": ADAM, "discriminator": ADAM},
        batch_size=8,
    )
    for _ in range(2):
        loop.step()
    assert all(p.grad.isfinite().all() for p in (*loop.d_parameters, *loop.g_parameters))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_reads_nothing_back_from_the_device(name):
    """The meta device has shapes and no numbers: what reads one, or makes a shape of one, is what no CUDA graph can hold."""
    trick = Registry.load().create("trick", {"name": name, **OTHER.get(name, {})})
    meta = torch.device("meta")
    loop = build_loop(
        TINY,
        DataSpec((1, 8, 8)),
        Streams(0, meta),
        lambda memory: lambda: torch.empty(8, 1, 8, 8, device=meta),
        tricks=[trick],
        optimizer={"generator": ADAM, "discriminator": ADAM},
        batch_size=8,
    )
    for _ in range(5):
        loop.step()
