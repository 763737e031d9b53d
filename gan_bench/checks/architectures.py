"""What an architecture must do: networks of every shape of data that it takes, which train, each parameter of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import get_args

import torch

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import cause, place_of
from gan_bench.api.kinds import Architecture, Plugin
from gan_bench.api.randomness import Stream, Streams
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.check import Check, Failed, blamed
from gan_bench.checks.toys import CLASSES, Blobs
from gan_bench.checks.trials import CPU, STEPS, Trial, difference, watched
from gan_bench.training.build import loop_on
from gan_bench.training.describe import describe_architecture
from gan_bench.training.networks import NetworkError, build_networks, check_outputs

SMALL: tuple[tuple[int, ...], ...] = ((1, 8, 8), (1, 16, 16), (1, 32, 32), (2,))  # it trains on the first that it takes
SHAPES = (*SMALL, (3, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 16, 24), (5,))


class Trials:
    """Trainings of an architecture: of those parameters that it is checked with, else of its defaults."""

    def __init__(self, found: Found, variants: Sequence[Plugin]) -> None:
        self.found = found
        made = [one for one in variants if isinstance(one, Architecture)]
        self.default = made[0]
        self.small = made[1:] or made

    @cached_property
    def data(self) -> Blobs:
        """The first data that it takes. Failed: it takes none."""
        reasons = {shape: refusal(self.small[0], spec_of(shape)) for shape in SMALL}
        if taken := next((shape for shape, reason in reasons.items() if not reason), None):
            return Blobs(sides=taken)
        raise Failed(
            self.place, f"it takes none of the data that it is tried on: {'; '.join(dict.fromkeys(reasons.values()))}"
        )

    @cached_property
    def all(self) -> list[Trial]:
        """A trial of each; and of the first of them for each way to be told the classes."""
        field = self.found.cls.model_fields.get("conditional")
        ways = [way for way in get_args(field.annotation) if way != "none"] if field else []
        first = self.small[0].model_dump()
        told = [type(self.small[0])(**{**first, "conditional": way}) for way in ways]
        return [Trial(one, data=self.data) for one in (*self.small, *told)]

    @property
    def place(self) -> str:
        """Where its code begins."""
        return place_of(self.found.cls)


def spec_of(shape: tuple[int, ...], classes: tuple[str, ...] | None = CLASSES) -> DataSpec:
    """Data of a shape."""
    return DataSpec(shape, "image" if len(shape) == 3 else "points", classes)


def refusal(architecture: Architecture, data: DataSpec) -> str:
    """Why it refuses data, in its own words; "" where it takes them. Whatever else it raises comes through."""
    try:
        build_networks(architecture, data, Streams(0, torch.device("meta")))
    except NetworkError:
        raise
    except ValueError as error:
        if not str(error).strip():
            raise ValueError(f"it refuses data of {data.shape} without saying why") from error
        return cause(error)
    return ""


def architecture_checks(found: Found, variants: list[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of an architecture."""
    trials = Trials(found, variants)

    def each(rule: Callable[[Trials, Trial], None]) -> Callable[[], None]:
        def test() -> None:
            for trial in trials.all:
                rule(trials, trial)

        return test

    yield Check(found, "makes samples and judges them", lambda: shapes(trials, trials.small[0], SMALL))
    yield Check(
        found, "does so in every shape", lambda: shapes(trials, trials.default, SHAPES, describe=True), slow=True
    )
    yield Check(found, "is built equal from an equal seed", each(built_equal))
    yield Check(found, "seeds nothing", each(seeds_nothing))
    yield Check(found, "trains, every parameter", each(trains))
    yield Check(found, "resumes to the same bits", each(resumes))
    yield Check(found, "is reproducible", each(reproducible))
    yield Check(found, "leaves global state alone", each(keeps_out))


def shapes(
    trials: Trials, architecture: Architecture, some: Sequence[tuple[int, ...]], *, describe: bool = False
) -> None:
    """Right shapes, dtypes and gradients for all data that it takes; what it refuses, it refuses in words."""
    taken = [shape for shape in some if not refusal(architecture, spec_of(shape))]
    for shape in taken:
        if describe:
            describe_architecture(architecture, spec_of(shape))
        else:
            check_outputs(*build_networks(architecture, spec_of(shape), Streams(0, CPU)), spec_of(shape), architecture)
    if not taken:
        _ = trials.data  # raises, unless larger ones are taken


def built_equal(trials: Trials, trial: Trial) -> None:
    """Its weights rest on the seed alone."""
    data = spec_of(trial.data.sides)
    first, second = (build_networks(trial.architecture, data, Streams(0, CPU)) for _ in range(2))
    for method, one, other in zip(
        (trial.architecture.generator, trial.architecture.discriminator), first, second, strict=True
    ):
        if where := difference({**one.state_dict()}, {**other.state_dict()}):
            rule = f"built twice from one seed, the {method.__name__} begins otherwise: {where} differs"
            raise Failed(place_of(method), rule)


def seeds_nothing(trials: Trials, trial: Trial) -> None:
    """Weights are drawn from the generator as it stands, which the run has seeded."""
    data = spec_of(trial.data.sides)
    for build in (trial.architecture.generator, trial.architecture.discriminator):
        with Stream(0, "checks", CPU):
            before = torch.default_generator.initial_seed()
            build(data)
            if torch.default_generator.initial_seed() != before:
                raise Failed(
                    place_of(build), "it seeds PyTorch's generator, so that all seeds begin with equal weights"
                )


def trains(trials: Trials, trial: Trial) -> None:
    """Some steps, in which all is finite, and a gradient of D's logits of fakes by every parameter that has not moved."""
    architecture, loop = trial.architecture, loop_on(trial.cell, trial.data.prepared(), Streams(0, CPU), STEPS + 1)
    with blamed(architecture.generator):
        after = trial.whole.state
    fake = loop.generate("G")
    sum(given.square().sum() for given in loop.judge(fake.samples, fake.labels) if given is not None).backward()
    for name, network in (("generator", loop.recipe.generator), ("discriminator", loop.recipe.discriminator)):
        for path, parameter in network.named_parameters():
            reached = parameter.grad is not None and parameter.grad.any()
            if parameter.requires_grad and not reached and torch.equal(parameter, after[name][path]):
                rule = f"{path} of the {name} stays as it was drawn: no gradient reaches it in {STEPS} steps"
                raise Failed(place_of(getattr(architecture, name)), rule)


def resumes(trials: Trials, trial: Trial) -> None:
    """Stopped and gone on with, it ends as it does without a stop."""
    if where := difference(trial.resumed.state, trial.whole.state):
        cure = "What changes while it trains must be a parameter or buffer, and drawn from PyTorch's generator"
        raise Failed(trials.place, f"it does not resume to the same bits: {where} differs. {cure}")


def reproducible(trials: Trials, trial: Trial) -> None:
    """Trained again, it ends as before."""
    if where := difference(trial.again.state, trial.whole.state):
        raise Failed(trials.place, f"trained again from the same seed, it ends otherwise: {where} differs")


def keeps_out(trials: Trials, trial: Trial) -> None:
    """The process's settings and generators are afterwards as they were."""
    with watched() as changed, Stream(0, "checks", CPU):
        trial.architecture.generator(spec_of(trial.data.sides))
        trial.architecture.discriminator(spec_of(trial.data.sides))
    if both := dict.fromkeys((*changed, *trial.whole.changed)):
        raise Failed(trials.place, f"it changes what all runs of a process share: {', '.join(both)}")
