"""Trackio."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gan_bench import Point, TrackedRun, Tracker, hookimpl

from ._settled import folder_name, plain, untold

REPORT = "verdict"  # a row's text


class Trackio(Tracker):
    """A project of Trackio on this machine, in the database that `trackio show` shows (TRACKIO_DIR says where).

    Rows have `images` beside their values, so that curves can be drawn over images too.
    """

    name = "trackio"
    needs = "trackio"
    extra = "trackio"

    def __init__(self, project: str, folder: Path) -> None:
        super().__init__(project, folder)
        self._reports: dict[str, Any] = {}  # the last of each run, by our id

    @property
    def _project(self) -> str:
        return folder_name(self.project)

    @property
    def place(self) -> str:
        """The folder, and the project there."""
        from trackio.utils import TRACKIO_DIR

        return f"{TRACKIO_DIR} {self._project}"

    @property
    def hint(self) -> str:
        """The command."""
        return f'trackio show --project "{self._project}"'

    def runs(self) -> Collection[str]:
        """The ids in the project's database."""
        from trackio.sqlite_storage import SQLiteStorage

        return {str(one["id"]) for one in SQLiteStorage.get_run_records(self._project)}

    def tell(self, run: TrackedRun, points: Sequence[Point], *, again: bool) -> None:
        """Insert rows in one transaction: the points, and a report of status and verdicts where these have changed."""
        from trackio.sqlite_storage import SQLiteStorage

        if again or run.id not in self._reports:
            rows = SQLiteStorage.get_logs(self._project, run_id=run.id)
            points = list(untold(points, {(row["step"], name) for row in rows for name in row}))
            self._reports[run.id] = next((row[REPORT] for row in reversed(rows) if REPORT in row), None)
        tags = {**run.tags, "status": run.status}
        report = {"_type": "trackio.markdown", "_value": "\n".join(f"- {key}: {text}" for key, text in tags.items())}
        new = [(point.step, run.started + point.seconds, self._row(run, point)) for point in points]
        if report != self._reports[run.id]:
            step = max([SQLiteStorage.get_last_step(self._project, run_id=run.id) or 0, *(step for step, _, _ in new)])
            new.append((step, run.started + run.seconds, {REPORT: report}))
        SQLiteStorage.bulk_log(
            self._project,
            run.name,
            [row for _, _, row in new],
            steps=[step for step, _, _ in new],
            timestamps=[_time(moment) for _, moment, _ in new],
            config={**run.settings, **tags, "_Group": run.group, "_Created": _time(run.started)},
            run_id=run.id,
        )
        self._reports[run.id] = report

    def _row(self, run: TrackedRun, point: Point) -> dict[str, Any]:
        pictures = {plain(name): self._picture(run, point, plain(name), png) for name, png in point.pictures.items()}
        images = {} if point.images is None else {"images": point.images}
        return {**images, **point.values, **pictures}

    def _picture(self, run: TrackedRun, point: Point, name: str, png: bytes) -> dict[str, Any]:
        """A file of the project's, and what a row holds of it. It has one name, so that it is there once."""
        from trackio.media.utils import get_project_media_path
        from trackio.utils import MEDIA_DIR

        file = get_project_media_path(self._project, run.name, point.step) / f"{name}.png"
        beside = file.with_suffix(f".{os.getpid()}")
        beside.write_bytes(png)
        os.replace(beside, file)
        return {"_type": "trackio.image", "file_path": str(file.relative_to(MEDIA_DIR)), "caption": name}


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


@hookimpl
def gan_bench_trackers() -> list[type[Tracker]]:
    """The tracker of this file."""
    return [Trackio]
