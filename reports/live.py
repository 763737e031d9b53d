"""The report while runs train: the same page, and what of it has changed since the browser last asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gan_bench.errors import GanBenchError
from gan_bench.findings.tables import Results, load
from gan_bench.live.changes import Changes
from gan_bench.live.standing import Standing, standings
from gan_bench.live.tasks import tasks_line
from gan_bench_reports.by_class import ByClass
from gan_bench_reports.health import Health
from gan_bench_reports.page import content, template
from gan_bench_reports.pictures import Picture, ServedPictures
from gan_bench_reports.run_details import cell_views

REST = 4.0  # times as long as reading the stores took until they are read again: a fifth of one core at most


@dataclass(frozen=True)
class State:
    """What the page says of the training itself."""

    at_work: bool
    standings: list[Standing]
    trouble: str = ""  # why the page could not be made anew
    tasks: tuple[str, ...] = ()  # of a cluster, a sentence for each store that has any


class Live:
    """Keeps the page of some stores current (`gan_bench.api.hooks.LivePage`).

    It reads the stores only when it is asked.
    """

    def __init__(self, stores: Sequence[Path], at_work: Callable[[], bool]) -> None:
        self.stores, self.at_work = list(stores), at_work
        self._lock = threading.Lock()
        self._changes = Changes(self.stores)
        self._pictures = ServedPictures()
        self._template = template()
        self._content: dict[str, Any] = {}
        self._version = 0
        self._entries: dict[tuple[str, str], tuple[int, str]] = {}  # by part and name: version, JSON
        self._state: tuple[bool, list[Path], tuple[str, ...]] | None = None
        self._rests_until = 0.0

    def page(self) -> str:
        """The whole page."""
        with self._lock:
            self._refresh()
            data = {**self._content["data"], "version": self._version}
            styles = Markup(self._pictures.css())
            return self._template.render(self._content | {"data": data, "picture_css": styles})

    def update(self, since: int) -> str:
        """JSON: `version`, and by part of the page all entries that have changed since that version."""
        with self._lock:
            self._refresh()
            parts: dict[str, list[str]] = {}
            for (part, name), (version, text) in self._entries.items():
                if version > since:
                    parts.setdefault(part, []).append(f"{json.dumps(name)}: {text}")
            changed = [f"{json.dumps(part)}: {{{', '.join(entries)}}}" for part, entries in parts.items()]
            return f'{{"version": {self._version}, "parts": {{{", ".join(changed)}}}}}'

    def part(self, number: int) -> str | None:
        """The runs of a cell that the page only sums up, with the last sample grid of each."""
        with self._lock:
            rows = self._content.get("summary", ())
            row = next((one for one in rows if one.number == number), None)
            if row is None:
                return None
            results: Results = self._content["results"]
            paths = results.pictures[results.pictures["run"].isin(row.runs)].sort_values("step", kind="stable")
            grids: dict[str, Picture] = {}
            for run, path in paths.drop_duplicates("run", keep="last")[["run", "path"]].itertuples(index=False):
                dataset = results.documents[run].dataset
                if picture := self._pictures.add(path, dataset.as_json() if dataset else {}):
                    grids[run] = picture
            runs = results.by_class["run"].isin(row.runs)
            known = {"health": Health(results), "by_class": ByClass(replace(results, by_class=results.by_class[runs]))}
            rules = Markup("\n".join(self._pictures.rules[picture.name] for picture in grids.values()))
            cells = cell_views(results, only=row.runs, mark=f"{number}-")
            page = self._template.environment.get_template("part.html")
            return page.render(row=row, run_cells=cells, last_grids=grids, rules=rules, doubles=(), **known)

    def picture(self, key: str) -> bytes | None:
        """A sample grid that the page shows. It waits for no reading of the stores, so that the slider moves at once."""
        return self._pictures.content(key)

    def _refresh(self) -> None:
        """Make the page anew if anything has changed, but not all the time."""
        began = time.monotonic()
        stores = [store for store in self.stores if (store / "grid.json").exists()]
        state = self.at_work(), stores, tuple(filter(None, map(tasks_line, stores)))
        if state == self._state and began < self._rests_until:
            return
        if self._changes.have_come() or state != self._state:
            self._state = state
            self._make(*state)
        self._rests_until = time.monotonic() + REST * (time.monotonic() - began)

    def _make(self, at_work: bool, stores: list[Path], tasks: tuple[str, ...]) -> None:
        try:
            results = load(*stores, read=self._changes.read)
            live = State(at_work, standings(results, time.time(), at_work=at_work), tasks=tasks)
            self._content = content(results, self._pictures) | {"live": live}
        except GanBenchError as error:  # a damaged grid.json, say; what there was is shown
            if not self._content:
                self._content = content(load(), self._pictures)
            known = self._content["live"].standings if self._content["live"] else []
            self._content["live"] = State(at_work, known, str(error))
        if not stores:
            self._content["title"] = " and ".join(store.resolve().name for store in self.stores)
        self._keep()

    def _keep(self) -> None:
        """Take note of which entries are new."""
        body = "".join(self._template.blocks["body"](self._template.new_context(self._content)))
        grids = [(view.id, view.facts.title, view.facts.runs) for view in self._content["comparisons"]]
        parts = {"page": {"body": body, "grid": grids}, "styles": self._pictures.rules, **self._content["data"]}
        self._version += 1
        for part, entries in parts.items():
            for name, value in entries.items() if isinstance(entries, dict) else enumerate(entries):
                text = json.dumps(value)
                if self._entries.get((part, str(name)), (0, ""))[1] != text:
                    self._entries[part, str(name)] = (self._version, text)
