"""What a run folder should hold and does not: what can be made again from the rest of it, and what only by training."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from gan_bench.canonical import canonical
from gan_bench.store.curves import holds_windows
from gan_bench.store.documents import RunDocument, ScoresDocument, read_object
from gan_bench.store.folder import WEIGHTS, RunFolder


def lost_for_good(folder: RunFolder, steps: int, result: dict[str, Any] | None) -> str:
    """The first fault of a run folder that only training from the start can mend, in words; "" where there is none.

    `steps` is where the run stands, by its `result` if it has finished, else by its checkpoint. Of weights and pictures
    only the form is looked at: a flipped bit in weights shows when they are read.
    """
    if not holds_windows(folder.curves_file, steps, ended=result is not None):
        return f"{folder.curves_file.name} is damaged or has lost lines"
    taken = folder.snapshot_steps()
    for step in folder.saved().get("snapshots", ()) if result is None else result.get("snapshots", ()):
        if step not in taken:
            return f"snapshots/{folder.snapshot(step).name} is lost"
    for step in result.get("weights", ()) if result else ():
        if not zipfile.is_zipfile(folder.snapshot(step) / WEIGHTS):
            return f"snapshots/{folder.snapshot(step).name}/{WEIGHTS} is damaged or lost"
    for step in taken:
        if step <= steps and not folder.has_weights(step):
            for name in spoiled(folder, step):
                return (
                    f"snapshots/{folder.snapshot(step).name}/{name} is damaged or lost, and no weights were kept there"
                )
    return ""


def to_mend(folder: RunFolder, identity: str, seed: int, settings: str) -> bool:
    """Whether a finished run of this identity, seed and settings (canonical JSON) has files that need no training to mend."""
    if any(name for step in folder.snapshot_steps() for name in spoiled(folder, step)):
        return True
    try:
        document = read_object(folder.run_file, RunDocument) or {}
    except ValueError:
        return True
    known = document.get("identity"), document.get("seed"), canonical(document.get("settings"))
    return known != (identity, seed, settings)


def spoiled(folder: RunFolder, step: int) -> Iterator[str]:
    """Files of a snapshot, weights excepted, that are lost or can't be what was written."""
    place = folder.snapshot(step)
    try:
        document = read_object(place / "scores.json", ScoresDocument) or {}
    except ValueError:
        document = {}
    if document.get("step") != step or None in (document.get("d_steps"), document.get("images")):
        yield "scores.json"
    if not is_picture(place / "samples.png"):
        yield "samples.png"


def is_picture(path: Path) -> bool:
    """Whether a file is a PNG whose checksums are right."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True
