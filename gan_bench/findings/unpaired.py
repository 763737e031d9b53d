"""Why no seed has a score in both of two levels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gan_bench.findings.comparisons import Level
from gan_bench.findings.score_columns import ScoreColumn, unequal_fields
from gan_bench.findings.settings_text import flatten, text

MOST_FIELDS = 3  # of a protocol that are named


def why_unpaired(
    both: Sequence[Level], column: ScoreColumn, columns: Iterable[ScoreColumn], scored: Collection[tuple[str, str]]
) -> tuple[str, ...]:
    """A clause for each reason: runs that failed, have not ended, have no score, or have it under another protocol.

    `columns` are all of the store, `scored` the runs with the labels of the columns in which they have an entry.
    """
    reasons = [reason for level in both for reason in _reasons(level, column, columns, scored)]
    return tuple(reasons) or (f"no seed is in both {both[0].label} and {both[1].label}",)


def _reasons(
    level: Level, column: ScoreColumn, columns: Iterable[ScoreColumn], scored: Collection[tuple[str, str]]
) -> list[str]:
    finished = [level.runs[seed] for seed in level.seeds["finished"]]
    has = level.values[column.label]["last"].n if column.label in level.values else 0
    reasons = [
        f"{_many(seeds, level)} {verb}"
        for seeds, verb in (
            (len(level.seeds["failed"]), "failed"),
            (len(level.missing), f"ha{'ve' if len(level.runs) > 1 else 's'} not ended yet"),
        )
        if seeds
    ]
    if len(finished) > has:
        others = [
            other
            for other in columns
            if other is not column and other.is_as(column) and any((run, other.label) in scored for run in finished)
        ]
        if any((run, column.label) in scored for run in finished) or not others:
            reasons.append(f"{_many(len(finished) - has, level)} ha{'ve' if len(level.runs) > 1 else 's'} no score")
        else:
            reasons.append(f"that of {level.label} follows another protocol ({_unlike(others[0], column)})")
    return reasons


def _many(seeds: int, level: Level) -> str:
    return f"{'all' if seeds == len(level.runs) else f'{seeds} of'} {len(level.runs)} seeds of {level.label}"


def _unlike(one: ScoreColumn, other: ScoreColumn) -> str:
    """In what two protocols differ: `real 360 instead of 720`."""
    fields = unequal_fields([one.protocol, other.protocol])
    values = [flatten(column.protocol) for column in (one, other)]
    told = [
        "other data"
        if name == "dataset"
        else f"{name} {' instead of '.join(_short(text(own.get(name, 'none'))) for own in values)}"
        for name in fields[:MOST_FIELDS]
    ]
    return ", ".join(told) + (f" and {len(fields) - MOST_FIELDS} more" if len(fields) > MOST_FIELDS else "")


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:12]}…"
