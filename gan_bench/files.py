"""Files that are whole or not there, whenever a process is killed: written beside their place, flushed, renamed.

Where several processes may write, each checks that it still may (`checked`) between the writing and the renaming.
"""

from __future__ import annotations

import errno
import hashlib
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
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from gan_bench.errors import GanBenchError

# What `beside` names; the others were called so by earlier versions: a snapshot, a checkpoint, a run that was discarded.
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}|\.step-\d+|\.checkpoint\.new\.pt|\..+\.discarded")
CODE = ("*.py", "*.html", "*.css", "*.js")
_check: ContextVar[Callable[[], object]] = ContextVar("check", default=lambda: None)


@contextmanager
def checked(check: Callable[[], object]) -> Iterator[None]:
    """What this thread gives or takes a place inside is preceded by `check`, which raises where it no longer may.

    A process may stand still for an hour between the check and the renaming. So whoever takes its work over deletes what it
    had beside the places (`remove_leftovers`), and the renaming fails.
    """
    before = _check.set(check)
    try:
        yield
    finally:
        _check.reset(before)


def beside(path: Path) -> Path:
    """A name for what is not yet, or no longer, at this path."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def replace_file(path: Path, write: Callable[[Path], object], *, flushed: bool = True) -> None:
    """Let `write` make the file beside its place, and move it there once it is complete and, if `flushed`, on the disk.

    Who may read and write a file that it replaces stays as it was. A link is replaced, never followed: see `destination`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = beside(path)
    try:
        write(new)
        with suppress(FileNotFoundError):
            _keep_mode(path, new)
        if flushed:
            flush(new)
            move(new, path)
        else:
            rename(new, path)
    except OSError as error:
        if error.filename in (None, str(new)):  # a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        new.unlink(missing_ok=True)


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


def rename(file: Path, to: Path) -> None:
    """Give a file or folder its place, after the check."""
    _check.get()()
    os.replace(file, to)


def move(file: Path, to: Path) -> None:
    """Give a file or folder its place, after the check, and wait until that is on the disk."""
    rename(file, to)
    flush(to.parent)


def take_away(path: Path, to: Path | None = None) -> None:
    """Rename a file or folder, or delete it. FileNotFoundError: it is not there.

    The check follows as well: what a process took that was too late for it is put back. What can't be deleted, such as files
    that are still open on NFS, is a leftover.
    """
    check, away = _check.get(), beside(path)
    check()
    path.rename(away)
    try:
        check()
    except BaseException:
        put_back(away, path)
        raise
    if to is not None:
        os.replace(away, to)
        flush(to.parent)
    elif away.is_dir() and not away.is_symlink():
        shutil.rmtree(away, ignore_errors=True)
    else:
        away.unlink()


def put_back(away: Path, path: Path) -> None:
    """Rename a file or folder back, unless there is another one by now: then that stays, and this one is deleted."""
    if away.is_dir() and not away.is_symlink():
        try:
            away.rename(path)  # a folder does not replace a filled one
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise  # and nothing is deleted
            shutil.rmtree(away, ignore_errors=True)
        return
    with suppress(FileExistsError):
        _link(away, path)
    away.unlink(missing_ok=True)


def _link(file: Path, to: Path) -> None:
    """A second name for a file; where the file system has no such thing, a rename. FileExistsError: there is one."""
    try:
        os.link(file, to)
    except OSError as error:
        if isinstance(error, FileExistsError) or to.exists():
            raise FileExistsError(errno.EEXIST, "there is one", str(to)) from error
        file.rename(to)


def twin(file: Path, to: Path) -> None:
    """The same file under a second name; where the file system has no such thing, a copy. FileExistsError: there is one."""
    try:
        os.link(file, to)
    except FileExistsError:
        raise
    except OSError:
        with file.open("rb") as content, to.open("xb") as copy:
            shutil.copyfileobj(content, copy)
        flush(to)


def listed(path: Path) -> bool:
    """Whether a file is there, by its folder's list: NFS answers for up to a minute that a name is not there which it was once
    asked for."""
    try:
        return path.name in os.listdir(path.parent)
    except FileNotFoundError:
        return False


def code_stamp(folder: Path) -> str:
    """What changes whenever a file of Python or of a page in the folder does: names, sizes and times of change."""
    found = [(file, file.stat()) for pattern in CODE for file in folder.rglob(pattern)]
    facts = sorted((str(file.relative_to(folder)), one.st_size, one.st_mtime_ns) for file, one in found)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


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


def remove_leftovers(folder: Path, pattern: str = ".*") -> None:
    """Delete what others have left half-written in a folder. They are dead, or `checked`: none of it can get its place now."""
    for path in folder.glob(pattern):
        if LEFTOVER.fullmatch(path.name):
            with suppress(FileNotFoundError):
                if path.is_dir() and not path.is_symlink():
                    gone = beside(folder / "gone")
                    path.rename(gone)  # at once, for whoever wakes up may write more into it
                    shutil.rmtree(gone, ignore_errors=True)
                else:
                    path.unlink()


def write_text(path: Path, text: str, *, flushed: bool = True) -> None:
    """Write text by `replace_file`."""
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"), flushed=flushed)


def write_json(path: Path, value: Any, *, flushed: bool = True) -> None:
    """Write JSON by `replace_file`."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", flushed=flushed)


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
