"""The tricks of ganhacks, each by what the list says of it."""

from __future__ import annotations

import math

import pytest
import torch
from small_runs import CPU, make_loop
from torch import nn
from torch.nn.functional import softplus

from gan_bench import Trick
from gan_bench.scoring.samples import draw
from gan_bench.training.passes import Batch
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.d_norm import DNorm
from gan_bench_plugins.tricks.d_pooling import DPooling
from gan_bench_plugins.tricks.d_steps import DSteps
from gan_bench_plugins.tricks.ema import EMA
from gan_bench_plugins.tricks.g_dropout import GDropout
from gan_bench_plugins.tricks.g_noise import GNoise
from gan_bench_plugins.tricks.latents import Latents
from gan_bench_plugins.tricks.loss_balance import LossBalance
from gan_bench_plugins.tricks.mixed_batches import MixedBatches
from gan_bench_plugins.tricks.old_generators import OldGenerators
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.soft_labels import SoftLabels
from gan_bench_plugins.tricks.truncation import Truncation

SMALL = DCGAN(latent=6, width=4, depth=2, dropout=0)


def linear_g(trick):
    """A recipe whose G is three linear layers, all weights 1 on the diagonal, so that it hands on what it is given."""
    layers = [nn.Linear(64, 64, bias=False) for _ in range(3)]
    for layer in layers:
        nn.init.eye_(layer.weight)
    networks = nn.Sequential(*layers), nn.Sequential(nn.Linear(64, 1))
    return make_loop(FCGAN(latent=64), [trick], shape=(64,), networks=networks).recipe


def test_g_noise_has_its_deviation_in_each_hidden_layer_and_when_sampled():
    generator = linear_g(GNoise(sigma=0.3)).generator
    z = torch.zeros(500, 64)
    for network in (generator.train(), generator.eval()):
        assert network(z).std().item() == pytest.approx(
            0.3 * math.sqrt(2), rel=0.02
        )  # into the second and the third layer
    assert torch.equal(generator[0](z), z)  # latents are left alone


def test_g_dropout_drops_its_share_in_each_hidden_layer_and_when_sampled():
    generator = linear_g(GDropout(p=0.4)).generator
    z = torch.ones(500, 64)
    for network in (generator.train(), generator.eval()):
        made = network(z)
        assert (made != 0).float().mean().item() == pytest.approx(0.6**2, abs=0.01)
        assert made.mean().item() == pytest.approx(1, abs=0.02)  # what is kept makes up for it


@pytest.mark.parametrize("trick", [GNoise(), GDropout()], ids=lambda trick: trick.name)
def test_noise_in_g_leaves_weights_their_names_and_samples_reproducible(trick):
    loop, plain = make_loop(SMALL, [trick, EMA()]), make_loop(SMALL)
    recipe = loop.recipe
    assert recipe.generator.state_dict().keys() == plain.recipe.generator.state_dict().keys()
    for network in (recipe.generator, recipe.sampled):  # the average has the noise too
        first, again = (draw(network, 6, 20, seed, CPU) for seed in (0, 0))
        assert torch.equal(first, again)
        z = torch.randn(4, 6)
        assert not torch.equal(network.eval()(z), network(z))


def test_g_of_one_layer_has_no_hidden_one():
    networks = nn.Sequential(nn.Linear(6, 64)), nn.Sequential(nn.Linear(64, 1))
    with pytest.raises(ValueError, match="two dense or convolutional layers"):
        make_loop(FCGAN(latent=6), [GNoise()], shape=(64,), networks=networks)


def test_d_steps():
    loop = make_loop(SMALL, [DSteps(k=3)])
    for _ in range(4):
        loop.step()
    assert (loop.steps, loop.d_steps) == (4, 12)


def targets(trick, network, real):
    return make_loop(SMALL, [trick]).recipe.loss.target(torch.zeros(4000, 1), network, real)


def test_soft_labels_are_uniform_around_ones_and_zeros_of_d_alone():
    for real, low, high in ((True, 0.7, 1.2), (False, 0.0, 0.3)):
        soft = targets(SoftLabels(), "discriminator", real)
        assert low <= soft.min().item() < low + 0.005
        assert high - 0.005 < soft.max().item() <= high + 1e-6
        assert soft.mean().item() == pytest.approx((low + high) / 2, abs=0.01)
        assert soft.std().item() == pytest.approx((high - low) / math.sqrt(12), abs=0.005)
    assert targets(SoftLabels(), "generator", True).unique().tolist() == [1]


def test_soft_labels_refuse_a_range_that_is_none():
    with pytest.raises(ValueError, match=r"a smallest target of 0\.9 is above the largest, 0\.8"):
        make_loop(SMALL, [SoftLabels(real_low=0.9, real_high=0.8)])


def batches(loop):
    """How many samples each pass of D was given in one step."""
    seen = []
    loop.recipe.discriminator.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    loop.step()
    return seen


def test_real_and_fake_share_statistics_in_mixed_batches_alone():
    apart, mixed = (make_loop(SMALL, [DNorm(), *mix]) for mix in ([], [MixedBatches()]))
    assert batches(apart) == [8, 8, 8]
    assert batches(mixed) == [16, 8]  # G's step has fakes alone
    real, fake = torch.randn(2, 8, 1, 8, 8)
    joined = mixed.discriminate(torch.cat([real, 5 + fake]))
    assert not torch.allclose(joined[:8], apart.discriminate(real), atol=1e-3)


class Joined(Trick):
    """One pass, whatever D's modules are."""

    name = "joined"

    def edit(self, recipe):
        recipe.joined = True


def test_a_joined_pass_changes_nothing_but_rounding_where_samples_are_treated_alone():
    apart, mixed = (make_loop(SMALL, [R1(), *mix]) for mix in ([], [Joined()]))
    assert (apart.joined, mixed.joined) == (False, True)  # penalties keep them apart
    for loop in (apart, mixed):
        loop.step()
    assert mixed.window.means()["loss_d"] == pytest.approx(apart.window.means()["loss_d"], rel=1e-5)
    assert mixed.window.means()["r1"] == pytest.approx(apart.window.means()["r1"], rel=1e-4)


class Telling(nn.Module):
    """A discriminator that gives class logits as well."""

    def __init__(self):
        super().__init__()
        self.logit, self.classes = nn.Linear(64, 1), nn.Linear(64, 3)

    def forward(self, x):
        return self.logit(x), self.classes(x)


def test_mixed_batches_are_refused_where_they_would_change_nothing():
    with pytest.raises(ValueError, match="finds no BatchNorm in D"):
        make_loop(SMALL, [MixedBatches()])
    make_loop(SMALL, [MixedBatches(), DNorm()])  # in either order


def test_class_logits_of_a_joined_pass_go_with_their_samples():
    networks = nn.Linear(6, 64), Telling()
    loop = make_loop(FCGAN(latent=6), [Joined()], shape=(64,), networks=networks)
    batches = Batch(torch.randn(8, 64)), Batch(torch.randn(8, 64))
    for batch, look in zip(batches, loop.look_at_both(*batches, differentiable=False), strict=True):
        torch.testing.assert_close(look.logits, networks[1].logit(batch.samples))
        torch.testing.assert_close(look.class_logits, networks[1].classes(batch.samples))


def test_d_norm_normalises_behind_every_convolution_but_the_first():
    network = make_loop(SMALL, [DNorm()]).recipe.discriminator
    assert [type(m).__name__ for m in network.modules()].count("BatchNorm2d") == 1
    assert isinstance(network[3], nn.Sequential)  # the second convolution
    network = make_loop(SMALL, [DNorm(kind="instance", first=True)]).recipe.discriminator
    x = network[0](torch.randn(8, 1, 8, 8))
    torch.testing.assert_close(x.mean((2, 3)), torch.zeros(8, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((2, 3), unbiased=False), torch.ones(8, 4), atol=1e-2, rtol=0)


def test_d_norm_leaves_logits_as_they_are_where_a_convolution_makes_them():
    """As in a PatchGAN: normalised, they would say nothing of the batch."""
    last = nn.Conv2d(4, 1, 3)
    layers = nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), last, nn.Flatten()
    networks = nn.Sequential(nn.Linear(6, 256), nn.Unflatten(1, (1, 16, 16))), nn.Sequential(*layers)
    network = make_loop(SMALL, [DNorm()], shape=(1, 16, 16), networks=networks).recipe.discriminator
    assert [isinstance(layer, nn.Sequential) for layer in network] == [False, True, False, False]
    assert network[2] is last


@pytest.mark.parametrize("trick", [DNorm(), DPooling()], ids=lambda trick: trick.name)
def test_a_d_without_such_layers_is_refused(trick):
    with pytest.raises(ValueError, match=f"{trick.name} finds no convolution"):
        make_loop(FCGAN(latent=6, width=8), [trick])


@pytest.mark.parametrize("side", [8, 9, 14])
def test_pooling_takes_the_place_of_strides(side):
    shape = (1, side, side)
    pooled, plain = (make_loop(SMALL, tricks, shape=shape).recipe.discriminator for tricks in ([DPooling()], []))
    x = torch.randn(8, *shape)
    assert pooled[:6](x).shape == plain[:6](x).shape
    layer, pool = pooled[0]
    assert layer.stride == (1, 1)
    strided = nn.functional.conv2d(x, layer.weight, layer.bias, 2, 2)
    assert (pool(layer(x)) >= strided - 1e-4).all()  # strides reach one of the pixels that the maximum is of


def test_max_pooling_passes_the_gradient_to_one_pixel_in_four():
    network = make_loop(SMALL, [DPooling()]).recipe.discriminator
    x = torch.randn(8, 1, 8, 8)
    layer, pool = network[0]
    maps = layer(x).detach().requires_grad_()
    pool(maps).sum().backward()
    assert (maps.grad != 0).float().mean().item() == 0.25


def test_balance_holds_the_network_that_wins():
    loop = make_loop(SMALL, [LossBalance(d_loss=1.0, g_loss=0.5)])
    recipe = loop.recipe
    d_factor, g_factor = (recipe.lr_factors[name][0] for name in ("discriminator", "generator"))
    for real, fake in ((0.0, 0.0), (4.0, -4.0), (-1.0, 3.0)):
        recipe.real_logits.fill_(real)
        recipe.fake_logits.fill_(fake)
        real, fake = torch.tensor([real, fake])
        assert d_factor().item() == (softplus(-real) + softplus(fake) >= 1.0)
        assert g_factor().item() == (softplus(-fake) >= 0.5)
    recipe.real_logits.fill_(4.0)
    recipe.fake_logits.fill_(-4.0)
    before = [p.detach().clone() for p in (*loop.d_parameters, *loop.g_parameters)]
    d_count = len(loop.d_parameters)
    loop.step()  # D was winning before it
    moved = [not torch.equal(a, b) for a, b in zip(before, (*loop.d_parameters, *loop.g_parameters), strict=True)]
    assert not any(moved[:d_count])
    assert all(moved[d_count:])


def test_old_generators_make_their_share_and_are_one_to_two_checkpoints_old():
    loop = make_loop(SMALL, [OldGenerators(share=0.25, every=2)])
    recipe, history = loop.recipe, []
    fake = torch.zeros(8, 1, 8, 8)
    (mix,) = recipe.fake_transforms
    mixed, labels = mix(fake, None)
    assert (mixed.flatten(1) != 0).any(1).tolist() == [False] * 6 + [True] * 2
    assert labels is None
    for _ in range(6):
        history.append(recipe.generator[0].weight.detach().clone())
        loop.step()
    old, later = (recipe.state[f"trick:old_generators.{name}"][0].weight for name in ("old", "later"))
    assert torch.equal(old, history[4])
    assert torch.equal(later, recipe.generator[0].weight)
    loop.step()
    assert torch.equal(old, history[4])
    assert not any(p.requires_grad for p in recipe.state["trick:old_generators.old"].parameters())


def test_all_fakes_can_not_be_old():
    with pytest.raises(ValueError, match="a batch of 8 is 0 samples"):
        make_loop(SMALL, [OldGenerators(share=0.01)])


def test_one_old_fake_is_too_few_for_batch_norm():
    with pytest.raises(ValueError, match="a batch of 5 is 1 sample, too few for G's BatchNorm"):
        make_loop(SMALL, [OldGenerators()], batch_size=5)
    make_loop(DCGAN(latent=6, width=4, depth=2, batch_norm=False), [OldGenerators()], batch_size=5).step()


def test_old_fakes_are_made_as_in_training():
    """Truncation is of samples alone; what else is done to latents is done to these too."""
    largest = []
    for tricks in ([], [Truncation(threshold=0.1)], [Latents(distribution="truncated", threshold=0.1)]):
        loop = make_loop(SMALL, [OldGenerators(), *tricks])
        loop.recipe.state["trick:old_generators.old"].register_forward_pre_hook(
            lambda module, inputs: largest.append(inputs[0].abs().max().item())
        )
        loop.step()
    assert largest[0] == largest[1] > 0.1 >= largest[2]
