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

PICTURES = {  # folders of all pictures, where others beside them hold what was drawn on these
    *("color", "frames", "image", "images", "img", "imgs", "input", "inputs", "jpegimages", "leftimg8bit", "original"),
    *("originals", "photos", "pics", "pictures", "rgb"),
}
DRAWN = {
    *("annotation", "annotations", "bbox", "boxes", "depth", "gt", "gtcoarse", "gtfine", "ground_truth", "groundtruth"),
    *("instances", "label", "labels", "mask", "masks", "matte", "mattes", "seg", "segmentation", "segmentations"),
    *("segmentationclass", "segmentationobject", "semantic", "target", "targets", "trimap", "trimaps"),
}
WITH_DRAWN = re.compile(rf"(.+?)[_ -]?({'|'.join(DRAWN)})")
CAMERA = re.compile(r"\d{3}[A-Z0-9_]{5}|(19|20)\d\d([-_. ]?\d\d){0,2}")  # 100APPLE, as cameras number folders; 2019-05
ALBUM = re.compile(r"Photos from (19|20)\d\d")  # Google's export has them, beside albums of the same pictures


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
    words = re.findall(r"[^\W\d_]+", text)
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


def of_pictures(folders: Iterable[str]) -> str | None:
    """The folder of pictures, where the others beside it seem to hold what belongs to these; None: they may be classes."""
    plain = {folder: re.sub(r"[ -]", "_", folder.lower()) for folder in folders}
    whole = [folder for folder, text in plain.items() if text in PICTURES]
    of_another = {text: found[1] for text in plain.values() if (found := WITH_DRAWN.fullmatch(text))}
    whole += [folder for folder, text in plain.items() if text in of_another.values()]  # cats, beside cats_masks
    if whole or all(text in DRAWN for text in plain.values()):
        return min(whole or plain)
    return None


def no_classes(placed: Iterable[tuple[str, str]]) -> str:
    """Why folders beside each other are no classes, by the (folder, name below it) of each picture; "": they are."""
    names = defaultdict(list)
    for folder, below in placed:
        names[folder].append(below)
    if all(map(CAMERA.fullmatch, names)) and any(len(folder) > 4 or int(folder) > 1899 for folder in names):
        return "the folders are a camera's, or dates"
    if any(map(ALBUM.fullmatch, names)):
        return "the folders are years and albums"
    if 2 * sum(len(own) == 1 for own in names.values()) > len(names):
        return "most folders hold a single picture"
    if all(re.fullmatch(r"\d{3,}", folder) for folder in names) and _counts_on([names[key] for key in sorted(names)]):
        return "the folders are numbered, and the numbers of their pictures go on from one to the next"
    return ""


def _counts_on(folders: list[list[str]]) -> bool:
    """Whether the numbers that pictures' names end in grow from folder to folder."""
    last = -1
    for names in folders:
        found = [re.search(r"\d+$", os.path.splitext(name)[0]) for name in names]
        numbers = [int(digits[0]) for digits in found if digits]
        if len(numbers) < len(names) or min(numbers) <= last:
            return False
        last = max(numbers)
    return True
