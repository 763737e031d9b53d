"""Samples of any generator, scored as a grid scores those of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from pydantic import ValidationError
from rich.console import Console

from gan_bench.api.global_state import preserved
from gan_bench.api.samples import PreparedData
from gan_bench.commands.asked import asked as asked_for
from gan_bench.console import plain_console
from gan_bench.errors import GanBenchError
from gan_bench.grid import Evaluate
from gan_bench.grid.load import check_unlabelled, headlines_of
from gan_bench.grid.source import Fault, Source, fault_of, validate
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.fitting import fitted
from gan_bench.scoring.sample_files import SampleSet, from_array, read_samples
from gan_bench.store.documents import Score
from gan_bench.workers.device import resolve_devices

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SampleScores:
    """The scores of a set of samples, with what they rest on."""

    scores: list[Score]  # as a run's scores.json has them
    real: list[Score]  # the same numbers of as many real training samples: no generator can be expected to do better
    against: dict[str, Any]  # the dataset's settings
    fingerprint: str  # SHA-256 of its decoded samples
    taken_as: str  # what the samples were, and how they were read
    remarks: list[str]  # whole sentences

    @property
    def table(self) -> pd.DataFrame:
        """A row a number: score, value, standard_error, real_data, better, unit, side, samples, protocol_id, error."""
        rows = [
            {
                "score": score.label,
                "value": score.value,
                "standard_error": score.standard_error,
                "real_data": real.value,
                "better": score.better,
                "unit": score.unit,
                "side": score.side,
                "samples": score.protocol["generated"],
                "protocol_id": score.protocol_id,
                "error": score.error,
            }
            for score, real in zip(self.scores, self.real, strict=True)
        ]
        return pd.DataFrame(rows).astype(dict.fromkeys(("value", "standard_error", "real_data"), float))

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        scores, real = ([score.as_json() for score in own] for own in (self.scores, self.real))
        against = {**self.against, "fingerprint": self.fingerprint}
        return {"samples": self.taken_as, "against": against, "remarks": self.remarks, "scores": scores, "real": real}


def score(
    samples: str | Path | np.ndarray | torch.Tensor,
    against: str | Path | Mapping[str, Any],
    *,
    metrics: Sequence[str | Mapping[str, Any]] | None = None,
    features: str | Mapping[str, Any] | None = None,
    count: int | None = None,
    seed: int | None = None,
    resize: bool = False,
    convert: bool = False,
    overrides: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    allow_plugins: bool = False,
    device: str = "auto",
    console: Console | None = None,
) -> SampleScores:
    """Score samples that may have been made elsewhere, as `gan-bench score` does, by the protocols of a grid's runs.

    `samples` are a folder or .zip of pictures, an .npz or .npy file, or an array: see docs/score.md. `against` is a dataset's
    name or table, as in a grid file, a folder or file of real samples, or a grid file with one dataset; `metrics` and
    `features` are as under `[evaluate]`, and by default those of a grid that names none. At most `count` samples are taken,
    drawn by `seed`; `resize` and `convert` change the size or the colours of samples that differ from the data in these, which
    their protocol then says. `overrides` are parameters of the dataset, "KEY=VALUE"; `allow_plugins` as for `load_generator`.
    GanBenchError: bad input.
    """
    console = console or plain_console()
    named = asked_for(against, overrides, plugins, option="against", allow_plugins=allow_plugins)
    if len(named.tables) > 1:
        raise GanBenchError(
            f"{named.option} has {len(named.tables)} datasets, and samples are scored against one; name it"
        )
    asked = {key: value for key, value in (("metrics", metrics), ("features", features)) if value is not None}
    source = Source(Path(), "", {**named.options, **{("evaluate", key): key for key in asked}})
    try:
        named.made()  # mistakes are told before anything is read
        evaluate = validate(Evaluate, asked)
        headlines_of(named.maker, evaluate)
        check_unlabelled(named.registry, evaluate, "of samples from elsewhere they are not known")
        found = _read(samples, count, seed, console)
        ((dataset, settings),) = named.made(**_size(found) if named.bare else {})
    except ValidationError as error:
        raise source.error(fault_of(error, Evaluate, asked, ("evaluate",))) from None
    except Fault as fault:
        raise source.error(fault) from fault.__cause__
    evaluate = evaluate.model_copy(update={"samples": len(found.samples)})
    with preserved():
        torch.set_num_threads(1)  # as where runs are scored, so that equal samples get the same bits
        (data,) = named.prepare([dataset], console)
        ready, treatment = fitted(found.samples, data.spec, resize=resize, convert=convert)
        with console.status("features and reference of the held-out data"):
            evaluator = Evaluator.of(evaluate, named.registry, data, torch.device(resolve_devices(device, 1)[0]))
            evaluator.prepare()
        with console.status(f"scoring {len(ready):,} samples"):
            remarks = [*_remarks(found, count, data), *found.remarks, *evaluator.remarks()]
            floor = evaluator.score_training_data()
            evaluator.treatment = treatment
            scores = evaluator.score(ready)
    scored, real = ([Score.model_validate(one) for one in own] for own in (scores, floor))
    return SampleScores(scored, real, settings, data.fingerprint, found.taken_as, remarks)


def _size(found: SampleSet) -> dict[str, Any]:
    """Parameters of a folder whose pictures are taken at the samples' own size, where these are pictures."""
    shape = found.samples.shape[1:]
    return {"size": list(shape[1:]), "channels": shape[0]} if len(shape) == 3 else {}


def _read(samples: Any, count: int | None, seed: int | None, console: Console) -> SampleSet:
    """GanBenchError: as `read_samples`, or one sample is no distribution."""
    with console.status("reading samples") as status:

        def show(done: int, of: int) -> None:
            status.update(f"reading samples: {done:,} of {of:,}")

        if isinstance(samples, str | Path):
            found = read_samples(Path(samples), count, seed, show)
        else:
            found = from_array(samples, count, seed, progress=show)
    if len(found.samples) < 2:
        raise GanBenchError("there is one sample, and scores are of two at least")
    return found


def _remarks(found: SampleSet, count: int | None, data: PreparedData) -> list[str]:
    """What should be known of numbers of samples."""
    own, real = len(found.samples), len(data.training)
    few = (
        f"{count:,} samples were asked for, and there are {own:,}: this is another protocol."
        if count and count > own
        else ""
    )
    short = (
        f"{data.name} has {real:,} training samples, and these many are scored as real data, not {own:,}."
        if real < own
        else ""
    )
    return [line for line in (few, short) if line]
