"""What a dataset was found to be, in words: what `plan`, `run`, `data` and the report say of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from gan_bench.api.reading import Reading
from gan_bench.console import one_line
from gan_bench.errors import shortened
from gan_bench.findings.settings_text import text
from gan_bench.store.documents import Dataset

if TYPE_CHECKING:
    from gan_bench.findings.tables import Results

LISTED = 12  # classes that are listed; of more, the largest and the smallest
ENDS = 3  # how many of these
EXAMPLES = 3  # names of what was left out
REASONS = 8  # for which samples were left out
UNEVEN = 10  # times as many samples in the largest class as in the smallest
NAME, EXAMPLE, VALUE = 60, 120, 200  # characters of a class's name, of a file's with a reason, and of a parameter
ASIDE = "the rest"  # what is as it was told of another


@dataclass(frozen=True)
class Told:
    """What is said of a dataset: nothing that a terminal would obey, and no line breaks."""

    title: str
    facts: list[tuple[str, str]]  # what of, and what is so
    unreadable: str = ""  # a sentence where samples could not be read

    @property
    def summary(self) -> str:
        """All of it in one paragraph."""
        return "; ".join([self.title, *(f"{name}: {fact}" for name, fact in self.facts)])


def told(dataset: Dataset, settings: Any = None) -> Told:
    """What is said of a dataset; `settings` are its parameters, as a cell has them."""
    training, held_out = dataset.chosen_of or dataset.training or 0, dataset.held_out or 0
    parameters = settings if isinstance(settings, Mapping) else {}
    own = [shortened(f"{key} {text(value)}", VALUE) for key, value in parameters.items() if key != "name"]
    shape = "x".join(map(str, dataset.shape)) or "unknown shape"
    what = f"points of {shape} numbers" if dataset.kind == "points" else f"samples of {shape}"
    title = f"{', '.join([dataset.name, *own])}: {training + held_out:,} {what}"
    facts = [("parts", f"{training:,} training, {held_out:,} held out")]
    if dataset.chosen_of is not None:
        chosen = "; ".join(dataset.chosen) or f"{dataset.training or 0:,} of these {training:,}"
        facts.append(("trained on", chosen))
    facts += [*_classes(dataset), *_read(dataset, held_out)]
    return Told(
        one_line(title),
        [(one_line(name), one_line(fact)) for name, fact in facts],
        one_line(_unreadable(dataset.reading)),
    )


def told_all(datasets: Iterable[tuple[Dataset, Any]]) -> list[Told]:
    """What is said of several: of those that were read as one before, only what is not the same."""
    known: list[tuple[Dataset, Told]] = []
    for dataset, settings in datasets:
        own = told(dataset, settings)
        same = next((other for before, other in known if _read_alike(before, dataset)), None)
        known.append((dataset, own))
        if same:
            facts = [fact for fact in own.facts if fact not in same.facts]
            known[-1] = dataset, replace(own, facts=[*facts, (ASIDE, "as above")], unreadable="")
    return [own for _, own in known]


def datasets_of(results: Results) -> list[tuple[str, Dataset, Any]]:
    """Each dataset of some stores, in the grids' order: a run that was trained on it, what its run.json says, its settings."""
    found: dict[str, tuple[str, Dataset, Any]] = {}
    for run in dict.fromkeys([*results.comparisons["run"], *results.documents]):
        document = results.documents.get(run)
        if document is None or document.dataset is None:
            continue
        dataset = document.dataset
        known = found.get(dataset.fingerprint)
        if known is None or (dataset.reading and not known[1].reading):  # one of before does not say how it was read
            found[dataset.fingerprint] = run, dataset, document.settings.get("dataset")
    return list(found.values())


def lines(datasets: Sequence[Told], width: int = 200) -> Iterator[str]:
    """For a terminal of this width: a title, and a line or more for each fact."""
    for one in datasets:
        yield from wrap(f"dataset {one.title}", width, subsequent_indent="  ", break_on_hyphens=False)
        column = 4 + max((len(name) for name, _ in one.facts), default=0)
        for name, fact in one.facts:
            head = f"  {name}".ljust(column)
            yield from wrap(head + fact, max(width, 2 * column), subsequent_indent=" " * column, break_on_hyphens=False)


def _read_alike(one: Dataset, other: Dataset) -> bool:
    return one.reading is not None and (one.name, one.shape, one.held_out, one.reading) == (
        *(other.name, other.shape, other.held_out),
        other.reading,
    )


def _classes(dataset: Dataset) -> Iterator[tuple[str, str]]:
    names, counts = [_name(name) for name in dataset.classes or ()], dataset.class_counts
    if not names:
        return
    if counts is None or {len(counts.training), len(counts.held_out)} != {len(names)}:
        rest = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
        yield "classes", f"{len(names):,}: {', '.join(names[:LISTED])}{rest}"
        return
    entries = list(zip(names, counts.training, counts.held_out, strict=True))
    order = sorted(entries, key=lambda entry: -entry[1] - entry[2])
    if len(entries) <= LISTED:
        told = f"{len(names)}, training + held out: {_counted(entries)}"
    else:
        told = f"{len(names):,}, training + held out: {_counted(order[:ENDS])} to {_counted(order[-ENDS:])}"
    trained = (dataset.training or 0) - sum(counts.training), (dataset.held_out or 0) - sum(counts.held_out)
    if any(number > 0 for number in trained):
        told += f"; without a class {trained[0]:,} + {trained[1]:,}"
    yield "classes", told + _balance(counts.training)


def _counted(entries: Iterable[tuple[str, int, int]]) -> str:
    return ", ".join(f"{name} ({training:,} + {held_out:,})" for name, training, held_out in entries)


def _balance(counts: Sequence[int]) -> str:
    """What should be known of how many training samples the classes have; "" where they have about as many."""
    least, most = min(counts), max(counts)
    if least < 2 <= most:
        few = sum(count == least for count in counts)
        having = "no training sample" if not least else "one training sample"
        return f"; {_many(few, 'class has', 'classes have')} {having}"
    if least and most / least >= UNEVEN:
        return f"; very uneven: the largest has {most // least:,} times as many training samples as the smallest"
    return ""


def _read(dataset: Dataset, held_out: int) -> Iterator[tuple[str, str]]:
    reading = dataset.reading
    if reading is None:
        yield "read", "how is not known: it was not kept then"
        return
    ranges = {
        kind: "to".join(dict.fromkeys(f" {_number(end)} " for end in ends)).strip()
        for kind, ends in reading.ranges.items()
    }
    if {"width", "height"} <= ranges.keys():
        yield "sizes", f"{ranges.pop('width')} wide, {ranges.pop('height')} high"
    read = reading.found - sum(one.count for one in reading.left_out if one.reason == "unreadable")
    for kind, counts in reading.counts.items():
        more = reading.different.get(kind, 0) - len(counts)
        values = [f"{_name(value)} ({count:,})" if count != read else _name(value) for value, count in counts.items()]
        yield (
            kind if kind.endswith(("s", "y")) else f"{kind}s",
            ", ".join(values) + (f" and {more:,} more" if more > 0 else ""),
        )
    yield from ranges.items()
    if reading.notes:
        yield "taken", " ".join(reading.notes)
    if reading.treatment:
        yield "each sample", reading.treatment
    if reading.left_out:
        reasons = [f"{one.count:,} {one.reason}{_examples(one.examples, one.count)}" for one in reading.left_out]
        if len(reasons) > REASONS:
            reasons[REASONS:] = [f"and for {len(reasons) - REASONS} more reasons"]
        yield "left out", "; ".join(reasons)
    if equal := reading.equal:
        are = "is" if equal.across == 1 else "are"
        across = f"{equal.across:,} of {held_out:,} held-out samples {are} equal to a training sample"
        parts = {
            f"{_many(equal.training, 'training sample is', 'training samples are')} equal to another": equal.training,
            f"{_many(equal.held_out, 'held-out sample is', 'held-out samples are')} equal to another": equal.held_out,
            across: equal.across,
        }
        if any(parts.values()):
            yield "equal", "; ".join(part for part, count in parts.items() if count)
    if (near := reading.near) and near.count:
        are = "is" if near.count == 1 else "are"
        looked = f"{near.count:,} of {near.looked_at:,} held-out samples {are} nearly a training sample"
        yield "near", f"{looked} (a correlation of {near.correlation:g} at least)"


def _unreadable(reading: Reading | None) -> str:
    lost = next((one for one in reading.left_out if one.reason == "unreadable"), None) if reading else None
    if reading is None or lost is None:
        return ""
    return f"{lost.count:,} of {reading.found:,} samples can't be read and are left out{_examples(lost.examples, lost.count)}."


def _examples(names: Sequence[str], count: int) -> str:
    shown = [shortened(one_line(name), EXAMPLE) for name in names[:EXAMPLES]]
    if count > len(shown) and shown:
        shown.append(f"and {count - len(shown):,} more")
    return f" ({'; '.join(shown)})" if shown else ""


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _number(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) and value == int(value) else f"{value:g}"


def _name(name: str) -> str:
    return shortened(one_line(name), NAME)
