"""What a notebook shows of results in a cell's output: answers, their numbers and pictures, without a script."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gan_bench.findings.answers import Answer, answer
from gan_bench.findings.compare import compare
from gan_bench.findings.comparisons import Comparison, Value
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.tables import Results
from gan_bench_reports import png
from gan_bench_reports.exports import findings, level_name, seeds_text
from gan_bench_reports.gallery import exhibits
from gan_bench_reports.page import template
from gan_bench_reports.pictures import first, pitch_of, read_png, size_of

STATUSES = ("finished", "unfinished", "failed", "damaged")
QUESTIONS, LEVELS, SENTENCES, PICTURES = 8, 12, 40, 8  # that are shown of many
SAMPLES = 6, 4  # of a picture: columns and rows
SIDE = 160  # CSS pixels that a picture is wide
HEAVY = 300_000  # bytes of a picture that is left out, for the notebook's file keeps it


@dataclass(frozen=True)
class Row:
    """A level."""

    name: str
    values: list[tuple[Value, str]]  # of each score: at the last snapshot, and the verdict on its difference
    seeds: str


@dataclass(frozen=True)
class Question:
    """A comparison."""

    title: str
    answer: Answer
    scores: list[ScoreColumn]  # that are tested
    levels: list[Row]
    more: int  # levels that are left out
    sentences: list[str]
    unsaid: int  # of these


@dataclass(frozen=True)
class Shot:
    """Samples of a cell."""

    label: str
    about: str
    url: str


def inline(results: Results) -> str:
    """A piece of HTML, of some 100 kB at most but for its pictures."""
    comparisons = compare(results)
    return template("inline.html").render(
        titles=[grid.name for grid in results.grids.values()],
        statuses={status: n for status in STATUSES if (n := int((results.runs["status"] == status).sum()))},
        causes=results.runs.loc[results.runs["reason"] != "", "reason"].value_counts().head(3).to_dict(),
        questions=[_question(comparison) for comparison in comparisons[:QUESTIONS]],
        more=max(0, len(comparisons) - QUESTIONS),
        shots=_shots(results, comparisons),
        side=SIDE,
    )


def _question(comparison: Comparison) -> Question:
    said = answer(comparison)
    shown = comparison.levels[:LEVELS]
    verdicts = {
        (id(entry.level), column.label): entry.verdict
        for column in comparison.headlines
        for entry in comparison.differences[column.label]
    }
    rows = [
        Row(
            level_name(level),
            [
                (level.values[column.label]["last"], verdicts.get((id(level), column.label), ""))
                for column in comparison.headlines
            ],
            seeds_text(level),
        )
        for level in shown
    ]
    more, sentences = len(comparison.levels) - len(shown), findings(comparison)
    unsaid = max(0, len(sentences) - SENTENCES)
    return Question(comparison.title, said, comparison.headlines, rows, more, sentences[:SENTENCES], unsaid)


def _shots(results: Results, comparisons: list[Comparison]) -> list[Shot]:
    """The first of those cells that have a picture."""
    paths = {(run, step): path for run, step, path in results.pictures.itertuples(index=False)}
    found = (
        (one.label, moment.run, moment.seed, moment.step)
        for one in exhibits(results, comparisons)
        if (moment := one.best or one.last)
    )
    shots = (
        Shot(label, f"seed {seed}, step {step}", url)
        for label, run, seed, step in (found if comparisons else _alone(results))
        if (url := _url(paths[run, step], results, run))
    )
    return list(islice(shots, PICTURES))


def _alone(results: Results) -> Iterator[tuple[str, str, int, int]]:
    """Of a grid without comparisons: each run's last picture."""
    runs = results.runs.set_index("run")
    for run, table in results.pictures.groupby("run"):
        yield runs.at[run, "cell"], str(run), runs.at[run, "seed"], table["step"].max()


def _url(path: Path, results: Results, run: str) -> str:
    """A picture's first samples; empty where it is none, or heavy."""
    content, document = read_png(path), results.documents[run]
    if content is None:
        return ""
    size = size_of(content)
    window = first(pitch_of(size, document.dataset.as_json() if document.dataset else {}), size, *SAMPLES)
    try:
        content = png.first_samples(content, window) if window != size else content
    except ValueError:
        return ""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}" if len(content) <= HEAVY else ""
