"""What a trick can put into losses and updates: each does what its docstring says, and an interruption changes nothing."""

from __future__ import annotations

import pytest
import torch
from edited import FLAT, OPTIMIZERS, assert_resumes, edited
from stores import assert_equal
from torch import nn
from torch.nn import functional as F

from gan_bench import Hinge, LossAround


def gradients_of(parameters):
    return [p.grad.clone() for p in parameters]


class Plain(torch.optim.SGD):
    """A class of fewer settings than Adam's."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)


# Penalties of G.


@pytest.mark.parametrize("every", [1, 3])
def test_a_penalty_of_g_is_computed_in_every_so_many_updates(every):
    steps = []

    def edit(recipe):
        recipe.g_penalty(
            lambda discriminator, seen: (steps.append(loops[0].steps), 1e3 * seen.fake.mean())[1], every=every
        )

    loops = [edited(edit)]
    norms = []
    for _ in range(5):
        loops[0].step()
        norms.append(float(torch.cat([p.grad.flatten() for p in loops[0].g_parameters]).norm()))
    assert steps == list(range(0, 5, every))
    assert [norm > 10 for norm in norms] == [step in steps for step in range(5)]


def test_its_gradient_is_that_of_the_term_times_every_and_reaches_g_alone():
    kept = {}

    def keep(discriminator, seen):
        kept["seen"] = seen
        return discriminator(seen.fake).square().mean()

    loop = edited(lambda recipe: recipe.g_penalty(keep, every=4))
    fake = loop.generate("G")
    loss = F.binary_cross_entropy_with_logits(loop.discriminate(fake.samples), torch.ones(8, 1))
    term = loop.discriminate(fake.samples).square().mean()
    expected = torch.autograd.grad(loss + 4 * term, loop.g_parameters, retain_graph=True)
    loop.update_generator(fake, None)
    torch.testing.assert_close(gradients_of(loop.g_parameters), list(expected))
    assert all(p.grad is None for p in loop.d_parameters)
    assert loop.window.means()["loss_g"] == pytest.approx(loss.item())  # penalties are no part of that curve


@pytest.mark.parametrize("needs_real", [False, True])
def test_a_penalty_of_g_sees_real_samples_only_if_it_needs_them(needs_real):
    kept = []

    def look(discriminator, seen):
        kept.append(seen)
        return seen.fake.mean() * 0

    loop = edited(lambda recipe: recipe.g_penalty(look, every=2, needs_real=needs_real))
    passes = []
    loop.recipe.discriminator.register_forward_hook(lambda module, inputs, output: passes.append(len(output)))
    for _ in range(2):
        loop.step()
    (seen,) = kept
    real = (seen.real, seen.real_logits, seen.real_samples)
    assert all((tensor is not None) is needs_real for tensor in real)
    assert len(passes) == (5 if needs_real else 4)  # of each step: D's (joined when it was built), G's fakes
    if needs_real:
        assert not any(tensor.requires_grad for tensor in real)
        torch.testing.assert_close(seen.real_samples, seen.real)


def test_what_g_is_penalised_for_leads_back_to_its_latents():
    kept = []

    def slope(discriminator, seen):
        (gradient,) = torch.autograd.grad(seen.fake.sum(), seen.latents, create_graph=True)
        kept.append(gradient)
        return gradient.square().sum()

    edited(lambda recipe: recipe.g_penalty(slope)).step()
    assert kept[0].shape == (8, 6)
    assert kept[0].abs().min() > 0


# Hooks around updates.


@pytest.mark.parametrize("network", ["d", "g"])
def test_hooks_are_called_between_the_gradient_and_the_update_and_after_it(network):
    calls = []

    def edit(recipe):
        weight = (recipe.generator if network == "g" else recipe.discriminator)[0].weight

        def note(what):
            calls.append((what, weight.detach().clone(), weight.grad.clone(), torch.is_grad_enabled()))

        getattr(recipe, f"before_{network}_step")(lambda: note("before"), every=2)
        getattr(recipe, f"after_{network}_step")(lambda: note("after"), every=2)

    loop = edited(edit)
    weight = (loop.recipe.generator if network == "g" else loop.recipe.discriminator)[0].weight
    for _ in range(2):
        start = weight.detach().clone()
        loop.step()
    (before, after) = calls  # in the second update of two
    assert (before[0], after[0]) == ("before", "after")
    assert torch.equal(before[1], start)
    assert torch.equal(after[1], weight)
    assert not torch.equal(before[1], after[1])
    assert torch.equal(before[2], after[2])
    assert [call[3] for call in calls] == [False, False], "without gradients"


def test_a_gradient_that_is_changed_before_an_update_is_what_the_optimiser_gets():
    def edit(recipe):
        recipe.optimizer["discriminator"] = {"name": "sgd", "lr": 0.1}
        recipe.before_d_step(lambda: torch._foreach_zero_([p.grad for p in recipe.discriminator.parameters()]))
        recipe.before_d_step(lambda: torch._foreach_add_([p.grad for p in recipe.discriminator.parameters()], 0.25))

    loop = edited(edit)
    before = [p.detach().clone() for p in loop.d_parameters]
    loop.step()
    torch.testing.assert_close([p.detach() for p in loop.d_parameters], [p - 0.025 for p in before])


def test_weights_clipped_after_each_update_stay_within():
    def edit(recipe):
        recipe.after_d_step(lambda: torch._foreach_clamp_max_(list(recipe.discriminator.parameters()), 0.01))
        recipe.after_d_step(lambda: torch._foreach_clamp_min_(list(recipe.discriminator.parameters()), -0.01))

    loop = edited(edit)
    for _ in range(2):
        loop.step()
    assert max(float(p.detach().abs().max()) for p in loop.d_parameters) <= 0.01 + 1e-9


# Optimisers and learning rates.


def halving(recipe):
    """Rates that halve every two steps, and a further factor for D."""
    recipe.lr_schedule(lambda: 0.5 ** (recipe.step // 2).float())
    recipe.lr_schedule(lambda: 1 / (1 + recipe.step.float()), "discriminator")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_schedule_multiplies_the_rate_of_every_update(name):
    def edit(recipe):
        for network in ("generator", "discriminator"):
            recipe.optimizer[network] = dict(OPTIMIZERS[name])
        halving(recipe)

    loop = edited(edit, FLAT)
    builds = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
    }
    options = {key: value for key, value in OPTIMIZERS[name].items() if key != "name"}
    plain = {}
    for which, parameters in (("g", loop.g_parameters), ("d", loop.d_parameters)):
        mine = [p.detach().clone().requires_grad_() for p in parameters]
        plain[which] = mine, builds[name](mine, **options), parameters
    for step in range(5):
        loop.step()
        for which, (mine, optimizer, theirs) in plain.items():
            factor = 0.5 ** (step // 2) / (1 + step if which == "d" else 1)
            optimizer.param_groups[0]["lr"] = options["lr"] * factor
            for p, trained in zip(mine, theirs, strict=True):
                p.grad = trained.grad.clone()
            optimizer.step()
            torch.testing.assert_close(list(mine), list(theirs), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_schedule_goes_on_where_a_run_was_interrupted(open_edited, name):
    training = assert_resumes(open_edited, halving, optimizer=name)
    last = OPTIMIZERS[name]["lr"] * 0.5**4
    assert float(training.loop.g_optimizer.param_groups[0]["lr"]) == pytest.approx(last)
    assert float(training.loop.d_optimizer.param_groups[0]["lr"]) == pytest.approx(last / 9)


class SignDescent(torch.optim.Optimizer):
    """Steps against the sign of the moving average of the gradient."""

    def __init__(self, parameters, lr, beta=0.5):
        super().__init__(parameters, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["average"] = torch.zeros_like(p)
                state["average"].lerp_(p.grad, 1 - group["beta"])
                p.sub_(group["lr"] * state["average"].sign())


def test_an_own_optimiser_is_given_its_settings_and_the_schedule_and_resumes(open_edited):
    def edit(recipe):
        recipe.optimizer["generator"] = {"name": SignDescent, "lr": 1e-2, "beta": 0.25}
        recipe.lr_schedule(lambda: 1 / (1 + recipe.step.float()))

    loop = edited(edit, FLAT)
    before = [p.detach().clone() for p in loop.g_parameters]
    loop.step()
    assert isinstance(loop.g_optimizer, SignDescent)
    assert loop.g_optimizer.param_groups[0]["beta"] == 0.25
    moved = [(a - b).abs().max().item() for a, b in zip(before, loop.g_parameters, strict=True)]
    assert moved == pytest.approx([1e-2] * len(moved), rel=1e-3)
    assert_resumes(open_edited, edit)


def test_an_own_optimiser_of_other_settings_is_told_which_it_is_given():
    def named(recipe):
        recipe.optimizer["generator"]["name"] = Plain

    def whole(recipe):
        recipe.optimizer["generator"] = {"name": Plain, "lr": 0.1}

    told = r"Plain is called with lr, .*betas.*, and got an unexpected keyword argument '\w+'; recipe.optimizer\[network\] = "
    with pytest.raises(TypeError, match=told):
        edited(named)
    assert isinstance(edited(whole).g_optimizer, Plain)


# Losses.


def test_a_loss_that_sees_is_given_what_the_update_was_made_from():
    kept = []

    class Seeing(LossAround):
        def discriminator(self, real_logits, fake_logits, *seen):
            kept.append(("d", seen[0].real is not None, seen[0].latents.shape))
            return super().discriminator(real_logits, fake_logits, *seen)

        def generator(self, fake_logits, real_logits=None, *seen):
            kept.append(("g", seen[0].real is not None, seen[0].latents.shape))
            return super().generator(fake_logits, real_logits, *seen)

    def edit(recipe):
        recipe.loss = Seeing(Hinge())

    loop, plain = edited(edit), edited(lambda recipe: setattr(recipe, "loss", Hinge()))
    for one in (loop, plain):
        one.step()
    assert kept == [("d", True, (8, 6)), ("g", False, (8, 6))]
    assert_equal([p.grad for p in loop.g_parameters], [p.grad for p in plain.g_parameters])


def test_a_loss_around_another_says_what_it_needs_as_any_loss_does():
    class Real(LossAround):
        generator_needs_real = True

        def generator(self, fake_logits, real_logits=None, *seen):
            return super().generator(fake_logits - real_logits.mean(), seen[0].real_logits, *seen)

    loss = Real(Hinge())
    assert loss.generator_needs_real
    assert not loss.has_targets
    assert LossAround(loss).generator_needs_real  # and so does what is around it
    edited(lambda recipe: setattr(recipe, "loss", loss)).step()


# What is kept.


def test_an_optimiser_of_a_tricks_own_network_is_kept(open_edited):
    def edit(recipe):
        critic = recipe.register("critic", nn.Linear(recipe.data.numel, 1))
        optimizer = recipe.register("optimizer", torch.optim.Adam(critic.parameters(), lr=1e-2))

        def learn():
            with torch.enable_grad():
                loss = critic(recipe.generator(*recipe.draw_inputs(4)).flatten(1)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        recipe.after_g_step(learn)
        recipe.g_penalty(lambda discriminator, seen: critic(seen.fake_samples.flatten(1)).mean())

    assert_resumes(open_edited, edit)
