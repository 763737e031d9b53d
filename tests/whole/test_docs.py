"""Every command and code block of the documentation, in order, as a reader would use them."""

from __future__ import annotations

import inspect
import shlex
import tomllib
from pathlib import Path

import pytest
from markdown import DOCUMENTS, ROOT, Block, blocks
from stores import gan_bench

import gan_bench as api
from gan_bench.api import hooks
from gan_bench.api.recipe import Recipe
from gan_bench.cli import COMMANDS
from gan_bench.grid import load_grid

INSTALLING = ("python3 -m venv .venv && .venv/bin/pip install -e ",)  # what .ci/run does
WITH_CODE = [d for d in DOCUMENTS if any(b.language in ("sh", "python", "toml") for b in blocks(d))]
LONG = (
    "architecture.md",
    "authors.md",
    "data.md",
    "dataset.md",
    "diagnosis.md",
    "export.md",
    "grid.md",
    "hooks.md",
    "labels.md",
    "learn.md",
    "metric.md",
    "notebooks.md",
    "search.md",
    "trackers.md",
    "trick.md",
    "watch.md",
)  # also at toy length; test_quickstart.py has full length


def toy_length(grid: Path) -> list[str]:
    """Options that make a run of this grid short."""
    written = tomllib.loads(grid.read_text())
    short = ["epochs=0.1" if "epochs" in written else "steps=3", "evaluate.samples=32", "evaluate.snapshots=1"]
    if written.get("evaluate", {}).get("features", "classifier") == "classifier":
        short.append("evaluate.features={ name = 'classifier', steps = 5 }")
    return [*(word for setting in short for word in ("--set", setting)), "--seeds", "0"]


def run_command(line: str, folder: Path) -> None:
    words = shlex.split(line, comments=True)
    assert words[0] == "gan-bench", f"what is {line!r}?"
    words = words[1:]
    if words[0] == "run":
        words += toy_length(folder / words[1])
    if words[0] == "plan":
        words += ["--no-pilot"]
    gan_bench(*words, cwd=folder)


def follow(document: Path, folder: Path, monkeypatch) -> None:
    """Do all that the document says, in an empty folder."""
    monkeypatch.chdir(folder)
    for part in blocks(document):
        if part.note in ("norun", "package"):
            continue
        if part.file:
            (folder / part.file).write_text(part.text, encoding="utf-8")
            if part.language == "toml":
                assert load_grid(folder / part.file).comparisons
        elif part.language == "sh":
            for line in part.text.splitlines():
                if not line.startswith(INSTALLING):
                    run_command(line, folder)
        elif part.language == "python":
            exec(compile(part.text, str(document), "exec"), {})


@pytest.mark.parametrize(
    "document", [pytest.param(d, id=d.name, marks=[pytest.mark.slow] if d.name in LONG else []) for d in WITH_CODE]
)
def test_document_at_toy_length(document, tmp_path, monkeypatch):
    follow(document, tmp_path, monkeypatch)


def text_of_all() -> str:
    return "\n".join(d.read_text(encoding="utf-8") for d in DOCUMENTS)


def test_every_command_is_documented():
    for name in COMMANDS:
        assert f"`gan-bench {name}" in (ROOT / "README.md").read_text()


def test_every_hook_is_documented():
    text = text_of_all()
    for name, _ in inspect.getmembers(hooks, inspect.isfunction):
        if name.startswith("gan_bench_"):
            assert name in text, f"no document mentions {name}"


def test_every_public_name_is_documented():
    text = text_of_all()
    for name in api.__all__:
        assert name in text, f"no document mentions {name}"


def test_the_tricks_table_names_all_that_a_trick_can_use():
    table = (ROOT / "docs" / "trick.md").read_text()
    public = [name for name, _ in inspect.getmembers(Recipe, inspect.isfunction) if not name.startswith("_")]
    of_the_core = {
        "as_of",
        "draw_labels",
        "edited_by",
        "load_state_dict",
        "ready_to_sample",
        "sampler",
        "see",
        "state_dict",
    }
    for name in set(public) - of_the_core:
        assert f"recipe.{name}" in table


def test_links_lead_somewhere():
    import re

    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_blocks_are_read_as_written():
    document = ROOT / "docs" / "architecture.md"
    found = blocks(document)
    assert found[0] == Block("python", "file=wide_mlp.py", found[0].text)
    assert found[0].text.startswith("from torch import nn\n")
