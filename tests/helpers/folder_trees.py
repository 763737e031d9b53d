"""Trees of names, and the layout that is seen in them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gan_bench_plugins.datasets._files import sorted_out
from gan_bench_plugins.datasets._layout import Layout, layout


def listed(tree: dict[str, int]) -> list[str]:
    """The names of a tree: of folders with so many pictures, of patterns so many times, and 0 of a file."""
    names: list[str] = []
    for place, count in tree.items():
        pattern = place if "{" in place else f"{place}/{{}}.jpg"
        names += [pattern.format(index) for index in range(count)] or [place]
    return names


def parts(*folders: str, of: dict[str, int]) -> dict[str, int]:
    """The same folders in each of these."""
    return {f"{folder}/{inner}": count for folder in folders for inner, count in of.items()}


def understood(tree: dict[str, int], **settings: Any) -> tuple[Layout, dict[str, int]]:
    """The layout, and how many were left out by reason; each picture has one place."""
    pictures, left_out = sorted_out(listed(tree))
    found = layout(pictures, **settings)
    chosen = [index for part in found.parts.values() for index in part or ()]
    away = [name for names in found.left_out.values() for name in names]
    assert Counter([pictures[index] for index in chosen] + away) == Counter(pictures)
    assert all((found.labels[index] >= 0) == (found.classes is not None) for index in chosen)
    return found, {reason: len(names) for reason, names in (left_out | found.left_out).items()}


CATS_DOGS = {"cats": 10, "dogs": 10}
