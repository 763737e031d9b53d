"""Files that are whole or not there, whenever a process is killed: written beside their place, flushed, renamed."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import shutil
import stat
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gan_bench.errors import GanBenchError

LEFTOVER = re.compile(r"\.step-\d+|\.checkpoint\.new\.pt|\..+\.[0-9a-f]{8}")  # of a snapshot, a checkpoint, any file


def replace_file(path: Path, write: Callable[[Path], object], *, flushed: bool = True) -> None:
    """Let `write` make the file beside its place, and move it there once it is complete and, if `flushed`, on the disk.

    Who may read and write a file that it replaces stays as it was. A link is replaced, never followed: see `destination`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        write(beside)
        with suppress(FileNotFoundError):
            _keep_mode(path, beside)
        if flushed:
            flush(beside)
            move(beside, path)
        else:
            os.replace(beside, path)
    except OSError as error:
        if error.filename in (None, str(beside)):  # a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        beside.unlink(missing_ok=True)


def _keep_mode(old: Path, new: Path) -> None:
    mode, fresh = old.lstat().st_mode, new.lstat().st_mode
    if stat.S_ISREG(mode) and mode & 0o777 != fresh & 0o777:
        new.chmod(mode & 0o777)


@contextmanager
def destination(path: Path) -> Iterator[Path]:
    """Where to write a whole file that a person wants at `path`; never for a store's files, whose links may be a stranger's.

    It is the file that links lead to; where no regular file can stand, one whose bytes are then written into the device,
    pipe or descriptor that is there.
    """
    if not is_stream(path):
        yield Path(os.path.realpath(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        yield made
        try:
            with made.open("rb") as content, _opened(path) as stream:
                shutil.copyfileobj(content, stream)
        except OSError as error:
            error.filename = str(path)
            raise


def is_stream(path: Path) -> bool:
    """Whether bytes written to a path go somewhere else than into a file: a device, a pipe, /dev/stdout, /dev/fd/3."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _descriptor(path) is not None
    return False


def _opened(path: Path) -> IO[bytes]:
    # A descriptor's own place in its file: opening /dev/stdout anew would begin at the start, and can't open a socket.
    number = _descriptor(path)
    return path.open("wb") if number is None else open(os.dup(number), "wb")


def _descriptor(path: Path) -> int | None:
    """The number of this process's descriptor that a path leads to."""
    own = {os.path.realpath(folder) for folder in ("/proc/self/fd", "/proc/thread-self/fd", "/dev/fd")}
    name = os.path.abspath(path)
    while True:
        folder, base = os.path.realpath(os.path.dirname(name)), os.path.basename(name)
        if folder in own and base.isdecimal():
            return int(base)
        if not os.path.islink(name):
            return None
        name = os.path.join(folder, os.readlink(name))


def move(file: Path, to: Path) -> None:
    """Rename a file or folder within its folder, and wait until that is on the disk."""
    os.replace(file, to)
    flush(to.parent)


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows can't, and does not need it
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def check_regular(path: str | Path) -> None:
    """OSError: the file is not there, or is a pipe, socket or device, whose reader may wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes have left half-written in a folder, where nobody writes now."""
    for path in folder.glob(".*"):
        if LEFTOVER.fullmatch(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def write_json(path: Path, value: Any, *, flushed: bool = True) -> None:
    """Write JSON by `replace_file`."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(path, lambda beside: beside.write_text(text + "\n", encoding="utf-8"), flushed=flushed)


def read_json(path: Path) -> Any:
    """The JSON of a file, None where there is no such file. GanBenchError: it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise GanBenchError(f"{path} is damaged: {error}. Delete it") from error


def write_tensors(path: Path, state: Any) -> None:
    """Write tensors, numbers, text and containers of them by `replace_file`."""
    content = serialized(state)
    replace_file(path, lambda beside: beside.write_bytes(content))


def serialized(state: Any) -> memoryview:
    """What a file of tensors holds; made in memory, for PyTorch tells of a full disk as "unexpected pos"."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()


def read_tensors(path: Path) -> Any:
    """What `write_tensors` wrote, every tensor's strides kept; no code in the file is executed.

    ValueError: the file is damaged (each part has a CRC-32 sum), or holds more than that.
    """
    import torch

    try:
        buffer = io.BytesIO(path.read_bytes())
    except OSError as error:
        if error.errno == errno.EIO:  # a bad sector
            raise ValueError(str(error)) from error
        raise
    try:
        with zipfile.ZipFile(buffer) as archive:
            damaged = archive.testzip()
        if damaged is None:
            buffer.seek(0)
            return torch.load(buffer, map_location="cpu", weights_only=True)
        fault = f"the checksum of {damaged} is wrong"
    except pickle.UnpicklingError:  # whose text advises to load it all the same
        fault = "it holds more than tensors, numbers, text and containers of them"
    except Exception as error:  # noqa: BLE001 - damaged bytes make the readers of zip files and pickles raise anything
        fault = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    raise ValueError(fault)
