"""Files by name, wherever they lie: which of them are pictures, and why the others are none."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._formats import HEIF, HEIF_CURE, readable_endings

COMPANIONS = {  # files that lie beside pictures and are none
    *(".cfg", ".csv", ".db", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".lnk", ".log", ".lst", ".mat"),
    *(".md", ".names", ".pdf", ".pkl", ".py", ".rtf", ".toml", ".tsv", ".txt", ".url", ".xls", ".xlsx", ".xml"),
    *(".yaml", ".yml"),
}
SOURCES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".npz", ".npy", ".pt", ".parquet")  # hold pictures
STORES = ({"grid.json"}, {"run.json"}, {"scores.json", "samples.png"})  # files that gan-bench's own folders hold
OF_STORES = set().union(*STORES)
WASTE = {  # of NAS systems, Windows, macOS and desktops: thumbnails of the pictures, deleted pictures, lists of them
    *("@eadir", "@recently-snapshot", "@recycle", "@tmp", "@__thumb", ".@__thumb", "#recycle", "#snapshot"),
    *("$recycle.bin", "recycler", "system volume information", "lost+found", "__macosx", ".appledouble", ".ds_store"),
    *(
        ".fseventsd",
        ".spotlight-v100",
        ".trashes",
        ".thumbnails",
        ".thumbs",
        "_thumbs",
        "_thumbnails",
        ".ipynb_checkpoints",
        "__pycache__",
    ),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", ".picasa.ini", "icon\r"),
}
TOLD_ENDINGS = 10  # unknown endings that are told one by one
LONGEST = 16  # letters of an ending; what is longer is a part of the name
LOOKED_AT = 4  # files of an unknown ending whose first bytes are looked at
BEGINNING = 32  # bytes of a file, by which a picture is known
LARGEST = 2**30  # bytes of a file that is read

LeftOut = dict[str, list[str]]  # names by the reason, which completes "so many were left out, ..."


class Files(Protocol):
    """Files of a source that holds pictures: a folder, or an archive."""

    names: list[str]  # of the pictures: paths with "/" below the source, in the order of their folders and names
    left_out: LeftOut  # all else; a folder that was left out with all it holds is one name that ends in "/"

    def read(self, name: str) -> bytes:
        """The bytes of a file, by any name in the source; several threads may ask. OSError or ValueError: it can't be read."""

    def paths(self) -> Sequence[str | Path]:
        """The files on the disk whose bytes determine all samples."""


class FolderFiles:
    """The files of a folder and its subfolders. GanBenchError: there is no such folder, or it is a store.

    Links are followed, and each folder is searched once: where it lies, rather than where a link leads to it.
    """

    def __init__(self, root: Path) -> None:
        self.folder = str(root.absolute())
        self.root = os.path.join(self.folder, "")
        self._not_searched: LeftOut = defaultdict(list)
        self.names, self.left_out = sorted_out(self._found(), self._beginning)
        self.left_out |= self._not_searched

    def read(self, name: str) -> bytes:
        content = self._beginning(name, LARGEST + 1)
        if len(content) > LARGEST:
            raise OSError(f"it has more than {LARGEST:,} bytes")
        return content

    def paths(self) -> list[str]:
        return [self.root + name for name in self.names]

    def _beginning(self, name: str, count: int = BEGINNING) -> bytes:
        check_regular(self.root + name)
        with open(self.root + name, "rb") as opened:
            return opened.read(count)

    def _found(self) -> Iterator[str]:
        """The names of all files, and those of folders that are left out, with a "/", instead of what they hold."""
        if not os.path.isdir(self.root):
            raise GanBenchError(
                f"there is no folder {shown(self.folder)}. Give `root` the folder that holds the pictures"
            )
        own = os.path.realpath(self.root)
        seen: set[str] = set()
        tops = [self.folder]
        for top in tops:
            for folder, subfolders, names in os.walk(top, onerror=self._unopened):
                below = os.path.join(folder, "")[len(self.root) :].replace(os.sep, "/")
                real = os.path.realpath(folder)
                if real in seen or (below and f"{own}/".startswith(f"{real}/")):
                    self._not_searched["links to folders that hold this one, or are searched where they lie"].append(
                        below
                    )
                    subfolders.clear()
                    continue
                seen.add(real)
                yield from (below + name for name in names)
                if of_a_store(names):
                    self._check_below(below)
                    subfolders.clear()
                    continue
                yield from (f"{below}{name}/" for name in subfolders if reason_of(name))
                kept = sorted(name for name in subfolders if not reason_of(name))
                links = {name for name in kept if os.path.islink(os.path.join(folder, name))}
                tops += [os.path.join(folder, name) for name in kept if name in links]
                subfolders[:] = [name for name in kept if name not in links]

    def _check_below(self, below: str) -> None:
        """GanBenchError: the store that was found is the folder itself."""
        if not below:
            raise GanBenchError(
                f"{shown(self.folder)} is a store or a run folder of gan-bench's, by its grid.json, run.json or scores.json. "
                "Give `root` the folder that holds the pictures"
            )

    def _unopened(self, error: OSError) -> None:
        below = os.path.join(error.filename, "")[len(self.root) :]
        if not below:
            raise GanBenchError(f"{shown(self.folder)} can't be searched ({error.strerror})") from error
        self._not_searched[f"folders that can't be searched ({error.strerror})"].append(below)


def sorted_out(names: Iterable[str], beginning: Callable[[str], bytes] | None = None) -> tuple[list[str], LeftOut]:
    """The names of a source's pictures, in the order of their folders and names, and all others by the reason.

    `names` are those of files, with "/" between folders; what ends in "/" is a folder, and only told if it is left out.
    `beginning` gives a file's first bytes, some 32 at least, or raises OSError: with it, pictures of unknown endings are told.
    """
    names = sorted(names)  # a disk has no order
    beside: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, own = name.rpartition("/")
        if folder and own in OF_STORES:
            beside[folder].add(own)
    stores = {folder for folder, found in beside.items() if of_a_store(found)}
    folders: dict[str, tuple[str, str] | None] = {"": None}  # why, and the outermost folder that is left out

    def left_out_with(folder: str) -> tuple[str, str] | None:
        """Why a folder is left out, and which one is left out with it: itself, or one that it lies in."""
        if folder not in folders:
            above = ""
            for own in folder.split("/"):
                inner = f"{above}/{own}" if above else own
                if inner not in folders:
                    reason = "a store or a run folder of gan-bench's" if inner in stores else reason_of(own)
                    folders[inner] = folders[above] or (reason and (reason, f"{inner}/")) or None
                above = inner
        return folders[folder]

    pictures: list[str] = []
    endings = readable_endings()
    left_out: dict[str, dict[str, None]] = defaultdict(dict)
    unknown: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folder, _, own = name.rpartition("/")
        if found := left_out_with(folder):
            left_out[found[0]][found[1]] = None
        elif not own:
            continue
        elif reason := reason_of(own):
            left_out[reason][name] = None
        elif (ending := os.path.splitext(own)[1].lower()) in endings:
            pictures.append(name)
        else:
            unknown[ending].append(name)
    others = {reason: list(found) for reason, found in left_out.items()}
    return sorted(pictures, key=lambda name: name.split("/")), others | _by_ending(unknown, beginning)


def of_a_store(names: Iterable[str]) -> bool:
    """Whether a folder with these files is a store of gan-bench's, a run folder, or one of samples and their scores."""
    return any(own.issubset(names) for own in STORES)


def reason_of(name: str) -> str:
    """Why a file or folder of such a name, without a path, is left out whatever it holds; "": it isn't."""
    if name.lower() in WASTE:
        return "thumbnails or waste of a system"
    return "hidden" if name.startswith(".") else ""


def _by_ending(unknown: dict[str, list[str]], beginning: Callable[[str], bytes] | None) -> LeftOut:
    """Files of unknown endings by the reason to leave them out: one for each ending, but one for all that go with pictures."""
    found: LeftOut = {}
    companions = sorted(COMPANIONS & unknown.keys())
    if companions:
        names = [name for ending in companions for name in unknown.pop(ending)]
        found[f"no pictures ({', '.join(companions)})"] = names
    frequent = Counter({ending: len(names) for ending, names in unknown.items()}).most_common()
    for place, (ending, _) in enumerate(frequent):
        names = unknown[ending]
        with_ending = f"with the ending {shown(ending)}" if ending else "without an ending"
        if place >= TOLD_ENDINGS or len(ending) > LONGEST or " " in ending:
            found.setdefault("with other endings", []).extend(names)
        elif ending in HEIF:
            found[f"{with_ending} ({HEIF_CURE})"] = names
        else:
            forms = beginning and sorted({form for name in names[:LOOKED_AT] if (form := _form(name, beginning))})
            cure = f", though they hold pictures ({', '.join(forms)}): rename them to have them read" if forms else ""
            found[with_ending + cure] = names
    return found


def _form(name: str, beginning: Callable[[str], bytes]) -> str:
    """The format of a picture by its first bytes; "" if they are no picture's."""
    try:
        first = beginning(name)
    except (OSError, ValueError):
        return ""
    if first[:4] == b"RIFF" and first[8:12] == b"WEBP":
        return "WEBP"
    if first[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}.get(first[8:12], "")
    forms = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF"}
    return next((form for magic, form in forms.items() if first.startswith(magic)), "")


def shown(name: str) -> str:
    """A file's name as text: bytes that are none are replaced, and what can't be printed is written out."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
