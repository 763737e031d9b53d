"""What a folder's name says of the pictures in it: that they are a part of the data, or no class."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

KINDS = {
    "training": ("train", "training", "trainval", "trn"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "heldout", "holdout"),
}  # words that name a part
WORDS = {word: kind for kind, words in KINDS.items() for word in words}
PLAIN = {  # words beside them that say nothing
    *("all", "cropped", "data", "dataset", "final", "folder", "full", "image", "images", "img", "imgs", "jpegs", "jpg"),
    *("part", "photos", "pic", "pics", "pictures", "png", "pngs", "resized", "set", "split"),
}
ANY = "|".join(sorted(WORDS, key=len, reverse=True))
GLUED = re.compile(rf"({ANY})({'|'.join(PLAIN)})?")
DOMAIN = re.compile(rf"({ANY})[ _-]?([A-D])", re.IGNORECASE)

# Words for folders of all pictures; and more of them, where others beside them hold what was drawn on these.
PICTURES = {"image", "images", "img", "imgs", "jpegimages", "photos", "pics", "pictures"}
WITH_DRAWN = PICTURES | {
    *("color", "frame", "frames", "input", "inputs", "leftimg", "original", "originals", "rgb"),
}
DRAWN = {
    *("anno", "annos", "annotation", "annotations", "anns", "bbox", "boxes", "depth", "gt", "gtcoarse", "gtfine"),
    *("groundtruth", "instances", "label", "labels", "mask", "masks", "matte", "mattes", "seg", "segmentation"),
    *("segmentationclass", "segmentationobject", "segmentations", "segmented", "semantic", "target", "targets"),
    *("thumbnails", "thumbs", "trimap", "trimaps"),
}
NUMBERED = {  # words for pieces of a pile, where only numbers tell them apart
    *("archive", "batch", "chunk", "data", "disc", "disk", "fold", "folder", "image", "images", "img", "imgs"),
    *("part", "photos", "pictures", "piece", "set", "shard", "split", "vol", "volume"),
}
CAMERA = re.compile(r"\d{3}(?=\d*[A-Z_])[A-Z0-9_]{5}|(19|20)\d\d([-_. ]?\d\d){0,2}")  # as cameras number them; dates
ALBUM = re.compile(r"Photos from (19|20)\d\d")  # Google's export has them, beside albums of the same pictures
HASH = re.compile(r"[0-9a-f-]{16,}", re.IGNORECASE)


class PartName(NamedTuple):
    """A folder's name as that of a part."""

    kind: str  # "training", "validation" or "test"
    beside: tuple[str, ...] = ()  # other words of the name
    domain: str = ""  # A or B, as in trainA: which kind of pictures, in a part that has several


@lru_cache(1000)
def part_name(folder: str) -> PartName | None:
    """A folder's name as that of a part; None: it isn't one."""
    if found := DOMAIN.fullmatch(folder):
        return PartName(WORDS[found[1].lower()], (), found[2].upper())
    text = re.sub(r"(held|hold)[ _-]?out", r"\1out", unicodedata.normalize("NFC", folder).lower())
    words = _words(text)
    kinds = [WORDS[found[1]] for word in words if (found := GLUED.fullmatch(word))]
    if len(kinds) != 1:
        return None
    return PartName(kinds[0], tuple(word for word in words if word not in PLAIN and not GLUED.fullmatch(word)))


def part_names(folders: Iterable[str]) -> dict[str, PartName]:
    """Those of the folders beside each other that are parts: `train` is, `seg_train` only beside `seg_test`."""
    found = {folder: name for folder in folders if (name := part_name(folder))}
    kinds = defaultdict(set)
    for name in found.values():
        kinds[name.beside].add(name.kind)
    return {folder: name for folder, name in found.items() if not name.beside or len(kinds[name.beside]) > 1}


def is_drawn(folder: str) -> bool:
    """Whether a folder is called as one for what belongs to pictures: masks, labels, thumbnails."""
    words = _kind(folder)
    return bool(words) and DRAWN.issuperset(words)


def of_pictures(folders: Iterable[str]) -> list[str]:
    """The folders of pictures, where others beside them seem to hold what belongs to these; none: they may be classes."""
    words = {folder: _kind(folder) for folder in folders}
    if len(set(map(tuple, words.values()))) == 1:  # only numbers tell them apart
        return []
    whole = {folder for folder, own in words.items() if own and PICTURES.issuperset(own)}
    drawn = {folder for folder, own in words.items() if not DRAWN.isdisjoint(own)}
    if any(WITH_DRAWN.isdisjoint(words[folder]) for folder in drawn):  # beside cats_masks, cats are, and images_of_cats
        of_another = [[word for word in words[folder] if word not in DRAWN] for folder in drawn]
        has_pictures = {folder for folder, own in words.items() if not WITH_DRAWN.isdisjoint(own)}
        whole |= (has_pictures | {folder for folder, own in words.items() if own and own in of_another}) - drawn
    if all(map(is_drawn, words)):
        whole = {min(words)}
    return sorted(whole)


def no_classes(placed: Iterable[tuple[str, str]]) -> str:
    """Why folders beside each other are no classes, by the (folder, name below it) of each picture; "": they are."""
    names = defaultdict(list)
    for folder, below in placed:
        names[folder].append(os.path.splitext(below.rpartition("/")[2])[0])
    if all(map(CAMERA.fullmatch, names)):
        return "the folders are a camera's, or dates"
    if any(map(ALBUM.fullmatch, names)):
        return "the folders are years and albums"
    if 2 * sum(len(own) == 1 for own in names.values()) > len(names):
        return "most folders hold a single picture"
    without_numbers = {re.sub(r"\d+", "#", folder) for folder in names}
    if len(without_numbers) == 1 and not NUMBERED.isdisjoint(_words(min(without_numbers).lower())):
        return "the folders are numbered pieces of a pile"
    if all(re.fullmatch(r"\d{3,18}", folder) for folder in names) and _numbered(names):
        return "the folders' numbers follow from those of their pictures"
    if all(HASH.fullmatch(name) and name.startswith(folder) for folder, own in names.items() for name in own):
        return "the folders are the beginnings of their pictures' names"
    return ""


def _kind(folder: str) -> list[str]:
    return _words(re.sub("ground[ _-]truth", "groundtruth", folder.lower()))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _numbered(folders: dict[str, list[str]]) -> bool:
    """Whether the numbers that pictures' names end in grow from folder to folder, or end in the folders' numbers."""
    last, growing, ending = -1, True, True
    for folder in sorted(folders):
        found = [re.search(r"\d{1,18}$", name) for name in folders[folder]]
        numbers = [int(digits[0]) for digits in found if digits]
        if len(numbers) < len(found):
            return False
        growing &= min(numbers) > last
        ending &= all(number % 1000 == int(folder) for number in numbers)
        last = max(numbers)
    return growing or ending
