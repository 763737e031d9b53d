"""TensorBoard."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench import Point, TrackedRun, Tracker, hookimpl

from ._settled import folder_name, not_a_link, own, untold

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

NAME = "events.out.tfevents"  # how TensorBoard knows its files
STEPS, IMAGES = "steps/", "images/"  # before the name of what is drawn over them
CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the colour type of a PNG


@dataclass
class Log:
    """What an event file holds."""

    path: Path
    size: int = 0  # up to the last whole point
    step: int = 0  # the last one
    held: set[tuple[int, str]] = field(default_factory=set)  # steps and names
    texts: dict[str, str] = field(default_factory=dict)  # the last of each name


class TensorBoard(Tracker):
    """Event files of TensorBoard, one a run, in folders by cell.

    Everything is there twice, over steps and over images; settings stand under HPARAMS, verdicts under TEXT. A point is a
    record, or two of which that over steps is the last: what a killed process has left behind it is cut off.
    """

    name = "tensorboard"
    needs = "tensorboard"
    extra = "tensorboard"

    def __init__(self, project: str, folder: Path) -> None:
        super().__init__(project, folder)
        self._logs: dict[str, Log] = {}

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder.resolve())

    @property
    def hint(self) -> str:
        """The command."""
        return f"tensorboard --logdir {self.folder}"

    def runs(self) -> Collection[str]:
        """The ids with which the files' names end."""
        folders = [inner for group in _folders(self.folder) for inner in _folders(group)]
        files = [file for folder in folders for file in folder.glob(f"{NAME}.*")]
        self._logs = {file.name.rpartition(".")[2]: Log(file) for file in files}
        return set(self._logs)

    def tell(self, run: TrackedRun, points: Sequence[Point], *, again: bool) -> None:
        """Append to the run's file."""
        if not (log := self._logs.get(run.id)):
            folder = own(self.folder, folder_name(run.group), run.name)
            log = Log(folder / f"{NAME}.{int(run.started):010}.{run.id}")
        file = os.open(not_a_link(log.path), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
        try:
            if again or log.size != os.fstat(file).st_size:
                log = _read(log.path)
            os.ftruncate(file, log.size)
            new = list(untold(points, log.held))
            content = b"".join(map(_record, _events(run, new, log)))
            while content:
                content = content[os.write(file, content) :]
            os.fsync(file)
            log.size = os.fstat(file).st_size
        finally:
            os.close(file)
        log.held.clear()  # it is asked for only of what the file holds already
        self._logs[run.id] = log


def _folders(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()] if folder.is_dir() else []


def _read(path: Path) -> Log:
    """What a file holds, up to where it is whole."""
    from tensorboard.compat.proto.event_pb2 import Event

    log, content, at = Log(path), path.read_bytes(), 0
    while len(content) >= at + 12:
        (length,) = struct.unpack_from("<Q", content, at)
        data = content[at + 12 : at + 12 + length]
        end = content[at + 12 + length : at + 16 + length]
        if content[at : at + 12] != _head(length) or end != _checksum(data):
            break
        at += 16 + length
        event: Any = Event.FromString(data)
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "text":
                log.texts[value.tag] = value.tensor.string_val[0].decode()
            log.held.add((event.step, value.tag.removeprefix(STEPS)))
        log.step = max(log.step, event.step if any(v.tag.startswith(STEPS) for v in event.summary.value) else 0)
        if event.summary.value and not any(value.tag.startswith(IMAGES) for value in event.summary.value):
            log.size = at
    return log


def _events(run: TrackedRun, points: Sequence[Point], log: Log) -> Iterator[Event]:
    """What is to be appended for the file to say this."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG, SESSION_START_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    if not log.size:
        yield Event(wall_time=run.started, file_version="brain.Event:2")
        start = SessionStartInfo(group_name=run.group, start_time_secs=run.started)
        for name, value in run.settings.items():
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
            setattr(start.hparams[name], f"{kind}_value", value)
        data = HParamsPluginData(session_start_info=start)
        yield Event(wall_time=run.started, summary=_of_session(SESSION_START_INFO_TAG, data))
    for point in points:
        moment = run.started + point.seconds
        if point.images is not None and point.values:
            over_images = [Summary.Value(tag=IMAGES + name, simple_value=v) for name, v in point.values.items()]
            yield Event(wall_time=moment, step=point.images, summary=Summary(value=over_images))
        over_steps = [Summary.Value(tag=STEPS + name, simple_value=v) for name, v in point.values.items()]
        over_steps += [Summary.Value(tag=name, image=_image(png)) for name, png in point.pictures.items()]
        yield Event(wall_time=moment, step=point.step, summary=Summary(value=over_steps))
        log.step = max(log.step, point.step)
    now = run.started + run.seconds
    for name, text in {**run.tags, "status": run.status}.items():
        if log.texts.get(name) != text:
            log.texts[name] = text
            if name == "status" and text in ("finished", "failed"):  # first, for the text says that it is there
                end = SessionEndInfo(status=STATUS_SUCCESS if text == "finished" else STATUS_FAILURE, end_time_secs=now)
                data = HParamsPluginData(session_end_info=end)
                yield Event(wall_time=now, summary=_of_session(SESSION_END_INFO_TAG, data))
            yield Event(wall_time=now, step=log.step, summary=_text(name, text))


def _of_session(tag: str, data: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.metadata import NULL_TENSOR, create_summary_metadata

    return Summary(value=[Summary.Value(tag=tag, metadata=create_summary_metadata(data), tensor=NULL_TENSOR)])


def _text(name: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape={})
    metadata = create_summary_metadata(display_name=name, description="")
    return Summary(value=[Summary.Value(tag=name, metadata=metadata, tensor=tensor)])


def _image(png: bytes) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height, _, colours = struct.unpack_from(">IIBB", png, 16)
    return Summary.Image(height=height, width=width, colorspace=CHANNELS.get(colours, 3), encoded_image_string=png)


def _record(event: Event) -> bytes:
    return _framed(event.SerializeToString())


def _framed(data: bytes) -> bytes:
    """A record of TensorFlow's: length, its checksum, data, their checksum."""
    return _head(len(data)) + data + _checksum(data)


def _head(length: int) -> bytes:
    packed = struct.pack("<Q", length)
    return packed + _checksum(packed)


def _checksum(data: bytes) -> bytes:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    return struct.pack("<I", masked_crc32c(data))


@hookimpl
def gan_bench_trackers() -> list[type[Tracker]]:
    """The tracker of this file."""
    return [TensorBoard]
