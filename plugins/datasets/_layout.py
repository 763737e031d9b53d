"""What the folders of a pile of pictures mean: its parts, its classes, or nothing. By names alone, wherever the files lie."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gan_bench import Field
from gan_bench.errors import GanBenchError, did_you_mean

from ._files import LeftOut

KINDS = {
    "training": ("train", "training", "trainval", "trn"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "heldout", "holdout"),
}  # words that name a part
WORDS = {word: kind for kind, words in KINDS.items() for word in words}
PLAIN = {  # words beside them that say nothing
    *("all", "cropped", "data", "dataset", "final", "folder", "full", "image", "images", "img", "imgs", "jpg", "jpegs"),
    *("part", "photos", "pic", "pics", "pictures", "png", "pngs", "resized", "set", "split"),
}
GLUED = re.compile(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})({'|'.join(sorted(PLAIN))})?")
DOMAIN = re.compile(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})[ _-]?([A-D])", re.IGNORECASE)
PICTURES = {  # folders of all pictures, where others beside them hold what is drawn on these
    *("color", "frames", "image", "images", "img", "imgs", "input", "inputs", "jpegimages", "leftimg8bit", "original"),
    *("originals", "photos", "pics", "pictures", "rgb"),
}
DRAWN = {
    *("annotation", "annotations", "bbox", "boxes", "depth", "gt", "gtcoarse", "gtfine", "ground_truth", "groundtruth"),
    *("instances", "label", "labels", "mask", "masks", "matte", "mattes", "seg", "segmentation", "segmentations"),
    *("segmentationclass", "segmentationobject", "semantic", "target", "targets", "trimap", "trimaps"),
}
CAMERA = re.compile(r"\d{3}[A-Z0-9_]{5}|(Photos from )?(19|20)\d\d([-_. ]?\d\d){0,2}")  # folders that cameras make
LOOSE = 0.1  # share of pictures beside folders up to which they are strays


def _folders(value: Any) -> Any:
    """A folder, or several, as a tuple. ValueError: there is none, or one is not below the data's folder."""
    folders = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else value
    if not isinstance(folders, tuple) or not folders:
        raise ValueError("must be the name of a folder, or a list of such names")
    for folder in folders:
        parts = str(folder).split("/")
        if not isinstance(folder, str) or not folder.strip("/") or ".." in parts or folder.startswith("/"):
            raise ValueError(f"must name folders below `root`, as in 'train' (found: {folder!r})")
    return tuple("/".join(part for part in folder.split("/") if part not in ("", ".")) for folder in folders)


FolderNames = Annotated[tuple[str, ...], BeforeValidator(_folders)]


class Split(BaseModel):
    """The folders of each part, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    training: FolderNames = Field(description="folders below root to train on: a name, or a list")
    held_out: FolderNames | None = Field(None, description="folders held out (default: some of those pictures, at random)")


@dataclass(frozen=True)
class Layout:
    """What a list of names was found to be; the numbers are indices of it."""

    parts: dict[str, list[int] | None]  # "training"; "held_out", None where it is for the core to divide
    classes: tuple[str, ...] | None
    labels: list[int]  # of every name, -1: none
    left_out: LeftOut
    notes: list[str]  # sentences on how the names were understood


Placed = dict[int, str]  # pictures by index: what is left of their names below a folder


def layout(
    names: Sequence[str],
    split: Literal["auto", "random"] | Split = "auto",
    labels: Literal["auto", "folders", "none"] = "auto",
) -> Layout:
    """The parts and classes that a source's folders say. `names` are sorted, with "/" between folders.

    GanBenchError: they can be understood in several ways, or not as `split` and `labels` say, with the cure.
    """
    return _Reading(names, labels).layout(split)


class PartName(NamedTuple):
    """A folder's name as that of a part."""

    kind: str  # "training", "validation" or "test"
    beside: tuple[str, ...] = ()  # what the name says besides
    domain: str = ""  # A or B, as in trainA: one of several kinds of pictures in a part


def part_name(folder: str) -> PartName | None:
    """A folder's name as that of a part; None: it isn't one."""
    if found := DOMAIN.fullmatch(folder):
        return PartName(WORDS[found[1].lower()], (), found[2].upper())
    text = re.sub(r"(held|hold)[ _-]?out", r"\1out", unicodedata.normalize("NFC", folder).lower())
    words = re.findall(r"[^\W\d_]+", text)
    kinds = [WORDS[found[1]] for word in words if (found := GLUED.fullmatch(word))]
    if len(kinds) != 1:
        return None
    return PartName(kinds[0], tuple(word for word in words if word not in PLAIN and not GLUED.fullmatch(word)))


def part_names(folders: Iterable[str]) -> dict[str, PartName]:
    """Those of the folders beside each other that are parts: `train` is, `seg_train` is beside `seg_test` alone."""
    found = {folder: name for folder in folders if (name := part_name(folder))}
    kinds = defaultdict(set)
    for name in found.values():
        kinds[name.beside].add(name.kind)
    return {folder: name for folder, name in found.items() if not name.beside or len(kinds[name.beside]) > 1}


class _Reading:
    """One list of names on its way to a layout."""

    def __init__(self, names: Sequence[str], labels: str) -> None:
        self.names, self.labels = names, labels
        self.left_out: LeftOut = {}
        self.notes: list[str] = []

    def layout(self, split: Literal["auto", "random"] | Split) -> Layout:
        everything = dict(enumerate(self.names))
        if isinstance(split, Split):
            return self._named(everything, split)
        placed, strays = _unwrapped(everything)
        groups = self._parts(placed, refuse=split == "auto")
        if groups is None:
            self._leave_out("beside the folders", strays)
            return self._done(placed, None, "the pictures")
        loose = [index for index, rest in placed.items() if "/" not in rest]
        self._leave_out("beside the folders of the parts", strays + loose)
        if split == "random":
            self.notes.append(f"One pile, whatever the folders {_listed(groups)} say: some are held out at random.")
            return self._done(_joined(groups.values()), None, "the pictures")
        return self._divided(groups)

    # Parts.

    def _parts(self, placed: Placed, refuse: bool) -> dict[str, Placed] | None:
        """The pictures by the folder of their part, which their names have no more; None: no folders are parts."""
        level = self._level(placed, refuse)
        if level is None:
            return None
        groups: dict[str, Placed] = defaultdict(dict)
        for index, rest in placed.items():
            folders = rest.split("/")
            if len(folders) > level + 1:
                own, below = folders[level], folders[level + 1 :]
                name = part_name(own)
                if name and name.domain:
                    below = [name.domain, below[-1]]
                groups[own][index] = "/".join(folders[:level] + _without(own, below))
        return dict(groups)

    def _level(self, placed: Placed, refuse: bool) -> int | None:
        """How many folders stand before that of the part in all names; None: there are no parts."""
        beside: dict[tuple[str, ...], set[str]] = defaultdict(set)  # by the folders above: those beside each other
        with_loose: Counter[tuple[str, ...]] = Counter()
        for rest in placed.values():
            with_loose[tuple(rest.split("/")[:-1])] += 1
        for folders in with_loose:
            for depth, folder in enumerate(folders):
                beside[folders[:depth]].add(folder)
        for depth in sorted({len(above) for above in beside}):
            level = {above: folders for above, folders in beside.items() if len(above) == depth}
            found = {above: part_names(folders) for above, folders in level.items()}
            kinds = [{name.kind for name in names.values()} for names in found.values()]
            if not any(kinds) or (depth and not any(len(own) > 1 for own in kinds)):
                continue  # below other folders, one that is called `test` alone is none
            loose = sum(number for folders, number in with_loose.items() if len(folders) <= depth)
            whole = all(found[above].keys() == folders for above, folders in level.items())
            if whole and loose <= LOOSE * len(placed) and (depth == 0 or not loose):
                return depth
            if refuse:
                above = next(above for above, own in zip(found, kinds, strict=True) if own)
                self._refuse_mixture(level[above], found[above], above)
            return None
        return None

    def _refuse_mixture(self, folders: set[str], parts: dict[str, PartName], above: tuple[str, ...]) -> None:
        others = sorted(folders - parts.keys())
        beside = f"beside {_listed(others)}" if others else "beside pictures in no folder"
        place = f" in {shown('/'.join(above))}" if above else ""
        raise GanBenchError(
            f"the folder{'s' * (len(parts) > 1)} {_listed(parts)}{place} ha{'ve' if len(parts) > 1 else 's'} names of parts, "
            f"{beside}. Say what is trained on and what is held out, as in {_table(parts, above)}; or split = "
            f'"random", for which they are folders like the others'
        )

    def _divided(self, groups: dict[str, Placed]) -> Layout:
        """The pictures by the kinds of their parts' folders."""
        kinds: dict[str, list[str]] = defaultdict(list)
        for folder in groups:
            name = part_name(folder)
            assert name
            kinds[name.kind].append(folder)
        if not kinds["training"]:
            raise GanBenchError(
                f"the folders {_listed(groups)} are parts, but none is called as one to train on. Say which is, as in "
                f'split = {{ training = "{next(iter(groups))}" }}; or split = "random"'
            )
        shared = _common(rest for group in groups.values() for rest in group.values())
        groups = {
            folder: {index: rest[shared:] for index, rest in group.items()} for folder, group in groups.items()
        }
        training = _joined(groups[folder] for folder in kinds["training"])
        candidates = [
            (own, _joined(groups[folder] for folder in own)) for kind in ("test", "validation") if (own := kinds[kind])
        ]
        if not candidates:
            self.notes.append(f"{_listed(kinds['training'])} is the training part; some of it is held out at random.")
            return self._done(training, None, _listed(kinds["training"]))
        classes = self._classes(training, _listed(kinds["training"]))
        held_out = next((own for own, placed in candidates if classes is None or _class_set(placed) == classes), None)
        if held_out is None:
            self._refuse_classes(classes or set(), candidates[-1][1], _listed(candidates[-1][0]), kinds["training"])
        for own, placed in candidates:
            if own != held_out:
                self._leave_out(f"in {_listed(own)}, for {_listed(held_out)} is held out", placed)
        self.notes.append(f"{_listed(kinds['training'])} is the training part, {_listed(held_out)} the held-out one.")
        return self._done(training, _joined(groups[folder] for folder in held_out), _listed(kinds["training"]), classes)

    def _named(self, everything: Placed, split: Split) -> Layout:
        """The parts that the settings name."""
        common = _common(everything.values())
        parts = {"training": self._inside(everything, common, split.training)}
        if split.held_out:
            parts["held_out"] = self._inside(everything, common, split.held_out)
        both = parts["training"].keys() & parts.get("held_out", {}).keys()
        if both:
            raise GanBenchError(
                f"split: {_picture(self.names[min(both)])} and {len(both) - 1} more lie in folders of both parts"
            )
        taken = _joined(parts.values())
        self._leave_out("outside of the folders that `split` names", everything.keys() - taken.keys())
        shared = _common(taken.values())
        parts = {name: {index: rest[shared:] for index, rest in part.items()} for name, part in parts.items()}
        training, held_out = parts["training"], parts.get("held_out")
        classes = self._classes(training, _listed(split.training))
        if classes and held_out and split.held_out and _class_set(held_out) != classes:
            self._refuse_classes(classes, held_out, _listed(split.held_out), list(split.training))
        return self._done(training, held_out, _listed(split.training), classes)

    def _inside(self, everything: Placed, common: int, folders: tuple[str, ...]) -> Placed:
        """The pictures in folders, named below the root or below what all have in common."""
        found: Placed = {}
        for folder in folders:
            own = folder.rpartition("/")[2]
            wanted = unicodedata.normalize("NFC", folder) + "/"
            inside: Placed = {}
            for start in (0, common):
                for index, name in everything.items():
                    text = unicodedata.normalize("NFC", name[start:])
                    if text.startswith(wanted):
                        inside[index] = "/".join(_without(own, text[len(wanted) :].split("/")))
                if inside:
                    break
            if not inside:
                known = {name[common:].partition("/")[0] for name in everything.values() if "/" in name[common:]}
                cure = did_you_mean(folder, map(shown, known)) if known else "There are no folders."
                raise GanBenchError(f"split: there is no folder {folder!r} with pictures. {cure}")
            found |= inside
        return found

    # Classes.

    def _classes(self, placed: Placed, where: str) -> set[str] | None:
        """The class folders of a part; None: its folders are no classes."""
        if self.labels == "none":
            return None
        folders = Counter(rest.partition("/")[0] for rest in placed.values() if "/" in rest)
        loose = len(placed) - folders.total()
        if self.labels == "folders":
            if len(folders) < 2:
                raise GanBenchError(
                    f'labels = "folders" takes two folders with pictures at least; {where} ha{"ve" if where == "the pictures" else "s"} '
                    f'{"one" if folders else "none"}. Leave it out, or say labels = "none"'
                )
            return _class_set(placed, every=True)
        if len(folders) < 2:
            return None
        if loose > LOOSE * len(placed):
            self.notes.append(
                f"No classes: {loose} of {len(placed)} pictures lie beside the folders. "
                'labels = "folders" takes the folders for classes, and leaves these pictures out.'
            )
            return None
        self._check_containers(folders)
        if reason := _no_classes(folders, placed):
            self.notes.append(f'No classes: {reason}. labels = "folders" takes the folders for classes all the same.')
            return None
        return _class_set(placed)

    def _check_containers(self, folders: Iterable[str]) -> None:
        """GanBenchError: the folders are no kinds of pictures, but pictures and what was drawn on them."""
        plain = {folder: re.sub(r"[ -]", "_", folder.lower()) for folder in folders}
        whole = [folder for folder, text in plain.items() if text in PICTURES]
        drawn = [folder for folder, text in plain.items() if text in DRAWN]
        drawn += [
            folder
            for folder, text in plain.items()
            if any(text != other and re.fullmatch(rf"{re.escape(other)}_?({'|'.join(DRAWN)})", text) for other in plain.values())
        ]
        if whole or len(drawn) == len(plain) or any(folder not in DRAWN for folder in map(plain.get, drawn)):
            first = (whole or [folder for folder in plain if folder not in drawn] or list(plain))[0]
            raise GanBenchError(
                f"the folders {_listed(plain)} look like pictures and what belongs to them rather than like classes. "
                f'Say split = {{ training = "{shown(first)}" }} to use these pictures alone, or labels = "folders" if they are classes'
            )

    def _refuse_classes(self, classes: set[str], held_out: Placed, name: str, training: list[str]) -> None:
        found = _class_set(held_out) or set()
        told = f"lacks {_listed(sorted(classes - found))}" if found else "has no folders of classes"
        if found - classes:
            told = f"has {_listed(sorted(found - classes))}" + (f" and {told}" if classes - found else "")
        raise GanBenchError(
            f"the classes of {name} are not those of {_listed(training)}: it {told}. "
            f'Say split = {_training(training)} to hold out some of that at random, split = "random" for one pile, or labels = "none"'
        )

    # Results.

    def _leave_out(self, reason: str, indices: Iterable[int]) -> None:
        if names := [self.names[index] for index in sorted(indices)]:
            self.left_out.setdefault(reason, []).extend(names)

    def _done(self, training: Placed, held_out: Placed | None, where: str, classes: set[str] | None = None) -> Layout:
        if held_out is None and classes is None:
            classes = self._classes(training, where)
        labels = [-1] * len(self.names)
        parts: dict[str, list[int] | None] = {}
        numbers = {name: number for number, name in enumerate(sorted(classes or ()))}
        for name, placed in (("training", training), ("held_out", held_out)):
            if placed is None:
                parts[name] = None
            elif classes is None:
                parts[name] = sorted(placed)
            else:
                of = {index: _class(rest) for index, rest in placed.items() if "/" in rest}
                self._leave_out("beside the class folders", placed.keys() - of.keys())
                parts[name] = sorted(of)
                for index, own in of.items():
                    labels[index] = numbers[own]
        told = None
        if classes is not None:
            told = tuple(map(shown, sorted(classes)))
            self.notes.append("Folders are the classes.")
            self._tell_merged(_joined(placed for placed in (training, held_out) if placed))
        return Layout(parts, told, labels, self.left_out, self.notes)

    def _tell_merged(self, placed: Placed) -> None:
        folders = {rest.partition("/")[0] for rest in placed.values() if "/" in rest}
        written = Counter(unicodedata.normalize("NFC", folder) for folder in folders)
        for name, number in written.items():
            if number > 1:
                self.notes.append(f"{number} folders called {shown(name)} differ only in how Unicode writes it: one class.")


def _class(rest: str) -> str:
    return unicodedata.normalize("NFC", rest.partition("/")[0])


def _class_set(placed: Placed, every: bool = False) -> set[str] | None:
    """The first folders of pictures; None: too many lie in none."""
    found = [_class(rest) for rest in placed.values() if "/" in rest]
    return set(found) if every or len(placed) - len(found) <= LOOSE * len(placed) else None


def _no_classes(folders: Counter[str], placed: Placed) -> str:
    """Why folders beside each other are no classes, though they hold the pictures; "": they are."""
    if all(CAMERA.fullmatch(folder) for folder in folders):
        return "the folders are a camera's, or dates"
    if 2 * sum(number == 1 for number in folders.values()) > len(folders):
        return "most folders hold a single picture"
    if all(re.fullmatch(r"\d{3,}", folder) for folder in folders) and _counts_on(placed):
        return "the folders are numbered, and their pictures' numbers go on from one to the next"
    return ""


def _counts_on(placed: Placed) -> bool:
    """Whether the numbers that pictures' names end in grow from folder to folder."""
    ranges: dict[str, tuple[int, int]] = {}
    for rest in placed.values():
        folder, _, name = rest.partition("/")
        if folder and name:
            if not (digits := re.search(r"(\d+)$", os.path.splitext(name)[0])):
                return False
            number = int(digits[1])
            low, high = ranges.get(folder, (number, number))
            ranges[folder] = min(low, number), max(high, number)
    ordered = [ranges[folder] for folder in sorted(ranges)]
    return all(one[1] < two[0] for one, two in zip(ordered, ordered[1:], strict=False))


def _unwrapped(placed: Placed) -> tuple[Placed, list[int]]:
    """The pictures below the folders that hold all of them but strays, and the strays; these count where folders follow."""
    inner, strays = placed, []
    while True:
        folders = {rest.partition("/")[0] for rest in inner.values() if "/" in rest}
        loose = [index for index, rest in inner.items() if "/" not in rest]
        if len(folders) > 1:
            return inner, strays
        if not folders or len(loose) + len(strays) > LOOSE * len(placed):
            start = _common(placed.values())
            return {index: rest[start:] for index, rest in placed.items()}, []
        strays += loose
        inner = {index: rest.partition("/")[2] for index, rest in inner.items() if "/" in rest}


def _common(rests: Iterable[str]) -> int:
    """The length of the folders that all names begin with, and their "/"."""
    above = {rest.rpartition("/")[0] for rest in rests}
    return len(os.path.commonprefix([f"{folder}/" for folder in above]).rpartition("/")[0] + "/") if "" not in above else 0


def _without(own: str, folders: list[str]) -> list[str]:
    """Folders and name below a folder, less those that repeat its name."""
    while len(folders) > 1 and folders[0] == own:
        folders = folders[1:]
    return folders


def _joined(groups: Iterable[Placed]) -> Placed:
    return {index: rest for group in groups for index, rest in group.items()}


def shown(name: str) -> str:
    """A file's name as text: bytes that are none are replaced, and control characters written out."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _picture(name: str) -> str:
    return shown(name)


def _listed(folders: Iterable[str], most: int = 6) -> str:
    """Names in words."""
    names = list(map(shown, folders))
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _training(folders: Sequence[str]) -> str:
    return "{ training = " + _toml(folders) + " }"


def _table(parts: dict[str, PartName], above: tuple[str, ...]) -> str:
    """The setting that says what the names say."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for folder in sorted(parts):
        by_kind[parts[folder].kind].append("/".join((*above, folder)))
    training = by_kind["training"] or sorted(parts)[:1]
    held_out = by_kind["test"] or by_kind["validation"]
    if not held_out or held_out == training:
        return f"split = {_training(training)}"
    return f"split = {{ training = {_toml(training)}, held_out = {_toml(held_out)} }}"


def _toml(folders: Sequence[str]) -> str:
    quoted = [f'"{shown(folder)}"' for folder in folders]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
