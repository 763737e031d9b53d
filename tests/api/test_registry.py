"""Plugins are found in packages and files; a broken one stops only what needs it."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from gan_bench.api.faults import cause
from gan_bench.api.plugin_files import import_file
from gan_bench.api.registry import Registry
from gan_bench.errors import GanBenchError, GridError
from gan_bench.grid import load_grid

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "helpers" / "toy_plugins.py"

TRICK = '''
from gan_bench import Field, Trick, hookimpl

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
    monkeypatch.setattr("gan_bench.api.registry.entry_points", lambda group: ())


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


def test_what_a_file_changes_when_it_is_imported_is_put_back(write, tmp_path, capsys):
    """Else equal runs would have other bits beside it, and a command's results its words among them."""
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), Path.cwd()
    changes = (
        f"import os, torch\ntorch.set_num_threads({before[0] + 1})\ntorch.set_default_dtype(torch.float64)\n"
        f'torch.set_grad_enabled(False)\nos.chdir({str(tmp_path)!r})\nprint("hello")\n'
    )
    registry = Registry.load([write(changes + TRICK)])
    assert registry.get("trick", "shrink")
    assert (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), Path.cwd()) == before
    assert capsys.readouterr() == ("", "hello\n")


def test_changed_file_is_another_module(write):
    before = Registry.load([write(TRICK)]).get("trick", "shrink")
    after = Registry.load([write(TRICK.replace("0.5", "0.7"))]).get("trick", "shrink")
    assert before.source_hash != after.source_hash
    assert (before.cls().by, after.cls().by) == (0.5, 0.7)


def test_another_process_finds_the_same(write):
    file = write(TRICK)
    code = (
        "import sys; from pathlib import Path; from gan_bench.api.registry import Registry\n"
        "import gan_bench.api.registry as r; r.entry_points = lambda group: ()\n"
        "found = Registry.load([Path(sys.argv[1])]).get('trick', 'shrink')\n"
        "print(found.source_hash, found.cls.__module__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], cwd=ROOT, capture_output=True, text=True, check=True)
    found = Registry.load([file]).get("trick", "shrink")
    assert done.stdout.split() == [found.source_hash, found.cls.__module__, "False"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("def (", "{file}:1: SyntaxError: invalid syntax"),
        ("x = 1\n\nimport no_such_module", "{file}:3: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit(3)", "{file}:2: SystemExit: 3"),
        ("x = 1", "{file}: it implements no hook; return your classes from gan_bench_architectures(), "),
        (TRICK.replace("@hookimpl", ""), "{file}: write @hookimpl above `def gan_bench_tricks`"),
        (
            TRICK.replace("gan_bench_tricks", "gan_bench_trick"),
            "{file}: unknown hook gan_bench_trick. Did you mean gan_bench_tricks?",
        ),
        (
            TRICK.replace("gan_bench_tricks", "gan_bench_run_start"),
            "{file}: unknown hook gan_bench_run_start. Did you mean gan_bench_run_started?",
        ),
        ("from pathlib import Path\nPath('/nowhere').read_text()", "{file}:2: FileNotFoundError: "),
        (TRICK.replace("by: float", "by"), "{file}:7: write `by: float = Field(...)`"),
        (
            TRICK.replace('by: float = Field(0.5, gt=0, description="factor")', "by = (1, 2)"),
            "{file}:7: write `by: tuple = (1, 2)`, or `by: ClassVar = ...` if it is no parameter",
        ),
        (
            TRICK.replace("Trick", "Architecture").replace("by: float = Field(0.5", "latent = Field(default=8"),
            "{file}:7: write `latent: int = Field(...)`",
        ),
        (TRICK.replace("gan_bench_tricks()", "gan_bench_tricks(x)"), "{file}: Plugin 'gan_bench_file_my_trick"),
        (TRICK.replace("[Shrink]", "Shrink"), "{file}: gan_bench_tricks() must return a list of classes, not "),
        (TRICK.replace("return [Shrink]", "1 / 0"), "{file}:14: ZeroDivisionError: division by zero"),
        (TRICK.replace("[Shrink]", "[Shrink()]"), "{file}: gan_bench_tricks() must list classes, not Shrink objects"),
        (TRICK.replace("[Shrink]", "[int]"), "{file}: class int must be a subclass of gan_bench.Trick"),
        (
            TRICK.replace("def gan_bench_tricks", "def gan_bench_metrics"),
            "{file}:4: class Shrink must be a subclass of gan_bench.Metric",
        ),
        (
            TRICK.replace('    name = "shrink"\n', ""),
            "{file}:4: class Shrink needs `name = \"...\"` of letters, digits, '_' and '-' (found: None)",
        ),
        (
            TRICK.replace('"shrink"', '"a/b"'),
            "{file}:4: class Shrink needs `name = \"...\"` of letters, digits, '_' and '-' (found: 'a/b')",
        ),
        (
            TRICK.replace("name =", "name: str ="),
            "{file}:4: class Shrink: write `name = ...` without a type, or it becomes a parameter",
        ),
        (TRICK.replace("def edit", "def edits"), "{file}:4: class Shrink lacks edit()"),
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
    with pytest.raises(GanBenchError) as caught:
        registry.get("metric", "x")
    cure = "Known: density_coverage, fid, kid, precision_recall. Or name its file in plugins = [...] or with --plugin."
    assert str(caught.value) == f"no metric is called 'x'. {cure}"
    with pytest.raises(
        GanBenchError, match=r"^no dataset is called 'x'\. No dataset is installed\. Or name its file in "
    ):
        Registry.load().get("dataset", "x")


def test_broken_by_name(write):
    file = write("1 / 0", "shrink.py")
    with pytest.raises(GanBenchError) as caught:
        Registry.load([file]).get("trick", "shrink")
    assert str(caught.value) == f"{file}:1: ZeroDivisionError: division by zero; so no trick is called 'shrink'."


def test_what_a_file_failed_of_is_said_first(write, tmp_path):
    file = write("\nbroken", "my_arch.py")
    registry = Registry.load([file, TOYS])
    start = f"{file}:2: NameError: name 'broken' is not defined; so no"
    for kind, name, rest in (
        ("architecture", "a", " architecture is called 'a'."),
        ("trick", "hing", " trick is called 'hing'. Did you mean 'hinge'?"),
    ):
        with pytest.raises(GanBenchError) as caught:
            registry.get(kind, name)
        assert str(caught.value) == start + rest
    grid = tmp_path / "grid.toml"
    grid.write_text('name = "x"\ndataset = "mnist"\narchitecture = "a"\nsteps = 5\nplugins = ["my_arch.py"]\n')
    with pytest.raises(GridError) as caught:
        load_grid(grid, registry_files=[TOYS])
    assert str(caught.value) == f"{grid}:3: architecture: {start} architecture is called 'a'."


def test_a_misspelt_hook_is_said_in_sentences(write):
    file = write(TRICK.replace("gan_bench_tricks", "gan_bench_trick"))
    text = f"{file}: unknown hook gan_bench_trick. Did you mean gan_bench_tricks? So no trick is called 'shrink'."
    with pytest.raises(GanBenchError) as caught:
        Registry.load([file]).get("trick", "shrink")
    assert str(caught.value) == text


def test_a_broken_class_of_another_kind_is_not_the_cause(write):
    registry = Registry.load([write(TRICK.replace("def edit", "def edits")), TOYS])
    with pytest.raises(GanBenchError, match=r"^no metric is called 'x'\. Known: .*fid.* lacks edit\(\)\.$"):
        registry.get("metric", "x")


CLASSES = """
from gan_bench import Dataset, Metric, Trick, hookimpl

class M(Metric):
    name = "m"
    def label(self, features): return "m"
    def score(self, generated, real): return 0.0

class D(Dataset):
    name = "d"
    shape = (1, 8, 8)
    def load(self): pass

class T(Trick):
    name = "t"
    replaces = {"loss"}
    needs = ["targets", "schedule", "sampled"]
    def edit(self, recipe): pass

@hookimpl
def gan_bench_metrics(): return [M]

@hookimpl
def gan_bench_tricks(): return [T]

@hookimpl
def gan_bench_datasets(): return [D]
"""


@pytest.mark.filterwarnings("ignore:Field name")
@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ('"m"\n', '"m"\n    better = "up"\n', "4: class M: `better` must be 'lower' or 'higher' (found: 'up')"),
        ('"m"\n', '"m"\n    scale = None\n', "4: class M: `scale` must be 'log' or 'raw' (found: None)"),
        ('"m"\n', '"m"\n    better: str = "lower"\n', "4: class M: write `better = ...` without a type, or it becomes"),
        ('"d"\n', '"d"\n    kind = "sound"\n', "9: class D: `kind` must be 'image' or 'points' (found: 'sound')"),
        (
            "    shape = (1, 8, 8)\n",
            "",
            "9: class D lacks `shape`: write shape = (channels, height, width), or a property",
        ),
        (
            "= (1, 8, 8)",
            "= 3",
            "9: class D: `shape` must be (channels, height, width) where kind is 'image' (found: 3)",
        ),
        ("shape = (1, 8, 8)", "def shape(self): return (1, 8, 8)", "9: class D: write @property above `def shape`"),
        (
            "    shape = (1, 8, 8)\n",
            "    shape = (1, 8, 8)\n    def subset(self): return 1\n",
            "9: class D: `subset` is a parameter of every dataset; declare your own with its type, `subset: str = ...`, or "
            "choose another name",
        ),
        (
            '{"loss"}',
            '{"loss", "target"}',
            "14: class T: `replaces` has no word 'target' ('loss' is recipe.loss; 'targets' is the targets of that loss; "
            "'schedule' is recipe.d_steps and recipe.g_per_d; 'discriminator' is recipe.discriminator, made anew; "
            "'sampled' is recipe.sampled; 'networks' is the networks as they are trained; "
            "'prior' is the distribution of latents, N(0, I)). Did you mean 'targets'?",
        ),
        (
            '"schedule"',
            '"optimiser"',
            "14: class T: `needs` has no word 'optimiser' ('loss' is recipe.loss; 'targets' is ",
        ),
        ('"schedule"', "3", "14: class T: `needs` has no word 3 ("),
        ('"schedule"', "[]", "14: class T: `needs` has no word [] ("),
        ('{"loss"}', '"loss"', "14: class T: write replaces = {\"loss\"}, a set of words (found: 'loss')"),
        ('{"loss"}', "None", '14: class T: write replaces = {"loss"}, a set of words (found: None)'),
    ],
)
def test_broken_classes(write, old, new, cause):
    good = Registry.load([write(CLASSES, "good.py")])
    assert (good.broken, good.create("dataset", "d").spec().shape) == ([], (1, 8, 8))
    assert old in CLASSES
    file = write(CLASSES.replace(old, new, 1))
    (broken,) = Registry.load([file]).broken
    assert broken.cause.startswith(f"{file}:{cause}"), broken.cause


def test_cause_names_the_plugins_line_not_the_librarys(write, monkeypatch, tmp_path):
    file = write("import json\n\ndef read():\n    return json.loads('{')\n")
    module = import_file(file)
    with pytest.raises(ValueError) as caught:
        module.read()
    assert cause(caught.value).startswith(f"{file}:4: JSONDecodeError: Expecting property name")
    monkeypatch.chdir(tmp_path)
    assert cause(caught.value).startswith("my_trick.py:4: ")
    assert cause(GanBenchError("as it is")) == "as it is"
    assert cause(KeyError("never raised")) == "KeyError: 'never raised'"


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


def install(folder: Path, modules: dict[str, str], **entries: str) -> None:
    """What pip leaves of a package `strange-gans` 1.2 with these modules (file -> source) and entry points."""
    info = folder / "strange_gans-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-gans\nVersion: 1.2\n")
    lines = [f"{name} = {module}\n" for name, module in entries.items()]
    (info / "entry_points.txt").write_text("[gan_bench]\n" + "".join(lines))
    for name, source in modules.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)


def found_in(folder: Path) -> tuple[list[str], list[str], str]:
    """What is found where nothing else is installed under the group (and so no torch is needed), broken, and told of `broken`."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import gan_bench.api.registry as r\n"
        "real = r.entry_points\n"
        "r.entry_points = lambda group: [e for e in real(group=group) if e.dist.name != 'gan-bench']\n"
        "registry = r.Registry.load()\n"
        "print(json.dumps([f'{f.name} ({f.origin})' for f in registry.found]))\n"
        "print(json.dumps([str(b) for b in registry.broken]))\n"
        "try: registry.get('trick', 'broken')\n"
        "except r.GanBenchError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    found, broken, error = done.stdout.splitlines()
    return json.loads(found), json.loads(broken), error


def test_packages(tmp_path):
    """An entry point for each module."""
    modules = {"shrink": TRICK, "broken": "import no_such_module", "twin": "from strange_shrink import *"}
    install(
        tmp_path,
        {f"strange_{name}.py": source for name, source in modules.items()},
        **{f"tricks.{name}": f"strange_{name}" for name in modules},
    )
    found, broken, error = found_in(tmp_path)
    cause = f"{tmp_path}/strange_broken.py:1: ModuleNotFoundError: No module named 'no_such_module'"
    assert found == ["shrink (package strange-gans 1.2)"]
    assert broken == [f"tricks.broken (package strange-gans 1.2): {cause}"]
    assert error == f"{cause}; so no trick is called 'broken'."


def test_an_entry_point_that_names_a_package(tmp_path):
    """Each of its modules is imported, and one that can't be stops no other; another may be named once more."""
    modules = {
        "__init__.py": "from gan_bench import hookimpl, Trick\n",
        "_helper.py": "raise RuntimeError('run')",
        "__main__.py": "raise RuntimeError('run')",
        "shrink.py": TRICK,
        "broken.py": "\nimport no_such_module",
        "exits.py": "import sys; sys.exit()",
        "layers.py": "WIDTH = 1",
        "more/__init__.py": "",
        "more/grow.py": TRICK.replace("shrink", "grow"),
        "own/__init__.py": TRICK.replace("shrink", "own"),
        "own/unasked.py": "raise RuntimeError('run')",
        "worse/__init__.py": "1 / 0",
        "worse/good.py": TRICK,
    }
    files = {f"strange/{name}": source for name, source in modules.items()}
    install(
        tmp_path, files, tricks="strange", twin="strange.shrink", tool="strange.shrink:gan_bench_tricks", void="void"
    )
    found, broken, error = found_in(tmp_path)
    package = "(package strange-gans 1.2)"
    assert found == [f"{name} {package}" for name in ("grow", "own", "shrink")]
    hooks = "it implements no hook; return your classes from gan_bench_architectures()"
    starts = [
        f"tool {package}: package strange-gans 1.2: {hooks}",
        f"tricks.broken {package}: {tmp_path}/strange/broken.py:2: ModuleNotFoundError: No module named 'no_such_module'",
        f"tricks.exits {package}: {tmp_path}/strange/exits.py:1: SystemExit",
        f"tricks.layers {package}: {tmp_path}/strange/layers.py: {hooks}",
        f"tricks.worse {package}: {tmp_path}/strange/worse/__init__.py:1: ZeroDivisionError: division by zero",
        f"void {package}: ModuleNotFoundError: No module named 'void'",
    ]
    for told, start in zip(broken, starts, strict=True):
        assert told.startswith(start), told
    assert broken[3].endswith("; a helper module's name begins with `_`")
    assert "strange/broken.py:2: ModuleNotFoundError" in error
    assert error.endswith("; so no trick is called 'broken'.")
