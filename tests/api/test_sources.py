"""What a plugin's source hash knows: its own code and all that it imports of its own, and nothing else."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

import pytest

from gan_bench.api import sources
from gan_bench.api.registry import Registry
from gan_bench.api.sources import source_hash

PLUGIN = """\
from gan_bench import Trick, hookimpl

class Mine(Trick):
    name = "mine"
    def edit(self, recipe):
        pass

@hookimpl
def gan_bench_tricks():
    return [Mine]
"""


def hash_of(file: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan_bench.api.registry.entry_points", lambda group: ())
        return Registry.load([file]).get("trick", "mine").source_hash


def hash_of_text(folder: Path, text: bytes) -> str:
    (folder / "mine.py").write_bytes(text)
    return hash_of(folder / "mine.py")


def test_a_file_without_helpers_keeps_its_hash(tmp_path):
    """Stores that were trained with it are of this hash."""
    literal = "322afee60c2dce065006527ca05c54c1810ac380d0511b2d6301ba04d7d1aa86"
    assert hash_of_text(tmp_path, PLUGIN.encode()) == literal == hashlib.sha256(PLUGIN.encode()).hexdigest()
    for text in (
        b"\xef\xbb\xbf" + PLUGIN.encode(),
        PLUGIN.replace("\n", "\r\n").encode(),
        b"#\x0c\x1c\n" + PLUGIN.encode(),
    ):
        assert hash_of_text(tmp_path, text) == hashlib.sha256(text).hexdigest()
    latin = b"# coding: latin-1\n# \xe9\n" + PLUGIN.encode()
    assert hash_of_text(tmp_path, latin) == hashlib.sha256(latin).hexdigest()


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("from gan_bench.losses import Loss", "from gan_bench import Loss"),
        ("from gan_bench.api.kinds import Field", "from gan_bench import Field"),
        ("from gan_bench.api.kinds import (\n  Field,  # é\n)", "from gan_bench import (\n  Field,  # é\n)"),
        ("import gan_bench.api.losses as losses", "import gan_bench as losses"),
        ("import os, gan_bench.api.losses as losses", "import os, gan_bench as losses"),
        ("if True: from gan_bench.losses import Loss", "if True: from gan_bench.api.losses import Loss"),
        ("def f():\n    from gan_bench.errors import GanBenchError", "def f():\n    from gan_bench import GanBenchError"),
    ],
)  # fmt: skip
def test_where_in_gan_bench_a_name_comes_from_does_not_matter(tmp_path, line, other):
    hashes = {hash_of_text(tmp_path, f"{text}\n{PLUGIN}".encode()) for text in (line, other)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("from gan_bench.losses import Hinge as Loss", "from gan_bench.losses import Loss"),
        ("x = 'gan_bench.losses'", "x = 'gan_bench'"),
        ("import os.path as p", "import os as p"),
        ("# one", "# two"),
    ],
)
def test_every_other_line_matters(tmp_path, line, other):
    assert len({hash_of_text(tmp_path, f"{text}\n{PLUGIN}".encode()) for text in (line, other)}) == 2


NEIGHBOURS = {
    "direct": ("import direct", True),
    "through": ("import via", True),
    "lazy": ("", True),
    "conditional": ("try:\n    import conditional\nexcept ImportError:\n    conditional = None", True),
    "typed": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import typed", True),
    "unused": ("", False),
    "other_plugin": ("", False),
    "random": ("import random", False),
}


@pytest.mark.parametrize("changed", NEIGHBOURS)
def test_neighbours_of_a_file(tmp_path, changed):
    for name in NEIGHBOURS:
        (tmp_path / f"{name}.py").write_text("X = 1\n")
    (tmp_path / "via.py").write_text("def f():\n    from . import through\n")
    text = "\n".join(
        [*(line for line, _ in NEIGHBOURS.values()), PLUGIN.replace("pass", "from .lazy import X; return X")]
    )
    before = hash_of_text(tmp_path, text.encode())
    (tmp_path / f"{changed}.py").write_text("X = 2\n")
    assert (hash_of(tmp_path / "mine.py") != before) == NEIGHBOURS[changed][1]


def test_a_moved_line_is_a_change_and_a_moved_folder_is_none(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "a.py").write_text("A = 1\n")
        (folder / "b.py").write_text("B = 1\n")
    text = f"import a, b\n{PLUGIN}".encode()
    assert hash_of_text(one, text) == hash_of_text(two, text)
    (two / "a.py").write_text("A = 1\nB = 1\n")
    (two / "b.py").write_text("")
    assert hash_of(two / "mine.py") != hash_of(one / "mine.py")


def test_a_class_made_by_a_function_of_a_neighbour(tmp_path):
    """What it is made of stands in the file that calls the function."""
    maker = PLUGIN.partition("@hookimpl")[0].replace("class", "def make(width):\n  class").replace("\n    ", "\n      ")
    (tmp_path / "maker.py").write_text(maker + "  return Mine\n")
    text = "from gan_bench import hookimpl\nfrom maker import make\n@hookimpl\ndef gan_bench_tricks(): return [make(WIDTH)]\n"
    hashes = {hash_of_text(tmp_path, text.replace("WIDTH", width).encode()) for width in ("1", "2")}
    assert len(hashes) == 2


# Installed packages ---------------------------------------------------------------------------------------------------

PACKAGE = {
    "strange/__init__.py": "from strange.hooks import gan_bench_tricks\nWIDTH = 1\n",
    "strange/hooks.py": "from gan_bench import hookimpl\nfrom .tricks.mine import Mine\nfrom .tricks.sibling import X\n"
    "@hookimpl\ndef gan_bench_tricks(): return [Mine]\n",
    "strange/tricks/__init__.py": "X = 1\n",
    "strange/tricks/sibling.py": "X = 1\n",
    "strange/tricks/mine.py": "import numpy\nfrom ..nets.layers import X\nfrom .base import Base\n"
    "class Mine(Base):\n    name = 'mine'\n    def edit(self, recipe):\n        import strange_more, stranger\n"
    "        import importlib; importlib.import_module('strange.late'); importlib.import_module('.later', __package__)\n",
    "strange/tricks/base.py": "from gan_bench import Trick\nclass Base(Trick): pass\n",
    "strange/tricks/later.py": "X = 1\n",
    "strange/nets/__init__.py": "X = 1\n",
    "strange/nets/layers.py": "from . import deep\nX = 1\n",
    "strange/nets/deep.py": "def f():\n    from strange.nets.late import X\n",
    "strange/nets/late.py": "from .layers import X\n",
    "strange/late.py": "X = 1\n",
    "strange_more.py": "X = 1\n",  # of the same distribution
    "stranger.py": "X = 1\n",  # of another
    "strange-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n",
    "strange-1.0.dist-info/RECORD": "strange/__init__.py,,\nstrange_more.py,,\n",
    "strange-1.0.dist-info/entry_points.txt": "[gan_bench]\nstrange = strange\n",
}  # fmt: skip
COUNTED = {
    *("strange/tricks/mine.py", "strange/tricks/base.py", "strange/tricks/later.py"),
    *("strange/nets/__init__.py", "strange/nets/layers.py", "strange/nets/deep.py", "strange/nets/late.py"),
    *("strange/late.py", "strange_more.py"),
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder of installed packages, and the hash there in what could be another process."""
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def find() -> str:
        for name in [name for name in sys.modules if name.partition(".")[0].startswith("strange")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        sources._installed_with.cache_clear()
        (cls,) = importlib.import_module("strange").gan_bench_tricks()
        return source_hash(cls)

    yield tmp_path, find
    sources._installed_with.cache_clear()


@pytest.mark.parametrize("changed", [name for name in PACKAGE if name.endswith(".py")])
def test_modules_of_an_installed_package(installed, changed):
    folder, find = installed
    before = find()
    assert find() == before
    (folder / changed).write_text(PACKAGE[changed] + "\nY = 2\n")
    assert (find() != before) == (changed in COUNTED)


def test_a_package_around_counts_where_something_of_it_is_imported(installed):
    folder, find = installed
    (folder / "strange/nets/late.py").write_text("from strange import WIDTH\n")
    before = find()
    for name in ("strange/__init__.py", "strange/hooks.py", "strange/tricks/sibling.py"):
        (folder / name).write_text(PACKAGE[name] + "\nY = 2\n")
        assert find() != before
        before = find()


def test_what_lies_beside_a_module_that_is_not_installed(installed):
    """As an editable package's modules do, of which no list tells."""
    folder, find = installed
    for file in (folder / "strange-1.0.dist-info").iterdir():
        file.unlink()
    (folder / "strange-1.0.dist-info").rmdir()
    before = find()
    (folder / "stranger.py").write_text("X = 2\n")
    assert find() != before


def test_built_in_plugins_count_what_they_import_and_not_their_siblings():
    registry = Registry.load()
    file = registry.get("trick", "ema").source
    assert registry.get("trick", "ema").source_hash == hashlib.sha256(file.read_bytes()).hexdigest()
    code, territory = sources._source("gan_bench_plugins.datasets.mnist")
    assert {name.rpartition(".")[2] for name in territory.imported_by(code)} == {
        *("mnist", "_pictures", "_depths", "_colours", "_fit", "_formats", "_published", "_torchvision", "_downloads"),
    }
