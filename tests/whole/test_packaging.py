"""What is installed: plugins found through entry points, a complete wheel, and strangers' packages."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown import ROOT, block, blocks
from stores import gan_bench, run_folders

from gan_bench.api.kinds import KINDS
from gan_bench.api.registry import Found, Registry

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {"gan_bench": "gan_bench", "plugins": "gan_bench_plugins", "reports": "gan_bench_reports"}


def run_quietly(*words: object) -> None:
    subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)


def build_wheel(project: Path, folder: Path) -> None:
    run_quietly(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project)


def modules(folder: str) -> set[str]:
    """Import names of the Python files in a top-level folder."""
    names = set()
    for file in (ROOT / folder).rglob("*.py"):
        parts = file.relative_to(ROOT / folder).with_suffix("").parts
        names.add(".".join([FOLDERS[folder], *parts]).removesuffix(".__init__"))
    return names


@pytest.fixture(scope="module")
def built_in() -> list[Found]:
    """All plugins that come with gan-bench."""
    registry = Registry.load()
    assert registry.broken == []
    return [plugin for plugin in registry.found if plugin.origin.startswith("package gan-bench ")]


def test_every_plugin_file_is_found(built_in):
    files = {
        name for name in modules("plugins") if name.count(".") == 2 and not name.rpartition(".")[2].startswith("_")
    }
    trackers = {cls.__module__ for brought in Registry.load().manager.hook.gan_bench_trackers() for cls in brought}
    assert {name.split(".")[1] for name in trackers} == {"trackers"}
    assert {plugin.cls.__module__ for plugin in built_in} | trackers == files
    for plugin in built_in:
        folder = plugin.cls.__module__.split(".")[1]
        assert folder == ("metrics" if plugin.kind == "features" else f"{plugin.kind}s")


def test_a_new_trick_is_one_file(tmp_path):
    """A copy of the plugins with one file more: nothing else tells of it."""
    folder = tmp_path / "gan_bench_plugins"
    shutil.copytree(ROOT / "plugins", folder, ignore=shutil.ignore_patterns("__pycache__"))
    trick = (folder / "tricks" / "hinge.py").read_text()
    (folder / "tricks" / "another.py").write_text(trick.replace('name = "hinge"', 'name = "another"'))
    (folder / "tricks" / "broken.py").write_text("1 / 0\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gan_bench_plugins as own\n"
        "assert own.__file__.startswith(sys.argv[1]), own.__file__\n"
        "from gan_bench.api.registry import Registry; registry = Registry.load()\n"
        "print(registry.get('trick', 'another').source, len(registry.found), [b.name for b in registry.broken])"
    )
    found = len(Registry.load().found)
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == f"{folder}/tricks/another.py {found + 1} ['tricks.broken']\n", done.stderr


def test_every_subpackage_is_listed():
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    packages = {
        ".".join([FOLDERS[top], *file.parent.relative_to(ROOT / top).parts])
        for top in FOLDERS
        for file in (ROOT / top).rglob("__init__.py")
    }
    assert listed == packages


def test_the_wheel_holds_every_module_and_template(tmp_path):
    build_wheel(ROOT, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {name.replace(".", "/") + suffix for top in FOLDERS for name in modules(top) for suffix in (".py",)}
    packages = {name.replace(".", "/") for name in PROJECT["tool"]["setuptools"]["packages"]}
    expected = {f"{n.removesuffix('.py')}/__init__.py" if n.removesuffix(".py") in packages else n for n in expected}
    expected |= {"gan_bench/py.typed"} | {
        f"gan_bench_reports/{f.relative_to(ROOT / 'reports')}"
        for f in (ROOT / "reports").rglob("*.*")
        if f.suffix in (".html", ".css", ".js")
    }
    assert expected <= held
    assert {name for name in held if ".dist-info/" not in name} == expected


TYPED = """
import torch
from torch import Tensor, nn

from gan_bench import Architecture, DataSpec, Field, Recipe, Trick, hookimpl, load, load_generator, run

class Tiny(Architecture):
    name = "tiny"
    latent: int = Field(64, ge=1, description="size of z")

    def generator(self, data: DataSpec) -> nn.Module:
        return nn.Sequential(nn.Linear(self.latent, data.numel), nn.Unflatten(1, data.shape))

    def discriminator(self, data: DataSpec) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(data.numel, 1))

class Noise(Trick):
    name = "noise"

    def edit(self, recipe: Recipe) -> None:
        recipe.d_inputs(lambda samples: samples + torch.randn_like(samples))

@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [Tiny]

seconds = run("grid.toml", seeds="0-7").runs["seconds"]
images: Tensor = load_generator(load("runs/x").runs["folder"][0])(torch.randn(8, 64))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed: pip install '.[types]'")
def test_what_everybody_may_import_is_typed(tmp_path):
    """Strictly, as mypy sees what is installed (an editable install it does not see)."""
    build_wheel(ROOT, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    (tmp_path / "mine.py").write_text(TYPED)
    line = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "mine.py"]
    environment = {**os.environ, "MYPYPATH": str(tmp_path / "installed")}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "Success" in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("twine") is None, reason="twine is not installed: pip install '.[site]'")
def test_an_index_would_take_what_is_built(tmp_path):
    """The wheel is built of the source distribution."""
    run_quietly(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT)
    run_quietly(sys.executable, "-m", "twine", "check", "--strict", *tmp_path.iterdir())
    (wheel,) = tmp_path.glob("*.whl")
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("folder", ["plugins", "reports"])
def test_the_checkouts_folders_are_not_a_second_copy(folder):
    done = subprocess.run(
        [sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"import {FOLDERS[folder]}, not {folder}" in done.stderr


def imported(file: Path) -> set[str]:
    """Modules that a file imports, wherever it does so."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


# Words that are no plugins' names where the core has them: how many updates D has had, a column of tables, what is known of data,
# how a search draws, how often networks learn.
HOMONYMS = {"d_steps", "folder", "modes", "random", "schedule"}
NAMED = {  # each with why it stands in the core, and nowhere else
    "api/tables.py": {"classifier", "pixels"},  # the features where nothing else is said
    "bench/cases.py": {  # the networks and tricks that `gan-bench bench` measures
        *("dcgan", "fcgan", "resnet", "stylegan2", "r3gan", "hinge", "lsgan", "wgan_gp", "relativistic", "r1", "r2"),
        *("diff_augment", "ada", "ema", "spectral_norm", "lecam", "consistency", "minibatch_std"),
    },
    "cli/question.py": {  # what a new grid asks
        *("digits", "dcgan", "fcgan", "kid", "precision_recall", "label_smoothing", "input_noise"),
    },
    "grid/axes.py": {"label_noise"},  # an example in a cure
    "grid/schema.py": {
        "kid",
        "precision_recall",
        "density_coverage",
        "class_accuracy",
        "class_fd",
        "classifier",
    },  # the defaults of [evaluate]
    "scoring/measure.py": {"classifier"},  # the cure where a metric needs features that know classes
}


def strings(file: Path) -> Iterator[str]:
    """All text in a file's code, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(node.body[0] if node.body else None, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_the_core_imports_no_plugin_and_names_none(built_in):
    names = {plugin.name for plugin in built_in} - HOMONYMS
    assert {plugin.kind for plugin in built_in} == set(KINDS)
    for file in (ROOT / "gan_bench").rglob("*.py"):
        assert not {name for name in imported(file) if name.split(".")[0] in ("gan_bench_plugins", "gan_bench_reports")}
        texts = list(strings(file))
        named = {name for name in names if any(t == name or f'"{name}"' in t or f"'{name}'" in t for t in texts)}
        assert named <= NAMED.get(str(file.relative_to(ROOT / "gan_bench")), set()), file


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["plugins", "--help"]])
def test_help_and_version_import_no_torch(arguments):
    code = f"""
import sys
from gan_bench.cli import main
main({arguments}, standalone_mode=False)
print([name for name in ("torch", "pydantic", "pandas", "torchvision") if name in sys.modules])
"""
    assert python(code).splitlines()[-1] == "[]"


def test_completion_imports_no_torch():
    code = "import sys, gan_bench.cli as c; from click.shell_completion import ShellComplete as S; " + (
        "print([i.value for i in S(c.main, {}, 'gan-bench', 'X').get_completions(['run'], '--se')], 'torch' in sys.modules)"
    )
    assert python(code) == "['--set', '--seeds'] False"


@pytest.mark.parametrize(
    "text", ["name = ", "nam = 'x'", "name = 'x'\ndataset = 'digits'\narchitecture = 'dcgan'\nsteps = -1"]
)
def test_bad_toml_is_refused_before_torch_is_imported(tmp_path, text):
    (tmp_path / "grid.toml").write_text(text)
    code = f"""
import sys
from gan_bench.cli import main
try:
    main(["run", {str(tmp_path / "grid.toml")!r}])
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""
    assert python(code) == "2 False"


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A real environment of its own, in which what these tests run on is installed too."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    purelib = Path(sysconfig.get_path("purelib"))
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "outer.pth").write_text(f"import site; site.addsitedir({str(purelib)!r})\n")
    return folder


def install(environment: Path, package: Path) -> None:
    """Build the package's wheel and install it there."""
    build_wheel(package, package / "dist")
    (wheel,) = (package / "dist").glob("*.whl")
    run_quietly(environment / "bin" / "python", "-m", "pip", "install", "--no-deps", wheel)


def a_strangers_package(folder: Path, environment: Path) -> None:
    """The package of docs/architecture.md, installed, whose networks are made by a module beside its own."""
    folder.mkdir()
    plugin = block("docs/architecture.md", "wide_mlp.py")
    line = "nn.Linear(self.latent, self.width),\n            nn.ReLU(),"
    assert line in plugin
    (folder / "wide_mlp.py").write_text(
        plugin.replace(line, "*first_layer(self.latent, self.width),").replace(
            "from torch import nn\n", "from torch import nn\n\nfrom wide_layers import first_layer\n"
        )
    )
    (folder / "wide_layers.py").write_text(
        "from torch import nn\n\ndef first_layer(inputs, outputs):\n    return nn.Linear(inputs, outputs), nn.ReLU()\n"
    )
    text = next(b.text for b in blocks(ROOT / "docs" / "architecture.md") if b.note == "package")
    assert '["wide_mlp"]' in text
    (folder / "pyproject.toml").write_text(text.replace('["wide_mlp"]', '["wide_mlp", "wide_layers"]'))
    install(environment, folder)


@pytest.mark.slow
def test_a_strangers_package_is_found_trains_and_is_stale_where_a_module_of_it_has_changed(environment, tmp_path):
    a_strangers_package(tmp_path / "package", environment)
    grid = block("docs/architecture.md", "wide.toml")
    line = next(line for line in grid.splitlines() if line.startswith("plugins ="))
    (tmp_path / "grid.toml").write_text(grid.replace(line, "").replace("steps = 1000", "steps = 3"))
    program = environment / "bin" / "python"

    def gan_bench(*arguments: str) -> str:
        code = f"from gan_bench.cli import main; main({list(arguments)})"
        done = subprocess.run(
            [program, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=dict(os.environ)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = {p["name"]: p for p in json.loads(gan_bench("plugins", "--json"))["plugins"]}
    assert found["wide_mlp"]["origin"] == "package wide-mlp 1.0"
    options = ["grid.toml", "--set", "evaluate.samples=32", "--set", "evaluate.features='random'", "--seeds", "0"]
    gan_bench("run", *options)
    assert len(run_folders(tmp_path / "runs" / "wide")) == 2
    assert "stale" not in gan_bench("plan", "--no-pilot", *options)
    (helper,) = environment.glob("lib/python*/site-packages/wide_layers.py")
    helper.write_text(helper.read_text().replace("ReLU", "LeakyReLU"))
    told = "2 runs are stale: the source of architecture 'wide_mlp' has changed; they train again"
    assert told in gan_bench("plan", "--no-pilot", *options, "--set", "steps=5")
    gan_bench("run", *options, "--set", "steps=5")
    new = [json.loads((run / "run.json").read_text()) for run in run_folders(tmp_path / "runs" / "wide")]
    assert sorted(run["total_steps"] for run in new) == [3, 3, 5, 5]
    assert {session["from_step"] for run in new for session in run["sessions"]} == {0}


@pytest.mark.slow
def test_a_new_package_is_built_installed_and_checked(environment, tmp_path):
    """As its own README says, in an environment of its own."""
    gan_bench("new", "package", "my-gans", cwd=tmp_path)
    install(environment, tmp_path / "my-gans")
    python = environment / "bin" / "python"
    check = ["-c", "from gan_bench.cli import main; main()", "check", "my-gans"]
    done = subprocess.run([python, *check], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("architecture my_gans\n")
    tests = [
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "gan_bench.checks.pytest_plugin",
        "-k",
        "cites or parameter",
    ]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [python, *tests], cwd=tmp_path / "my-gans", capture_output=True, text=True, check=False, env=alone
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    run_quietly(python, "-m", "pip", "uninstall", "-y", "my-gans")
