"""Build the site: the documents as they are, the reference from the code itself, and reports of stores that are given.

python docs/site/make.py -o FOLDER [STORE ...]    needs `pip install -e '.[site]'`
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from links import faults
from reference import pages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ALSO = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}  # as pages
LINK = re.compile(r"(?<=\]\()[^)\s#]+")
FENCE = re.compile(r"^```(\w+) (.+)$", re.MULTILINE)


def main() -> None:
    """Build it, and end with exit code 1 if one of its links leads nowhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("site"), help="the folder of the site")
    parser.add_argument("stores", nargs="*", type=Path, help="stores whose reports stand in the gallery")
    arguments = parser.parse_args()
    if arguments.output.exists() and not (arguments.output / "sitemap.xml").exists():
        parser.error(f"{arguments.output} is there and no site, and would be deleted")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "docs", [store.resolve() for store in arguments.stores])
        shutil.copy(HERE / "zensical.toml", folder)
        subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, check=True)
        if found := faults(folder / "site"):
            sys.exit("\n".join(found))
        shutil.rmtree(arguments.output, ignore_errors=True)
        shutil.copytree(folder / "site", arguments.output)
    print(f"{arguments.output / 'index.html'}: every link leads somewhere")


def write(docs: Path, stores: list[Path]) -> None:
    """All pages, as Markdown."""
    documents = {file.relative_to(ROOT / "docs"): file for file in sorted((ROOT / "docs").rglob("*.md"))}
    documents |= {Path(page): ROOT / name for name, page in ALSO.items() if Path(page) not in documents}
    for place, file in documents.items():
        _write(docs / place, as_page(file, place, documents))
    for file in (*(ROOT / "docs").glob("*.png"), *(ROOT / "docs").glob("*.ipynb")):
        shutil.copy(file, docs)
    for file in [*(ROOT / "grids").glob("*.toml"), *(ROOT / "benchmarks" / "results").glob("*.md")]:
        _write(docs / file.relative_to(ROOT).with_suffix(file.suffix + ".txt"), file.read_text(encoding="utf-8"))
    for page, text in pages().items():
        _write(docs / "reference" / f"{page}.md", text)
    for store in stores:
        _add_report(docs, store)


def as_page(file: Path, place: Path, documents: dict[Path, Path]) -> str:
    """A document, whose links lead to where other documents stand in the site."""
    places = {own.resolve(): page for page, own in documents.items()}
    up = "../" * (len(place.parts) - 1)

    def moved(match: re.Match[str]) -> str:
        target = (file.parent / match[0]).resolve()
        if "://" in match[0] or not target.is_relative_to(ROOT) or not target.exists():
            return match[0]
        inside = target.relative_to(ROOT)
        if target in places:
            return f"{up}{places[target].as_posix()}"
        if inside.parts[0] == "docs":
            return f"{up}{target.relative_to(ROOT / 'docs').as_posix()}"
        return f"{up}{inside.as_posix()}.txt"

    return FENCE.sub(_titled, LINK.sub(moved, file.read_text(encoding="utf-8")))


def _titled(match: re.Match[str]) -> str:
    """A block that is saved as a file has its name above it; what is a note for tests has none."""
    name = match[2].removeprefix("file=")
    return f'```{match[1]} title="{name}"' if name != match[2] else f"```{match[1]}"


def _add_report(docs: Path, store: Path) -> None:
    """A store's report as it is, and its findings as text in the gallery."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from gan_bench.cli import main; main()",
            "report",
            store,
            "-o",
            docs / f"{store.name}.html",
        ],
        check=True,
    )
    text = f"\n- [{store.name}]({store.name}.html): the report that `gan-bench run` wrote, as it is.\n"
    gallery = docs / "gallery.md"
    _write(gallery, gallery.read_text(encoding="utf-8") + text)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
