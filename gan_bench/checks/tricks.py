"""What a trick must do: on every toy that takes it, alone, and with others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch

from gan_bench.api.faults import cause, is_an_answer, place_of
from gan_bench.api.kinds import Plugin, Trick
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.check import Check, Failed, blamed, each, variants
from gan_bench.checks.toys import Blobs, Connected, Convolutional
from gan_bench.checks.trials import STEPS, Trial, captured, difference, keeps_out, reproducible, resumes
from gan_bench.grid.cells import check_together
from gan_bench.grid.source import Fault
from gan_bench.training.dry import dry_pass

BASES = (
    Trial(Connected()),
    Trial(Convolutional()),
    Trial(Convolutional(conditional="projection")),
    Trial(Connected(), data=Blobs(sides=(2,))),
    Trial(Convolutional(batch_norm=True)),
)  # in this order a trick is tried on them


class Trials:
    """Trainings of a trick's variants, as far as they have been asked for."""

    def __init__(self, variants: Sequence[Trick], registry: Registry) -> None:
        self.variants, self.registry = variants, registry

    @cached_property
    def bases(self) -> tuple[Trial, ...]:
        """What the trick is tried on: toys, and the architectures that it names."""
        named = self.variants[0].checked_on
        return (*BASES, *(Trial(self.registry.create("architecture", table)) for table in named))

    @cached_property
    def first(self) -> list[Trial]:
        """Each variant on the first networks that take it. Failed: none do."""
        return [self._first(variant) for variant in self.variants]

    def _first(self, variant: Trick) -> Trial:
        reasons: dict[str, None] = {}
        for base in self.bases:
            trial = replace(base, tricks=(variant,))
            if not (reason := refusal(trial)):
                return trial
            reasons[reason] = None
        rule = f"{variant.settings()} refuses all networks that it is tried on: {'; '.join(reasons)}"
        cure = "Name an architecture that it is made for in checked_on"
        raise Failed(place_of(type(variant).edit), f"{rule}. {cure}")

    def every(self) -> Iterator[Trial]:
        """Each variant on all networks that take it."""
        for base in self.bases:
            trials = (replace(base, tricks=(variant,)) for variant in self.variants)
            yield from (trial for trial in trials if not refusal(trial))


def refusal(trial: Trial) -> str:
    """Why tricks refuse these networks, in their own words; "" where they take them. Failed: whatever else is wrong."""
    with blamed(trial.code):
        try:
            trial.loop()
        except ValueError as error:
            text = cause(error)
            if text.startswith(type(error).__name__) or not is_an_answer(
                error
            ):  # of what the trick left, or of its code
                raise
            if not str(error).strip():
                raise ValueError("it refuses networks without saying why") from None
            return text
    return ""


def trick_checks(found: Found, own: Sequence[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of a trick."""
    trials = Trials([one for one in own if isinstance(one, Trick)], registry)

    def first() -> list[Trial]:
        return trials.first

    yield Check(found, "trains", each(trains, first))
    yield Check(found, "resumes to the same bits", each(resumes, first))
    yield Check(found, "is reproducible", each(reproducible, first))
    yield Check(found, "leaves global state alone", each(keeps_out, first))
    yield Check(found, "draws from its own stream", each(draws_its_own, first))
    yield Check(found, "changes something", lambda: changes(trials.first))
    yield Check(found, "is captured as a CUDA graph", each(captured, first), gpu=True)
    yield Check(found, "is the same in longer training, unless it needs the length", each(grows, first), slow=True)
    yield Check(found, "does so with all networks that it takes", each(all_at_once, trials.every), slow=True)


def trains(trial: Trial) -> None:
    """A dry pass, and some steps in which all is finite and both networks learn."""
    with blamed(trial.code):
        dry_pass(trial.cell)
        after = trial.whole.state
    recipe = trial.loop().recipe
    for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        if all(torch.equal(parameter, after[name][path]) for path, parameter in network.named_parameters()):
            raise Failed(place_of(trial.code), f"no parameter of the {name} changes in {STEPS} steps")


def draws_its_own(trial: Trial) -> None:
    """Nobody has seeded a generator, or all seeds would give equal numbers."""
    if trial.whole.seeded:
        rule = "it seeds PyTorch's generator; what it draws as it stands comes from a stream of its own"
        raise Failed(place_of(trial.code), rule)


def changes(trials: Sequence[Trial]) -> None:
    """With one of its variants at least, a run is another one than without it."""
    for trial in trials:
        plain = replace(trial, tricks=())
        without = next((base for base in BASES if base == plain), plain).whole  # theirs are trained once for all tricks
        if difference(trial.whole.means, without.means) or difference(trial.whole.samples, without.samples):
            return
    cure = "If its defaults show in longer runs alone, let checked_with have parameters that show at once"
    raise Failed(place_of(trials[0].code), f"it changes nothing: {STEPS} steps end as they do without it. {cure}")


def grows(trial: Trial) -> None:
    """A run that is to be longer has the same course, unless the trick says that it needs the length."""
    if trial.tricks[-1].needs_length:
        return
    if where := difference(trial.train(total=3 * STEPS).state, trial.whole.state):
        rule = f"where longer training is asked for, its first steps are others: {where} differs"
        raise Failed(place_of(trial.code), f"{rule}. Reading recipe.total_steps needs `needs_length = True`")


def all_at_once(trial: Trial) -> None:
    """All that a trial alone must show."""
    for rule in (trains, resumes, keeps_out, draws_its_own):
        rule(trial)


def check_pair(first: Found, second: Found, *, train: bool = False) -> None:
    """Two tricks in this order: refused with an error that names both, or no networks take both, or they pass the dry pass.

    With `train`, they also train and resume. Failed: they do not. Skipped: one has no defaults.
    """
    tricks = tuple(one for found in (first, second) for one in variants(found)[:1] if isinstance(one, Trick))
    try:
        check_together(tricks)
    except Fault as fault:
        if not all(repr(one.name) in str(fault) for one in tricks):
            rule = f"it is refused beside {second.name} by an error that does not name both: {fault}"
            raise Failed(place_of(first.cls), rule) from None
        return
    for base in BASES:
        trial = replace(base, tricks=tricks)
        if refusal(trial):
            continue
        with blamed(trial.code):
            dry_pass(trial.cell)
        if train:
            resumes(trial)
        return
