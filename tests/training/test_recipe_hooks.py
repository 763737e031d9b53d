"""What a trick can put into the recipe: each part does what its docstring says, and an interruption changes nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_runs import CPU, finish, interrupt, make_loop, open_run
from stores import assert_equal, assert_equal_runs
from torch import nn
from torch.nn import functional as F

from gan_bench import DataSpec, Hinge, LossAround, Trick, load_generator
from gan_bench.api.registry import Registry
from gan_bench.data.prepare import prepare
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.documents import write_object
from gan_bench.store.folder import load_sampled
from gan_bench.training.rescoring import rescore
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN

TINY = DCGAN(latent=6, width=4, depth=1, dropout=0)
FLAT = FCGAN(latent=4, width=8, depth=1)
OPTIMIZERS = {
    "adam": {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0},
    "sgd": {"name": "sgd", "lr": 1e-2, "momentum": 0.5, "weight_decay": 0.0},
    "rmsprop": {"name": "rmsprop", "lr": 1e-4, "alpha": 0.9, "eps": 1e-8, "momentum": 0.0, "weight_decay": 0.0},
}


class Edited(Trick):
    """Edits the recipe as a test says."""

    name = "edited"
    replaces = {"loss", "targets"}
    how: Callable[[Any], Any]

    def edit(self, recipe):
        self.how(recipe)


def edited(how, architecture=TINY, **settings):
    """A loop whose recipe was edited so."""
    return make_loop(architecture, [Edited(how=how)], **settings)


def gradients_of(parameters):
    return [p.grad.clone() for p in parameters]


class Plain(torch.optim.SGD):
    """A class of fewer settings than Adam's."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)


@pytest.fixture(scope="module")
def parts():
    """Registry, data and evaluator."""
    registry = Registry.load()
    data = prepare(registry.create("dataset", {"name": "digits", "size": 8}))
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 20, CPU)
    return registry, data, evaluator


def settings_of(architecture, optimizer="adam"):
    one = OPTIMIZERS[optimizer]
    return {
        "dataset": {"name": "digits", "size": 8},
        "architecture": architecture.settings(),
        "tricks": [],
        "optimizer": {"generator": one, "discriminator": one},
        "batch_size": 8,
    }


@pytest.fixture
def open_edited(parts, tmp_path):
    """Open a run whose recipe is edited so; the same name goes on in the same folder."""
    registry, data, evaluator = parts

    def opened(how, name, steps=(9,), architecture=FLAT, optimizer="adam"):
        cell = cell_from_settings(settings_of(architecture, optimizer), registry)
        object.__setattr__(cell, "tricks", (Edited(how=how),))
        return open_run(cell, steps, tmp_path / name, data, evaluator)

    return opened


def assert_resumes(open_edited, how, **settings):
    """An interrupted run ends as a whole one; returns the whole one."""
    whole = open_edited(how, "whole", **settings)
    finish(whole)
    for step, saved in ((2, True), (4, True), (6, False)):
        interrupt(open_edited(how, "parts", **settings), step, saved=saved)
    assert_equal_runs(finish(open_edited(how, "parts", **settings)), whole.folder.path)
    return whole


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
    build = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}[name]
    options = {key: value for key, value in OPTIMIZERS[name].items() if key != "name"}
    plain = {}
    for which, parameters in (("g", loop.g_parameters), ("d", loop.d_parameters)):
        mine = [p.detach().clone().requires_grad_() for p in parameters]
        plain[which] = mine, build(mine, **options), parameters
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


# Latents.


def shrink(recipe):
    recipe.latents(lambda z: z / 2)
    recipe.latents(lambda z: z + 1, training=False)


def test_an_own_optimiser_of_other_settings_is_told_which_it_is_given():
    def named(recipe):
        recipe.optimizer["generator"]["name"] = Plain

    def whole(recipe):
        recipe.optimizer["generator"] = {"name": Plain, "lr": 0.1}

    told = r"Plain is called with lr, .*betas.*, and got an unexpected keyword argument '\w+'; recipe.optimizer\[network\] = "
    with pytest.raises(TypeError, match=told):
        edited(named)
    assert isinstance(edited(whole).g_optimizer, Plain)


def test_latents_are_transformed_where_they_should_be(parts, tmp_path):
    flat = FLAT.model_copy(update={"batch_norm": False})
    plain, loop = make_loop(flat), edited(shrink, flat)
    assert torch.equal(loop.generate("G").latents, plain.generate("G").latents / 2)
    assert torch.equal(loop.generate("D").latents, plain.generate("D").latents / 2)
    z = torch.randn(3, 4)
    assert torch.equal(loop.recipe.sampler()(z), plain.recipe.generator(z / 2 + 1))
    assert plain.recipe.sampler() is plain.recipe.generator
    torch.manual_seed(1)
    (drawn,) = loop.recipe.draw_inputs(5)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.randn(5, 4) / 2 + 1)


TRUNCATING = """
from gan_bench import Trick, hookimpl


class Near(Trick):
    "Latents near the middle, when sampled."

    name = "near"

    def edit(self, recipe):
        recipe.latents(lambda z: z / 4, training=False)


@hookimpl
def gan_bench_tricks():
    return [Near]
"""


def run_with(text, parts, folder):
    """A run of 3 steps with the trick `near` of a plugin file."""
    file = folder / "near.py"
    file.write_text(text)
    registry, (_, data, evaluator) = Registry.load([file]), parts
    cell = cell_from_settings({**settings_of(FLAT), "tricks": [{"name": "near"}]}, registry)
    training = open_run(cell, (1, 3), folder / "run", data, evaluator)
    finish(training)
    (trick,) = (found for found in registry.those(cell.plugins) if found.kind == "trick")
    plugins = [{"kind": "trick", "name": "near", "source": trick.source_hash, "file": str(file)}]
    plugins += [
        {"kind": found.kind, "name": found.name, "source": found.source_hash, "file": None}
        for found in registry.those(cell.plugins)
        if found.kind == "architecture"
    ]
    dataset = {"name": "digits", "fingerprint": "", "shape": [1, 8, 8], "kind": "image", "classes": None}
    facts = {"seed": 0, "settings": cell.settings, "total_steps": 3, "dataset": dataset, "plugins": plugins}
    write_object(training.folder.run_file, facts)
    return training


def test_a_loaded_generator_has_the_latents_of_sampling(parts, tmp_path):
    training, z = run_with(TRUNCATING, parts, tmp_path), torch.randn(3, 4)
    loaded = load_generator(tmp_path / "run", allow_plugins=True)
    assert torch.equal(loaded(z), training.recipe.generator.eval()(z / 4))


GOING_BY_STEPS = """
import torch
from torch import nn

from gan_bench import Trick, hookimpl


class Later(nn.Module):
    def __init__(self, network, step):
        super().__init__()
        self.network, self.step = network, step

    def forward(self, z):
        return self.network(z) * (self.step / 4)


class Near(Trick):
    "A generator and latents that go by the step."

    name = "near"

    def edit(self, recipe):
        recipe.generator = Later(recipe.generator, recipe.step)
        recipe.latents(lambda z: z * recipe.step)


@hookimpl
def gan_bench_tricks():
    return [Near]
"""


def test_what_goes_by_the_step_is_loaded_and_scored_again_as_it_was_at_its_snapshot(parts, tmp_path):
    training, z = run_with(GOING_BY_STEPS, parts, tmp_path), torch.randn(3, 4)
    training.save()
    generator = training.recipe.generator.eval()
    loaded = load_generator(tmp_path / "run", allow_plugins=True)
    assert torch.equal(loaded(z), generator.network(z * 3) * 0.75)
    first = load_generator(tmp_path / "run", step=1, allow_plugins=True)
    generator.load_state_dict(torch.load(training.folder.snapshot(1) / "weights.pt", weights_only=True))
    assert torch.equal(first(z), generator.network(z) * 0.25)
    scored = training.folder.snapshot(1) / "scores.json"
    before = scored.read_bytes()
    scored.write_text("{}")
    training = open_run(training.cell, (1, 3), tmp_path / "run", parts[1], training.evaluator)
    step = training.recipe.step.item()
    assert rescore(training)
    assert training.recipe.step == step
    values = [[score["value"] for score in json.loads(text)["scores"]] for text in (before, scored.read_bytes())]
    assert values[0] == values[1]


# What is done before sampling.


def disturb(recipe):
    """Changes all that it can before sampling: weights, buffers, modes, what is registered, the random state."""
    noise = recipe.register("noise", torch.zeros((), device=recipe.step.device))
    kept = recipe.register("kept", nn.Linear(2, 2))

    def before_sampling():
        noise.add_(torch.rand(()))
        for network in (recipe.generator, recipe.discriminator, kept):
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.add_((noise * 0.1).to(tensor.dtype))
            network.eval()

    recipe.before_sampling(before_sampling)


def test_what_is_changed_before_sampling_is_put_back(open_edited):
    loop = edited(disturb, FLAT)
    loop.step()
    recipe = loop.recipe
    states = {"g": recipe.generator.state_dict(), "d": recipe.discriminator.state_dict(), "r": recipe.state_dict()}
    before = copy.deepcopy(states)
    inside = []
    for _ in range(2):
        with recipe.ready_to_sample():
            inside.append(recipe.generator[0].weight.detach().clone())
            assert not recipe.generator.training
    assert torch.equal(*inside), "it draws the same at every snapshot"
    assert not torch.equal(inside[0], before["g"]["0.weight"])
    now = {"g": recipe.generator.state_dict(), "d": recipe.discriminator.state_dict(), "r": recipe.state_dict()}
    assert_equal(now, before)
    assert recipe.generator.training


def test_many_snapshots_leave_training_as_one_does_and_a_kill_between_them_too(open_edited):
    many, one = (open_edited(disturb, name, steps) for name, steps in (("many", (2, 4, 6, 9)), ("one", (9,))))
    for training in (many, one):
        finish(training)
    assert_equal_runs(many.folder.snapshot(9), one.folder.snapshot(9))
    saved = [training.folder.load_checkpoint(training.name)[0] for training in (many, one)]
    for state in saved:
        state.pop("snapshots")
    assert_equal(*saved)
    for step, kept in ((3, False), (5, True), (7, False)):
        interrupt(open_edited(disturb, "killed", (2, 4, 6, 9)), step, saved=kept)
    assert_equal_runs(finish(open_edited(disturb, "killed", (2, 4, 6, 9))), many.folder.path)


def test_the_weights_of_a_snapshot_are_those_that_were_sampled(open_edited):
    training = open_edited(disturb, "run", (3,))
    finish(training)
    before = training.recipe.generator[0].weight.detach().clone()
    sampled = load_sampled(training.folder, 3, training.recipe.generator)
    difference = sampled[0].weight - before
    assert difference.min() > 0, "the weights are the disturbed ones"
    torch.testing.assert_close(difference, difference.mean().expand_as(difference), rtol=1e-4, atol=1e-6)


# What D sees and learns from.


def test_ds_fakes_are_changed_for_d_alone():
    shown = []

    def edit(recipe):
        recipe.d_fakes(lambda fake: fake * 0 + 0.5)
        recipe.d_inputs(lambda x: (shown.append(x.detach().clone()), x)[1])

    edited(edit).step()
    real, to_d, to_g = shown
    assert (to_d == 0.5).all()
    assert not (real == 0.5).any()
    assert not (to_g == 0.5).any()


def test_ds_fakes_with_their_labels():
    seen = []

    def swap(fake, labels):
        seen.append(labels)
        return fake.flip(0), labels

    loop = edited(lambda recipe: recipe.d_fakes(swap))
    loop.step()
    assert seen == [None]
    fake = loop.generate("G")
    assert torch.equal(loop.learnt_from(fake).samples, fake.samples.detach().flip(0))
    assert not loop.learnt_from(fake).samples.requires_grad


def watch(kept, network="d"):
    """An edit that keeps what a penalty sees, and D as it is given it."""

    def look(discriminator, seen):
        kept.append((discriminator, seen))
        return seen.fake_logits.sum() * 0

    return lambda recipe: recipe.penalty(look) if network == "d" else recipe.g_penalty(look, needs_real=True)


def test_what_a_penalty_of_d_sees_and_which_of_it_can_be_differentiated():
    kept = []

    def edit(recipe):
        recipe.d_inputs(lambda x: 2 * x)
        watch(kept)(recipe)

    loop = edited(edit)
    loop.step()
    ((_, seen),) = kept
    assert torch.equal(seen.real, 2 * seen.real_samples)
    assert torch.equal(seen.fake, 2 * seen.fake_samples)
    assert (seen.real_logits.shape, seen.fake_logits.shape, seen.latents.shape) == ((8, 1), (8, 1), (8, 6))
    carries = {
        name
        for name in ("real", "fake", "real_logits", "fake_logits", "real_samples", "fake_samples", "latents")
        if getattr(seen, name).requires_grad
    }
    assert carries == {"real", "fake", "real_logits", "fake_logits", "real_samples", "fake_samples"}
    none = ("real_labels", "fake_labels", "real_class_logits", "fake_class_logits")
    assert all(getattr(seen, name) is None for name in none)


def gradient_by(name):
    """An edit that keeps the gradient of D's logits by what the name says."""
    kept = []

    def look(discriminator, seen):
        logits = seen.real_logits if name.startswith("real") else seen.fake_logits
        (gradient,) = torch.autograd.grad(logits.sum(), getattr(seen, name), create_graph=True)
        kept.append((seen, gradient))
        return gradient.square().sum()

    return kept, look


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=["pictures", "points"])
def test_what_changes_samples_in_place_changes_no_other_pass(shape):
    """Neither what D is shown nor what it learns from is the memory of G's own fakes, or of the data."""

    def edit(recipe, double, zero):
        recipe.d_inputs(double)
        recipe.d_fakes(zero)

    loops = [
        edited(lambda recipe: edit(recipe, lambda x: x.mul_(2), lambda fake: fake.mul_(0.25)), FLAT, shape=shape),
        edited(lambda recipe: edit(recipe, lambda x: x * 2, lambda fake: fake * 0.25), FLAT, shape=shape),
    ]
    for loop in loops:
        for _ in range(3):
            loop.step()
    assert_equal([*loops[0].g_parameters], [*loops[1].g_parameters])


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("which", ["real", "fake"])
def test_a_penalty_differentiates_by_samples_before_and_after_what_d_sees_of_them(which, in_place):
    (after, by_seen), (before, by_samples) = gradient_by(which), gradient_by(f"{which}_samples")

    def edit(recipe):
        recipe.d_inputs(lambda x: x.mul_(3) if in_place else 3 * x)
        recipe.penalty(by_seen)
        recipe.penalty(by_samples)

    loop = edited(edit)
    loop.step()
    torch.testing.assert_close(before[0][1], 3 * after[0][1])
    seen = before[0][0]
    torch.testing.assert_close(getattr(seen, which), 3 * getattr(seen, f"{which}_samples"))
    assert all(p.grad.isfinite().all() for p in loop.d_parameters)


def test_d_in_a_penalty_is_a_function_whose_gradient_reaches_ds_weights():
    kept = []
    loop = edited(watch(kept))
    loop.step()
    discriminator, seen = kept[0]
    logits = discriminator(seen.real.detach())
    torch.testing.assert_close(logits, loop.discriminate(seen.real))
    assert torch.autograd.grad(logits.sum(), loop.d_parameters[0])[0].abs().sum() > 0


# Logits of other shapes.


class Heads(nn.Module):
    """D's logits of three heads, or of two samples at a time."""

    def __init__(self, network, k, m):
        super().__init__()
        self.network, self.m = network, m
        self.heads = nn.Linear(m, k)

    def forward(self, x):
        return self.heads(self.network(x).view(-1, self.m))


@pytest.mark.parametrize(("k", "m", "shape"), [(3, 1, (8, 3)), (1, 2, (4, 1)), (5, 4, (2, 5))])
def test_the_latest_logits_have_the_shape_of_what_d_gives_over_a_resume(open_edited, k, m, shape):
    def edit(recipe):
        recipe.discriminator = Heads(recipe.discriminator, k, m)
        moving = recipe.register("moving", torch.zeros((), device=recipe.step.device))
        recipe.after_d_step(lambda: moving.lerp_(recipe.real_logits.mean() - recipe.fake_logits.mean(), 0.5))
        recipe.penalty(lambda discriminator, seen: 0.1 * (seen.real_logits.mean() - moving).square())

    training = assert_resumes(open_edited, edit)
    assert training.recipe.real_logits.shape == training.recipe.fake_logits.shape == shape


class Bent(nn.Module):
    per_sample = True

    def __init__(self, network):
        super().__init__()
        self.network, self.scale = network, nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.network(x)


class BentMixing(Bent):
    def forward(self, x):
        return super().forward(x - x.mean(0))


@pytest.mark.parametrize(("wrapper", "joined"), [(Bent, True), (BentMixing, False)])
def test_a_wrapper_that_says_per_sample_is_passed_through_once(wrapper, joined):
    def edit(recipe):
        recipe.discriminator = wrapper(recipe.discriminator)

    loop = edited(edit)
    passes = []
    loop.recipe.discriminator.register_forward_hook(lambda module, inputs, output: passes.append(len(output)))
    loop.step()
    assert passes == ([16, 8] if joined else [8, 8, 8])


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


# Another D.


def test_another_discriminator_is_built_for_data_of_another_shape_from_the_same_numbers():
    made = []

    def edit(recipe):
        made.append(recipe.build_discriminator(DataSpec((2, 8, 8))))
        made.append(recipe.build_discriminator(recipe.data))

    loop = edited(edit)
    assert made[0](torch.randn(3, 2, 8, 8)).shape == (3, 1)
    assert made[1] is not loop.recipe.discriminator
    assert_equal(dict(made[1].state_dict()), dict(loop.recipe.discriminator.state_dict()))
