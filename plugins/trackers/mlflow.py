"""MLflow."""

from __future__ import annotations

import io
import logging
import os
import re
import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from gan_bench import GanBenchError, Point, TrackedRun, Tracker, hookimpl

from ._settled import not_a_link, own, plain, untold

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

ID, CELL = "gan_bench.run", "gan_bench.cell"  # tags that runs have: which one it is, and of which cell
MOST_METRICS, MOST_PARAMETERS = 1000, 100  # of a request, which is kept or refused as a whole
MOST_LETTERS = 4000  # of a parameter or tag
IMAGES = "images/"  # before the name of what is drawn over them
STATUS = {"finished": "FINISHED", "failed": "FAILED"}


class MLflow(Tracker):
    """An experiment of MLflow, in which every run is one, tagged with its cell.

    It is told at MLFLOW_TRACKING_URI, a server's or a database's address; where that is not set, in an SQLite file in the store.
    Metrics are there twice, over steps and, under images/, over images. What MLflow has is asked only after a kill.
    """

    name = "mlflow"
    needs = "mlflow"
    extra = "mlflow"

    def __init__(self, project: str, folder: Path) -> None:
        super().__init__(project, folder)
        self._numbers: dict[str, str] = {}  # of runs: MLflow's own ids, by ours
        self._kept: dict[str, dict[str, str]] = {}  # by our id the tags
        self._parameters: dict[str, set[str]] = {}  # by our id their names

    @property
    def database(self) -> Path | None:
        """The file in the store, unless it is told elsewhere."""
        return None if os.environ.get("MLFLOW_TRACKING_URI") else self.folder.absolute() / "mlflow.db"

    @property
    def uri(self) -> str:
        """Where it is told."""
        return f"sqlite:///{self.database}" if self.database else os.environ["MLFLOW_TRACKING_URI"]

    @property
    def place(self) -> str:
        """The address, and the experiment there."""
        return f"{self.uri} {self.project}"

    @property
    def hint(self) -> str:
        """The command, where there is no server."""
        shown = re.sub(r"//[^/@]*@", "//", self.uri)  # without a password
        http = shown.startswith("http")
        return f"{shown}, experiment {self.project}" if http else f"mlflow ui --backend-store-uri {shown}"

    @cached_property
    def client(self) -> MlflowClient:
        """What speaks to MLflow. It tries for seconds, not for minutes."""
        if self.database:
            own(self.folder)
            not_a_link(self.database)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        from mlflow import MlflowClient

        for name in ("alembic", "mlflow.store.db.utils", "mlflow.store.tracking"):  # that tell of every table they make
            logging.getLogger(name).setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=self.uri)

    @cached_property
    def experiment(self) -> str:
        """Its number; it is made where there is none."""
        files = own(self.folder, "files").absolute().as_uri() if self.database else None
        if found := self.client.get_experiment_by_name(self.project):
            if found.lifecycle_stage == "deleted":
                cure = f"`mlflow experiments restore -x {found.experiment_id}` brings it back, `mlflow gc` lets it be told anew"
                raise GanBenchError(f"MLflow's experiment {self.project} was deleted: {cure}")
            self._check_place(found.artifact_location, files)
            return str(found.experiment_id)
        return str(self.client.create_experiment(self.project, artifact_location=files))

    def runs(self) -> Collection[str]:
        """The ids in the tags of the experiment's runs."""
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs([self.experiment], max_results=1000, page_token=token or None)
            for run in page:
                self._check_place(run.info.artifact_uri, self._files(run.info.run_id).as_uri())
                if name := run.data.tags.get(ID):
                    self._numbers[name] = run.info.run_id
                    self._kept[name] = dict(run.data.tags)
                    self._parameters[name] = set(run.data.params)
            token = page.token or None
        return set(self._numbers)

    def tell(self, run: TrackedRun, points: Sequence[Point], *, again: bool) -> None:
        """Log what is new in requests that hold whole points; each picture as a file of a name of its own."""
        number = self._numbers.get(run.id) or self._create(run)
        kept = self._kept.setdefault(run.id, {})
        self._log_parameters(number, run)
        untold_numbers = untold(points, _held(self.client, number, points)) if again else iter(points)
        for metrics in _requests(run, untold_numbers):
            self.client.log_batch(number, metrics=metrics)
        for point in points:
            for name, png in point.pictures.items():
                self._log_picture(number, run, point, name, png)
        for name, text in {**run.tags, "status": run.status}.items():
            key, short = plain(name, ":"), text[:MOST_LETTERS]
            if kept.get(key) != short:
                if name == "status" and text in STATUS:
                    self.client.set_terminated(number, STATUS[text], _milliseconds(run.started + run.seconds))
                elif name == "status":
                    self.client.update_run(number, "RUNNING")
                self.client.set_tag(number, key, short)
                kept[key] = short

    def _check_place(self, place: str, files: str | None) -> None:
        """GanBenchError: a database in the store is one of elsewhere, and says where files go."""
        if self.database and place != files:
            rule = f"{self.database} was made elsewhere, where it wants pictures to be written still"
            raise GanBenchError(f"{rule}. Delete {self.folder}, and all is told anew")

    def _files(self, number: str) -> Path:
        """Where files of a run lie in the store."""
        return self.folder.absolute() / "files" / number / "artifacts"

    def _create(self, run: TrackedRun) -> str:
        # A server may have made it for a request whose answer was lost.
        (made, *_) = self.client.search_runs([self.experiment], f"tags.`{ID}` = '{run.id}'", max_results=1) or [None]
        if made is None:
            tags = {ID: run.id, CELL: run.group, "mlflow.loggedImages": "True"}
            made = self.client.create_run(self.experiment, _milliseconds(run.started), tags, run.name)
        self._check_place(made.info.artifact_uri, self._files(made.info.run_id).as_uri())
        self._numbers[run.id] = str(made.info.run_id)
        return self._numbers[run.id]

    def _log_parameters(self, number: str, run: TrackedRun) -> None:
        """Those that it has not; several requests of them are not kept or refused as a whole."""
        from mlflow.entities import Param

        held = self._parameters.setdefault(run.id, set())
        every = [Param(plain(name, ":"), str(value)[:MOST_LETTERS]) for name, value in run.settings.items()]
        new = [one for one in every if one.key not in held]
        for at in range(0, len(new), MOST_PARAMETERS):
            self.client.log_batch(number, params=new[at : at + MOST_PARAMETERS])
        held.update(one.key for one in new)

    def _log_picture(self, number: str, run: TrackedRun, point: Point, name: str, png: bytes) -> None:
        """Under the name by which MLflow shows a picture of every step; `log_image` would give it another one each time."""
        mark = uuid.uuid5(uuid.NAMESPACE_OID, f"{run.id} {point.step} {name}")
        stem = f"{plain(name)}+step+{point.step}+timestamp+{_milliseconds(run.started + point.seconds)}+{mark}"
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, f"{stem}.png").write_bytes(png)
            small = Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB")
            small.thumbnail((256, 256))
            small.save(Path(folder, f"{stem}+compressed.webp"))
            if self.database:
                images = own(self.folder, "files", number, "artifacts", "images")
                for file in os.listdir(folder):
                    not_a_link(images / file)
            self.client.log_artifacts(number, folder, "images")


def _held(client: MlflowClient, number: str, points: Sequence[Point]) -> set[tuple[int, str]]:
    names = {name for point in points for name in point.values}
    return {(one.step, name) for name in names for one in client.get_metric_history(number, plain(name, ":"))}


def _requests(run: TrackedRun, points: Iterable[Point]) -> Iterator[list[Metric]]:
    from mlflow.entities import Metric

    request: list[Metric] = []
    for point in points:
        at, values = _milliseconds(run.started + point.seconds), point.values.items()
        metrics = [Metric(plain(name, ":"), value, at, point.step) for name, value in values]
        if point.images is not None:
            metrics += [Metric(IMAGES + plain(name, ":"), value, at, point.images) for name, value in values]
        if request and len(request) + len(metrics) > MOST_METRICS:
            yield request
            request = []
        request += metrics
    if request:
        yield request


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


@hookimpl
def gan_bench_trackers() -> list[type[Tracker]]:
    """The tracker of this file."""
    return [MLflow]
