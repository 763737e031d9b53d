"""Every trick by its definition. What all of them must do, alone and in pairs: tests/whole/test_every_plugin.py."""

from __future__ import annotations

import pytest
import torch
from small_runs import ADAM, make_loop
from torch import nn

from gan_bench import Wasserstein
from gan_bench.api.seen import Seen
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.d_lr import DLearningRate
from gan_bench_plugins.tricks.d_norm import DNorm
from gan_bench_plugins.tricks.ema import EMA
from gan_bench_plugins.tricks.gradient_normalisation import GradientNormalisation
from gan_bench_plugins.tricks.hinge import HingeLoss
from gan_bench_plugins.tricks.input_noise import InputNoise
from gan_bench_plugins.tricks.label_flip import LabelFlip
from gan_bench_plugins.tricks.label_noise import LabelNoise
from gan_bench_plugins.tricks.label_shift import LabelShift
from gan_bench_plugins.tricks.label_smoothing import LabelSmoothing
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.top_k import OfTheBest, TopK
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP

TINY = DCGAN(latent=6, width=4, depth=1)


def targets(trick, network, real):
    """What a trick makes of the targets of 4000 samples."""
    loop = make_loop(TINY, [trick])
    return loop.recipe.loss.target(torch.zeros(4000, 1), network, real)


def test_label_noise_raises_the_generators_target_uniformly():
    noisy = targets(LabelNoise(amount=0.05), "generator", True)
    assert 1 <= noisy.min() < 1.001
    assert 1.049 < noisy.max() <= 1.05
    assert noisy.mean().item() == pytest.approx(1.025, abs=1e-3)
    assert targets(LabelNoise(amount=0.05), "discriminator", True).unique().tolist() == [1]
    assert targets(LabelNoise(amount=0.05, network="both"), "discriminator", False).max() > 0


def test_label_shift_has_the_mean_of_label_noise_and_none_of_its_noise():
    assert targets(LabelShift(), "generator", True).unique().tolist() == pytest.approx([1.025])
    noise = targets(LabelNoise(), "generator", True).mean().item()
    assert targets(LabelShift(), "generator", True).mean().item() == pytest.approx(noise, abs=1e-3)
    assert targets(LabelShift(), "discriminator", True).unique().tolist() == [1]
    assert targets(LabelShift(network="both"), "discriminator", False).unique().tolist() == pytest.approx([0.025])


def test_label_smoothing_is_one_sided():
    assert targets(LabelSmoothing(), "discriminator", True).unique().tolist() == pytest.approx([0.9])
    assert targets(LabelSmoothing(), "discriminator", False).unique().tolist() == [0]
    assert targets(LabelSmoothing(), "generator", True).unique().tolist() == [1]


def test_label_flip_exchanges_a_fraction_of_ds_targets():
    flipped = targets(LabelFlip(fraction=0.2), "discriminator", True)
    assert flipped.unique().tolist() == [0, 1]
    assert flipped.mean().item() == pytest.approx(0.8, abs=0.03)
    assert targets(LabelFlip(fraction=0.2), "generator", True).unique().tolist() == [1]


def test_input_noise_has_its_deviation_and_decays_to_zero():
    recipe = make_loop(TINY, [InputNoise(sigma=0.3, decay_steps=10)]).recipe
    x = torch.zeros(64, 1, 8, 8)
    assert recipe.see(x).std().item() == pytest.approx(0.3, rel=0.05)
    recipe.step += 5
    assert recipe.see(x).std().item() == pytest.approx(0.15, rel=0.05)
    recipe.step += 50
    assert torch.equal(recipe.see(x), x)


def test_d_lr_changes_the_discriminators_rate_alone():
    loop = make_loop(TINY, [DLearningRate(factor=0.25)])
    assert loop.d_optimizer.param_groups[0]["lr"] == ADAM["lr"] / 4
    assert loop.g_optimizer.param_groups[0]["lr"] == ADAM["lr"]


def test_ema_averages_weights_and_copies_buffers():
    loop = make_loop(TINY, [EMA(decay=0.9)])
    before = [p.detach().clone() for p in loop.g_parameters]
    loop.step()
    for average, old, new in zip(loop.recipe.sampled.parameters(), before, loop.g_parameters, strict=True):
        torch.testing.assert_close(average, 0.9 * old + 0.1 * new)
    for mine, latest in zip(loop.recipe.sampled.buffers(), loop.recipe.generator.buffers(), strict=True):
        assert torch.equal(mine, latest)


def linear_critic(weight):
    """D(x) = <weight, x>: its gradient is `weight` everywhere."""
    return lambda x: x.flatten(1) @ weight


def seen(discriminate, real, fake):
    real = real.requires_grad_()
    return Seen(real, fake, discriminate(real), discriminate(fake))


def test_penalties_of_a_linear_critic_are_exact():
    weight = torch.randn(64, 1)
    real, fake = torch.randn(2, 8, 1, 8, 8)
    critic = linear_critic(weight)
    norm = weight.norm().item()
    r1 = make_loop(TINY, [R1(gamma=3.0)]).recipe.penalties[0]
    assert r1.term(critic, seen(critic, real, fake)).item() == pytest.approx(1.5 * norm**2, rel=1e-4)
    gp = make_loop(TINY, [WassersteinGP(weight=10)]).recipe.penalties[0]
    assert gp.term(critic, seen(critic, real, fake)).item() == pytest.approx(10 * (norm - 1) ** 2, rel=1e-4)


def test_spectral_norm_converges_to_the_largest_singular_value_one_iteration_a_step():
    loop = make_loop(FCGAN(latent=6, width=16), [SpectralNorm()])
    layer = next(m for m in loop.recipe.discriminator.modules() if isinstance(m, nn.Linear))
    u = layer.parametrizations.weight[0]._u.clone()
    loop.discriminate(torch.randn(4, 1, 8, 8))
    assert torch.equal(u, layer.parametrizations.weight[0]._u)  # a forward pass leaves it alone
    for _ in range(60):
        loop.step()
    assert not torch.equal(u, layer.parametrizations.weight[0]._u)
    assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=0.05)


def test_hinge_values():
    loss = make_loop(TINY, [HingeLoss()]).recipe.loss
    real, fake = torch.tensor([[2.0], [0.0]]), torch.tensor([[-2.0], [1.0]])
    assert loss.discriminator(real, fake).item() == 0.5 + 1.0
    assert loss.generator(fake).item() == 0.5


def test_wgan_gp_refuses_batch_norm_in_the_discriminator():
    networks = (nn.Linear(6, 2), nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)))
    with pytest.raises(ValueError, match="must not have BatchNorm"):
        make_loop(TINY, [WassersteinGP()], shape=(2,), networks=networks)


def test_a_targets_trick_refuses_a_loss_without_targets():
    with pytest.raises(ValueError, match="Hinge has no targets"):
        make_loop(TINY, [HingeLoss(), LabelNoise()])


@pytest.mark.parametrize("trick", [WassersteinGP(), GradientNormalisation()], ids=lambda trick: trick.name)
def test_batch_norm_is_refused_wherever_the_trick_that_brings_it_is_written(trick):
    deep = DCGAN(latent=6, width=4, depth=2)
    for tricks in ([trick, DNorm()], [DNorm(), trick]):
        with pytest.raises(ValueError, match="must not have BatchNorm"):
            make_loop(deep, tricks)
        make_loop(deep, [DNorm(kind="instance") if one.name == "d_norm" else one for one in tricks]).step()


def test_what_is_put_around_the_loss_is_put_around_wgan_gps_too():
    for tricks in ([WassersteinGP(), TopK()], [TopK(), WassersteinGP()]):
        loss = make_loop(TINY, tricks).recipe.loss
        assert isinstance(loss, OfTheBest)
        assert isinstance(loss.inner, Wasserstein)


def test_spectral_norm_refuses_a_weight_of_zeros_which_has_no_direction():
    layer = nn.Linear(2, 1)
    nn.init.zeros_(layer.weight)
    with pytest.raises(ValueError, match="starts at 0"):
        make_loop(TINY, [SpectralNorm()], shape=(2,), networks=(nn.Linear(6, 2), nn.Sequential(layer)))
