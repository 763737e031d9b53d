"""A plugin file imports modules beside it, and nobody else does."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from gan_bench.api.faults import cause
from gan_bench.api.plugin_files import import_file
from gan_bench.api.registry import Registry

TRICK = """
from gan_bench import Trick, hookimpl
{imports}

class Mine(Trick):
    name = "{name}"
    def edit(self, recipe):
        {body}

@hookimpl
def gan_bench_tricks():
    return [Mine]
"""


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch):
    monkeypatch.setattr("gan_bench.api.registry.entry_points", lambda group: ())


def write(folder: Path, *packages: dict[str, str], **files: str) -> Path:
    """The folder with files of these names and contents; those in packages have slashes in their names."""
    for name, text in [*(item for package in packages for item in package.items()), *files.items()]:
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def trick(imports: str = "", body: str = "pass", name: str = "mine") -> str:
    """A plugin file."""
    return TRICK.format(imports=imports, body=body, name=name)


def load(*files: Path) -> Registry:
    registry = Registry.load(files)
    assert registry.broken == []
    return registry


def edit(registry: Registry, name: str = "mine") -> object:
    """What the trick's `edit` returns."""
    return registry.get("trick", name).cls().edit(None)


WIDTH = "WIDTH = 7\n"


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("import my_layers", "my_layers.WIDTH"),
        ("import os, my_layers as own", "own.WIDTH + 0 * len(os.sep)"),
        ("from my_layers import WIDTH", "WIDTH"),
        ("from my_layers import *", "WIDTH"),
        ("from .my_layers import WIDTH as w", "w"),
        ("from . import my_layers", "my_layers.WIDTH"),
        ("import helpers.conv", "helpers.conv.WIDTH + helpers.HERE"),
        ("import helpers.conv as c", "c.WIDTH"),
        ("import helpers.deep.conv, helpers.conv", "helpers.deep.conv.WIDTH + 0 * helpers.conv.WIDTH"),
        ("from helpers import conv", "conv.WIDTH"),
        ("from helpers.conv import WIDTH", "WIDTH"),
        ("from .helpers.deep.conv import WIDTH", "WIDTH"),
        ("from bare.conv import WIDTH", "WIDTH"),
        ("import bare.conv", "bare.conv.WIDTH"),
        ("try:\n    import no_such_layers\nexcept ImportError:\n    import my_layers", "my_layers.WIDTH"),
        ("import importlib", "importlib.import_module('.my_layers', __package__).WIDTH"),
    ],
)
def test_every_way_to_import_a_neighbour(tmp_path, imports, value):
    helpers = {
        "__init__": "HERE = 0\nimport helpers.conv\n",
        "conv": "from my_layers import WIDTH\n",
        "deep/__init__": "",
    }
    helpers["deep/conv"] = "from ...my_layers import WIDTH\n"
    write(tmp_path, {f"helpers/{name}": text for name, text in helpers.items()}, my_layers=WIDTH)
    write(tmp_path, {"bare/conv": "from ..helpers.conv import WIDTH\n"})
    first = write(tmp_path, first=trick(imports, f"return {value}")) / "first.py"
    lazily = trick(body="\n        ".join([*imports.splitlines(), f"return {value}"])).replace(
        "import *", "import WIDTH"
    )
    second = write(tmp_path, second=lazily) / "second.py"
    for file in (first, second):
        before = set(sys.modules)
        assert edit(load(file)) == 7
        new = set(sys.modules) - before
        assert {name.partition(".")[0] for name in new if "conv" in name or "layers" in name} == {
            load(file).get("trick", "mine").cls.__module__.partition(".")[0]
        }
    assert str(tmp_path) not in sys.path


def test_what_is_changed_beside_a_file_is_a_new_module_and_the_rest_is_not(tmp_path):
    file = (
        write(tmp_path, mine=trick("from my_layers import WIDTH", "return WIDTH"), my_layers=WIDTH, other="")
        / "mine.py"
    )
    before = load(file)
    write(tmp_path, other="1 / 0", my_layers=WIDTH)
    assert load(file).get("trick", "mine").cls is before.get("trick", "mine").cls
    write(tmp_path, my_layers="WIDTH = 8\n")
    after = load(file)
    assert (edit(before), edit(after)) == (7, 8)
    assert before.get("trick", "mine").source_hash != after.get("trick", "mine").source_hash


def test_what_is_imported_late_is_what_was_hashed(tmp_path):
    file = write(tmp_path, mine=trick(body="from my_layers import WIDTH; return WIDTH"), my_layers=WIDTH) / "mine.py"
    registry = load(file)
    write(tmp_path, my_layers="WIDTH = 8\n")
    assert edit(registry) == 7
    assert not list(tmp_path.rglob("__pycache__"))


def test_neighbours_of_one_name_in_two_folders_do_not_meet(tmp_path):
    files = []
    for number in (1, 2):
        folder = write(tmp_path / str(number), layers=f"WIDTH = {number}\n")
        text = trick("import layers", "return layers.WIDTH", name=f"mine{number}")
        files.append(write(folder, mine=text) / "mine.py")
    registry = load(*files)
    assert [edit(registry, f"mine{number}") for number in (1, 2)] == [1, 2]
    assert "layers" not in sys.modules


def test_files_of_one_folder_share_their_neighbours(tmp_path):
    """A trick must know the modules that an architecture made."""
    write(tmp_path, layers="from . import deeper\nclass Layer: pass\n", deeper="import two\n")
    one = write(tmp_path, one=trick("import layers", "return layers.Layer", name="one")) / "one.py"
    two = write(tmp_path, two=trick(body="import layers; return layers.Layer", name="two")) / "two.py"
    three = write(tmp_path, three=trick(name="three")) / "three.py"
    registry = load(one, two, three)
    assert edit(registry, "one") is edit(registry, "two")
    alone = load(three)
    assert alone.get("trick", "three").cls is registry.get("trick", "three").cls  # it shares nothing


def test_circles(tmp_path):
    write(tmp_path, a="import b\nfrom . import mine\nNAME = 'a'\n", b="import a\nfrom mine import BASE\n")
    file = write(tmp_path, mine="BASE = 5\n" + trick("import a", "return a.b.BASE, a.mine.Mine is Mine")) / "mine.py"
    assert edit(load(file)) == (5, True)


def test_the_standard_library_and_gan_bench_mean_themselves(tmp_path):
    """A neighbour called `random` or `queue` must neither be taken for the library, nor by a library."""
    bad = "raise RuntimeError('run')\n"
    write(tmp_path, random=bad, queue="HERE = 3\n", json=bad, gan_bench=bad, colorsys=bad)
    text = trick("import random, json, colorsys\nfrom . import queue", "return random.random.__name__, queue.HERE")
    assert edit(load(write(tmp_path, mine=text) / "mine.py")) == ("random", 3)
    assert not hasattr(sys.modules["queue"], "HERE") if "queue" in sys.modules else True


def test_a_file_may_be_called_as_the_library_that_it_uses(tmp_path):
    file = write(tmp_path, pluggy=trick("import pluggy", "return pluggy.__version__")) / "pluggy.py"
    assert edit(load(file))


def test_a_folder_without_the_module_is_no_neighbour(tmp_path):
    """Trackers leave folders of their own names where they ran."""
    (tmp_path / "pluggy").mkdir()
    assert edit(load(write(tmp_path, mine=trick("import pluggy", "return pluggy.__version__")) / "mine.py"))


def test_only_what_is_imported_is_run(tmp_path):
    bad = "raise RuntimeError('run')\n"
    write(tmp_path, {"helpers/__init__": "", "helpers/conv": WIDTH, "helpers/other": bad}, unused=bad, __init__=bad)
    assert edit(load(write(tmp_path, mine=trick("import helpers.conv as c", "return c.WIDTH")) / "mine.py")) == 7


def test_a_link_out_of_the_folder_is_no_neighbour(tmp_path):
    elsewhere = write(tmp_path / "elsewhere", layers=f"open({str(tmp_path / 'trace')!r}, 'w')\n") / "layers.py"
    file = write(tmp_path / "here", mine=trick("import layers")) / "mine.py"
    (tmp_path / "here" / "layers.py").symlink_to(elsewhere)
    (broken,) = Registry.load([file]).broken
    assert broken.cause == f"{file}:3: ModuleNotFoundError: No module named 'layers'"
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (\n", "{layers}:1: SyntaxError: '(' was never closed"),
        ("x = 1\nreturn\n", "{layers}:2: SyntaxError: 'return' outside function"),
        ("\n\n1 / 0\n", "{layers}:3: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", "{layers}:1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("from .nothing import x\n", "{layers}:1: ModuleNotFoundError: No module named 'gan_bench_file_mine_"),
        ("import sys; sys.exit(1)\n", "{layers}:1: SystemExit: 1"),
        ("\0", "{layers}:1: SyntaxError: source code string cannot contain null bytes"),
        ("", "{mine}:3: ImportError: cannot import name 'Layer' from 'gan_bench_file_mine_"),
    ],
)
def test_a_broken_neighbour_is_told_by_its_file_and_line(tmp_path, text, told):
    file = write(tmp_path, mine=trick("from layers import Layer"), layers=text) / "mine.py"
    good = write(tmp_path, good=trick(name="good")) / "good.py"
    registry = Registry.load([file, good])
    (broken,) = registry.broken
    assert broken.cause.startswith(told.format(layers=tmp_path / "layers.py", mine=file)), broken.cause
    assert registry.names("trick") == ["good"]
    write(tmp_path, layers="class Layer: pass\n")
    load(file)  # mended in the same process


def test_a_fault_inside_of_a_neighbour_is_told_by_its_line(tmp_path):
    layers = write(tmp_path, layers="def make():\n    return {}['x']\n") / "layers.py"
    file = write(tmp_path, mine=trick("import layers", "return layers.make()")) / "mine.py"
    registry = load(file)
    with pytest.raises(KeyError) as caught:
        edit(registry)
    assert cause(caught.value) == f"{layers}:2: KeyError: 'x'"


def test_a_class_that_stands_in_a_neighbour(tmp_path):
    """It is the file that brings it which is given again, in run.json as on the command line."""
    write(tmp_path, base=trick(body="return 1").partition("@hookimpl")[0])
    file = write(tmp_path, mine="from gan_bench import hookimpl\nfrom base import Mine\n@hookimpl\n"
                 "def gan_bench_tricks(): return [Mine]\n") / "mine.py"  # fmt: skip
    found = load(file).get("trick", "mine")
    assert (found.source, found.origin) == (file, "file mine.py")
    made = found.cls()
    assert pickle.loads(pickle.dumps(made)) == made


def test_two_processes_agree(tmp_path):
    package = {"helpers/__init__": "", "helpers/conv": "import layers\n"}
    write(tmp_path, package, layers="from .helpers import conv\n")
    files = [write(tmp_path, mine=trick("import layers")) / "mine.py"]
    files += [write(tmp_path, other=trick(body="import layers", name="other")) / "other.py"]
    code = (
        "import json, sys, gan_bench.api.registry as r; from pathlib import Path; r.entry_points = lambda group: ()\n"
        "found = r.Registry.load([Path(file) for file in sys.argv[1:]]).found\n"
        "print(json.dumps([[f.name, f.cls.__module__, f.source_hash] for f in found]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *files], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[f.name, f.cls.__module__, f.source_hash] for f in load(*files).found]


def test_import_file(tmp_path):
    file = write(tmp_path, mine="import layers\n", layers=WIDTH) / "mine.py"
    assert import_file(file).layers.WIDTH == 7
    assert import_file(file) is import_file(file)
