"""The comparisons of one or more stores; those that ask the same in stores that agree become one, with the seeds of all.

Stores agree on a comparison where the runs of every level that both have are made alike (settings, plugin sources, data and
length: what makes a run's identity, its seed excepted) and their scores follow one protocol. Else they stay apart, and it is
said why. Versions and hardware may differ, as within a store; that is said too. Of a run that several stores hold one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gan_bench.findings.settings_text import flatten, text
from gan_bench.findings.tables import Results, run_key
from gan_bench.store.documents import RunSession
from gan_bench.store.grid_json import GridComparison, GridLevel

ENDED = ("finished", "failed")


@dataclass
class Question:
    """A comparison as grid.json has it, but with runs by their keys."""

    stores: list[str]
    asked: GridComparison
    parts: list[Question] = field(default_factory=list)  # of which it was made; of one store each
    beside: list[Question] = field(default_factory=list)  # one a store that asks the same, whether pooled or not
    apart: str = ""  # why it is not pooled with an equal one of another store
    notes: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)  # runs that do not count, for another store's copy does

    def runs(self) -> Iterator[tuple[GridLevel, int, str]]:
        """Each level, seed and run."""
        for level in self.asked.levels:
            for seed, run in level.runs.items():
                yield level, seed, run


def questions(results: Results) -> list[Question]:
    """All comparisons, store by store, in the grid's order, equal ones together."""
    alike: dict[tuple[Any, ...], list[Question]] = {}
    every: list[Question] = []
    for store, grid in results.grids.items():
        for comparison in grid.comparisons:
            question = Question([store], _with_keys(comparison, store, results))
            key = (comparison.title, tuple(comparison.axes), comparison.budget)
            alike.setdefault(key, []).append(question)
            every.append(question)
    if len(results.grids) < 2:
        return every
    facts = _Facts(results)
    found: list[Question] = []
    for group in alike.values():
        found += _pooled(group, facts) if len({question.stores[0] for question in group}) == len(group) else group
    return found


def _with_keys(comparison: GridComparison, store: str, results: Results) -> GridComparison:
    keys = [
        {seed: run_key(run, store, results.stores) for seed, run in level.runs.items()} for level in comparison.levels
    ]
    return _with_levels(comparison, list(zip(comparison.levels, keys, strict=True)))


def _with_levels(comparison: GridComparison, levels: list[tuple[GridLevel, dict[int, str]]]) -> GridComparison:
    """The comparison with other levels, and those with other runs."""
    return comparison.model_copy(update={"levels": [level.model_copy(update={"runs": runs}) for level, runs in levels]})


def _pooled(group: list[Question], facts: _Facts) -> list[Question]:
    """The questions of a group, those that agree made one."""
    pools: list[list[Question]] = []
    reasons: list[str] = []
    for question in group:
        against = [facts.why_apart(pool[0], question) for pool in pools]
        if "" in against:
            pools[against.index("")].append(question)
        else:
            pools.append([question])
            reasons.append(against[0] if against else "")
    merged = [pool[0] if len(pool) == 1 else facts.merge(pool) for pool in pools]
    for question, reason in zip(merged, reasons, strict=True):
        question.apart = reason or next(filter(None, reasons), "")
        question.beside = group if len(group) > 1 else []
    return merged


class _Facts:
    """What the runs of several stores say of themselves."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.status = dict(zip(results.runs["run"], results.runs["status"], strict=True))
        self.titles = {(column.metric, column.protocol_id): column.title for column in results.scores}
        scores = results.snapshots[["run", "metric", "protocol_id"]].drop_duplicates()
        self.protocols = {
            run: set(table[["metric", "protocol_id"]].itertuples(index=False, name=None))
            for run, table in scores.groupby("run")
        }

    def why_apart(self, one: Question, other: Question) -> str:
        """Why two questions can't be made one; "" where they can."""
        if one.asked.looks or other.asked.looks:
            return (
                "seeds were added after looks at the findings (--until-settled), which is tested in its own store alone"
            )
        references = [next((lv.label for lv in q.asked.levels if lv.reference), "") for q in (one, other)]
        if references[0] != references[1]:
            return f"the reference is {references[0]} in one and {references[1]} in the other"
        levels = {level.label: level for level in one.asked.levels}
        for level in other.asked.levels:
            if level.label in levels and (why := self._unlike(one, levels[level.label], other, level)):
                return why
        protocols = [
            {pair for _, _, run in question.runs() for pair in self.protocols.get(run, ())} for question in (one, other)
        ]
        for metric in sorted({m for m, _ in protocols[0]} & {m for m, _ in protocols[1]}):
            ids = [{pair for pair in own if pair[0] == metric} for own in protocols]
            if ids[0] != ids[1]:
                told = [" and ".join(sorted(f"{self.titles[pair]}, protocol {pair[1]}" for pair in own)) for own in ids]
                return f"its scores follow another protocol ({told[0]}; {told[1]})"
        return ""

    def _unlike(self, one: Question, first: GridLevel, other: Question, second: GridLevel) -> str:
        """In what the runs of a level differ from store to store."""
        label = first.label
        one_made, other_made = self._made(one, first), self._made(other, second)
        if one_made is None or other_made is None:
            return ""
        for name in dict.fromkeys([*one_made, *other_made]):
            values = [text(made.get(name, "not there")) for made in (one_made, other_made)]
            if values[0] != values[1]:
                return f"{name} of {label} is {_short(values[0])} in one and {_short(values[1])} in the other"
        for seed in first.runs.keys() & second.runs.keys():
            identities = {self.results.documents[level.runs[seed]].identity for level in (first, second)}
            if len(identities - {""}) > 1:
                return f"seed {seed} of {label} is another run: its identity differs"
        return ""

    def _made(self, question: Question, level: GridLevel) -> dict[str, Any] | None:
        """What makes a level's runs, seeds apart; None before any of them has begun."""
        for run in level.runs.values():
            document = self.results.documents[run]
            if settings := document.settings:
                flat = flatten({key: value for key, value in settings.items() if key != "dataset"})
                data = {"dataset": document.dataset.fingerprint if document.dataset else None}
                sources = {
                    f"the source of the {plugin.kind} {plugin.name}": plugin.source
                    for plugin in document.plugins
                    if plugin.kind != "dataset"
                }
                asked = self.results.grids[question.stores[0]].runs.get(run.rpartition("/")[2])
                length = asked.steps if asked else document.total_steps
                return {**flat, **data, **sources, "the length in steps": length}
        return None

    def merge(self, pool: list[Question]) -> Question:
        """One question with the levels and seeds of all.

        Of each seed all levels' runs are of one store where that can be, the one with most of them finished, so that a pair
        was trained in one place.
        """
        merged = Question([store for question in pool for store in question.stores], pool[0].asked, pool)
        labels = dict.fromkeys(level.label for question in pool for level in question.asked.levels)
        by_place: dict[tuple[str, int], list[tuple[int, str]]] = {}  # by level and seed: number of the store, run
        finished: dict[tuple[int, int], int] = {}  # by seed and store
        for i, question in enumerate(pool):
            for level, seed, run in question.runs():
                by_place.setdefault((level.label, seed), []).append((i, run))
                finished[seed, i] = finished.get((seed, i), 0) + (self.status[run] == "finished")
        chosen: dict[str, dict[int, str]] = {label: {} for label in labels}
        for (label, seed), runs in sorted(by_place.items(), key=lambda place: place[0][1]):
            best = min(runs, key=lambda one, s=seed: (self.status[one[1]] not in ENDED, -finished[s, one[0]], one[0]))  # type: ignore[misc]
            chosen[label][seed] = best[1]
            merged.doubles += [run for _, run in runs if run != best[1]]
        levels = {level.label: level for question in reversed(pool) for level in question.asked.levels}
        merged.asked = _with_levels(merged.asked, [(levels[label], runs) for label, runs in chosen.items()])
        merged.notes = self._notes(merged)
        return merged

    def _notes(self, merged: Question) -> list[str]:
        counts = dict.fromkeys(merged.stores, 0)
        places: dict[str, set[str]] = {store: set() for store in merged.stores}
        for _, _, run in merged.runs():
            store = run.rpartition("/")[0]
            counts[store] += 1
            for session in self.results.documents[run].sessions:
                places[store].add(_place(session))
        notes = [
            f"Pooled over {len(counts)} stores: {', '.join(f'{n} runs of {store}' for store, n in counts.items())}."
        ]
        if merged.doubles:
            n = len(merged.doubles)
            notes.append(
                f"{n} run{'s are' if n > 1 else ' is'} in more than one store and count{'' if n > 1 else 's'} once."
            )
        known = {store: place for store, place in places.items() if place}
        if len(set(map(frozenset, known.values()))) > 1:
            told = "; ".join(f"{store}: {' and '.join(sorted(place))}" for store, place in known.items())
            notes.append(f"They were trained in different places ({told}), which may shift scores a little.")
        return notes


def _place(session: RunSession) -> str:
    """Versions and hardware of a session, in words."""
    parts = [f"{name} {version}" for name, version in session.versions.items() if name != "python"]
    parts += [text(value) for name, value in session.hardware.items() if name in ("processor", "gpu")]
    return ", ".join(parts)


def _short(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:12]}…"


def stores_of(runs: Sequence[str]) -> dict[str, int]:
    """How many of these runs each store has, in a table of several stores."""
    counts: dict[str, int] = {}
    for run in runs:
        store = run.rpartition("/")[0]
        counts[store] = counts.get(store, 0) + 1
    return counts
