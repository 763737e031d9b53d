"""The training loop against the algorithm written out by hand, and the properties that its speed rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_runs import CPU, make_loop, some_data
from torch import nn
from torch.nn import functional as F

from gan_bench import Trick
from gan_bench.api.data_spec import DataSpec
from gan_bench.api.randomness import Stream, Streams, derive
from gan_bench.training.loop import NORM_EVERY
from gan_bench.training.networks import mixes_batch
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.d_every import DEvery
from gan_bench_plugins.tricks.lecam import LeCam
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP

DCGAN_8 = DCGAN(latent=6, width=4, depth=1, dropout=0)


def plain_loop(generator: nn.Module, discriminator: nn.Module, latent: int, steps: int, seed: int) -> list[float]:
    """The usual loop, as in PyTorch's own DCGAN example: D on real, D on fake, then G; losses of D and G in turn."""
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    next_real = some_data((1, 8, 8), 8)
    noise = torch.Generator().manual_seed(derive(seed, "latents of G"))
    losses = []
    for _ in range(steps):
        fake = generator(torch.randn(8, latent, generator=noise))
        discriminator.zero_grad()
        real_logits, fake_logits = discriminator(next_real()), discriminator(fake.detach())
        loss_d = F.binary_cross_entropy_with_logits(real_logits, torch.ones(8, 1))
        loss_d = loss_d + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros(8, 1))
        loss_d.backward()
        d_optimizer.step()
        generator.zero_grad()
        loss_g = F.binary_cross_entropy_with_logits(discriminator(fake), torch.ones(8, 1))
        loss_g.backward()
        g_optimizer.step()
        losses += [loss_d.item(), loss_g.item()]
    return losses


@pytest.mark.parametrize("architecture", [DCGAN_8, FCGAN(latent=6, width=16, dropout=0)])
def test_agrees_with_the_plain_loop(architecture):
    loop = make_loop(architecture)
    data = DataSpec((1, 8, 8))
    plain = (
        architecture.generator(data),
        architecture.discriminator(data),
    )  # PyTorch's own layers, its own memory format
    for network, ours in zip(plain, (loop.recipe.generator, loop.recipe.discriminator), strict=True):
        network.load_state_dict(ours.state_dict())
    expected = plain_loop(*plain, architecture.latent, steps=20, seed=0)
    losses = []
    for _ in range(20):
        loop.step()
        means = loop.window.means()
        loop.window.clear()
        losses += [means["loss_d"], means["loss_g"]]
    assert losses == pytest.approx(expected, rel=1e-4)
    for ours, theirs in zip(loop.recipe.generator.parameters(), plain[0].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_bfloat16_trains_float32_weights_much_as_float32_does():
    loops = [make_loop(DCGAN_8, precision=precision) for precision in ("fp32", "bf16")]
    for loop in loops:
        loop.step()
    single, half = (loop.window.means() for loop in loops)
    assert half != single
    assert half == pytest.approx(single, rel=0.02, abs=0.02)  # bfloat16 has 8 bits
    assert {p.dtype for p in loops[1].recipe.generator.parameters()} == {torch.float32}
    assert loops[1].generate("G").samples.dtype == torch.float32


@pytest.mark.parametrize("trick", [WassersteinGP(), R1()])
def test_penalties_are_differentiable_in_bfloat16(trick):
    loop = make_loop(DCGAN_8, [trick], precision="bf16")
    for _ in range(2):
        loop.step()
    assert all(p.grad.isfinite().all() for p in loop.d_parameters)


def test_joined_and_separate_passes_agree():
    joined, separate = make_loop(DCGAN_8), make_loop(DCGAN_8)
    assert joined.joined
    separate.joined = False
    for _ in range(5):
        joined.step()
        separate.step()
    a, b = joined.recipe.discriminator.state_dict(), separate.recipe.discriminator.state_dict()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-5)


class MinibatchMean(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


@pytest.mark.parametrize(
    ("layer", "mixes"),
    [(nn.Dropout(), False), (nn.GroupNorm(1, 2), False), (nn.BatchNorm1d(2), True), (MinibatchMean(), True)],
)
def test_passes_are_joined_only_where_no_module_mixes_the_batch(layer, mixes):
    assert mixes_batch(nn.Sequential(nn.Linear(2, 2), layer)) is mixes


def minus_mean(module, *inputs_and_output):
    return inputs_and_output[-1]


def hooked(kind):
    """A network of PyTorch's modules, hooked on an inner one."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(2, 1)))
    inner = network[1][0]
    if kind == "own forward":
        inner.forward = MinibatchMean().forward
    elif kind == "parametrization":
        nn.utils.parametrize.register_parametrization(network[0], "weight", MinibatchMean())
    elif kind in ("spectral_norm", "weight_norm"):
        getattr(nn.utils.parametrizations, kind)(network[0])
    elif kind == "old spectral_norm":
        nn.utils.spectral_norm(network[0])
    elif kind:
        getattr(inner, f"register_{kind}_hook")(minus_mean)
    return network


HOOKS = ["forward", "forward_pre", "full_backward", "full_backward_pre"]


@pytest.mark.parametrize("kind", [*HOOKS, "own forward", "parametrization"])
def test_a_network_that_others_reach_into_may_mix_its_batch(kind):
    assert mixes_batch(hooked(kind))


@pytest.mark.parametrize("kind", ["", "spectral_norm", "weight_norm", "old spectral_norm"])
def test_pytorchs_own_hooks_and_parametrizations_do_not_mix_it(kind):
    assert not mixes_batch(hooked(kind))


@pytest.mark.parametrize("kind", HOOKS)
def test_nor_is_a_pass_joined_while_every_module_of_the_process_is_hooked(kind):
    handle = getattr(nn.modules.module, f"register_module_{kind}_hook")(minus_mean)
    try:
        assert mixes_batch(hooked(""))
    finally:
        handle.remove()
    assert not mixes_batch(hooked(""))


def test_a_trick_that_hooks_d_sees_real_and_fake_apart():
    class Watching(Trick):
        """Reads features of D."""

        name = "watching"

        def edit(self, recipe):
            recipe.discriminator[0].register_forward_hook(lambda module, inputs, output: seen.append(len(output)))

    seen = []
    loop = make_loop(DCGAN_8, [Watching()])
    assert make_loop(DCGAN_8).joined
    assert not loop.joined
    loop.step()
    assert seen == [8, 8, 8]


def test_generator_step_computes_no_gradient_of_the_discriminator():
    loop = make_loop(DCGAN_8)
    fake = loop.generate("G")
    loop.update_generator(fake, None)
    assert all(p.grad is None for p in loop.d_parameters)
    assert all(p.grad is not None for p in loop.g_parameters)


@pytest.mark.parametrize(("tricks", "d_steps"), [([], 6), ([DEvery(n=3)], 2), ([WassersteinGP(d_steps=2)], 12)])
def test_update_counts(tricks, d_steps):
    loop = make_loop(DCGAN_8, tricks)
    for _ in range(6):
        loop.step()
    assert (loop.steps, loop.d_steps, int(loop.recipe.step)) == (6, d_steps, 6)


def test_equal_seeds_draw_equal_weights_and_latents_in_other_cells():
    plain, critic = make_loop(DCGAN_8), make_loop(DCGAN_8, [WassersteinGP(d_steps=3)])
    for a, b in zip(plain.g_parameters, critic.g_parameters, strict=True):
        assert torch.equal(a, b)
    critic.generate("D")  # the critic's further steps must not shift the latents that G learns from
    assert torch.equal(plain.generate("G").samples, critic.generate("G").samples)


def test_streams_leave_the_callers_random_state_alone():
    before = torch.get_rng_state()
    make_loop(DCGAN(latent=6, width=4, depth=1, dropout=0.5)).step()
    assert torch.equal(before, torch.get_rng_state())


def test_streams_nest_and_go_on():
    outer, inner = Stream(0, "outer", CPU), Stream(0, "inner", CPU)
    with outer:
        first = torch.rand(3)
        with inner:
            other = torch.rand(3)
        second = torch.rand(3)
    again = torch.Generator().manual_seed(derive(0, "outer"))
    assert torch.equal(
        torch.cat((first, second)), torch.cat((torch.rand(3, generator=again), torch.rand(3, generator=again)))
    )
    assert not torch.equal(first, other)


def test_purposes_and_seeds_have_streams_of_their_own():
    streams = Streams(0, CPU), Streams(1, CPU)
    states = [s[purpose].state for s in streams for purpose in ("weights of G", "weights of D", "trick:ema")]
    assert len({bytes(state.numpy()) for state in states}) == 6


def test_a_gradients_norm_is_that_of_what_the_optimiser_was_given():
    loop = make_loop(DCGAN_8, [R1(every=2)])
    expected: dict[str, list[float]] = {"grad_norm_d": [], "grad_norm_g": []}
    for step in range(2 * NORM_EVERY + 1):
        loop.step()
        for name, parameters in (("grad_norm_d", loop.d_parameters), ("grad_norm_g", loop.g_parameters)):
            if step % NORM_EVERY == 0:
                expected[name].append(float(torch.cat([p.grad.flatten().double() for p in parameters]).norm()))
    means = loop.window.means()
    for name, norms in expected.items():
        assert len(norms) == loop.window.counts[name] == 3
        assert means[name] == pytest.approx(sum(norms) / 3, rel=1e-6)


def test_pictures_require_gradients_only_when_a_lazy_penalty_is_due():
    """Their derivative through D's first layer would be a tenth of an update, and thrown away."""
    loop = make_loop(DCGAN_8, [R1(every=3)])
    seen = []
    loop.recipe.discriminator.register_forward_pre_hook(
        lambda module, given: seen.append(given[0].is_leaf and given[0].requires_grad)
    )
    for _ in range(4):
        loop.step()
    assert [any(seen[i : i + 3]) for i in range(0, 12, 3)] == [
        True,
        False,
        False,
        True,
    ]  # real, fake, and fake in G's step


def test_a_penalty_of_logits_alone_trains_to_the_bits_that_it_has_while_pictures_require_gradients():
    saving, other = (make_loop(DCGAN_8, [LeCam()]) for _ in range(2))
    assert not any(penalty.by_samples for penalty in saving.recipe.penalties)
    other.recipe.penalties = [replace(penalty, by_samples=True) for penalty in other.recipe.penalties]
    for loop in (saving, other):
        for _ in range(3):
            loop.step()
    assert all(map(torch.equal, saving.d_parameters, other.d_parameters))


def test_every_network_counts_its_own_updates_to_the_next_norm():
    loop = make_loop(DCGAN_8, [DEvery(n=3)])
    for _ in range(3 * NORM_EVERY + 1):
        loop.step()
    assert loop.window.counts["grad_norm_d"] == 2
    assert loop.window.counts["grad_norm_g"] == 4
