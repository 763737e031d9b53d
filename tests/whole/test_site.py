"""The site: made of the documents and of the code, with links that lead somewhere, and nothing that is fetched from elsewhere."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from links import faults
from make import as_page, main
from markdown import ROOT
from reference import pages
from stores import GRID, gan_bench, write_grid

import gan_bench as api
from gan_bench.api.registry import Registry
from gan_bench.cli import COMMANDS
from gan_bench.grid.schema import GridFile

MAKE = ROOT / "docs" / "site" / "make.py"


def nav() -> list[str]:
    """The pages that the site's menu names."""
    site = tomllib.loads((ROOT / "docs" / "site" / "zensical.toml").read_text())["project"]["nav"]
    entries = [
        entry for top in site for value in top.values() for entry in (value if isinstance(value, list) else [value])
    ]
    return [name for entry in entries for name in ([entry] if isinstance(entry, str) else entry.values())]


def test_the_reference_names_everything():
    made = pages()
    for name in COMMANDS:
        assert f"\n## gan-bench {name}\n" in made["commands"]
    for name in api.__all__:
        assert f"\n## {name}\n" in made["python"]
    for name in GridFile.model_fields:
        assert f"\n| `{name}` |" in made["grid-keys"]
    registry = Registry.load()
    for plugin in (*registry.found, *registry.trackers(print)):
        page = made["features" if plugin.kind == "features" else f"{plugin.kind}s"]
        assert f"\n## {plugin.name}\n" in page
    assert "\n| `evaluate.samples` | integer | `10000` |" in made["grid-keys"]
    assert "load_generator(\n    run_folder: str | Path,\n    step: int | None = None,\n" in made["python"]


def test_every_document_stands_in_the_menu():
    documents = {file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    also = {"contributing.md", "changelog.md", *(f"reference/{name}.md" for name in pages())}
    assert sorted(nav()) == sorted(documents | also)


def test_links_lead_to_where_documents_stand_in_the_site():
    documents = {Path("grid.md"): ROOT / "docs" / "grid.md", Path("contributing.md"): ROOT / "CONTRIBUTING.md"}
    told = as_page(ROOT / "docs" / "answers" / "tricks.md", Path("answers/tricks.md"), documents)
    assert "(../grids/tricks.toml.txt)" in told
    assert "(grid.md)" in as_page(ROOT / "CONTRIBUTING.md", Path("contributing.md"), documents).replace(
        "design.md", "grid.md"
    )
    blocks = as_page(ROOT / "docs" / "learn.md", Path("learn.md"), documents)
    assert '```toml title="first.toml"\n' in blocks
    assert "norun" not in blocks


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    page = (
        '<h2 id="there"></h2><a href="../a/#there"></a><a href="https://elsewhere.example"></a><img src="../b.png">{}'
    )
    (tmp_path / "b.png").touch()
    (tmp_path / "a" / "index.html").write_text(page.format(""))
    assert faults(tmp_path) == []
    wrong = '<a href="c/"></a><a href="#nowhere"></a><script src="https://cdn.example/x.js"></script><img src="no.png">'
    (tmp_path / "a" / "index.html").write_text(page.format(wrong))
    assert [fault.partition(": ")[2] for fault in faults(tmp_path)] == [
        "loads https://cdn.example/x.js",
        "c/ is not there",
        "#nowhere has no such part",
        "no.png is not there",
    ]


def test_a_folder_that_is_no_site_is_not_written_over(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    monkeypatch.setattr(sys, "argv", ["make.py", "-o", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"{tmp_path} is there and no site, and would be deleted" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None, reason="Zensical is not installed: pip install '.[site]'"
)
def test_it_is_built(tmp_path):
    """With a store's report in the gallery."""
    gan_bench("run", write_grid(tmp_path, GRID), "--out", "question", cwd=tmp_path)
    done = subprocess.run(
        [sys.executable, MAKE, "-o", tmp_path / "site", tmp_path / "question"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every link leads somewhere" in done.stdout
    for name in nav():
        folder = tmp_path / "site" / name.removesuffix(".md").removesuffix("index")
        assert (folder / "index.html").exists(), name
    assert 'href="../question.html"' in (tmp_path / "site" / "gallery" / "index.html").read_text()
    assert "<title>toy" in (tmp_path / "site" / "question.html").read_text()
