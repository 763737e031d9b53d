"""What the folders of a pile of pictures mean: its parts, its classes, or nothing. By names alone, wherever the files lie."""

from __future__ import annotations

import json
import os
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from pydantic import ValidationError

from gan_bench.errors import GanBenchError, ParameterError, did_you_mean

from ._files import LeftOut, shown
from ._folder_names import KINDS, PartName, is_drawn, no_classes, of_pictures, part_name, part_names
from ._split import Split

MASK = re.compile(r"(.+)[_-](mask|masks|seg|segmentation|gt|label|labels)([_-]?\d+)?", re.IGNORECASE)
Labels = Literal["auto", "folders", "none"]
LOOSE = 0.1  # share of pictures beside folders up to which they are strays


@dataclass(frozen=True)
class Layout:
    """What a list of names was found to be; the numbers are indices of it."""

    parts: dict[str, list[int] | None]  # "training" and "held_out", which is None where it is for the core to divide
    classes: tuple[str, ...] | None
    labels: list[int]  # of every name, -1: none
    left_out: LeftOut
    notes: list[str]  # sentences on how the names were understood


def layout(
    names: Sequence[str],
    split: Literal["auto", "random"] | Split = "auto",
    labels: Labels = "auto",
) -> Layout:
    """The parts and classes that the folders in a source's names say, with "/" between them.

    GanBenchError: they can be understood in several ways, or not as `split` and `labels` say; with the cure.
    """
    return _Names(names, labels).layout(split)


Placed = dict[int, str]  # pictures by index: what is left of their names below a folder


class _Names:
    """A list of names on its way to a layout."""

    def __init__(self, names: Sequence[str], labels: Labels) -> None:
        self.names, self.labels = names, labels
        self.left_out: LeftOut = {}
        self.notes: list[str] = []
        self.common = _common(names)  # what all names begin with: settings may leave it out
        self.part: dict[int, str] = {}  # the folder of a picture's part

    def layout(self, split: Literal["auto", "random"] | Split) -> Layout:
        everything = self._without_masks()
        if isinstance(split, Split):
            return self._named(everything, split)
        placed, wrapper = _unwrapped(everything)
        placed, inner = _unwrapped(self._without_copies(placed))
        wrapper += inner
        level = self._level(placed, wrapper, refuse=split == "auto")
        if level is None:
            placed = self._without_drawn(placed)
            return self._result(placed, None, self._classes(placed, "the folder"))
        placed = self._without_drawn(self._in_parts(placed, level))
        if split == "auto":
            return self._divided(placed)
        self.notes.append(f"All in one pile, also what lies in folders of parts ({self._listed(placed)}).")
        return self._result(placed, None, self._classes(placed, "the folder"))

    def _without_masks(self) -> Placed:
        """All names but those of masks that lie beside their pictures: `x_mask.png` beside `x.jpg`."""
        stems = [os.path.splitext(name)[0] for name in self.names]
        known = set(stems)
        masks = {index for index, stem in enumerate(stems) if (found := MASK.fullmatch(stem)) and found[1] in known}
        self._leave_out("masks of the pictures beside them (x_mask, beside x)", masks)
        return {index: name for index, name in enumerate(self.names) if index not in masks}

    def _without_copies(self, placed: Placed) -> Placed:
        """Less those in a folder that holds the folders beside it once more, as unpacked archives do."""
        names = set(placed.values())
        below: dict[str, Placed] = defaultdict(dict)
        for index, rest in placed.items():
            folder, _, name = rest.partition("/")
            below[folder][index] = name
        for folder, copies in below.items():
            if all("/" in name and name in names for name in copies.values()):
                self._leave_out(f"in {shown(folder)}, which holds the folders beside it once more", copies)
                placed = {index: rest for index, rest in placed.items() if index not in copies}
        return placed

    def _without_drawn(self, placed: Placed) -> Placed:
        """Less those in folders of masks and the like, where pictures lie beside these."""
        loose = sum("/" not in rest for rest in placed.values())
        folders = {folder for rest in placed.values() if (folder := _first(rest)) and is_drawn(folder)}
        if self.labels != "auto" or loose <= LOOSE * len(placed):
            return placed
        for folder in sorted(folders):
            inside = {index for index, rest in placed.items() if _first(rest) == folder}
            self._leave_out(f"in {shown(folder)}, as what belongs to the pictures beside it", inside)
            placed = {index: rest for index, rest in placed.items() if index not in inside}
        return placed

    # Parts.

    def _level(self, placed: Placed, wrapper: str, refuse: bool) -> int | None:
        """How many folders stand before that of the part in all names; None: there are no parts.

        GanBenchError: folders of parts stand beside others.
        """
        pictures = Counter(tuple(rest.split("/")[:-1]) for rest in placed.values())  # by the folders they lie in
        beside: dict[tuple[str, ...], set[str]] = defaultdict(set)  # by the folders above
        for folders in pictures:
            for depth, folder in enumerate(folders):
                beside[folders[:depth]].add(folder)
        for depth in sorted({len(above) for above in beside}):
            level = {above: (own, part_names(own)) for above, own in beside.items() if len(above) == depth}
            several = {above for above, (_, parts) in level.items() if len({one.kind for one in parts.values()}) > 1}
            if not (several or (depth == 0 and level[()][1])):
                continue  # below other folders, one that is called `test` alone is none
            loose = sum(number for folders, number in pictures.items() if len(folders) <= depth)
            strays = LOOSE * len(placed) if depth == 0 else 0
            if loose <= strays and all(own == parts.keys() for own, parts in level.values()):
                return depth
            above = min(several or level)
            if refuse:
                self._refuse_mixture(*level[above], wrapper + "".join(f"{folder}/" for folder in above))
            if several:
                self.labels = "none" if self.labels == "auto" else self.labels
                self.notes.append(f"No classes: {_listed(sorted(level[above][1]))} are no names of classes.")
            return None
        return None

    def _refuse_mixture(self, folders: set[str], parts: dict[str, PartName], above: str) -> NoReturn:
        others = sorted(folders - parts.keys())
        of = {kind: [above + name for name in sorted(parts) if parts[name].kind == kind] for kind in KINDS}
        training = of["training"] or [above + folder for folder in others]
        tried = [
            (training, held_out) for held_out in (of["test"], of["validation"], None) if training and held_out != []
        ]
        tried = tried or [(of["test"] or of["validation"], None)]  # beside pictures in no folder
        named = self._split(*next((cure for cure in tried if self._works(*cure)), tried[0]))
        cures = [named, 'split = "random" for one pile, in which they are folders like others']
        raise GanBenchError(
            f"folders called as parts of the data are ({_listed(sorted(parts))}) stand beside "
            f"{f'others ({_listed(others)})' if others else 'pictures'}{f' in {shown(above[:-1])}' * bool(above)}. "
            f"Say {'; or '.join(cures if of['training'] and len(parts) > 1 else reversed(cures))}"
        )

    def _works(self, training: list[str], held_out: list[str] | None) -> bool:
        try:
            layout(self.names, Split(training=tuple(training), held_out=held_out and tuple(held_out)), self.labels)
        except (GanBenchError, ValidationError):
            return False
        return True

    def _in_parts(self, placed: Placed, level: int) -> Placed:
        """The pictures in folders of parts, whose names are theirs no more."""
        split = {index: folders for index, rest in placed.items() if len(folders := rest.split("/")) > level + 1}
        several = len({name.beside for folders in split.values() if (name := part_name(folders[level]))}) > 1
        found: Placed = {}
        for index, folders in split.items():
            own, below, rest = folders[level], folders[level + 1 :], placed[index]
            name = part_name(own)
            if name and (domain := name.domain or " ".join(name.beside) * several):
                below = [domain, below[-1]]
            self.part[index] = self.names[index].removesuffix(rest) + "/".join(folders[: level + 1])
            found[index] = "/".join(folders[:level] + _without(own, below))
        self._leave_out("beside the folders of the parts", placed.keys() - found.keys())
        start = len(_common(found.values()))
        return {index: rest[start:] for index, rest in found.items()}

    def _divided(self, placed: Placed) -> Layout:
        """The pictures by the kinds of their parts' folders."""
        kinds: dict[str, Placed] = defaultdict(dict)
        for index, rest in placed.items():
            name = part_name(self.part[index].rpartition("/")[2])
            assert name
            kinds[name.kind][index] = rest
        if "training" not in kinds:
            raise GanBenchError(
                f"the folders {self._listed(placed)} are called as parts of the data are, but none as one to train on. "
                f'Say which is, as in {self._split([min(self.part.values())])}; or split = "random" for one pile'
            )
        training = kinds["training"]
        others = [kinds[kind] for kind in ("test", "validation") if kind in kinds]
        classes = self._classes(training, self._listed(training), *others[:1])
        if not others:
            return self._result(training, None, classes, self._listed(training))
        held_out = next((one for one in others if classes is None or _class_set(one) == classes), None)
        if held_out is None:
            self._refuse_classes(classes or set(), others[-1], self._listed(others[-1]), self._parts(training))
        for other in others:
            if other is not held_out:
                self._leave_out(f"in {self._listed(other)}, as {self._listed(held_out)} is held out", other)
        return self._result(training, held_out, classes, self._listed(training), self._listed(held_out))

    def _named(self, everything: Placed, split: Split) -> Layout:
        """The parts that the settings name."""
        training = self._inside(everything, split.training)
        held_out = self._inside(everything, split.held_out) if split.held_out else None
        if both := training.keys() & (held_out or {}).keys():
            more = f", with {len(both) - 1} more" * (len(both) > 1)
            raise ParameterError(f"{shown(self.names[min(both)])} would be in both parts{more}", "split")
        level = self._level(training, "", refuse=False) if len(split.training) == 1 else None
        if level is not None and len(inner := {rest.split("/")[level] for rest in training.values()}) > 1:
            rule = f"{shown(split.training[0])} holds parts itself, {_listed(sorted(inner))}. Name the folders of one of them"
            raise ParameterError(rule, "split")
        taken = training | (held_out or {})
        self._leave_out("outside of the folders that `split` names", everything.keys() - taken.keys())
        start = len(_common(taken.values()))
        taken = self._without_drawn({index: rest[start:] for index, rest in taken.items()})
        training = {index: taken[index] for index in training.keys() & taken.keys()}
        held_out = held_out and {index: taken[index] for index in held_out.keys() & taken.keys()}
        classes = self._classes(training, _listed(split.training), held_out)
        if classes and held_out and split.held_out and _class_set(held_out) != classes:
            self._refuse_classes(classes, held_out, _listed(split.held_out), split.training)
        return self._result(training, held_out, classes, _listed(split.training), _listed(split.held_out or ()))

    def _inside(self, everything: Placed, folders: tuple[str, ...]) -> Placed:
        """The pictures in folders, named below the root or below what all have in common."""
        found: Placed = {}
        texts = {index: _written(shown(name)) for index, name in everything.items()}
        for folder in folders:
            below_root = f"{_written(shown(folder))}/"
            below_common = _written(shown(self.common)) + below_root
            start = below_root if any(text.startswith(below_root) for text in texts.values()) else below_common
            own = start.split("/")[-2]
            inside = {
                index: "/".join(_without(own, text.removeprefix(start).split("/")))
                for index, text in texts.items()
                if text.startswith(start)
            }
            if not inside:
                below = [name.removeprefix(self.common) for name in self.names]
                known = {shown(_first(name)) for name in below} - {""}
                cure = did_you_mean(folder, known) if known else "All pictures lie beside each other."
                raise ParameterError(f"there is no folder {folder!r} with pictures. {cure}", "split")
            found |= inside
        return found

    # Classes.

    def _classes(self, placed: Placed, where: str, held_out: Placed | None = None) -> set[str] | None:
        """The classes that the folders of a part are; None: they are none. GanBenchError: they can't be."""
        if self.labels == "none":
            return None
        pairs = [(folder, below) for folder, _, below in (rest.partition("/") for rest in placed.values()) if below]
        folders = {folder for folder, _ in pairs}
        classes = set(map(_written, folders))
        if self.labels == "folders" and len(classes) < 2:
            found = f"only {shown(*classes)}" if folders else "no folder"
            rule = f'labels = "folders" takes two folders with pictures at least; {where} holds {found}. Say labels = "none"'
            raise ParameterError(rule, "labels")
        if len(classes) < 2:
            return None
        if self.labels == "auto":
            if pictures := of_pictures(folders):
                self._refuse_containers(folders, pictures, placed, held_out or {})
            if inner := _alike(pairs):
                self._refuse_levels(folders, inner, placed, held_out or {})
            loose = len(placed) - len(pairs)
            if loose > LOOSE * len(placed):
                self.notes.append(
                    f"No classes: {loose} of {len(placed)} pictures lie beside the folders. "
                    'labels = "folders" takes the folders for classes and leaves these pictures out.'
                )
                return None
            if reason := no_classes(pairs):
                self.notes.append(f'No classes: {reason}. labels = "folders" takes them for classes all the same.')
                return None
        return classes

    def _refuse_containers(
        self, folders: set[str], pictures: list[str], training: Placed, held_out: Placed
    ) -> NoReturn:
        raise GanBenchError(
            f"the folders {_listed(sorted(folders))} look like pictures and what belongs to these, not like classes. "
            f"Say {self._split_of(pictures, training, held_out)} to have these pictures alone, "
            'or labels = "folders" if they are classes'
        )

    def _refuse_levels(self, folders: set[str], inner: set[str], training: Placed, held_out: Placed) -> NoReturn:
        raise GanBenchError(
            f"the folders {_listed(sorted(folders))} all hold the folders {_listed(sorted(inner))}: either may be the classes. "
            f"Say {self._split_of(sorted(folders), training, held_out)} to have the inner ones, "
            'labels = "folders" to have the outer ones, or labels = "none"'
        )

    def _split_of(self, folders: Iterable[str], training: Placed, held_out: Placed) -> str:
        """The setting that names folders of both parts."""
        parts = (training, held_out)
        return self._split(*(sorted(set().union(*(self._folders_of(own, part) for own in folders))) for part in parts))

    def _folders_of(self, folder: str, part: Placed) -> set[str]:
        """The paths of the folders of a part that are called so."""
        return {
            self.names[index].removesuffix(rest) + folder
            if self.names[index].endswith(rest)
            else self.part.get(index, folder)
            for index, rest in part.items()
            if rest.startswith(f"{folder}/")
        }

    def _refuse_classes(self, classes: set[str], held_out: Placed, name: str, training: Sequence[str]) -> NoReturn:
        found = _class_set(held_out) or set()
        more, fewer = sorted(found - classes), sorted(classes - found)
        told = [f"has {_listed(more)} besides"] * bool(more) + [f"lacks {_listed(fewer)}"] * bool(fewer)
        raise GanBenchError(
            f"the classes of {name} are not those of {_listed([folder.rpartition('/')[2] for folder in training])}: "
            f"it {' and '.join(told) if found else 'has no folders of classes'}. Say {self._split(training)} to hold out "
            f'some of that at random, split = "random" for one pile, or labels = "none"'
        )

    # Results.

    def _result(
        self, training: Placed, held_out: Placed | None, classes: set[str] | None, first: str = "", second: str = ""
    ) -> Layout:
        """The layout of these parts; `first` and `second` name the folders that they are, if folders are."""
        if first:
            rest = f"; held-out part: {second}." if second else ", of which some are held out at random."
            self.notes.append(f"Training part: {first}{rest}")
        labels = [-1] * len(self.names)
        parts: dict[str, list[int] | None] = {}
        order = sorted(classes or ())
        numbers = {name: number for number, name in enumerate(order)}
        for name, placed in (("training", training), ("held_out", held_out)):
            parts[name] = None if placed is None else sorted(placed)
            if placed is not None and classes is not None:
                of = {index: numbers[_written(folder)] for index, rest in placed.items() if (folder := _first(rest))}
                self._leave_out("beside the class folders", placed.keys() - of.keys())
                parts[name] = sorted(of)
                for index, number in of.items():
                    labels[index] = number
        if classes is not None:
            self.notes.append("The classes are the names of folders.")
            written = Counter(map(_written, {_first(rest) for rest in training.values()}))
            self.notes.extend(
                f"{count} folders are called {shown(name)}, written differently in Unicode: they are one class."
                for name, count in written.items()
                if count > 1
            )
        told = None if classes is None else tuple(map(shown, order))
        return Layout(parts, told, labels, self.left_out, self.notes)

    def _leave_out(self, reason: str, indices: Iterable[int]) -> None:
        if names := [self.names[index] for index in sorted(indices)]:
            self.left_out.setdefault(reason, []).extend(names)

    def _parts(self, placed: Placed) -> list[str]:
        """The folders of the parts of pictures."""
        return sorted({self.part[index] for index in placed})

    def _listed(self, placed: Placed) -> str:
        return _listed(sorted({folder.rpartition("/")[2] for folder in self._parts(placed)}))

    def _split(self, training: Sequence[str], held_out: Sequence[str] | None = None) -> str:
        """The setting that names these folders."""
        named = [f"training = {self._toml(training)}"] + ([f"held_out = {self._toml(held_out)}"] if held_out else [])
        return f"split = {{ {', '.join(named)} }}"

    def _toml(self, folders: Sequence[str]) -> str:
        quoted = [json.dumps(shown(folder.removeprefix(self.common)), ensure_ascii=False) for folder in folders]
        return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted[:9])}{', ...' * (len(quoted) > 9)}]"


def _first(rest: str) -> str:
    return rest.partition("/")[0] if "/" in rest else ""


def _written(folder: str) -> str:
    """A name as Unicode composes it, so that equal ones are equal; macOS takes letters apart."""
    return unicodedata.normalize("NFC", folder)


def _class_set(placed: Placed) -> set[str] | None:
    """The first folders of pictures; None: too many lie in none."""
    found = [folder for rest in placed.values() if (folder := _first(rest))]
    return set(map(_written, found)) if len(placed) - len(found) <= LOOSE * len(placed) else None


def _alike(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """The folders, two at least, that each of several folders holds, by the (folder, name below it) of each picture."""
    inside: dict[str, set[str]] = defaultdict(set)
    for folder, below in pairs:
        inside[folder].add(_first(below))
    first = next(iter(inside.values()))
    return first if len(first) > 1 and "" not in first and all(own == first for own in inside.values()) else set()


def _unwrapped(placed: Placed) -> tuple[Placed, str]:
    """The pictures below the folder that holds all but strays, and that folder with a "/".

    Strays are left beside the folders in it; where there are none it is the folder that all pictures have in common.
    """
    inner, wrapper = dict(placed), ""
    strays: Placed = {}
    while True:
        folders = {folder for rest in inner.values() if (folder := _first(rest))}
        strays |= {index: rest for index, rest in inner.items() if "/" not in rest}
        if len(folders) > 1:
            return inner | strays, wrapper
        if not folders or len(strays) > LOOSE * len(placed):
            wrapper = _common(placed.values())
            return {index: rest.removeprefix(wrapper) for index, rest in placed.items()}, wrapper
        wrapper += f"{folders.pop()}/"
        inner = {index: rest.partition("/")[2] for index, rest in inner.items() if "/" in rest}


def _common(names: Iterable[str]) -> str:
    """The folders that all names begin with, with a "/" after each."""
    above = {name.rpartition("/")[0] for name in names}
    if "" in above:
        return ""
    return posixpath.join(posixpath.commonpath(above), "")


def _without(own: str, folders: list[str]) -> list[str]:
    """Folders and a name below a folder, less those that repeat its name: seg_train/seg_train."""
    while len(folders) > 1 and folders[0] == own:
        folders = folders[1:]
    return folders


def _listed(folders: Iterable[str], most: int = 6) -> str:
    """Names in words."""
    names = list(map(shown, folders))
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
