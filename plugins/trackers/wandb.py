"""Weights & Biases."""

from __future__ import annotations

import io
import json
import os
import shutil
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gan_bench import Point, TrackedRun, Tracker, hookimpl

from ._settled import own, plain, untold

TOLD = "gan-bench.json"  # in a part: whose it is, and what it holds
NEW = ".new"  # how a folder begins in which a part is made
MOST_LETTERS = 64  # of a tag


class WandB(Tracker):
    """Runs of Weights & Biases on this machine, for `wandb sync` to send: nothing leaves it otherwise.

    Each run is a folder, and one more for what has come since, if anything has. A folder gets its place once it is complete, so
    that a process that is killed leaves no half of one. Rows have `step` and `images` beside their values.
    """

    name = "wandb"
    needs = "wandb"
    extra = "wandb"
    live = False  # what nobody sees before it is sent need not be told every second, and would be many folders

    def __init__(self, project: str, folder: Path) -> None:
        super().__init__(project, folder)
        self._parts: dict[str, list[dict[str, Any]]] = {}  # what they hold, by our id of their run

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder.resolve())

    @property
    def hint(self) -> str:
        """The command that sends them."""
        return f"wandb sync {self.folder}/offline-run-*"

    def runs(self) -> Collection[str]:
        """The ids that the folders' files name."""
        for file in sorted(self.folder.glob(f"offline-run-*/{TOLD}")):
            if not file.parent.is_symlink() and not file.is_symlink() and file.is_file():
                try:
                    part = json.loads(file.read_text(encoding="utf-8"))
                    self._parts.setdefault(part["run"], []).append(part)
                except (ValueError, LookupError):  # the power went as it was made: its run is told anew
                    shutil.rmtree(file.parent, ignore_errors=True)
        return set(self._parts)

    def tell(self, run: TrackedRun, points: Sequence[Point], *, again: bool) -> None:
        """Write another folder of the run's."""
        parts = self._parts.setdefault(run.id, [])
        if again:
            points = list(untold(points, {(step, name) for part in parts for step, name in part["held"]}))
        for left in self.folder.glob(f"{NEW}-*"):  # by a killed process, whose writer may be at it for a moment yet
            shutil.rmtree(left, ignore_errors=True)
        making = own(self.folder, f"{NEW}-{uuid.uuid4().hex}")
        first = sum(part["rows"] for part in parts)
        made = self._write(making, run, points, first)
        held = [[point.step, name] for point in points for name in (*point.values, *point.pictures)]
        told = {"run": run.id, "rows": len(points), "held": held}
        with (made / TOLD).open("w", encoding="utf-8") as file:
            file.write(json.dumps(told))
            file.flush()
            os.fsync(file.fileno())
        # Its name has the second at which it was made, and two parts of a run may be made in one.
        os.rename(made, self.folder / f"{made.name}-{len(parts)}")
        shutil.rmtree(making, ignore_errors=True)
        parts.append(told)

    def close(self) -> None:
        """End the process that writes."""
        if self._parts:
            import wandb

            wandb.teardown()

    def _write(self, folder: Path, run: TrackedRun, points: Sequence[Point], first: int) -> Path:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # elsewhere
        import wandb

        quiet = wandb.Settings(
            silent=True,
            console="off",
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
            disable_git=True,
            save_code=False,
        )
        tags = {**run.tags, "status": run.status}
        opened = wandb.init(
            project=plain(self.project)[:128].replace("/", " "),
            id=run.id[:64],
            name=run.name,
            group=run.group[:128],
            config={**run.settings, "tags": tags},
            tags=[_tag(plain(name, ",%"), plain(text.partition(":")[0], ",%")) for name, text in tags.items()],
            dir=folder,
            mode="offline",
            resume="allow",
            reinit="create_new",
            settings=quiet,
        )
        opened.define_metric("*", step_metric="step")
        for number, point in enumerate(points, first):
            pictures = {
                name: wandb.Image(Image.open(io.BytesIO(png), formats=["PNG"])) for name, png in point.pictures.items()
            }
            images = {} if point.images is None else {"images": point.images}
            row = {"step": point.step, **images, **point.values, **pictures}
            opened.log({**row, "_timestamp": run.started + point.seconds}, step=number)
        opened.finish(exit_code=1 if run.status == "failed" else 0)
        return Path(opened.settings.sync_dir)


def _tag(name: str, said: str) -> str:
    """What is said is kept, however long the name is."""
    said = said[: MOST_LETTERS - 2]
    return f"{name[: MOST_LETTERS - 2 - len(said)]}: {said}"


@hookimpl
def gan_bench_trackers() -> list[type[Tracker]]:
    """The tracker of this file."""
    return [WandB]
