"""What trackers hold, by their own readers, and what they should hold by a store's files."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MOMENTS = {"step", "d_steps", "images", "seconds", "crc"}


class Held(NamedTuple):
    """Sorted lists, so that what is there twice shows."""

    numbers: list[tuple[str, int, str, float]]  # run, step, name, value
    pictures: list[tuple[str, int]]  # run, step
    states: dict[str, str]  # by run
    images: list[tuple[str, int, str]] = []  # run, images, name: what is drawn over images

    def over_steps(self) -> Held:
        """Without what is drawn over images."""
        return self._replace(images=[])


def identity(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["identity"])


def of_store(store: Path) -> Held:
    """What trackers should hold."""
    numbers, pictures, states, images = [], [], {}, []
    for run in sorted((store / "runs").glob("[!.]*")):
        name = identity(run)
        rows = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
        points = [(row, {key: v for key, v in row.items() if key not in MOMENTS and v is not None}) for row in rows]
        for shot in sorted((run / "snapshots").glob("step-*")):
            scores = json.loads((shot / "scores.json").read_text())
            points.append((scores, {one["label"]: one["value"] for one in scores["scores"]}))
            pictures.append((name, scores["step"]))
        for row, values in points:
            numbers += [(name, row["step"], key, value) for key, value in values.items()]
            images += [(name, row["images"], key) for key in values]
        result = run / "result.json"
        states[name] = json.loads(result.read_text())["status"] if result.exists() else "unfinished"
    return Held(sorted(numbers), sorted(pictures), states, sorted(images))


def of_tensorboard(store: Path) -> Held:
    """By TensorBoard's EventAccumulator."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    numbers, pictures, states, images = [], [], {}, []
    for file in sorted((store / "tensorboard").glob("*/*/events*")):
        events = EventAccumulator(str(file.parent), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
        events.Reload()
        name = file.name.rpartition(".")[2]
        for tag in events.Tags()["scalars"]:
            axis, _, key = tag.partition("/")
            if axis == "steps":
                numbers += [(name, one.step, key, one.value) for one in events.Scalars(tag)]
            else:
                images += [(name, one.step, key) for one in events.Scalars(tag)]
        if "samples" in events.Tags()["images"]:
            pictures += [(name, one.step) for one in events.Images("samples")]
        states[name] = events.Tensors("status")[-1].tensor_proto.string_val[0].decode()
    return Held(sorted(numbers), sorted(pictures), states, sorted(images))


def of_mlflow(uri: str, project: str) -> Held:
    """By MLflow's client."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    numbers, pictures, states, images = [], [], {}, []
    experiment = client.get_experiment_by_name(project)
    for run in client.search_runs([experiment.experiment_id]):
        name, number = run.data.tags["gan_bench.run"], run.info.run_id
        for key in run.data.metrics:
            history = client.get_metric_history(number, key)
            if key.startswith("images/"):
                images += [(name, one.step, key.removeprefix("images/")) for one in history]
            else:
                numbers += [(name, one.step, key, one.value) for one in history]
        files = [file.path for file in client.list_artifacts(number, "images")]
        pictures += [(name, int(file.split("+")[2])) for file in files if file.endswith(".png")]
        assert len(files) == 2 * len([file for file in files if file.endswith(".png")])
        states[name] = run.info.status.lower().replace("running", "unfinished")
        assert states[name] == run.data.tags["status"]
    return Held(sorted(numbers), sorted(pictures), states, sorted(images))


def as_mlflow_names(held: Held) -> Held:
    """With names as they are in MLflow."""

    def plain(name: str) -> str:
        return name.replace("[", " ").replace("]", "").strip()

    numbers = sorted((run, step, plain(name), value) for run, step, name, value in held.numbers)
    return held._replace(numbers=numbers, images=sorted((run, n, plain(name)) for run, n, name in held.images))


def of_trackio(project: str) -> Held:
    """By Trackio's own database."""
    import trackio
    from trackio.sqlite_storage import SQLiteStorage
    from trackio.utils import MEDIA_DIR

    numbers, pictures, states = [], [], {}
    for run in trackio.Api().runs(project):
        states[run.id] = run.config["status"]
        for row in SQLiteStorage.get_logs(project, run_id=run.id):
            for key, value in row.items():
                if key == "samples":
                    assert (MEDIA_DIR / value["file_path"]).read_bytes().startswith(b"\x89PNG")
                    pictures.append((run.id, row["step"]))
                elif key not in ("step", "timestamp", "images", "verdict"):
                    numbers.append((run.id, row["step"], key, value))
    return Held(sorted(numbers), sorted(pictures), states)


def of_wandb(store: Path) -> Held:
    """By the records of W&B's own log files, which `wandb sync` sends."""
    from wandb.proto.wandb_internal_pb2 import Record

    numbers, pictures, states = [], [], {}
    for file in sorted((store / "wandb").glob("offline-run-*/run-*.wandb")):
        name, ended = "", False
        for content in _records(file.read_bytes()):
            record = Record.FromString(content)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                name = record.run.run_id
                config = {one.key: json.loads(one.value_json) for one in record.run.config.update}
                states[name] = config["tags"]["status"] if "tags" in config else states.get(name, "")
            elif kind == "history":
                keys = [one.key or ".".join(one.nested_key) for one in record.history.item]
                row = dict(zip(keys, (json.loads(one.value_json) for one in record.history.item), strict=True))
                for key, value in row.items():
                    if key == "samples.path":
                        pictures.append((name, row["step"]))
                        assert (file.parent / "files" / value).is_file()
                    elif key not in ("step", "images") and not key.startswith(("_", "samples.")):
                        numbers.append((name, row["step"], key, value))
            ended = ended or kind == "exit"
        assert ended, f"{file} is not complete"
    return Held(sorted(numbers), sorted(pictures), states)


def _records(content: bytes) -> Iterator[bytes]:
    """Of a LevelDB log: blocks of 32 KiB, in which a record is whole (1) or in parts (2 the first, 3, 4 the last)."""
    at, parts = 7, b""  # behind W&B's own head
    while at + 7 <= len(content):
        if (room := 32768 - at % 32768) < 7:
            at += room
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def assert_same(found: Held, expected: Held) -> None:
    """The same points, none twice and none missing; numbers as far as 32 bits hold them."""
    assert [one[:3] for one in found.numbers] == [one[:3] for one in expected.numbers]
    pairs: Any = zip(found.numbers, expected.numbers, strict=True)
    assert all(math.isclose(a[3], b[3], rel_tol=1e-6) for a, b in pairs)
    assert found[1:] == expected[1:]
