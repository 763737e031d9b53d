"""What D is told of its batch: statistics beside its last layer's inputs, and packs of samples."""

from __future__ import annotations

import pytest
import torch
from small_runs import make_loop
from torch import nn
from torch.autograd import gradcheck
from torch.nn.utils.parametrize import is_parametrized

from gan_bench import GanBenchError
from gan_bench.api.registry import Registry
from gan_bench.grid import cell_from_settings
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks._last_layer import Beside
from gan_bench_plugins.tricks.gradient_normalisation import GradientNormalisation, Normalised
from gan_bench_plugins.tricks.minibatch_discrimination import MinibatchDiscrimination, Nearness
from gan_bench_plugins.tricks.minibatch_std import GroupStd, MinibatchStd
from gan_bench_plugins.tricks.pac import Pac, Packed
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP

TINY = DCGAN(latent=6, width=4, depth=1, dropout=0)
FLAT = FCGAN(latent=2, width=8, depth=1, dropout=0)
STD, NEAR = MinibatchStd(), MinibatchDiscrimination(kernels=7, dimensions=3)


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_deviation_is_that_of_each_feature_within_a_group_and_then_a_mean():
    h = numbers(8, 3, 2, 2).requires_grad_()
    expected = []
    for group in range(2):
        members = h[[group, group + 2, group + 4, group + 6]]
        deviations = (members - members.mean(0)).square().mean(0).sqrt()
        expected.append(deviations.mean())
    found = GroupStd(4)(h)
    torch.testing.assert_close(found[:, 0], torch.stack(expected * 4), rtol=1e-6, atol=1e-6)
    (ours,), (theirs,) = (torch.autograd.grad(one.sum(), h) for one in (found, 4 * torch.stack(expected)))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert GroupStd(4)(torch.ones(8, 5)).max() < 2e-4, "equal samples do not vary, and do not give NaN"
    equal = torch.ones(4, 2, requires_grad=True)
    assert torch.autograd.grad(GroupStd(4)(equal).sum(), equal)[0].isfinite().all()


def test_nearness_is_the_sum_of_negative_exponentials_of_distances():
    layer = Nearness(5, 3, 2).double()
    f = numbers(4, 5)
    t = layer.tensor.weight.view(3, 2, 5)
    m = torch.einsum("bcf,nf->nbc", t, f)
    exact = torch.zeros(4, 3, dtype=torch.float64)
    for i in range(4):
        for b in range(3):
            exact[i, b] = sum(torch.exp(-(m[i, b] - m[j, b]).abs().sum()) for j in range(4))
    torch.testing.assert_close(layer(f), exact)
    assert torch.equal(layer(f.view(4, 5, 1, 1)), layer(f))
    assert gradcheck(layer, f.requires_grad_())


@pytest.mark.parametrize("layer", [nn.Linear(5, 2), nn.Conv2d(5, 2, 3, stride=2, padding=1)])
def test_a_layer_with_a_statistic_beside_it_is_one_of_both_concatenated(layer):
    class Means(nn.Module):
        def forward(self, h):
            return h.flatten(1).mean(1, keepdim=True).repeat(1, 3)

    beside = Beside(layer, Means(), 3)
    h = torch.randn(4, 5, 6, 6) if isinstance(layer, nn.Conv2d) else torch.randn(4, 5)
    s = Means()(h)
    maps = s[:, :, None, None].expand(-1, -1, 6, 6) if h.dim() == 4 else s
    whole = nn.Conv2d(8, 2, 3, stride=2, padding=1) if h.dim() == 4 else nn.Linear(8, 2)
    with torch.no_grad():
        whole.weight.copy_(torch.cat((layer.weight, beside.beside.weight), 1))
        whole.bias.copy_(layer.bias)
    torch.testing.assert_close(beside(h), whole(torch.cat((h, maps), 1)))


class Patches(nn.Module):
    """A D whose last layer is a convolution."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.LeakyReLU(0.2))
        self.last = nn.Conv2d(4, 1, 3, 2, 1)

    def forward(self, x):
        return self.last(self.body(x)).flatten(1)


def last_of(network):
    return [module for module in network.modules() if isinstance(module, Beside)]


@pytest.mark.parametrize("trick", [STD, NEAR], ids=lambda trick: trick.name)
@pytest.mark.parametrize("kind", ["conv", "flat", "patches", "one layer"])
def test_any_discriminators_last_layer_is_told_and_trains(trick, kind):
    shape = (3,) if kind in ("flat", "one layer") else (1, 8, 8)
    own = {"patches": Patches(), "one layer": nn.Linear(3, 1)}.get(kind)
    architecture = FLAT if len(shape) == 1 else TINY
    networks = None if own is None else (make_loop(architecture, shape=shape).recipe.generator, own)
    loop = make_loop(architecture, [trick], shape=shape, networks=networks)
    (beside,) = last_of(loop.recipe.discriminator)
    assert isinstance(beside.layer, nn.Conv2d if kind == "patches" else nn.Linear)
    assert not loop.joined, "real and fake are judged apart"
    before = beside.beside.weight.detach().clone()
    for _ in range(2):
        loop.step()
    assert not torch.equal(beside.beside.weight, before)
    x = torch.randn(8, *shape)
    alone, other = loop.discriminate(x), x.clone()
    other[1:] = 0
    assert not torch.equal(loop.discriminate(other)[0], alone[0]), "a sample is judged by what stands beside it"


@pytest.mark.parametrize("trick", [STD, NEAR], ids=lambda trick: trick.name)
def test_both_statistics_and_spectral_norm_go_together_in_any_order(trick):
    other = NEAR if trick is STD else STD
    for tricks in ([trick, other, SpectralNorm()], [SpectralNorm(), trick, other]):
        loop = make_loop(TINY, tricks)
        outer, inner = last_of(loop.recipe.discriminator)
        assert outer.layer is inner
        kinds = [type(one.statistic) for one in (outer, inner)]
        assert kinds == [{"minibatch_std": GroupStd}.get(one.name, Nearness) for one in (trick, other)]
        assert is_parametrized(inner.layer)
        loop.step()


def test_groups_that_do_not_divide_what_is_judged_at_once_are_refused():
    with pytest.raises(ValueError, match="groups of 3 do not divide the 8"):
        make_loop(TINY, [MinibatchStd(group=3)])
    with pytest.raises(ValueError, match="groups of 4 do not divide the 2"):
        make_loop(TINY, [MinibatchStd(), Pac(m=4)])
    make_loop(TINY, [MinibatchStd(group=2), Pac(m=4)]).step()


def test_a_discriminator_whose_logits_no_layer_gives_is_refused():
    class Averaged(Patches):
        def forward(self, x):
            return super().forward(x).mean(1, keepdim=True)

    networks = (make_loop(TINY).recipe.generator, Averaged())
    with pytest.raises(ValueError, match="gives its logits as they are"):
        make_loop(TINY, [STD], networks=networks)


@pytest.mark.parametrize("shape", [(3, 4, 6), (2,)], ids=str)
def test_a_pack_is_its_samples_joined_along_their_channels(shape):
    seen = []

    class Noting(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1).sum(1, keepdim=True)

    x = torch.randn(6, *shape)
    logits = Packed(Noting(), 3)(x)
    assert torch.equal(seen[0], torch.stack([torch.cat(tuple(x[:3])), torch.cat(tuple(x[3:]))]))
    assert logits.shape == (2, 1)


@pytest.mark.parametrize(("architecture", "shape"), [(TINY, (3, 8, 8)), (FLAT, (2,))], ids=["conv", "points"])
def test_a_discriminator_of_packs_trains_both_networks(architecture, shape):
    loop, plain = make_loop(architecture, [Pac(m=4)], shape=shape), make_loop(architecture, shape=shape)
    assert not loop.joined
    loop.step()
    assert loop.recipe.real_logits.shape == loop.recipe.fake_logits.shape == (2, 1)
    assert all(p.grad.isfinite().all() for p in (*loop.g_parameters, *loop.d_parameters))
    first, usual = (next(iter(one.d_parameters)) for one in (loop, plain))
    assert first.shape[1] == 4 * usual.shape[1]
    assert [p.shape for p in loop.d_parameters[1:]] == [p.shape for p in plain.d_parameters[1:]], (
        "the rest is as it was"
    )
    torch.testing.assert_close(loop.g_parameters[0].shape, plain.g_parameters[0].shape)


@pytest.mark.parametrize("tricks", [[SpectralNorm(), Pac()], [Pac(), SpectralNorm()]])
def test_packs_are_made_before_others_change_the_discriminator(tricks):
    loop = make_loop(TINY, tricks)
    assert isinstance(loop.recipe.discriminator, Packed)
    layers = [m for m in loop.recipe.discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all(is_parametrized(layer) for layer in layers)


def test_a_normalised_discriminator_of_packs_has_a_packs_gradient():
    loop = make_loop(FLAT, [GradientNormalisation(), Pac(m=2)], shape=(2,))
    assert isinstance(loop.recipe.discriminator, Normalised)
    normalised = Normalised(Packed(nn.Linear(4, 1).double(), 2))
    linear = normalised.network.network
    x = numbers(6, 2)
    logits = linear(x.view(3, 4))
    torch.testing.assert_close(normalised(x), logits / (linear.weight.norm() + logits.abs()))
    loop.step()


@pytest.mark.parametrize("others", [[WassersteinGP(d_steps=2)], [STD], [NEAR]], ids=lambda one: one[0].name)
def test_packs_go_with_what_reads_whole_batches(others):
    loop = make_loop(TINY, [Pac(m=2), *others])
    for _ in range(2):
        loop.step()
    assert loop.recipe.real_logits.shape == (4, 1)


def test_packs_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(ValueError, match="packs of 3 do not divide a batch of 8"):
        make_loop(TINY, [Pac(m=3)])


def test_packs_of_labelled_samples_are_refused():
    class Labelled:
        conditional, batch_size = True, 8

    with pytest.raises(ValueError, match='D takes one; say conditional = "none"'):
        Pac().edit(Labelled())


def test_two_tricks_that_make_d_anew_are_refused_by_name():
    adam = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
    settings = {
        "dataset": {"name": "digits", "size": 8},
        "architecture": TINY.settings(),
        "tricks": [{"name": "pac"}, {"name": "pac", "m": 4}],
        "optimizer": {"generator": adam, "discriminator": adam},
        "batch_size": 8,
    }
    with pytest.raises(GanBenchError, match="pac"):
        cell_from_settings(settings, Registry.load())
