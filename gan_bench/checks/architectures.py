"""What an architecture must do: networks of every shape of data that it takes, which train, each parameter of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import get_args

import torch

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import cause, place_of
from gan_bench.api.kinds import Architecture, Plugin
from gan_bench.api.randomness import Stream, Streams
from gan_bench.api.registry import Found, Registry
from gan_bench.checks.check import Check, Failed, blamed, each
from gan_bench.checks.toys import CLASSES, Blobs
from gan_bench.checks.trials import CPU, STEPS, Trial, captured, difference, keeps_out, reproducible, resumes
from gan_bench.training.describe import describe_architecture
from gan_bench.training.networks import NetworkError, build_networks, check_outputs

SMALL: tuple[tuple[int, ...], ...] = ((1, 8, 8), (1, 16, 16), (1, 32, 32), (2,))  # it trains on the first that it takes
SHAPES = (*SMALL, (3, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 16, 24), (5,))


class Trials:
    """Trainings of an architecture: of those parameters that it is checked with, else of its defaults."""

    def __init__(self, own: Sequence[Architecture]) -> None:
        self.default, self.small = own[0], own[1:] or own

    @cached_property
    def data(self) -> Blobs:
        """The first data that it takes. Failed: it takes none."""
        reasons: dict[str, None] = {}
        for shape in SMALL:
            if not (reason := refusal(self.small[0], spec_of(shape))):
                return Blobs(sides=shape)
            reasons[reason] = None
        rule = f"it takes none of the data that it is tried on: {'; '.join(reasons)}"
        raise Failed(place_of(type(self.default)), rule)

    @cached_property
    def all(self) -> list[Trial]:
        """A trial of each; and of the first of them for each way to be told the classes."""
        first = self.small[0]
        field = type(first).model_fields.get("conditional")
        ways = [way for way in get_args(field.annotation) if way != "none"] if field else []
        told = [type(first)(**{**first.model_dump(), "conditional": way}) for way in ways]
        return [Trial(one, data=self.data) for one in (*self.small, *told)]


def spec_of(shape: tuple[int, ...], classes: tuple[str, ...] | None = CLASSES) -> DataSpec:
    """Data of a shape."""
    return DataSpec(shape, "image" if len(shape) == 3 else "points", classes)


def refusal(architecture: Architecture, data: DataSpec) -> str:
    """Why it refuses data, in its own words; "" where it takes them. Failed: whatever else is wrong."""
    with blamed(type(architecture)):
        try:
            build_networks(architecture, data, Streams(0, torch.device("meta")))
        except NetworkError:
            raise
        except ValueError as error:
            if not str(error).strip():
                raise ValueError(f"it refuses data of {data.shape} without saying why") from None
            return cause(error)
    return ""


def architecture_checks(found: Found, own: Sequence[Plugin], registry: Registry) -> Iterator[Check]:
    """The checks of an architecture."""
    trials = Trials([one for one in own if isinstance(one, Architecture)])

    def every() -> list[Trial]:
        return trials.all

    yield Check(found, "makes samples and judges them", each(makes, lambda: [trials]))
    yield Check(found, "is built equal from an equal seed", each(built_equal, every))
    yield Check(found, "seeds nothing", each(seeds_nothing, every))
    yield Check(found, "trains, every parameter", each(trains, every))
    yield Check(found, "resumes to the same bits", each(resumes, every))
    yield Check(found, "is reproducible", each(reproducible, every))
    yield Check(found, "leaves global state alone", each(keeps_out, every))
    yield Check(found, "is captured as a CUDA graph", each(captured, every), gpu=True)
    yield Check(found, "makes samples of every shape", each(makes_all, lambda: [trials]), slow=True)


def makes(trials: Trials) -> None:
    """Right shapes, dtypes and gradients: for the data that it trains on, and in three colours or as points if it takes these."""
    for own in (trial.architecture for trial in trials.all):
        sides = trials.data.sides
        for shape in dict.fromkeys((sides, (3, *sides[1:]), (2,))):
            if shape == sides or not refusal(own, spec_of(shape)):
                check_outputs(*build_networks(own, spec_of(shape), Streams(0, CPU)), spec_of(shape), own)


def makes_all(trials: Trials) -> None:
    """The same of its defaults, for all data that it takes; what it refuses, it refuses in words."""
    for shape in SHAPES:
        if not refusal(trials.default, spec_of(shape)):
            describe_architecture(trials.default, spec_of(shape))


def built_equal(trial: Trial) -> None:
    """Its weights rest on the seed alone."""
    data, own = spec_of(trial.data.sides), trial.architecture
    first, second = (build_networks(own, data, Streams(0, CPU)) for _ in range(2))
    for build, one, other in zip((own.generator, own.discriminator), first, second, strict=True):
        if where := difference({**one.state_dict()}, {**other.state_dict()}):
            rule = f"built twice from one seed, the {build.__name__} begins otherwise: {where} differs"
            raise Failed(place_of(build), rule)


def seeds_nothing(trial: Trial) -> None:
    """Weights are drawn from the generator as it stands, which the run has seeded."""
    for build in (trial.architecture.generator, trial.architecture.discriminator):
        with Stream(0, "checks", CPU):
            before = torch.default_generator.initial_seed()
            build(spec_of(trial.data.sides))
            if torch.default_generator.initial_seed() != before:
                rule = "it seeds PyTorch's generator, so that all seeds begin with equal weights"
                raise Failed(place_of(build), rule)


def trains(trial: Trial) -> None:
    """Some steps, in which all is finite, and a gradient of D's logits of fakes by every parameter that has not moved."""
    with blamed(trial.architecture.generator):
        after, loop = trial.whole.state, trial.loop()
    fake = loop.generate("G")
    logits, classes = loop.judge(fake.samples, fake.labels)
    (logits.square().sum() + (0 if classes is None else classes.square().sum())).backward()
    for name, network in (("generator", loop.recipe.generator), ("discriminator", loop.recipe.discriminator)):
        for path, parameter in network.named_parameters():
            reached = parameter.grad is not None and bool(parameter.grad.any())
            if parameter.requires_grad and not reached and torch.equal(parameter, after[name][path]):
                rule = f"{path} of the {name} stays as it was drawn: no gradient reaches it in {STEPS} steps"
                raise Failed(place_of(getattr(trial.architecture, name)), rule)
