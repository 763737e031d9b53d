"""Plugins are found in packages and files; a broken one stops only what needs it."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gan_bench.errors import GanBenchError, GridError
from gan_bench.grid import load_grid
from gan_bench.registry import Registry

TOYS = Path(__file__).with_name("toy_plugins.py")
ROOT = Path(__file__).parents[1]

TRICK = '''
from gan_bench.plugin import Field, Trick, hookimpl

class Shrink(Trick):
    """Shrinks."""
    name = "shrink"
    by: float = Field(0.5, gt=0, description="factor")

    def edit(self, recipe):
        pass

@hookimpl
def gan_bench_tricks():
    return [Shrink]
'''


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr("gan_bench.registry.entry_points", lambda group: ())


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "my_trick.py") -> Path:
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


pytestmark = pytest.mark.usefixtures("nothing_installed")


def test_file(write):
    file = write(TRICK)
    registry = Registry.load([file, file])
    (found,) = registry.found
    assert (found.kind, found.name, found.origin, found.source) == ("trick", "shrink", "file my_trick.py", file)
    assert found.source_hash == hashlib.sha256(file.read_bytes()).hexdigest()
    assert registry.broken == []
    assert registry.get("trick", "shrink") is found
    assert registry.create("trick", {"name": "shrink", "by": 2}).by == 2.0
    assert registry.create("trick", "shrink").settings() == {"name": "shrink", "by": 0.5}
    with pytest.raises(ValidationError):
        registry.create("trick", {"name": "shrink", "by": "2"})  # types are strict
    trick = registry.create("trick", "shrink")
    assert pickle.loads(pickle.dumps(trick)) == trick
    assert Registry.load([file]).get("trick", "shrink").cls is found.cls  # unchanged: the same module


def test_changed_file_is_another_module(write):
    before = Registry.load([write(TRICK)]).get("trick", "shrink")
    after = Registry.load([write(TRICK.replace("0.5", "0.7"))]).get("trick", "shrink")
    assert before.source_hash != after.source_hash
    assert (before.cls().by, after.cls().by) == (0.5, 0.7)


def test_another_process_finds_the_same(write):
    file = write(TRICK)
    code = (
        "import sys; from pathlib import Path; from gan_bench.registry import Registry\n"
        "import gan_bench.registry as r; r.entry_points = lambda group: ()\n"
        "found = Registry.load([Path(sys.argv[1])]).get('trick', 'shrink')\n"
        "print(found.source_hash, found.cls.__module__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], cwd=ROOT, capture_output=True, text=True, check=True)
    found = Registry.load([file]).get("trick", "shrink")
    assert done.stdout.split() == [found.source_hash, found.cls.__module__, "False"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("def (", "SyntaxError: invalid syntax (my_trick.py, line 1)"),
        ("x = 1\n\nimport no_such_module", "ModuleNotFoundError: No module named 'no_such_module' ({file}:3)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 ({file}:2)"),
        ("x = 1", "it implements no hook; return your classes from gan_bench_architectures(), "),
        (TRICK.replace("gan_bench_tricks", "gan_bench_trick"), "unknown hook 'gan_bench_trick' in plugin"),
        (TRICK.replace("gan_bench_tricks()", "gan_bench_tricks(x)"), "Plugin 'gan_bench_file_my_trick"),
        (TRICK.replace("[Shrink]", "Shrink"), "TypeError: gan_bench_tricks() must return a list of classes, not "),
        (TRICK.replace("return [Shrink]", "1 / 0"), "ZeroDivisionError: division by zero ({file}:14)"),
        (TRICK.replace("[Shrink]", "[Shrink()]"), "gan_bench_tricks() must list classes, not Shrink objects"),
        (TRICK.replace("[Shrink]", "[int]"), "class int must be a subclass of gan_bench.plugin.Trick"),
        (
            TRICK.replace("def gan_bench_tricks", "def gan_bench_metrics"),
            "class Shrink must be a subclass of gan_bench.plugin.Metric",
        ),
        (
            TRICK.replace('    name = "shrink"\n', ""),
            "class Shrink needs `name = \"...\"` of letters, digits, '_' and '-' (found: None)",
        ),
        (
            TRICK.replace('"shrink"', '"a/b"'),
            "class Shrink needs `name = \"...\"` of letters, digits, '_' and '-' (found: 'a/b')",
        ),
        (
            TRICK.replace("name =", "name: str ="),
            "class Shrink: write `name = ...` without a type, or it becomes a parameter",
        ),
        (TRICK.replace("def edit", "def edits"), "class Shrink lacks edit()"),
    ],
)
def test_broken_file_is_recorded_and_stops_no_other(write, text, cause):
    registry = Registry.load([write(text), TOYS])
    (broken,) = registry.broken
    assert broken.origin == "file my_trick.py"
    assert broken.cause.startswith(cause.replace("{file}", str(write(text)))), broken.cause
    assert registry.names("architecture") == ["dcgan", "fcgan", "touchy"]
    with pytest.raises(GanBenchError) as caught:
        registry.get("trick", "shrink")
    assert broken.cause in str(caught.value)


def test_missing_file():
    registry = Registry.load([Path("/nowhere/my_arch.py")])
    assert [str(broken) for broken in registry.broken] == [
        "my_arch (file my_arch.py): there is no file /nowhere/my_arch.py"
    ]


def test_unknown_name():
    registry = Registry.load([TOYS])
    with pytest.raises(GanBenchError) as caught:
        registry.get("trick", "hing")
    assert str(caught.value) == "no trick is called 'hing'. Did you mean 'hinge'?"
    with pytest.raises(GanBenchError, match=r"^no dataset is called 'x'\. No dataset is installed\.$"):
        Registry.load().get("dataset", "x")


def test_broken_by_name(write):
    registry = Registry.load([write("1 / 0", "shrink.py")])
    with pytest.raises(
        GanBenchError, match=r"^trick 'shrink' could not be loaded from file shrink.py: ZeroDivisionError"
    ):
        registry.get("trick", "shrink")


def test_duplicates_name_both_origins(write, tmp_path):
    first, second = write(TRICK, "one.py"), write(TRICK + "# another", "two.py")
    registry = Registry.load([first, second, TOYS])
    assert registry.names("trick") == ["ema", "hinge", "label_noise", "shrink", "wgan_gp"]
    text = f"2 plugins bring a trick called 'shrink': file one.py ({first}) and file two.py ({second}). Remove or rename one."
    with pytest.raises(GanBenchError) as caught:
        registry.get("trick", "shrink")
    assert str(caught.value) == text
    grid = 'name = "x"\ndataset = "mnist"\narchitecture = "dcgan"\nsteps = 5\n'
    file = tmp_path / "grid.toml"
    file.write_text(grid + f'plugins = ["one.py", "two.py", "{TOYS}"]\n')
    assert load_grid(file).baseline.architecture.name == "dcgan"  # it needs neither
    file.write_text(file.read_text() + 'tricks = ["shrink"]\n')
    with pytest.raises(GridError) as caught:
        load_grid(file)
    assert str(caught.value) == f"{file}:6: tricks.shrink: {text}"


def test_event_hooks_are_called_through_the_manager(write):
    file = write(TRICK + "\n@hookimpl\ndef gan_bench_run_ended(folder):\n    return folder.name\n")
    registry = Registry.load([file])
    assert registry.manager.hook.gan_bench_run_ended(folder=Path("a/b")) == ["b"]


def install(folder: Path, entries: dict[str, str]) -> None:
    """What pip leaves of a package `strange-gans` 1.2 with these modules (name -> source), an entry point for each."""
    info = folder / "strange_gans-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-gans\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[gan_bench]\n" + "".join(f"tricks.{name} = strange_{name}\n" for name in entries)
    )
    for name, source in entries.items():
        (folder / f"strange_{name}.py").write_text(source)


def test_packages(tmp_path):
    """In a process of its own, in which nothing else is installed under the group (and so no torch is needed)."""
    install(tmp_path, {"shrink": TRICK, "broken": "import no_such_module", "twin": "from strange_shrink import *"})
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import gan_bench.registry as r\n"
        "real = r.entry_points\n"
        "r.entry_points = lambda group: [e for e in real(group=group) if e.dist.name != 'gan-bench']\n"
        "registry = r.Registry.load()\n"
        "print(json.dumps([[f.name, f.origin] for f in registry.found] + [str(b) for b in registry.broken]))\n"
        "try: registry.get('trick', 'broken')\n"
        "except r.GanBenchError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    listed, error = done.stdout.splitlines()
    cause = f"ModuleNotFoundError: No module named 'no_such_module' ({tmp_path}/strange_broken.py:1)"
    assert json.loads(listed) == [
        ["shrink", "package strange-gans 1.2"],
        f"tricks.broken (package strange-gans 1.2): {cause}",
    ]
    assert error == f"trick 'broken' could not be loaded from package strange-gans 1.2: {cause}."
