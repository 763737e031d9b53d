"""What a notebook shows of results: a short answer in its cell's output, and the whole report in a frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gan_bench.api.asking import ask
from gan_bench.api.registry import Registry
from gan_bench.errors import GanBenchError

# The page's own two scripts run in the frame, which has nothing of the notebook: neither its cookies nor its other cells.
SANDBOX = "allow-scripts allow-downloads allow-modals"
BASE = '<head><base href="about:srcdoc">'  # else the page's links to its own parts lead to the notebook's address


@dataclass(frozen=True)
class Frame:
    """A page that a notebook shows in a frame of its own."""

    page: str  # HTML
    height: int  # CSS pixels

    def __repr__(self) -> str:
        return f"a page of {len(self.page) / 1e6:.1f} MB, which a notebook shows in a frame"

    def _repr_html_(self) -> str:
        page = escape(self.page.replace("<head>", BASE, 1))
        style = f"width: 100%; height: {self.height}px; border: 0"
        return f'<iframe title="Report" sandbox="{SANDBOX}" style="{style}" srcdoc="{page}"></iframe>'


def framed(stores: Iterable[Path], height: int) -> Frame:
    """The report of some stores. GanBenchError: no plugin that is installed writes one."""
    with TemporaryDirectory(prefix="gan-bench-") as folder:
        file = Path(folder) / "report.html"
        ask(Registry.load().manager, "gan_bench_report", warnings.warn, stores=list(stores), output=file)
        if not file.exists():
            raise GanBenchError("no plugin that is installed writes a report")
        return Frame(file.read_text(encoding="utf-8"), height)


def inline(results: Any) -> str | None:
    """A piece of HTML with what `gan_bench.load` has read; None where no plugin that is installed has one."""
    found = ask(Registry.load().manager, "gan_bench_inline", warnings.warn, results=results)
    return str(found[0]) if found else None
