"""Which number falls for which fault: real samples, spoilt in known ways, scored as if a generator had made them.

python benchmarks/faults.py digits fashion_mnist:root=FOLDER photo_patches:count=10000 --csv benchmarks/results/faults.csv

A third of a dataset's training part is what the numbers know as training data (a classifier learns from nothing else).
Disjoint draws from the rest are the generated samples: as they are, which is the floor, and with each fault. An effect is
how far a fault moves the mean over draws, in standard deviations between the floor's draws; positive is worse. The rows of
a dataset replace those that the CSV file has of it, and the table of all its rows is printed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms.v2.functional import gaussian_blur

from gan_bench.api.kinds import Side
from gan_bench.api.randomness import derive
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.canonical import canonical_hash
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench.scoring.evaluator import Evaluator

ON_FEATURES = ("fid", "kid", "precision_recall", "density_coverage", "memorization")
ON_CLASSES = ("class_coverage",)
ON_SAMPLES = ("ms_ssim", "duplicates")
FEATURES = ("classifier", "random", "pixels")
FLOOR = "floor"
SEEN = 3.0  # standard deviations of the floor
COPIES = 10  # of each sample, where samples are repeated


@dataclass(frozen=True)
class Draw:
    """Samples (N, *shape) in [-1, 1] that stand for generated ones, and what a fault may put in their place."""

    samples: Tensor
    some_classes: Tensor | None  # (N, *shape): as fresh, of half of the classes; None: unlabelled
    training: Tensor  # (N, *shape): samples that the numbers know as training data
    random: torch.Generator

    def noise(self) -> Tensor:
        """Gaussian, of the samples' shape."""
        return torch.randn(self.samples.shape, generator=self.random)

    def uniform(self) -> Tensor:
        """Pictures of noise."""
        return 2 * torch.rand(self.samples.shape, generator=self.random) - 1


Fault = Callable[[Draw], Tensor | None]


def noisy(strength: float) -> Fault:
    return lambda draw: (draw.samples + strength * draw.noise()).clamp(-1, 1)


def blurred(sigma: float) -> Fault:
    size = 2 * math.ceil(3 * sigma) + 1
    return lambda draw: gaussian_blur(draw.samples, [size, size], [sigma, sigma])


def shifted(pixels: int) -> Fault:
    """To the right; what comes in repeats the edge."""
    return lambda draw: pad(draw.samples, (pixels, 0, 0, 0), mode="replicate")[..., : draw.samples.shape[-1]]


def half_noise(draw: Draw) -> Tensor:
    half = len(draw.samples) // 2
    return torch.cat([draw.samples[half:], draw.uniform()[:half]])


FAULTS: dict[str, Fault] = {
    FLOOR: lambda draw: draw.samples,
    "noise 0.1": noisy(0.1),
    "noise 0.2": noisy(0.2),
    "noise 0.4": noisy(0.4),
    "blur 0.5": blurred(0.5),
    "blur 1": blurred(1.0),
    "contrast 0.8": lambda draw: 0.8 * draw.samples,
    "shift 1": shifted(1),
    "shift 2": shifted(2),
    "half noise": half_noise,
    "all noise": lambda draw: draw.uniform(),
    "half the classes": lambda draw: draw.some_classes,
    "repeats": lambda draw: draw.samples[torch.arange(len(draw.samples)) // COPIES],
    "copies": lambda draw: draw.training,
}


def plugin(kind: str, text: str) -> Any:
    """NAME or NAME:KEY=VALUE,KEY=VALUE. PluginError: there is none, or it has no such parameter."""
    name, _, rest = text.partition(":")
    pairs = (pair.partition("=") for pair in rest.split(",") if pair)
    return Registry.load().create(kind, {"name": name, **{key: _value(value) for key, _, value in pairs}})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def split(data: PreparedData, most: int) -> tuple[PreparedData, Samples]:
    """The data as the numbers know them, with a third of the training part and at most so many held out; and the rest."""
    random = torch.Generator().manual_seed(derive(0, "faults:split"))
    order, others = (torch.randperm(len(part), generator=random) for part in (data.training, data.held_out))
    third = len(order) // 3
    known, fresh = (_chosen(data.training, indices) for indices in (order[:third], order[third:]))
    held_out = _chosen(data.held_out, others[:most])  # MNIST's first ones are easier to read
    fingerprint, real = (canonical_hash([one, "faults", most]) for one in (data.fingerprint, data.held_out_fingerprint))
    own = replace(data, training=known, held_out=held_out, fingerprint=fingerprint, held_out_fingerprint=real)
    return own, fresh


def _chosen(part: Samples, indices: Tensor) -> Samples:
    return Samples(part.data[indices], None if part.labels is None else part.labels[indices])


def draws(data: PreparedData, fresh: Samples, samples: int, count: int) -> Iterator[Draw]:
    """Disjoint draws of fresh samples; those of some classes and of training data are drawn anew for each."""
    size = min(samples, len(fresh) // count)
    few = None
    if data.spec.classes and fresh.labels is not None:
        few = torch.nonzero(fresh.labels < len(data.spec.classes) / 2).flatten()
    for number in range(count):
        random = torch.Generator().manual_seed(derive(number, "faults"))

        def drawn(part: Samples, among: Tensor, random: torch.Generator = random) -> Tensor:
            return part.batch(among[torch.randperm(len(among), generator=random)[:size]])

        yield Draw(
            samples=fresh.batch(torch.arange(number * size, (number + 1) * size)),
            some_classes=None if few is None else drawn(fresh, few),
            training=drawn(data.training, torch.arange(len(data.training))),
            random=random,
        )


def evaluators(data: PreparedData, features: Sequence[str], samples: int) -> Iterator[Evaluator]:
    """One for each kind of features that these data allow; the first scores what needs no features as well."""
    others = ON_SAMPLES
    for text in features:
        extractor = plugin("features", text)
        names = ON_FEATURES + others + (ON_CLASSES if extractor.name == "classifier" else ())
        try:
            yield Evaluator(data, [plugin("metric", name) for name in names], extractor, samples, torch.device("cpu"))
        except GanBenchError as error:
            print(f"{data.name}: {error}", flush=True)
        else:
            others = ()


def measure(dataset: str, features: Sequence[str], samples: int, count: int) -> pd.DataFrame:
    """One row for each number and fault: mean and standard deviation over draws, and the effect."""
    data, fresh = split(prepare(plugin("dataset", dataset)), 2 * samples)
    some = list(draws(data, fresh, samples, count))
    rows = []
    for evaluator in evaluators(data, features, len(some[0].samples)):
        print(f"{dataset.partition(':')[0]}: {evaluator.extraction.label}", flush=True)
        for fault, spoil in FAULTS.items():
            for draw in some:
                if (spoilt := spoil(draw)) is not None:
                    facts = {"dataset": data.name, "fault": fault, "samples": len(spoilt), "real": len(data.held_out)}
                    rows += [{**facts, **score} for score in evaluator.score(spoilt, ("held_out",))]
    return summary(pd.DataFrame(rows))


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of single draws -> a row for each dataset, number and fault."""
    keys = ["dataset", "samples", "real", "number", "side", "better", "fault"]
    groups = scores.rename(columns={"label": "number"}).groupby(keys, sort=False, dropna=False)
    rows = groups["value"].agg(["mean", "std"]).reset_index()
    floor = rows[rows.fault == FLOOR].set_index(["dataset", "number"])
    at = pd.MultiIndex.from_frame(rows[["dataset", "number"]])
    change = (rows["mean"] - floor["mean"].loc[at].to_numpy()) * rows.better.map({"lower": 1, "higher": -1})
    spread = floor["std"].loc[at].to_numpy()
    return rows.assign(effect=(change / spread).where(change != 0, 0.0)).drop(columns="better")


def table(rows: pd.DataFrame) -> str:
    """Markdown: a row for each number, a column for each fault, the median effect over datasets in each cell."""
    faults = [fault for fault in FAULTS if fault != FLOOR]
    lines = ["| | " + " | ".join(faults) + " |", "|---" * (len(faults) + 1) + "|"]
    for side in (*get_args(Side), None):
        of = rows[rows.side == side] if side else rows[rows.side.isna()]
        lines += [f"| **{side}** |" + " |" * len(faults)] * bool(side and len(of))
        for number, those in of.groupby("number", sort=False):
            cells = (cell(those[those.fault == fault].effect) for fault in faults)
            lines.append(f"| {number} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(effects: pd.Series) -> str:
    """The median, "." where it is not seen; bold the worst, where a dataset's number moved in the wrong direction."""
    effects = effects.dropna()  # of data without labels, or a number that could not be computed
    if not len(effects):
        return ""
    if effects.min() <= -SEEN:
        return f"**{_rounded(effects.min())}**"
    return _rounded(effects.median()) if effects.median() >= SEEN else "."


def _rounded(effect: float) -> str:
    return f"{effect:.0f}".replace("-", "−") if abs(effect) < 99.5 else "> 99" if effect > 0 else "< −99"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", help="NAME or NAME:KEY=VALUE,KEY=VALUE")
    parser.add_argument("--features", nargs="+", default=FEATURES, help="in the same way (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=1000, help="of a draw, where there are enough (default: 1000)")
    parser.add_argument("--draws", type=int, default=5, help="disjoint ones of each dataset (default: 5)")
    parser.add_argument("--csv", type=Path, default=Path("faults.csv"), help="keeps all rows (default: faults.csv)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = pd.read_csv(options.csv) if options.csv.exists() else pd.DataFrame({"dataset": []})
    for dataset in options.datasets:
        found = measure(dataset, options.features, options.samples, options.draws)
        rows = pd.concat([rows[~rows.dataset.isin(found.dataset)], found])
        rows.to_csv(options.csv, index=False, float_format="%.4g")
    print(table(rows))


if __name__ == "__main__":
    main()
