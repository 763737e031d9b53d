"""Other distributions of latents: what they are, and where they hold."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from small_runs import make_loop

from gan_bench.grid.cells import check_together
from gan_bench.grid.source import Fault
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks._truncated_normal import truncated
from gan_bench_plugins.tricks.latents import Latents
from gan_bench_plugins.tricks.truncation import Truncation

FLAT = FCGAN(latent=5, width=8, depth=1)


def normal(count=20_000, size=1):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(0))


def transformed(z, trick):
    """Latents as G is given them when it is sampled."""
    return make_loop(FLAT, [trick]).recipe.sampler(torch.nn.Identity())(z)


@pytest.mark.parametrize(
    ("trick", "distribution"),
    [
        (Latents(distribution="normal"), stats.norm()),
        (Latents(distribution="uniform"), stats.uniform(-1, 2)),
        (Latents(distribution="truncated"), stats.truncnorm(-2, 2)),
        (Latents(distribution="truncated", threshold=0.3), stats.truncnorm(-0.3, 0.3)),
        (Truncation(threshold=0.5), stats.truncnorm(-0.5, 0.5)),
        (Truncation(threshold=3.5), stats.truncnorm(-3.5, 3.5)),
    ],
)
def test_numbers_have_their_distribution(trick, distribution):
    found = transformed(normal(), trick).flatten().numpy()
    assert stats.kstest(found, distribution.cdf).pvalue > 0.01
    assert (abs(found) <= distribution.support()[1]).all()


def test_a_latent_on_the_sphere_keeps_its_direction():
    z = normal(100, 5)
    found = transformed(z, Latents())
    torch.testing.assert_close(found.norm(dim=1), torch.full((100,), math.sqrt(5)))
    torch.testing.assert_close(torch.cosine_similarity(found, z), torch.ones(100))


def test_truncation_draws_again_only_what_lies_beyond_and_draws_no_further_number():
    z = normal()
    state = torch.get_rng_state()
    found = truncated(z, 1.0)
    inside = z.abs() <= 1
    assert torch.equal(found[inside], z[inside])
    again = found[~inside].numpy()
    assert stats.kstest(again, stats.truncnorm(-1, 1).cdf).pvalue > 0.01
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("threshold", [1e-3, 1.0, 10.0])
def test_truncation_bears_what_lies_far_out(threshold):
    found = truncated(torch.tensor([0.0, 4.0, -4, 9, -12.5, 40, math.inf]), threshold)
    assert found.isfinite().all()
    assert (found.abs() <= threshold).all()


def given(loop):
    """What G is called with in a step of training, and when it is sampled."""
    seen = []
    loop.recipe.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    loop.step()
    loop.recipe.sampler()(normal(8, 5))
    return seen


@pytest.mark.parametrize(("trick", "trained"), [(Latents(), True), (Truncation(threshold=0.5), False)])
def test_they_hold_in_training_and_sampling_or_in_sampling_alone(trick, trained):
    plain, ours = given(make_loop(FLAT)), given(make_loop(FLAT, [trick]))
    assert torch.equal(plain[0], ours[0]) is not trained
    torch.testing.assert_close(ours[0], transformed(plain[0], trick) if trained else plain[0])
    assert torch.equal(ours[1], transformed(plain[1], trick))
    assert not torch.equal(ours[1], plain[1])


def test_truncation_of_latents_that_are_not_normal_is_refused():
    for tricks in ((Truncation(), Latents()), (Latents(distribution="uniform"), Truncation())):
        with pytest.raises(Fault, match="'truncation' needs the prior, which 'latents' replaces"):
            check_together(tricks)
