"""What a trick can change of latents, samples and what D sees of them, in training and in sampling, an interruption or not."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from edited import FLAT, assert_resumes, edited, settings_of
from small_runs import finish, interrupt, make_loop, open_run
from stores import assert_equal, assert_equal_runs
from torch import nn

from gan_bench import DataSpec, load_generator
from gan_bench.api.registry import Registry
from gan_bench.grid import cell_from_settings
from gan_bench.store.documents import write_object
from gan_bench.store.folder import load_sampled
from gan_bench.training.rescoring import rescore

# Latents.


def shrink(recipe):
    recipe.latents(lambda z: z / 2)
    recipe.latents(lambda z: z + 1, training=False)


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
