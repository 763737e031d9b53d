"""The report: one HTML file that opens anywhere, without a network.

`view` says what is shown of each comparison, `run_details` of each run; the templates beside this file say how.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shlex
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from gan_bench.files import replace_file
from gan_bench.findings.answers import best_first
from gan_bench.findings.sentences import amount, interval_text
from gan_bench.findings.settings_text import flatten, text
from gan_bench.findings.stand_ins import sentences
from gan_bench.findings.tables import Results, load
from gan_bench.workers.speed import speed_text
from gan_bench_reports import budget, formats
from gan_bench_reports.by_class import ByClass
from gan_bench_reports.charts import charts
from gan_bench_reports.curves import Curves
from gan_bench_reports.datasets import dataset_views
from gan_bench_reports.gallery import columns, enlargement
from gan_bench_reports.health import Health
from gan_bench_reports.many import CELLS, EFFECTS, cell_rows, troubled
from gan_bench_reports.pictures import Pictures
from gan_bench_reports.run_details import RunView, cell_views
from gan_bench_reports.search import budget_cell, chosen_values, search_views, tuned_levels
from gan_bench_reports.snapshots import snapshot_tables
from gan_bench_reports.view import Builder, ComparisonView

HERE = Path(__file__).parent
STYLES = ("base", "answers", "findings", "tables", "heat", "samples", "charts", "search", "runs", "print")
VERDICT_CLASS = {
    "better": "better",
    "mixed": "mixed",
    "worse": "worse",
    "no difference can be told": "open",
    "not tested": "untested",
}
SCRIPTS = (
    *("common", "tables", "take", "samples", "figures", "saving", "sheets", "differences"),
    *("printing", "charts", "runs", "start", "live"),
)


def write_report(stores: list[Path], output: Path) -> str:
    """Write the report of the stores to the file `output`; returns its size, the time it took and what it thins, in words."""
    began = time.perf_counter()
    results = load(*stores)
    shown = content(results, Pictures(), limited=True, place=Path(output).parent)
    html = template().render(shown).encode()
    replace_file(Path(output), lambda path: path.write_bytes(html))
    pictures = (
        f"to keep it small, {shown['thinned']} (the full grids are in the run folders)" if shown["thinned"] else ""
    )
    many = f"of {len(results.runs):,} runs it shows aggregates and a sample; {shown['watch']} shows each"
    many = many if shown["summary"] else ""
    facts = [f"{len(html) / 1e6:.1f} MB in {time.perf_counter() - began:.1f} s", many, shown["curves"].note, pictures]
    return "; ".join(filter(None, facts))


@cache  # compiling the templates takes longer than to render a small page
def template(name: str = "page.html") -> jinja2.Template:
    """What `content` is shown in. Its block "body" is all that a person sees. Or another of these files."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(formats, name) for name in ("bare", "count", "number", "scaled", "spread", "duration", "brief")
    }
    environment.filters |= {"text": text, "interval": interval_text}
    environment.globals |= {"columns": columns, "enlargement": enlargement}
    environment.filters["best_first"] = best_first
    environment.filters["amount"] = lambda finding: amount(finding, finding.mean)
    environment.globals["verdict_class"] = VERDICT_CLASS
    environment.globals |= {"budget_cell": budget_cell, "chosen_values": chosen_values}
    return environment.get_template(name)


def content(
    results: Results, pictures: Pictures, *, limited: bool = False, place: Path | None = None
) -> dict[str, Any]:
    """Everything that a page in the folder `place` shows; `limited`, with no more pictures than fit."""
    builder = Builder(results, pictures, (lambda shown: budget.room(shown, len(plotly_js()))) if limited else None)
    comparisons, sample = builder.comparisons(), builder.sample
    cells = [list(cell.runs.values()) for cell in builder.cells.values()]
    shown = [own for own in cells if sample is None or sample.bands.issuperset(own)]
    curves = Curves(builder.shown.curves, builder.shown.snapshots, shown, sample and sample.alone)
    failed = set(results.runs.loc[results.runs["status"] == "failed", "run"])
    run_cells = cell_views(results, place, troubled(results) if sample else None)
    runs = [run for cell in run_cells for run in cell.runs]
    headlines = list({column.label: column for view in comparisons for column in view.facts.headlines}.values())
    counted = {run for view in comparisons for run in view.facts.runs}
    doubles = {run for view in comparisons for run in view.facts.doubles} - counted
    counted_runs = results.runs[~results.runs["run"].isin(doubles)]
    statuses = results.runs["status"].value_counts().to_dict()
    scripts = {"plotly": plotly_js(), "page": page_js()}
    return {
        "title": " and ".join(dict.fromkeys(grid.name for grid in results.grids.values())),
        "results": results,
        "comparisons": comparisons,
        "health": Health(results),
        "by_class": ByClass(builder.shown),
        "failed": failed,
        "searches": search_views(results, builder.colours()),
        "tuned": tuned_levels(results),
        "gallery": builder.shots.gallery,
        "datasets": dataset_views(builder.shown, builder.shots),
        "cells": builder.cells,
        "thinned": builder.shots.plan.note(),
        "runs": runs,
        "last_grids": {},  # of a part that is fetched
        "run_cells": run_cells,
        "summary": cell_rows(results, headlines) if sample else [],
        "most_cells": CELLS,
        "most_effects": EFFECTS,
        "headlines": headlines,
        "watch": shlex.join(["gan-bench", "watch", *map(str, results.stores.values())]),
        "failures": _causes(results, runs, results.runs["status"].isin(("failed", "damaged")), "reason"),
        "outdated": _causes(results, runs, results.runs["stale"] != "", "stale"),
        "counted": len(results.runs) - len(doubles),
        "doubles": doubles,
        "stand_ins": sentences(results),
        "statuses": counted_runs["status"].value_counts().to_dict(),
        "chips": statuses | ({"stale": stale} if (stale := int((results.runs["stale"] != "").sum())) else {}),
        "charts": {view.id: charts(view.facts.scores, curves.names(view.facts.runs)) for view in comparisons},
        "curves": curves,
        "snapshots": {view.id: snapshot_tables(view.facts, curves, failed) for view in comparisons},
        "seeds": sorted(results.runs["seed"].dropna().unique().tolist()),
        "speeds": [speed_text(sessions[-1]) for sessions in results.speeds.values() if sessions],
        "protocols": [(column, flatten(column.protocol)) for column in results.scores],
        "data": _data(results, builder, comparisons, curves, failed),
        # Neither file is a user's; what users wrote goes through autoescape or tojson.
        "css": Markup("\n".join((HERE / "styles" / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)),
        "picture_css": Markup(pictures.css()),
        "scripts": {name: Markup(script) for name, script in scripts.items()},
        "hashes": " ".join(_hash(script) for script in scripts.values()),
        "live": None,
    }


def _causes(
    results: Results, runs: Iterable[RunView], wrong: pd.Series, why: str
) -> list[tuple[str, int, list[RunView]]]:
    """By cause, the most frequent first, how many runs something is `wrong` with, and those of them whose details are shown."""
    found = results.runs[wrong]
    mine = set(found["run"])
    shown: dict[str, list[RunView]] = {}
    for run in runs:
        if run.run in mine:
            shown.setdefault(getattr(run, why), []).append(run)
    counts = found[why].value_counts()
    return [(str(cause), int(n), shown.get(str(cause), [])) for cause, n in counts.items()]


def page_js() -> str:
    """The page's own JavaScript: what needs a script, all else is in the HTML. One function, so that no name is global."""
    parts = [(HERE / "scripts" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(["(() => {", *parts, "})();"])


def plotly_js() -> str:
    """The charts' JavaScript, out of the installed plotly package (which is not imported: that takes longer)."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the report needs the package plotly")
    return (Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """A script's source expression for the Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _data(
    results: Results, builder: Builder, comparisons: list[ComparisonView], curves: Curves, failed: set[str]
) -> dict[str, Any]:
    """What the scripts read: each run's and each cell's curves and pictures once, however many comparisons show them."""
    cells, sample = sorted(builder.cells.values(), key=lambda cell: cell.index), builder.sample
    alone = {id(cell): {s: run for s, run in cell.runs.items() if not sample or run in sample.alone} for cell in cells}
    shown = {run for own in alone.values() for run in own.values()}
    status = dict(zip(results.runs["run"], results.runs["status"], strict=True))
    return {
        "runs": {
            run: {
                "status": status[run],
                "curves": curves.of_run(run),
                "clock": curves.clock(run),
                "pictures": [[step, picture.name] for step, picture in builder.shots.runs.get(run, [])],
            }
            for run in sorted(shown)
        },
        "cells": [
            {
                "runs": alone[id(cell)],
                "colour": cell.colour,
                "dash": cell.dash,
                "bands": curves.bands(run for run in cell.runs.values() if run not in failed and alone[id(cell)]),
            }
            for cell in cells
        ],
        "comparisons": {
            view.id: {
                "levels": [{"label": level.label, "cell": view.cell(level).index} for level in view.facts.levels],
                "title": view.facts.title,
                "axis": view.facts.budget,
                "steps": view.steps,
                "score": view.facts.headline and view.facts.headline.label,
                "scores": [column.label for column in view.facts.scores],
                "differences": view.figures,
            }
            for view in comparisons
        },
    }
