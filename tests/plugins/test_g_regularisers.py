"""Tricks that regularise G: their terms against the formulas written out, and what they do in a real training."""

from __future__ import annotations

import math

import pytest
import torch
from small_runs import ADAM, CPU, make_loop
from torch import nn

from gan_bench import Architecture, DataSpec, Seen
from gan_bench.api.randomness import Stream, Streams
from gan_bench.training.build import build_loop
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.dirac import Dirac
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.architectures.stylegan2 import StyleGAN2
from gan_bench_plugins.tricks._last_layer import Beside
from gan_bench_plugins.tricks.feature_matching import FeatureMatching
from gan_bench_plugins.tricks.hinge import HingeLoss
from gan_bench_plugins.tricks.historical_averaging import HistoricalAveraging
from gan_bench_plugins.tricks.minibatch_discrimination import MinibatchDiscrimination
from gan_bench_plugins.tricks.minibatch_std import MinibatchStd
from gan_bench_plugins.tricks.mode_seeking import ModeSeeking
from gan_bench_plugins.tricks.orthogonal import Orthogonal, overlap
from gan_bench_plugins.tricks.path_length import PathLength, mapping_of
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm

TINY = DCGAN(latent=6, width=4, depth=1, dropout=0)
FLAT = FCGAN(latent=6, width=5, depth=1, dropout=0, batch_norm=False)


def doubled(loop):
    """The loop, its networks in float64."""
    loop.recipe.generator.double()
    loop.recipe.discriminator.double()
    return loop


def g_step(loop, count=8, labels=None):
    """D as G's penalties get it, and what they see: real and fake samples, before any update."""
    torch.manual_seed(3)
    generator, discriminator = loop.recipe.generator, loop.recipe.discriminator
    z = torch.randn(count, loop.recipe.latent, dtype=torch.float64, requires_grad=True)
    y = () if labels is None else (labels,)
    real, fake = torch.tanh(torch.randn(count, *loop.recipe.data.shape, dtype=torch.float64)), generator(z, *y)

    def judge(samples, own=None):
        return discriminator(samples, *() if labels is None else (labels if own is None else own,))

    seen = Seen(real, fake, None, judge(fake), real, fake, z, labels, labels)
    return judge, seen


def gradients(value, network):
    return torch.autograd.grad(value, list(network.parameters()), allow_unused=True, retain_graph=True)


def assert_equal_terms(found, expected, network):
    """Values and gradients by a network's parameters."""
    torch.testing.assert_close(found, expected)
    for a, b in zip(gradients(found, network), gradients(expected, network), strict=True):
        torch.testing.assert_close(a, b)


# Feature matching.


@pytest.mark.parametrize(("layer", "depth"), [("", 7), ("3", 3)])
def test_feature_matching_is_the_squared_distance_of_mean_features(layer, depth):
    loop = doubled(make_loop(DCGAN(latent=6, width=4, depth=2, dropout=0), [FeatureMatching(weight=0.5, layer=layer)]))
    generator, features = loop.recipe.generator, loop.recipe.discriminator[:depth]
    judge, seen = g_step(loop)
    (penalty,) = loop.recipe.g_penalties
    assert penalty.needs_real
    difference = features(seen.real).mean(0) - features(seen.fake).mean(0)
    assert_equal_terms(penalty.term(judge, seen), 0.5 * (difference**2).sum(), generator)


@pytest.mark.parametrize("add", [False, True])
def test_feature_matching_replaces_gs_loss_or_is_added_to_it(add):
    matching, plain = make_loop(TINY, [FeatureMatching(weight=1e-9, add=add)]), make_loop(TINY)
    for loop in (matching, plain):
        loop.step()
    ours, usual = ([p.grad for p in loop.g_parameters] for loop in (matching, plain))
    if add:
        torch.testing.assert_close(ours, usual, rtol=1e-4, atol=1e-7)
    else:
        assert max(float(gradient.abs().max()) for gradient in ours) < 1e-6
    means = matching.window.means()
    assert means["loss_g"] == pytest.approx(plain.window.means()["loss_g"])  # the curve of G's loss goes on
    assert means["feature_distance"] > 0
    torch.testing.assert_close([p.grad for p in matching.d_parameters], [p.grad for p in plain.d_parameters])


def test_feature_matching_works_around_another_loss_and_leaves_no_hook():
    loop = make_loop(TINY, [FeatureMatching(), HingeLoss()])
    assert loop.joined
    for _ in range(2):
        loop.step()
    assert not any(module._forward_pre_hooks for module in loop.recipe.discriminator.modules())


@pytest.mark.parametrize("others", [[MinibatchStd()], [MinibatchDiscrimination(), MinibatchStd()]], ids=len)
def test_features_are_what_goes_into_the_layer_that_makes_logits_whatever_stands_beside_it(others):
    loop = doubled(make_loop(DCGAN(latent=6, width=4, depth=2, dropout=0), [FeatureMatching(), *others]))
    judge, seen = g_step(loop)
    *body, last = loop.recipe.discriminator
    assert isinstance(last, Beside)
    features = nn.Sequential(*body)
    difference = features(seen.real).mean(0) - features(seen.fake).mean(0)
    torch.testing.assert_close(loop.recipe.g_penalties[0].term(judge, seen), (difference**2).sum())


class Scale(nn.Module):
    """A network of one number."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * x


@pytest.mark.parametrize(
    ("networks", "layer", "said"),
    [
        (None, "9", r"finds no layer '9' in the discriminator \(its modules: 0, 1, 2, 3, 4\)"),
        ((nn.Linear(6, 2), Scale()), "", r"finds no layer '' in the discriminator \(its modules: none\)"),
    ],
)
def test_feature_matching_refuses_a_layer_that_is_not_there(networks, layer, said):
    with pytest.raises(ValueError, match=said):
        make_loop(TINY, [FeatureMatching(layer=layer)], networks=networks)


class Bystander(nn.Module):
    """A network with a layer that it never calls."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x):
        return self.used(x)


def test_feature_matching_refuses_a_layer_that_d_does_not_call():
    loop = make_loop(FLAT, [FeatureMatching()], shape=(2,), networks=(nn.Linear(6, 2), Bystander()))
    with pytest.raises(ValueError, match="Linear takes no part in the discriminator's passes"):
        loop.step()


# Mode seeking.


def test_mode_seeking_compares_the_halves_of_the_batch():
    loop = doubled(make_loop(TINY, [ModeSeeking(weight=2.0)], batch_size=9))
    judge, seen = g_step(loop, 9)
    x, z = seen.fake, seen.latents.detach()
    ratio = sum((x[i] - x[i + 4]).abs().mean() for i in range(4)) / sum(
        (z[i] - z[i + 4]).abs().mean() for i in range(4)
    )
    found = loop.recipe.g_penalties[0].term(judge, seen)
    assert_equal_terms(found, 2 / (ratio + 1e-5), loop.recipe.generator)


class Labelled(Architecture):
    """Linear networks with a table of vectors for the classes."""

    name = "labelled"
    latent: int = 6
    conditional: str = "concat"

    def generator(self, data):
        return LinearG(self.latent, data)

    def discriminator(self, data):
        return LinearD(data)


class LinearG(nn.Module):
    def __init__(self, latent, data):
        super().__init__()
        self.classes, self.layer = nn.Embedding(len(data.classes), latent), nn.Linear(latent, data.numel)
        self.shape = data.shape

    def forward(self, z, y):
        return torch.tanh(self.layer(z + self.classes(y))).unflatten(1, self.shape)


class LinearD(nn.Module):
    def __init__(self, data):
        super().__init__()
        self.classes, self.layer = nn.Embedding(len(data.classes), data.numel), nn.Linear(data.numel, 1)

    def forward(self, x, y):
        return self.layer(x.flatten(1) + self.classes(y))


def labelled_loop(*tricks):
    data = DataSpec((1, 4, 4), classes=("a", "b", "c"))
    random = torch.Generator().manual_seed(1)

    def next_real():
        return torch.rand(8, 1, 4, 4, generator=random), torch.randint(3, (8,), generator=random)

    optimizer = {"generator": ADAM, "discriminator": ADAM}
    real = {"real": lambda memory: next_real, "tricks": tricks, "optimizer": optimizer, "batch_size": 8}
    return build_loop(Labelled(), data, Streams(0, CPU), **real)


def test_mode_seeking_compares_samples_of_one_class():
    loop = doubled(labelled_loop(ModeSeeking()))
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    judge, seen = g_step(loop, labels=labels)
    z = seen.latents.detach()
    x, other = seen.fake, loop.recipe.generator(z.roll(1, 0), labels)
    ratio = (x - other).abs().mean() / (z - z.roll(1, 0)).abs().mean()
    assert_equal_terms(loop.recipe.g_penalties[0].term(judge, seen), 1 / (ratio + 1e-5), loop.recipe.generator)


@pytest.mark.parametrize("trick", [ModeSeeking(), FeatureMatching(), PathLength(every=2), Orthogonal(network="both")])
def test_networks_that_take_labels_train(trick):
    loop = labelled_loop(trick)
    for _ in range(3):
        loop.step()
    assert all(math.isfinite(mean) for mean in loop.window.means().values())


def test_mode_seeking_refuses_a_batch_of_one():
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        make_loop(TINY, [ModeSeeking()], batch_size=1)


# Orthogonal regularisation.


def test_overlap_is_that_of_different_filters_alone():
    rows = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    expected = sum((rows[i] @ rows[j]) ** 2 for i in range(3) for j in range(3) if i != j)
    torch.testing.assert_close(overlap(rows), expected)
    assert torch.autograd.gradcheck(overlap, rows)
    assert overlap(torch.eye(4, 6) * torch.tensor([[1.0], [2], [3], [4]])) == 0  # orthogonal, of any length


@pytest.mark.parametrize(
    ("network", "of"), [("generator", "g"), ("discriminator", "d"), ("both", "gd")], ids=lambda value: value
)
def test_orthogonal_regularises_weights_of_two_dimensions_or_more(network, of):
    loop = doubled(make_loop(TINY, [Orthogonal(weight=0.1, network=network)]))
    judge, seen = g_step(loop)
    for which, penalties in (("g", loop.recipe.g_penalties), ("d", loop.recipe.penalties)):
        assert len(penalties) == (which in of)
        for penalty in penalties:
            network = loop.recipe.generator if which == "g" else loop.recipe.discriminator
            assert not penalty.pairs
            expected = 0
            for weight in network.parameters():
                if weight.dim() > 1:
                    w = weight.reshape(len(weight), -1).t()
                    expected = expected + 0.1 * ((w.t() @ w * (1 - torch.eye(w.shape[1]))) ** 2).sum()
            torch.testing.assert_close(penalty.term(judge, seen), expected)


def test_orthogonal_leaves_embeddings_out():
    loop = labelled_loop(Orthogonal(weight=1.0))
    judge, seen = g_step(doubled(loop), labels=torch.zeros(8, dtype=torch.int64))
    gradient = gradients(loop.recipe.g_penalties[0].term(judge, seen), loop.recipe.generator)
    moved = {
        name: g is not None for (name, _), g in zip(loop.recipe.generator.named_parameters(), gradient, strict=True)
    }
    assert moved == {"classes.weight": False, "layer.weight": True, "layer.bias": False}


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_orthogonal_is_of_the_weights_that_a_pass_uses(network):
    """Not of stored ones, which an equalised learning rate and spectral normalisation have their own size for."""
    style = StyleGAN2(latent=3, styles=4, width=2, growth=2)
    tricks = [Orthogonal(weight=0.1, network=network), *[SpectralNorm()] * (network == "discriminator")]
    recipe = make_loop(style, tricks).recipe
    (penalty,) = recipe.g_penalties if network == "generator" else recipe.penalties
    layers = [m for m in getattr(recipe, network).modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    weights = [layer.weight for layer in layers] + [recipe.generator.maps] * (network == "generator")
    expected = sum(0.1 * overlap(weight.flatten(1)) for weight in weights)
    assert_equal_terms(penalty.term(None, None), expected, getattr(recipe, network))


def test_orthogonal_makes_filters_orthogonal():
    loop = make_loop(FLAT, [Orthogonal(weight=10.0)])
    weight = loop.recipe.generator[0].weight
    before = overlap(weight).item()
    for _ in range(60):
        loop.step()
    assert overlap(weight).item() < before / 5


def test_orthogonal_refuses_networks_without_matrices():
    with pytest.raises(ValueError, match="no weights of two dimensions or more in the generator"):
        make_loop(TINY, [Orthogonal()], networks=(Scale(), Scale()))


# Path length.


def lengths_of(network, w, y):
    """|J^T y| of each sample of a network that treats samples alone, J row by row."""
    found = []
    for one, noise in zip(w, y, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: network(v[None])[0].flatten(), one, create_graph=True)
        found.append((noise.flatten() @ jacobian.flatten(1)).norm())
    return torch.stack(found)


class Mapped(nn.Module):
    """G(z) = s(m(z)); s is given a w for each of `layers` layers, or one alone where 0."""

    def __init__(self, layers=0):
        super().__init__()
        self.mapping = nn.Sequential(nn.Linear(6, 3), nn.Tanh(), *[Repeated(layers)] * bool(layers))
        self.synthesis = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * max(layers, 1), 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4))
        )

    def forward(self, z):
        return self.synthesis(self.mapping(z))


class Repeated(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, w):
        return w[:, None].repeat(1, self.layers, 1)


def path_length_loop(trick, generator):
    """A loop of this generator in float64, and the noise that the trick draws first."""
    networks = generator, nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    loop = doubled(make_loop(FLAT, [trick], shape=(1, 4, 4), networks=networks))
    with Stream(0, "trick:path_length", CPU):
        y = torch.randn(math.ceil(8 / trick.shrink), 1, 4, 4, dtype=torch.float64) / 4
    return loop, y


@pytest.mark.parametrize("shrink", [1, 3])
def test_path_length_is_its_formula_by_z(shrink):
    loop, y = path_length_loop(PathLength(shrink=shrink), FLAT.generator(DataSpec((1, 4, 4))))
    average = loop.recipe.state["trick:path_length.average"].fill_(0.3)
    judge, seen = g_step(loop)
    (penalty,) = loop.recipe.g_penalties
    assert penalty.every == 8
    found = penalty.term(judge, seen)
    lengths = lengths_of(loop.recipe.generator, seen.latents[: len(y)], y)
    a = 0.99 * 0.3 + 0.01 * lengths.mean().item()
    assert_equal_terms(found, 2 * ((lengths - a) ** 2).mean(), loop.recipe.generator)
    assert average.item() == pytest.approx(a, rel=1e-6)


@pytest.mark.parametrize("layers", [0, 3])
def test_path_length_is_by_w_where_the_generator_maps_its_latents(layers):
    loop, y = path_length_loop(PathLength(decay=0.5), Mapped(layers))
    judge, seen = g_step(loop)
    found = loop.recipe.g_penalties[0].term(judge, seen)
    w = loop.recipe.generator.mapping(seen.latents)
    squares = lengths_of(loop.recipe.generator.synthesis, w.flatten(1).unflatten(1, w.shape[1:]), y).square()
    lengths = (squares / max(layers, 1)).sqrt()  # squares are averaged over layers
    expected = 2 * ((lengths - 0.5 * lengths.mean().detach()) ** 2).mean()
    torch.testing.assert_close(found, expected)
    trained = [p for p in gradients(found, loop.recipe.generator) if p is not None]
    torch.testing.assert_close(trained, [p for p in gradients(expected, loop.recipe.generator) if p is not None])


def test_path_length_finds_the_mapping_inside_a_wrapper_and_leaves_no_hook():
    loop, _ = path_length_loop(PathLength(), nn.Sequential(Mapped(), nn.Identity()))
    judge, seen = g_step(loop)
    assert mapping_of(loop.recipe.generator) is loop.recipe.generator[0].mapping
    loop.recipe.g_penalties[0].term(judge, seen)
    assert not any(module._forward_hooks for module in loop.recipe.generator.modules())


def test_path_length_makes_lengths_alike():
    spreads = []
    for weight in (1e-9, 50.0):
        loop = make_loop(FLAT, [PathLength(weight=weight, every=1)], shape=(1, 4, 4))
        for _ in range(60):
            loop.step()
        torch.manual_seed(0)
        lengths = lengths_of(loop.recipe.generator, torch.randn(40, 6), torch.randn(40, 1, 4, 4) / 4)
        spreads.append((lengths - loop.recipe.state["trick:path_length.average"]).square().mean().item())
    assert spreads[1] < spreads[0] / 2, spreads


# Historical averaging.


@pytest.mark.parametrize(("network", "of"), [("generator", "g"), ("discriminator", "d"), ("both", "gd")])
def test_historical_averaging_draws_weights_to_the_mean_of_the_past(network, of):
    loop = make_loop(TINY, [HistoricalAveraging(weight=0.5, network=network)])
    recipe, past = loop.recipe, {"g": [], "d": []}
    kinds = {"g": (loop.g_parameters, recipe.g_penalties), "d": (loop.d_parameters, recipe.penalties)}
    for step in range(4):
        for which, (parameters, penalties) in kinds.items():
            assert len(penalties) == (which in of)
            now = [p.detach().double() for p in parameters]
            means = [sum(then) / step for then in zip(*past[which], strict=True)] or now
            expected = [0.5 * float(((p - m) ** 2).sum()) for p, m in zip(now, means, strict=True)]
            for penalty in penalties:
                found = penalty.term(None, None)
                assert found.item() == pytest.approx(sum(expected), rel=1e-4)
                gradient = torch.autograd.grad(found, parameters)
                torch.testing.assert_close(
                    [g.double() for g in gradient],
                    [p - m for p, m in zip(now, means, strict=True)],
                    rtol=1e-4,
                    atol=1e-7,
                )
            past[which].append([p.clone() for p in now])
        loop.step()


@pytest.mark.parametrize("others", [[SpectralNorm()], [MinibatchStd()]], ids=lambda one: one[0].name)
def test_historical_averaging_is_of_the_weights_that_other_tricks_leave(others):
    for tricks in ([HistoricalAveraging(), *others], [*others, HistoricalAveraging()]):
        loop = make_loop(TINY, tricks)
        kept = loop.recipe.state["trick:historical_averaging.mean of discriminator"]
        torch.testing.assert_close(kept, torch.cat([p.detach().flatten() for p in loop.d_parameters]))
        loop.step()
        gradient = torch.autograd.grad(loop.recipe.penalties[0].term(None, None), loop.d_parameters)
        assert all(one.any() for one in gradient), "every weight has moved away from where it was"


@pytest.mark.slow
def test_historical_averaging_ends_the_circles_of_the_dirac_gan():
    """Its equilibrium is a point around which plain gradient descent turns for ever (Mescheder et al. 2018)."""
    ends = []
    for tricks in ([], [HistoricalAveraging(weight=0.05)]):
        loop = make_dirac(tricks)
        for _ in range(600):
            loop.step()
        ends.append(torch.cat([p.flatten() for p in (*loop.g_parameters, *loop.d_parameters)]).norm().item())
    assert ends[1] < 0.25 * ends[0], ends


def make_dirac(tricks):
    sgd = {"name": "sgd", "lr": 0.05}
    return build_loop(
        Dirac(),
        DataSpec((1,), "points"),
        Streams(0, CPU),
        lambda memory: lambda: torch.zeros(4, 1),
        tricks=tricks,
        optimizer={"generator": sgd, "discriminator": sgd},
        batch_size=4,
    )
