"""What is wrong with a run: each diagnosis is defined here, and told with its evidence.

A diagnosis is a pure function of what a run has written: its curves, its snapshots' scores, and how it ended. One holds now if
its condition has held without a break up to the last window (or snapshot), and for long enough: what a run has
recovered from is no diagnosis. Thresholds are set to miss rather than to cry wolf. docs/diagnosis.md has the table.

Those that rest on one metric's number are declared by the metric (`gan_bench.Alarm`), and stand with its scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

WINDOWS = 10  # of the curves at least for which a condition must have held; with fewer in all nothing is said
SHARE = 0.2  # of the run so far for which it must have held
SNAPSHOTS = 2  # at which a condition on samples or scores must have held
PERIODS = 4  # of an oscillation that must have been seen
ERRORS = 3  # standard errors that an alarming number must be away from what is usual
JUMPS = 3  # times as far from the best score as scores usually jump from one snapshot to the next
SWING = 0.05  # of an oscillation from its lowest to its highest, beside the loss itself


Value = TypeVar("Value")


@dataclass(frozen=True)
class Kind:
    """One diagnosis as it is defined."""

    name: str
    sentence: str
    threshold: float  # what it is compared with, as the sentence says
    source: str
    hopeless: bool = False  # whether `evaluate.stop_hopeless` may end a run that has it


@dataclass(frozen=True)
class Diagnosis:
    """One diagnosis of a run."""

    name: str
    step: int  # the G step since which it holds
    evidence: str


@dataclass
class Record:
    """What a run has written."""

    rows: Sequence[Mapping[str, Any]]  # of curves.jsonl
    snapshots: Sequence[Mapping[str, Any]]  # each one's scores.json, in order
    log_odds: bool = False  # whether D's logits are log odds (`Loss.log_odds`; in run.json)
    failed: bool = False  # whether it ended so
    not_finite: tuple[int, str] | None = None  # where it ended by that: the step, and what was no finite number
    series: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    def curve(self, *names: str) -> tuple[np.ndarray, np.ndarray]:
        """(n,) steps, and (names, n) means, of the windows that have all of them."""
        key = " ".join(names)
        if key not in self.series:
            values = np.array([[row.get(name) for name in ("step", *names)] for row in self.rows], dtype=float)
            values = values.reshape(-1, 1 + len(names))
            values = values[np.isfinite(values).all(1)].T
            self.series[key] = values[0].astype(int), values[1:]
        return self.series[key]


def diagnose(record: Record) -> list[Diagnosis]:
    """What holds now, in the order of `KINDS`, and then what metrics' numbers tell; no name twice."""
    found = [Diagnosis(kind.name, *told) for kind, find in CONDITIONS.items() if (told := find(kind, record))]
    first = {diagnosis.name: diagnosis for diagnosis in reversed([*found, *_alarms(record)])}
    return list(first.values())[::-1]


def health(record: Record, diagnoses: Sequence[Diagnosis]) -> str:
    """The diagnoses' names, "healthy" where there are none, "" of a run that failed or was too short to say so."""
    if diagnoses:
        return ", ".join(diagnosis.name for diagnosis in diagnoses)
    return "healthy" if len(record.rows) >= WINDOWS and not record.failed else ""


def as_json(record: Record) -> dict[str, Any]:
    """What result.json says: `health` and `diagnoses`."""
    diagnoses = diagnose(record)
    return {"health": health(record, diagnoses), "diagnoses": [asdict(diagnosis) for diagnosis in diagnoses]}


def hopeless(diagnoses: Sequence[Diagnosis], step: int, length: int) -> Diagnosis | None:
    """A diagnosis that makes going on at G step `step` pointless: a hopeless one that has held for `length` steps."""
    ends = {kind.name for kind in CONDITIONS if kind.hopeless}
    return next((found for found in diagnoses if found.name in ends and step - found.step >= length), None)


# The definitions. Each finds the step since which it holds and the evidence, or nothing.

Found = tuple[int, str] | None


def _not_a_number(kind: Kind, record: Record) -> Found:
    if record.not_finite is None:
        return None
    step, what = record.not_finite
    return step, f"no finite number in the steps up to {step:,}: {what}"


def _saturated(kind: Kind, record: Record) -> Found:
    if not record.log_odds:
        return None
    steps, (real, fake) = record.curve("logit_real", "logit_fake")
    gap = real - fake
    if (since := _since(steps, gap >= kind.threshold)) is None:
        return None
    return (
        since,
        f"D's logits on real and fake have differed by {kind.threshold:g} or more since step {since:,}, now {gap[-1]:.3g}",
    )


def _vanished(kind: Kind, record: Record) -> Found:
    steps, (norm, real, fake) = record.curve("grad_norm_g", "logit_real", "logit_fake")
    if len(steps) < WINDOWS:
        return None
    first, gap = norm[:WINDOWS].max(), np.abs(real - fake)
    # Where D can't tell real from fake any more, G has arrived, and no gradient is what it should have.
    since = _since(steps, (norm < kind.threshold * first) & (gap >= gap.max() / 2))
    if since is None:
        return None
    return (
        since,
        f"the norm of G's gradient is {norm[-1]:.2g} and was {first:.2g} in the first {steps[WINDOWS - 1]:,} steps",
    )


def _collapsed(kind: Kind, record: Record) -> Found:
    if len(record.rows) < WINDOWS:
        return None
    begun = record.rows[WINDOWS - 1]["step"]  # before that, all that a generator makes may still be one grey blob
    known = [(s["step"], s["diversity"]) for s in record.snapshots if s.get("diversity") is not None]
    known = [(step, value) for step, value in known if step >= begun]
    low = list(_trailing(known, lambda value: value < kind.threshold))
    if len(low) < SNAPSHOTS:
        return None
    since, (_, now) = low[0][0], low[-1]
    return since, (
        f"two generated samples are {now:.2g} times as far apart as two real ones, "
        f"and have been less than {kind.threshold:g} times as far since step {since:,}"
    )


def _oscillates(kind: Kind, record: Record) -> Found:
    steps, (loss,) = record.curve("loss_g")
    if len(steps) > 2 and steps[-1] - steps[-2] != steps[1] - steps[0]:
        steps, loss = steps[:-1], loss[:-1]  # a window that the run's end has cut short
    steps, loss = steps[-(len(steps) // 2) :], loss[-(len(steps) // 2) :]
    if len(steps) < PERIODS * WINDOWS:
        return None
    rest = loss - np.polyval(np.polyfit(steps, loss, 1), steps)
    swing, third = 2 * np.sqrt(2) * rest.std(), len(rest) // 3
    if swing < SWING * np.abs(loss).mean() or rest[-third:].std() < rest[:third].std() / 2:
        return None
    lag, height = _period(rest)
    if height < kind.threshold:
        return None
    period = round(lag * float(np.diff(steps).mean()))
    return int(steps[0]), (
        f"G's loss repeats itself every {period:,} steps, by {swing:.2g} up and down "
        f"(autocorrelation {height:.2f} from one time to the next), at least since step {steps[0]:,}"
    )


def _diverged(kind: Kind, record: Record) -> Found:
    scored = [(s["step"], s["scores"][0]) for s in record.snapshots if s["scores"]]  # the headline
    # The larger, the worse.
    values = [
        (step, float(score["value"]) ** (1 if score.get("better", "lower") == "lower" else -1))
        for step, score in scored
        if score.get("scale") == "log" and score["value"] is not None and score["value"] > 0
    ]
    if len(values) < 2 * SNAPSHOTS:
        return None
    best_step, best = min(values, key=lambda entry: entry[1])
    jump = np.median(np.abs(np.diff(np.log([value for _, value in values]))))
    factor = max(kind.threshold, float(np.exp(JUMPS * jump)))
    lost = list(_trailing(values, lambda value: value >= factor * best))
    if len(lost) < SNAPSHOTS:
        return None
    since, (_, last) = lost[0][0], lost[-1]
    return since, f"{scored[-1][1]['label']} is {last / best:.3g} times as bad as at its best, at step {best_step:,}"


def _alarms(record: Record) -> Iterator[Diagnosis]:
    """What numbers tell by their alarms: each score has its own, and the latest one's holds for those before it too."""
    if len(record.rows) < WINDOWS:
        return
    begun = record.rows[WINDOWS - 1]["step"]  # before that, a generator is only on its way from noise
    series: dict[tuple[str, str], list[tuple[int, Mapping[str, Any]]]] = {}
    for snapshot in record.snapshots:
        for score in snapshot["scores"] if snapshot["step"] >= begun else ():
            if score["value"] is not None:
                series.setdefault((score["metric"], score["label"]), []).append((snapshot["step"], score))
    for scores in series.values():
        if alarm := scores[-1][1].get("alarm"):
            sounding = list(_trailing(scores, partial(_sounds, alarm)))
            if len(sounding) >= SNAPSHOTS:
                yield Diagnosis(alarm["name"], sounding[0][0], _evidence(alarm, sounding[-1][1]))


def _evidence(alarm: Mapping[str, Any], score: Mapping[str, Any]) -> str:
    """A score's value, and what its alarm says of it."""
    unit = score.get("unit")

    def told(value: float) -> str:
        return f"{value:.0%}" if unit == "share" else " ".join(filter(None, (f"{value:.3g}", unit)))

    said = f"{told(score['value'])} {alarm['evidence']}".replace("{label}", score["label"])
    for word in ("real", "usual"):
        if alarm.get(word) is not None:
            said = said.replace(f"{{{word}}}", told(alarm[word]))
    return said


def _sounds(alarm: Mapping[str, Any], score: Mapping[str, Any]) -> bool:
    """Whether a score has reached its alarm's threshold, and is surely on that side of what is usual."""
    sign, value = -1 if alarm["side"] == "below" else 1, score["value"]
    beyond = math.inf if alarm["usual"] is None else sign * (value - alarm["usual"])
    return sign * (value - alarm["threshold"]) >= 0 and beyond > ERRORS * (score.get("standard_error") or 0.0)


def _period(rest: np.ndarray) -> tuple[int, float]:
    """Lag and height of the highest peak of the autocorrelation (n,) after it was clearly negative; 0 where there is none.

    Only periods of which at least `PERIODS` fit are looked for.
    """
    n = len(rest)
    spectrum = np.abs(np.fft.rfft(rest, 2 * n)) ** 2
    sums = np.fft.irfft(spectrum)[: n // PERIODS + 1]
    correlation = sums / sums[0] * n / (n - np.arange(len(sums)))
    negative = np.flatnonzero(correlation < -0.3)
    again = np.flatnonzero(correlation[negative[0] :] > 0) if len(negative) else negative
    if not len(again):
        return 0, 0.0
    rises = int(negative[0] + again[0])
    lag = rises + int(correlation[rises:].argmax())
    return lag, float(correlation[lag])


def _since(steps: np.ndarray, holds: np.ndarray) -> int | None:
    """The step since which a condition on windows has held up to the last one, if that is long enough."""
    broken = np.flatnonzero(~holds)
    first = broken[-1] + 1 if len(broken) else 0
    return int(steps[first]) if len(steps) - first >= max(WINDOWS, SHARE * len(steps)) else None


def _trailing(values: Sequence[tuple[int, Value]], holds: Callable[[Value], bool]) -> Iterator[tuple[int, Value]]:
    """The last (step, value) pairs, as far back as all of them hold, in order."""
    first = next((i for i in range(len(values), 0, -1) if not holds(values[i - 1][1])), 0)
    yield from values[first:]


CONDITIONS: dict[Kind, Callable[[Kind, Record], Found]] = {
    Kind(
        "not a number",
        "A loss, an output of D, a gradient's norm or what a trick reports is no finite number; the run has failed.",
        0,
        "IEEE 754",
    ): _not_a_number,
    Kind(
        "discriminator saturated",
        "D is so sure that it learns nothing more: its mean logits on real and fake differ by the threshold or more, "
        "where logits are log odds (cross-entropy).",
        20,
        "Arjovsky & Bottou 2017, theorem 2.1 and figure 1",
        hopeless=True,
    ): _saturated,
    Kind(
        "generator's gradient vanished",
        "The norm of G's gradient is below this share of its largest in the first 10 windows, "
        "while D still tells real from fake.",
        1e-3,
        "Arjovsky & Bottou 2017, theorem 2.4 and figure 2",
        hopeless=True,
    ): _vanished,
    Kind(
        "mode collapse",
        "The geometric mean distance between generated samples is below this share of that between real ones.",
        0.4,
        "Odena et al. 2017, section 4.2",
        hopeless=True,
    ): _collapsed,
    Kind(
        "oscillation",
        "G's loss repeats itself without dying down: its autocorrelation comes back to the threshold in a later period.",
        0.7,
        "Mescheder et al. 2018, section 2",
    ): _oscillates,
    Kind(
        "divergence after the best snapshot",
        "The first metric, where it is told on a logarithmic scale, is worse than at its best snapshot by this factor, "
        "and three times as far from it as it usually jumps between snapshots.",
        2,
        "Lucic et al. 2018",
    ): _diverged,
}
KINDS = tuple(CONDITIONS)
