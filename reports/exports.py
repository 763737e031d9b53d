"""What the report says, for scripts and papers: Markdown, LaTeX (booktabs) and CSV, without a browser.

The page's own buttons (scripts/take.js) escape in the same way. Markdown and LaTeX hold each comparison's answer, findings and
table of levels; CSV has one row for each comparison, level and score, with numbers as they are.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_bench.findings.answers import Answer, answer
from gan_bench.findings.compare import SIZES, compare
from gan_bench.findings.comparisons import Comparison, Difference, Level
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.sentences import amount, interval_text
from gan_bench.findings.stand_ins import sentences
from gan_bench.findings.tables import load
from gan_bench.findings.told import datasets_of, told_all
from gan_bench_reports.formats import count, duration, number, scaled, spread

FLOOR = "Real training data"
WIDEST = 90  # characters in a row of a LaTeX table
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"  # a table that is too wide is set smaller
TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"{\char34}",
    # At the beginning of a row these would be taken for arguments of the row before.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "≠": r"$\neq$",
    "–": "--",
    "’": "'",
    "\u00a0": "~",
    "\u202f": r"\,",
}


@dataclass(frozen=True)
class Column:
    """One column of the table of levels, as it is shown."""

    group: str  # what stands over it and its neighbours; empty where nothing does
    name: str
    text: Callable[[Level], str]
    best: Callable[[Level], bool] = lambda level: False
    floor: str = ""


def export(stores: list[Path], format: str) -> str:
    """The findings and tables of the stores in the format "md", "tex" or "csv"."""
    results = load(*stores)
    data = told_all((dataset, settings) for _, dataset, settings in datasets_of(results)) if format == "md" else []
    about = "".join(f"Data: {markdown_text(one.summary)}.\n\n" for one in data)
    return about + FORMATS[format](compare(results), sentences(results))


def markdown(comparisons: Sequence[Comparison], plugins: Mapping[str, str]) -> str:
    """GitHub's Markdown: a section for each comparison. `plugins` is what is said of each store's."""
    said = "".join(f"{markdown_text(store)}: {markdown_text(line)}.\n\n" for store, line in plugins.items())
    return said + "\n".join(_markdown_section(comparison) for comparison in comparisons)


def _markdown_section(comparison: Comparison) -> str:
    columns = table_columns(comparison)
    said = answer(comparison)
    lines = [
        f"## {markdown_text(comparison.title)}",
        "",
        f"**{markdown_text(said.lead)}**{_rest(said, markdown_text)}",
        "",
    ]
    lines += [markdown_text(line) + "\n" for line in _about(comparison)]
    lines += [f"- {markdown_text(sentence)}" for sentence in findings(comparison)]

    def row(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    lines += ["", row(["Level", *(markdown_text(", ".join(filter(None, (c.group, c.name)))) for c in columns)])]
    lines.append(row([":---", *("---:" for _ in columns)]))
    for level in comparison.levels:
        cells = (
            f"**{markdown_text(c.text(level))}**" if c.best(level) else markdown_text(c.text(level)) for c in columns
        )
        lines.append(row([markdown_text(level_name(level)), *cells]))
    if comparison.real:
        lines.append(row([FLOOR, *(markdown_text(c.floor) for c in columns)]))
    return "\n".join([*lines, ""])


def _rest(said: Answer, escape: Callable[[str], str]) -> str:
    """What follows an answer's lead; escaping strips the space that may stand between them."""
    return f"{' ' if said.rest.startswith(' ') else ''}{escape(said.rest)}"


def latex(comparisons: Sequence[Comparison], plugins: Mapping[str, str]) -> str:
    """To be read by `input` in a document that uses the packages named at its top: findings and a table for each comparison."""
    said = "".join(f"{latex_text(store)}: {latex_text(line)}.\n\n" for store, line in plugins.items())
    sections = "\n".join(_latex_section(comparison) for comparison in comparisons)
    return "% Needs \\usepackage{booktabs,graphicx}\n" + said + sections


def _latex_section(comparison: Comparison) -> str:
    said = answer(comparison)
    lines = [
        f"\\paragraph{{{latex_text(comparison.title)}}}",
        f"\\textbf{{{latex_text(said.lead)}}}{_rest(said, latex_text)}",
        "",
    ]
    lines += [latex_text(line) + "\n" for line in _about(comparison)]
    if sentences := findings(comparison):
        lines += [
            "\\begin{itemize}",
            *(f"  \\item {latex_text(sentence)}" for sentence in sentences),
            "\\end{itemize}",
            "",
        ]
    tables = [_latex_table(comparison, part, " (continued)" if i else "") for i, part in enumerate(_parts(comparison))]
    return "\n".join([*lines, *tables, ""])


def _parts(comparison: Comparison) -> list[list[Column]]:
    """The columns table by table, each about as wide as a page of paper; a group is never parted."""
    parts: list[list[Column]] = []
    room = 0
    for _, group in itertools.groupby(table_columns(comparison), lambda column: column.group or column.name):
        together = list(group)
        width = sum(max(len(c.name), *(len(c.text(level)) for level in comparison.levels)) for c in together)
        if width > room:
            parts.append([])
            room = WIDEST - max(len(level_name(level)) for level in comparison.levels)
        parts[-1] += together
        room -= width
    return parts


def _latex_table(comparison: Comparison, columns: Sequence[Column], continued: str) -> str:
    def row(cells: Iterable[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    lines = ["\\begin{table}", "\\centering", f"\\caption{{{latex_text(comparison.title + continued)}}}", FITTED]
    lines += [f"\\begin{{tabular}}{{l{'r' * len(columns)}}}", "\\toprule", *_latex_groups(columns)]
    lines += [row(["Level", *(latex_text(column.name) for column in columns)]), "\\midrule"]
    for level in comparison.levels:
        cells = (
            f"\\textbf{{{latex_text(c.text(level))}}}" if c.best(level) else latex_text(c.text(level)) for c in columns
        )
        lines.append(row([latex_text(level_name(level)), *cells]))
    if comparison.real and any(column.floor for column in columns):
        lines += ["\\midrule", row([FLOOR, *(latex_text(column.floor) for column in columns)])]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}}", "\\end{table}"])


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    """The head's upper row, and the rules under it."""
    cells, rules, at = [""], [], 2
    for i, column in enumerate(columns):
        if column.group and i and columns[i - 1].group == column.group:
            continue
        span = sum(1 for other in columns if other.group == column.group) if column.group else 1
        cells.append(f"\\multicolumn{{{span}}}{{c}}{{{latex_text(column.group)}}}" if span > 1 else "")
        rules += [f"\\cmidrule(lr){{{at}-{at + span - 1}}}"] if span > 1 else []
        at += span
    return [f"{' & '.join(cells)} \\\\", "".join(rules)] if rules else []


def table_columns(comparison: Comparison) -> list[Column]:
    """The columns beside the level's name."""
    columns = []
    for score in comparison.scores:
        floor = number(comparison.real[score.label][0]) if score.label in comparison.real else "–"
        columns += [_score(score, moment, floor if moment == "last" else "") for moment in ("last", "best")]
    columns += [_verdicts(comparison, score) for score in comparison.headlines]
    columns += [Column("", "Seeds", seeds_text), Column("", "Health", _health)]
    for group, size, told in (("Parameters", "parameters", count), ("FLOPs an image", "flops", scaled)):
        for net in ("generator", "discriminator"):
            columns.append(Column(group, net[0].upper(), _number(f"{net}_{size}", told)))
    columns.append(Column("", "Training time", _number("seconds", duration)))
    columns.append(Column("", "Images/s", _number("images_per_second", count)))
    if any(level.numbers["peak_memory"] is not None for level in comparison.levels):
        columns.append(Column("", "Peak memory", _number("peak_memory", lambda value: scaled(value, "B"))))
    return columns


def _score(score: ScoreColumn, moment: str, floor: str) -> Column:
    def text(level: Level) -> str:
        value = level.values[score.label][moment]
        return spread(value.mean, value.deviation)

    return Column(score.title, f"{moment} snapshot", text, lambda level: level.values[score.label][moment].best, floor)


def _verdicts(comparison: Comparison, score: ScoreColumn) -> Column:
    """The differences by one headline, which is named where there are several."""
    found = {id(entry.level): entry for entry in comparison.differences[score.label]}
    name = f"Difference in {score.label}" if len(comparison.headlines) > 1 else "Difference"
    return Column("", name, lambda level: _difference(found.get(id(level))))


def _number(name: str, told: Callable[[float | None], str]) -> Callable[[Level], str]:
    return lambda level: told(level.numbers[name])


def seeds_text(level: Level) -> str:
    """How many have finished, and what is missing."""
    return f"{len(level.seeds['finished'])}{f' ({level.troubled})' if level.troubled else ''}"


def _health(level: Level) -> str:
    return ", ".join(f"{n} {name}" for name, n in level.health.items())


def _difference(entry: Difference | None) -> str:
    if entry is None or not entry.finding.n:
        return "–" if entry else ""
    finding = entry.finding
    interval = f" ({interval_text(finding)})" if finding.interval else ""
    return f"{amount(finding, finding.mean)}{interval}, {entry.verdict}"


def level_name(level: Level) -> str:
    """Its label, marked where others are compared with it."""
    return f"{level.label}{' (reference)' if level.reference else ''}"


def _about(comparison: Comparison) -> list[str]:
    """Where the runs come from, if several stores ask the same."""
    if not comparison.beside:
        return []
    apart = [f"Not pooled with the same question of another store: {comparison.apart}."] if comparison.apart else []
    return [" ".join([f"Runs of {comparison.store}.", *comparison.notes, *apart])]


def findings(comparison: Comparison) -> list[str]:
    """A sentence for every difference and effect."""
    sentences = [entry.sentence for column in comparison.scores for entry in comparison.differences[column.label]]
    return [*sentences, *(effect.sentence for effect in comparison.effects)]


def tidy_csv(comparisons: Sequence[Comparison], plugins: Mapping[str, str]) -> str:
    """One row for each comparison, level and score. Differences are in percent where `difference_unit` says so."""
    rows = []
    for comparison in comparisons:
        said = "; ".join(plugins[store] for store in comparison.stores if store in plugins)
        rows += [{**row, "plugins": said} for row in _csv_rows(comparison)]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else ["comparison", "level"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_value(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def _csv_rows(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for level in comparison.levels:
        found = {
            label: next((e for e in entries if e.level is level), None)
            for label, entries in comparison.differences.items()
        }
        scores: list[ScoreColumn | None] = [*comparison.scores] or [None]
        for score in scores:
            rows.append(_csv_row(comparison, level, score, found.get(score.label) if score else None))
    return rows


def _csv_row(
    comparison: Comparison, level: Level, score: ScoreColumn | None, entry: Difference | None
) -> dict[str, Any]:
    values = level.values[score.label] if score else {}
    finding = entry.finding if entry and entry.finding.n else None
    low, high = (finding and finding.interval) or (None, None)
    return {
        "store": comparison.store,
        "comparison": comparison.title,
        "level": level.label,
        "reference": level.reference,
        **{f"seeds_{status}": len(seeds) for status, seeds in level.seeds.items()},
        "health": _health(level),
        "score": score and score.title,
        "protocol_id": score and score.protocol_id,
        "better": score and score.better,
        **{
            f"{moment}_{name}": getattr(values[moment], name) if score else None
            for moment in ("last", "best")
            for name in ("mean", "deviation", "n")
        },
        "real_data": comparison.real[score.label][0] if score and score.label in comparison.real else None,
        "difference": finding and finding.in_units(finding.mean),
        "difference_unit": finding and ("percent" if finding.scale == "log" else "score"),
        "interval_low": None if finding is None or low is None else finding.in_units(low),
        "interval_high": None if finding is None or high is None else finding.in_units(high),
        "pairs": entry and entry.finding.n,
        "p": (entry and entry.primary and entry.finding.p) or None,
        "p_corrected": (entry and entry.primary and entry.finding.corrected) or None,
        "verdict": entry and entry.verdict,
        **{name: level.numbers[name] for name in (*SIZES, "seconds", "images_per_second", "peak_memory")},
        "finding": entry and entry.sentence,
    }


def _csv_value(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return csv_text(value) if isinstance(value, str) else value


def squeezed(text: str) -> str:
    """A text on one line, without what a terminal would obey."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", lambda m: m[0] if m[0] in ("\u00a0", "\u202f") else " ", text).strip()


def csv_text(text: str) -> str:
    """A text; one that a spreadsheet would take for a formula is quoted, so that it stays a text."""
    text = squeezed(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it is, also in a cell of a table."""
    return re.sub(r"[\\`*_\[\]<>|~&$]", r"\\\g<0>", squeezed(text))


def latex_text(text: str) -> str:
    """A text that LaTeX sets as it is."""
    text = re.sub("-(?=-)", "\0", squeezed(text))  # two of them would become a dash
    return "".join(TEX.get(character, character) for character in text).replace("\0", "-{}")


FORMATS = {"md": markdown, "tex": latex, "csv": tidy_csv}
