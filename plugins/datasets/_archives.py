"""Archives of pictures, read where they lie. A name in one is no path: nothing is written under it."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._damage import check_file_size, damage_told
from ._files import LeftOut, sorted_out
from ._streams import read_at

HEADER = 2**24  # bytes of a tar's header, which holds a name or two
LINKS = "links, which are not followed in an archive"
OUTSIDE = "with names that lead out of the archive"
TWICE = "replaced by a later one of the same name"


def archive_name(name: str) -> str | None:
    """A member's name as one below the archive, with "/" between folders; None: it leads out of it."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts and len(parts[0]) == 2 and parts[0][1] == ":":  # a drive's letter
        del parts[0]
    return None if ".." in parts else "/".join(parts)


class ZipFiles:
    """The files of a .zip. GanBenchError: it is damaged, or none can be read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._members: dict[str, zipfile.ZipInfo] = {}
        odd: LeftOut = {}
        with damage_told(file):
            check_regular(file)
            # Given an open file, for the archive counts its readers without a lock, and would close one that it opened.
            self._archive = zipfile.ZipFile(_OwnPlace(opened_for(self, file)))
            members = [one for one in self._archive.infolist() if not one.is_dir()]
            if sum(one.compress_size for one in members) > file.stat().st_size:
                raise ValueError("its members lie one over the other, as in a bomb")
        for one in members:
            name = archive_name(_decoded(one))
            if name is None:
                odd.setdefault(OUTSIDE, []).append(one.filename)
            elif one.flag_bits & 1:
                odd.setdefault("encrypted", []).append(name)
            elif stat.S_ISLNK(one.external_attr >> 16):
                odd.setdefault(LINKS, []).append(name)
            else:
                if name in self._members:
                    odd.setdefault(TWICE, []).append(name)
                self._members[name] = one
        encrypted = len(odd.get("encrypted", ()))
        if encrypted and encrypted >= len(members) / 2:
            raise GanBenchError(f"{file} is encrypted. Unpack it with its password, and give the folder as root")
        self.names, self.left_out = sorted_out(self._members, lambda name: self._content(name, 32))
        self.left_out |= odd

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise FileNotFoundError(2, "there is no such file in the archive", name)
        size = self._members[name].file_size
        check_file_size(size)
        content = self._content(name, size + 1)  # all of it, so that its checksum is looked at
        if len(content) != size:
            raise ValueError(f"it has {len(content):,} bytes of the {size:,} that it says it has")
        return content

    def paths(self) -> list[Path]:
        return [self.file]

    def _content(self, name: str, most: int) -> bytes:
        """So many of a member's first bytes. ValueError: it is damaged, or packed as Python can't unpack it."""
        try:
            with self._archive.open(self._members[name]) as opened:
                return opened.read(most)
        except OSError:
            raise
        except Exception as error:  # of whatever kind the unpacker has
            raise ValueError(str(error) or type(error).__name__) from error


def _decoded(member: zipfile.ZipInfo) -> str:
    """A member's name: UTF-8 also where it is not declared to be, as by macOS and many scripts."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


class TarFiles:
    """The files of a tar, packed or not. A packed one can only be read from its beginning: its pictures are unpacked, once, into
    a file without a name below the cache, which ends with this process. GanBenchError: it is damaged, or not to be unpacked here.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._places: dict[str, tuple[int, int]] = {}  # of each member: where its bytes begin, and their number
        self._odd: LeftOut = {}
        self._lock = threading.Lock()
        self._source: IO[bytes] | None = None
        with damage_told(file):
            check_regular(file)
            self._open = _opener(file)
            self._list()
        self.names, self.left_out = sorted_out(self._places, None if self._open else lambda name: self._bytes(name, 32))
        self.left_out |= self._odd
        self._pictures = frozenset(self.names)

    def read(self, name: str) -> bytes:
        if name not in self._places:
            raise FileNotFoundError(2, "there is no such file in the archive", name)
        check_file_size(self._places[name][1])
        if self._open and name not in self._pictures:
            with self._open() as unpacked:
                unpacked.seek(self._places[name][0])
                return unpacked.read(self._places[name][1])
        return self._bytes(name, self._places[name][1])

    def paths(self) -> list[Path]:
        return [self.file]

    def _list(self) -> None:
        """Find all members, keeping only names and places of them."""
        with self._open() if self._open else self.file.open("rb") as opened:
            watched = _Watched(opened)
            with tarfile.open(fileobj=watched, mode="r:", errors="surrogateescape") as archive:  # type: ignore[call-overload]
                linked: list[tuple[str, str | None]] = []
                while (member := archive.next()) is not None:
                    archive.members.clear()
                    self._add(member, linked)
            if watched.last.strip(b"\0"):  # tarfile ends at a header that it can't read, and says nothing
                raise ValueError("a header in it is damaged")
            if self._open:  # to its end, where its checksum is; but not for ever
                any(not opened.read(HEADER) for _ in range(16))
        for name, target in linked:
            if target in self._places:
                self._places[name] = self._places[target]
            else:
                self._odd.setdefault(LINKS, []).append(name)

    def _add(self, member: tarfile.TarInfo, linked: list[tuple[str, str | None]]) -> None:
        name = archive_name(member.name)
        if name is None:
            self._odd.setdefault(OUTSIDE, []).append(member.name)
        elif member.islnk():  # one of a file's several names
            linked.append((name, archive_name(member.linkname)))
        elif member.issym():
            self._odd.setdefault(LINKS, []).append(name)
        elif member.isreg() and not member.issparse():
            if name in self._places:
                self._odd.setdefault(TWICE, []).append(name)
            self._places[name] = member.offset_data, member.size
        elif not member.isdir():
            self._odd.setdefault("devices, pipes or files with holes", []).append(name)

    def unpack(self) -> list[str]:
        """Have all pictures where any can be read at once. GanBenchError: there is no room for them, or damage."""
        with self._lock:
            if self._source is None:
                with damage_told(self.file):
                    self._source = self._unpacked() if self._open else opened_for(self, self.file)
        return []

    def _bytes(self, name: str, most: int) -> bytes:
        self.unpack()
        assert self._source
        offset, size = self._places[name]
        content = read_at(self._source, min(most, size), offset)
        if len(content) < min(most, size):
            raise ValueError("the archive ends too early")
        return content

    def _unpacked(self) -> IO[bytes]:
        """The pictures of a packed tar, one after the other, in a file without a name; their places are then there."""
        from gan_bench.data.cache import cache_root  # imports torch, which starting up must not

        folder = cache_root()
        folder.mkdir(parents=True, exist_ok=True)
        wanted = sorted({self._places[name] for name in self._pictures})
        total = sum(size for _, size in wanted)
        if total > shutil.disk_usage(folder).free:
            rule = f"its pictures take {total / 2**30:,.1f} GiB, for which {folder} has no room"
            raise GanBenchError(f"{self.file}: {rule}. Unpack it elsewhere, and give the folder as root")
        unpacked = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, unpacked.close)
        places = {}
        assert self._open
        with self._open() as opened:
            for offset, size in wanted:
                opened.seek(offset)
                places[offset] = unpacked.tell()
                left = size
                while left and (content := opened.read(min(left, 2**20))):
                    unpacked.write(content)
                    left -= len(content)
        for name in self._pictures:
            offset, size = self._places[name]
            self._places[name] = places[offset], size
        unpacked.flush()
        return unpacked


class _Watched:
    """A file whose last bytes read are remembered, and of which no header makes more be read than a header has."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.last = file, b""
        self.tell, self.seek, self.close = file.tell, file.seek, file.close

    def read(self, size: int) -> bytes:
        if size > HEADER:
            raise ValueError(f"a header in it says that it has {size:,} bytes")
        self.last = self.file.read(size)
        return self.last


class _OwnPlace(io.RawIOBase):
    """A file read by a place of this object's own: processes forked from one another share a file's."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.place = file, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = (0, self.place, os.fstat(self.file.fileno()).st_size)[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "a place before the file's beginning")
        self.place = start + offset
        return self.place

    def readinto(self, buffer: Any) -> int:
        content = read_at(self.file, len(buffer), self.place)
        buffer[: len(content)] = content
        self.place += len(content)
        return len(content)


def opened_for(owner: object, file: Path) -> IO[bytes]:
    """A file, open as long as its owner is there."""
    opened = file.open("rb")
    weakref.finalize(owner, opened.close)
    return opened


def _opener(file: Path) -> Callable[[], IO[bytes]] | None:
    """What unpacks a file, by its first bytes; None: it is not packed. ValueError: Python can't."""
    with file.open("rb") as opened:
        magic = opened.read(6)
    packers: Iterable[tuple[bytes, Any]] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
    for first, open_ in packers:
        if magic.startswith(first):
            return lambda: open_(file, "rb")
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        if sys.version_info < (3, 14):
            raise ValueError("Python unpacks Zstandard from 3.14 on. Unpack it: zstd -d")
        from compression import zstd  # type: ignore[import-not-found]

        return lambda: zstd.open(file, "rb")
    return None


def is_tar(file: Path) -> bool:
    """Whether a file is a tar, packed or not, by its content. ValueError: it can't be unpacked."""
    unpack = _opener(file)
    with unpack() if unpack else file.open("rb") as opened:
        try:
            tarfile.TarInfo.frombuf(opened.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            return False
    return True
