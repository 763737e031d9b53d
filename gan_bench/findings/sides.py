"""The short answer by several headlines: which level is better at what, and how sure that is.

A distance adds what is wrong with the samples' quality to what is wrong with their diversity, and two levels that fail in
opposite ways come out alike. So what is told of each side is said first, and a distance where neither side is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from gan_bench.findings.comparisons import Comparison, Difference, Level
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.sentences import amount, interval_text, no_percent, value_text

Standing = Literal["better", "mixed", "worse", "no difference can be told", "not tested"]

ADJECTIVES = {  # of samples, where the level is better, and where it is worse
    "quality": ("better", "worse"),
    "diversity": ("more varied", "less varied"),
    "distance": ("nearer to the data", "farther from the data"),
}


class Sides:
    """What the headlines say of one level beside the reference."""

    def __init__(self, comparison: Comparison, tests: Sequence[Difference]) -> None:
        self.level: Level = tests[0].level
        self.reference = comparison.reference
        self.tests = list(zip(comparison.headlines, tests, strict=True))
        self.told = [(column, test) for column, test in self.tests if test.verdict in ("better", "worse")]

    @property
    def standing(self) -> Standing:
        """All that is told of it together."""
        verdicts = {test.verdict for _, test in self.told}
        if len(verdicts) > 1:
            return "mixed"
        if verdicts:
            return "better" if "better" in verdicts else "worse"
        tested = any(test.verdict == "no difference can be told" for _, test in self.tests)
        return "no difference can be told" if tested else "not tested"

    @property
    def said(self) -> list[tuple[ScoreColumn, Difference]]:
        """What is told of quality and of diversity, each by its first headline; else of a distance, else of any."""
        first: dict[str | None, tuple[ScoreColumn, Difference]] = {}
        for column, test in self.told:
            first.setdefault(column.side, (column, test))
        both = [first[side] for side in ("quality", "diversity") if side in first]
        return both or list(first.values())[:1]

    @property
    def failed(self) -> bool:
        """Whether it is told by runs that failed alone: there are no samples then to be called anything."""
        return bool(self.told) and not any(test.finding.n for _, test in self.told)

    @property
    def adjectives(self) -> str:
        """`worse but more varied`, `better by CS[classifier]`; empty where nothing is told."""
        if self.failed:
            return self.told[0][1].verdict
        words = [_adjective(column, test) for column, test in self.said]
        alike = len({test.verdict for _, test in self.said}) < 2
        return (" and " if alike else " but ").join(words)

    @property
    def does(self) -> str:
        """The same as what the level does: `draws worse but more varied samples`."""
        column = self.said[0][0]
        if column.side is None or self.failed:
            return f"is {self.adjectives}"
        return f"draws samples {self.adjectives}" if column.side == "distance" else f"draws {self.adjectives} samples"

    def sizes(self) -> str:
        """By which numbers, by how much, and by which nothing can be told."""
        if self.failed:
            return f"{' and '.join(self.told[0][1].unpaired)}."
        said = self.said
        rest = [(column, test) for column, test in self.tests if (column, test) not in said]
        parts = [f"{_both(column, self.level, self.reference)}{_size(test)}" for column, test in said]
        words = " and ".join(parts)
        for column, test in rest:
            if test.verdict in ("better", "worse"):
                favoured = self.level if test.verdict == "better" else self.reference
                words += f"; {column.label} favours {favoured.label}{_size(test)}"
        if untold := [column.label for column, test in rest if test.verdict == "no difference can be told"]:
            words += f"; no difference can be told in {' and '.join(untold)}"
        return f"{words}. {self.seeds()}"

    def so_far(self) -> str:
        """All headlines' differences, where none is told."""
        return "; ".join(
            f"{_both(column, self.level, self.reference)}{_size(test)}" for column, test in self.tests if test.finding.n
        )

    def seeds(self) -> str:
        """How many pairs of runs this rests on."""
        numbers = sorted({test.finding.n for _, test in self.tests})
        failed = max(sum(test.finding.failures) for _, test in self.tests)
        few = f"{numbers[0]} to " if len(numbers) > 1 else ""
        text = f"{few}{numbers[-1]} seed{'s' if numbers[-1] != 1 else ''}"
        return f"{text}, {failed} more failed." if failed else f"{text}."


def _adjective(column: ScoreColumn, test: Difference) -> str:
    better = test.verdict == "better"
    if column.side is None:
        return f"{'better' if better else 'worse'} by {column.label}"
    return ADJECTIVES[column.side][0 if better else 1]


def _both(column: ScoreColumn, level: Level, reference: Level) -> str:
    """`precision[random] 0.41 against 0.72`."""
    means = [one.values[column.label]["last"].mean for one in (level, reference)]
    if not all(map(math.isfinite, means)):
        return column.label
    return f"{column.label} {value_text(means[0])} against {value_text(means[1])}"


def _size(test: Difference) -> str:
    """`, −0.31 (95 % interval −0.35 to −0.27)`."""
    finding = test.finding
    if any(finding.failures):
        return ", because runs failed" if test.verdict in ("better", "worse") else ", where both succeed"
    interval = f" (95 % interval {interval_text(finding)})" if finding.interval else ""
    return f", {amount(finding, finding.mean)}{interval}{no_percent(finding)}" if finding.n else ""
