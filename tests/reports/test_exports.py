"""The report as Markdown, LaTeX and CSV, by the command line: the same numbers, and names that stay text."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from fake_store import write, write_store
from markdown_it import MarkdownIt
from stores import gan_bench

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports.exports import csv_text, latex_text, markdown_text

HOSTILE = '=cmd()|a_b & 50 % "q"\n#$~^\\{x}<b>[0.5]*`--\x1b[31m'
TEX = next(filter(None, map(shutil.which, ("lualatex", "xelatex", "pdflatex", "tectonic"))), None)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = write_store(tmp_path_factory.mktemp("stores") / "s", seeds=3, snapshots=2, steps=100)
    grid = json.loads((store / "grid.json").read_text())
    grid["comparisons"][1]["title"] = HOSTILE
    grid["comparisons"][1]["levels"][2]["label"] = HOSTILE
    write(store / "grid.json", grid)
    return store


def report(store, format):
    return gan_bench("report", store, "--format", format, cwd=store).stdout


def test_csv_reads_back_to_the_same_numbers(store):
    table = pd.read_csv(io.StringIO(report(store, "csv")))
    comparisons = compare(load(store))
    assert len(table) == sum(len(c.levels) * len(c.scores) for c in comparisons)
    rows = iter(table.to_dict("records"))
    for comparison in comparisons:
        for level in comparison.levels:
            for score in comparison.scores:
                row, last = next(rows), level.values[score.label]["last"]
                assert (row["last_mean"], row["last_n"]) == (last.mean, last.n)
                assert row["generator_flops"] == level.numbers["generator_flops"]
                assert row["peak_memory"] == level.numbers["peak_memory"] > 4e8
                found = [e.finding for e in comparison.differences[score.label] if e.level is level]
                assert [row["difference"]] == [f.in_units(f.mean) for f in found] or (
                    pd.isna(row["difference"]) and not found
                )
    named = table[table["level"].str.contains("cmd")]
    assert set(named["level"]) == {csv_text(HOSTILE)}
    assert named["level"].iloc[0].startswith('\'=cmd()|a_b & 50 % "q" #$~^')


def test_markdown_is_a_table_of_the_same_text(store):
    tokens = MarkdownIt("commonmark").enable("table").parse(report(store, "md"))
    rows = [i for i, token in enumerate(tokens) if token.type == "tr_open"]
    cells = []
    for i in rows:
        end = next(j for j in range(i, len(tokens)) if tokens[j].type == "tr_close")
        inline = [token for token in tokens[i:end] if token.type == "inline"]
        cells.append(["".join(child.content for child in token.children if child.type == "text") for token in inline])
        assert {child.type for token in inline for child in token.children} <= {"text", "strong_open", "strong_close"}
    assert len(rows) == (1 + 2 + 1) + (1 + 4 + 1) + (1 + 3 + 1)
    assert len({len(row) for row in cells}) == 1
    assert '=cmd()|a_b & 50 % "q" #$~^\\{x}<b>[0.5]*`-- [31m' in [row[0] for row in cells]
    assert ["depth 2 (reference)", "3"] in [[row[0], row[6]] for row in cells]


def test_latex_is_balanced_and_has_no_character_of_its_own(store):
    text = report(store, "tex")
    plain = re.sub(
        r"\\[\\&%$#_{},]|\\[A-Za-z]+\*?",
        " ",
        text.replace("% Needs \\usepackage{booktabs,graphicx}\n", "").replace("}{!}{%\n", "}{!}{\n"),
    )
    plain = plain.replace("$ $", "").replace("$-$", "")
    assert not set(plain) & set('#$^_%"\\\x1b')
    assert plain.count("{") == plain.count("}")
    bodies = re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.DOTALL)
    assert len(bodies) == text.count("\\begin{tabular}") > 3  # wide ones are several
    for body in bodies:
        rows = [line for line in body.splitlines() if line.endswith("\\\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows[1:]}) == 1
    assert "{[}0.5{]}{*}\\textasciigrave{}-{}-" in text


@pytest.mark.skipif(TEX is None, reason="no LaTeX is installed")
def test_latex_compiles(store, tmp_path):
    (tmp_path / "tables.tex").write_text(report(store, "tex"), encoding="utf-8")
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\\input{tables}\\end{document}",
        encoding="utf-8",
    )
    mode = [] if "tectonic" in TEX else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [TEX, *mode, "all.tex"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_into_a_file_and_nothing_else(store, tmp_path):
    before = {file.name for file in store.iterdir()}
    gan_bench("report", store, "--format", "md", "-o", tmp_path / "report.md", cwd=tmp_path)
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == report(store, "md")
    assert {file.name for file in store.iterdir()} == before
    assert "is not one of" in gan_bench("report", store, "--format", "pdf", cwd=tmp_path, code=2).stderr


@pytest.mark.parametrize(
    ("text", "csv", "markdown", "latex"),
    [
        ("-1", "'-1", "-1", "-1"),
        ("@x", "'@x", "@x", "@x"),
        ("a_b|c", "a_b|c", r"a\_b\|c", r"a\_b\textbar{}c"),
        ("−3 %", "−3 %", "−3 %", r"$-$3 \%"),
        ("\t=1\r\n", "'=1", "=1", "=1"),
    ],
)
def test_each_format_escapes_its_own(text, csv, markdown, latex):
    assert (csv_text(text), markdown_text(text), latex_text(text)) == (csv, markdown, latex)


def test_a_store_without_a_score(tmp_path):
    level = {"label": "a", "reference": True, "runs": {"0": "a-0"}}
    write(tmp_path / "grid.json", {"comparisons": [{"title": "?", "levels": [level]}]})
    assert "**No verdict yet**: there is no score." in report(tmp_path, "md")
    assert pd.read_csv(io.StringIO(report(tmp_path, "csv")))["seeds_unfinished"].tolist() == [1]
    assert "\\begin{tabular}" in report(tmp_path, "tex")
