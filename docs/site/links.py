"""Whether every link of a built site leads somewhere, and no page loads anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}  # without being asked for


class _Page(HTMLParser):
    """What a page links to, what it loads, and the parts that it can be entered at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.parts: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.parts |= {value for key in ("id", "name") if (value := found.get(key))}
        if tag == "a" and (target := found.get("href")):
            self.links.append(target)
        if (target := found.get(LOADED.get(tag, ""))) and not (tag == "link" and found.get("rel") == "canonical"):
            self.loads.append(target)


def faults(site: Path) -> list[str]:
    """A line for each link that leads nowhere, and each thing that a page loads from elsewhere."""
    pages = {file: _Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    return [fault for file in pages for fault in _faults_of(site, file, pages)]


def _faults_of(site: Path, file: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    page, name = pages[file], file.relative_to(site)
    for target in page.loads:
        if urlsplit(target).netloc:
            yield f"{name}: loads {target}"
    for target in page.links + page.loads:
        if urlsplit(target).scheme or urlsplit(target).netloc or file.name == "404.html":
            continue
        path, part = urldefrag(urljoin("/" + name.as_posix(), target))
        there = site / unquote(path).lstrip("/")
        there = there / "index.html" if there.is_dir() else there
        if not there.exists():
            yield f"{name}: {target} is not there"
        elif part and there in pages and unquote(part) not in pages[there].parts:
            yield f"{name}: {target} has no such part"
