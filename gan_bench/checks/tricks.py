"""What a trick must do: on every toy that takes it, alone, and with others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from gan_bench.api.faults import cause, place_of
from gan_bench.api.kinds import Plugin, Trick
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.check import Check, Failed, Skipped, blamed
from gan_bench.checks.toys import Blobs, Connected, Convolutional
from gan_bench.checks.trials import CPU, STEPS, Trial, advance, difference
from gan_bench.grid.cells import check_together
from gan_bench.grid.source import Fault
from gan_bench.training.build import loop_on
from gan_bench.training.dry import dry_pass
from gan_bench.training.training import Slot

BASES = (
    Trial(Connected()),
    Trial(Convolutional()),
    Trial(Convolutional(conditional="projection")),
    Trial(Connected(), data=Blobs(sides=(2,))),
)  # in this order a trick is tried on them
CAPTURED = 60  # G steps, in which each kind of block is captured as a CUDA graph


class Trials:
    """Trainings of a trick, as far as they have been asked for."""

    def __init__(self, found: Found, variants: list[Plugin], registry: Registry) -> None:
        self.found, self.variants, self.registry = found, variants, registry

    @cached_property
    def bases(self) -> tuple[Trial, ...]:
        """What the trick is tried on: toys, and the architectures that it names."""
        named = [Trial(self.registry.create("architecture", table)) for table in self.found.cls.checked_on]  # type: ignore[attr-defined]
        return (*BASES, *named)

    @cached_property
    def first(self) -> list[tuple[Trial, Trial]]:
        """For each of its variants the first networks that take it, without it and with it. Failed: none do."""
        return [self._first(variant) for variant in self.variants if isinstance(variant, Trick)]

    def _first(self, variant: Trick) -> tuple[Trial, Trial]:
        reasons: dict[str, None] = {}
        for base in self.bases:
            trial = replace(base, tricks=(variant,))
            if not (reason := self._refusal(trial)):
                return base, trial
            reasons[reason] = None
        rule = f"{variant.settings()} refuses all networks that it is tried on: {'; '.join(reasons)}"
        raise Failed(self.place, f"{rule}. Name an architecture that it is made for in checked_on")

    def every(self) -> Iterator[Trial]:
        """Its trials on all networks that take it."""
        for base in self.bases:
            trials = (replace(base, tricks=(one,)) for one in self.variants if isinstance(one, Trick))
            yield from (trial for trial in trials if not self._refusal(trial))

    def _refusal(self, trial: Trial) -> str:
        with blamed(self.found.cls.edit):  # type: ignore[attr-defined]
            return refusal(trial)

    @property
    def place(self) -> str:
        """Where its code begins."""
        return place_of(self.found.cls.edit)  # type: ignore[attr-defined]


def refusal(trial: Trial) -> str:
    """Why a trick refuses these networks, in its own words; "" where it takes them. Whatever else it raises comes through."""
    try:
        loop_on(trial.cell, trial.data.prepared(), Streams(0, CPU), STEPS + 1)
    except ValueError as error:
        text = cause(error)
        if text.startswith(type(error).__name__):  # the core's own, of what the trick left
            raise
        if not str(error).strip():
            raise ValueError("it refuses networks without saying why") from error
        return text
    return ""


def trick_checks(found: Found, variants: list[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of a trick."""
    trials = Trials(found, variants, registry)

    def on_first(rule: Callable[[Trials, Trial], None], name: str, slow: bool = False) -> Check:
        def test() -> None:
            for _, trial in trials.first:
                rule(trials, trial)

        return Check(found, name, test, slow)

    def on_all() -> None:
        for trial in trials.every():
            for rule in (trains, resumes, keeps_out, draws_its_own):
                rule(trials, trial)

    yield on_first(trains, "trains")
    yield on_first(resumes, "resumes to the same bits")
    yield on_first(reproducible, "is reproducible")
    yield on_first(keeps_out, "leaves global state alone")
    yield on_first(draws_its_own, "draws from its own stream")
    yield Check(found, "changes something", lambda: changes(trials))
    yield on_first(grows, "is the same in longer training, unless it needs the length", slow=True)
    yield Check(found, "does so with all networks that it takes", on_all, slow=True)
    yield on_first(captured, "is captured as a CUDA graph")


def trains(trials: Trials, trial: Trial) -> None:
    """A dry pass, and some steps in which all is finite and both networks learn."""
    with blamed(trials.found.cls.edit):  # type: ignore[attr-defined]
        dry_pass(trial.cell)
        after = trial.whole.state
    recipe = loop_on(trial.cell, trial.data.prepared(), Streams(0, CPU), STEPS + 1).recipe
    for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        if all(torch.equal(parameter, after[name][path]) for path, parameter in network.named_parameters()):
            raise Failed(trials.place, f"no parameter of the {name} changes in {STEPS} steps")


def resumes(trials: Trials, trial: Trial) -> None:
    """Stopped and gone on with, it ends as it does without a stop."""
    if where := difference(trial.resumed.state, trial.whole.state) or difference(
        trial.resumed.samples, trial.whole.samples
    ):
        cure = "What changes while it trains must be registered (recipe.register), and drawn from PyTorch's generator"
        raise Failed(trials.place, f"it does not resume to the same bits: {where} differs. {cure}")


def reproducible(trials: Trials, trial: Trial) -> None:
    """Trained again, it ends as before."""
    if where := difference(trial.again.state, trial.whole.state):
        raise Failed(trials.place, f"trained again from the same seed, it ends otherwise: {where} differs")


def keeps_out(trials: Trials, trial: Trial) -> None:
    """The process's settings and generators are afterwards as they were."""
    if changed := trial.whole.changed:
        raise Failed(trials.place, f"it changes what all runs of a process share: {', '.join(changed)}")


def draws_its_own(trials: Trials, trial: Trial) -> None:
    """Nobody has seeded a generator, or equal seeds would give other runs equal numbers too."""
    if trial.whole.seeded:
        rule = "it seeds PyTorch's generator; what it draws as it stands comes from a stream of its own"
        raise Failed(trials.place, rule)


def changes(trials: Trials) -> None:
    """With one of its variants at least, a run is another one than without it."""
    for base, trial in trials.first:
        with_it, without = trial.whole, base.whole
        if difference(with_it.means, without.means) or difference(with_it.samples, without.samples):
            return
    cure = "If its defaults show in longer runs alone, let checked_with have parameters that show at once"
    raise Failed(trials.place, f"it changes nothing: {STEPS} steps end as they do without it. {cure}")


def grows(trials: Trials, trial: Trial) -> None:
    """A run that is to be longer has the same course, unless the trick says that it needs the length."""
    if trial.tricks[-1].needs_length:
        raise Skipped("it needs the length")
    longer = trial.train(total=3 * STEPS)
    if where := difference(longer.state, trial.whole.state):
        rule = f"where longer training is asked for, its first steps are others: {where} differs"
        raise Failed(trials.place, f"{rule}. Reading recipe.total_steps needs `needs_length = True`")


def captured(trials: Trials, trial: Trial) -> None:
    """On a GPU its steps are replayed from graphs."""
    if not torch.cuda.is_available():
        raise Skipped("no CUDA device is here")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "run").mkdir()
        training = trial.open(Path(place) / "run", CAPTURED + 1, Slot(torch.device("cuda:0")))
        advance(training, CAPTURED)
        if reason := training.steps.reason:
            raise Failed(trials.place, f"its steps can't be captured as a CUDA graph: {reason}")


def check_pair(first: Found, second: Found, *, train: bool = False) -> None:
    """Two tricks in this order: refused with an error that names both, or no networks take both, or they pass the dry pass.

    With `train`, they also train and resume. Failed: they do not.
    """
    tricks = tuple(one.cls.model_validate({}) for one in (first, second))
    assert all(isinstance(one, Trick) for one in tricks)
    try:
        check_together(tricks)  # type: ignore[arg-type]
    except Fault as fault:
        if not all(repr(one.name) in str(fault) for one in (first, second)):
            rule = f"it is refused beside {second.name} by an error that does not name both: {fault}"
            raise Failed(place_of(first.cls), rule) from None
        return
    for base in BASES:
        trial = replace(base, tricks=tricks)  # type: ignore[arg-type]
        with blamed(second.cls.edit):  # type: ignore[attr-defined]
            if refusal(trial):
                continue
            dry_pass(trial.cell)
            if train and (where := difference(trial.resumed.state, trial.whole.state)):
                rule = f"{first.name} and {second.name} together do not resume to the same bits: {where} differs"
                raise Failed(place_of(first.cls.edit), rule)  # type: ignore[attr-defined]
        return
