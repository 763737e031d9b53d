"""Grid files for tests, whose plugins are those of toy_plugins.py alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_bench.grid import Grid, load_grid

TOYS = Path(__file__).with_name("toy_plugins.py")
_TEMPORARY = tempfile.TemporaryDirectory(prefix="gan-bench-grids-")  # hypothesis' tests can't have a tmp_path each
FOLDER = Path(_TEMPORARY.name)

BASELINE = """\
name = "toy"
dataset = "mnist"
architecture = { name = "dcgan", width = 32 }
tricks = []
seeds = [0, 1]
steps = 100
"""


@pytest.fixture(autouse=True, scope="module")
def only_toys() -> Iterator[None]:
    """Installed plugins are not loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan_bench.api.registry.entry_points", lambda group: ())
        yield


def load(text: str | bytes, **options: Any) -> Grid:
    """The grid of a text."""
    file = FOLDER / "grid.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_grid(file, registry_files=[TOYS], **options)


def compared(*comparisons: str, baseline: str = BASELINE, **options: Any) -> Grid:
    """The grid of a baseline with comparisons, each given as its lines; titles are added."""
    blocks = [f'[[compare]]\ntitle = "question {number}"\n{lines}\n' for number, lines in enumerate(comparisons)]
    return load("\n".join([baseline, *blocks]), **options)


def toml(value: Any) -> str:
    """A value on one line of TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value).replace("\x7f", "\\u007f")
