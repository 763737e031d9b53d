"""What is installed: plugins found through entry points, a complete wheel, and strangers' packages."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from markdown import ROOT, block, blocks
from stores import run_folders

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


def test_every_plugin_file_has_its_entry_point():
    entry_points = set(PROJECT["project"]["entry-points"]["gan_bench"].values()) - {"gan_bench_reports.hook"}
    plugins = {
        name for name in modules("plugins") if name.count(".") == 2 and not name.rpartition(".")[2].startswith("_")
    }
    assert entry_points == plugins


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
    expected |= {
        f"gan_bench_reports/{f.relative_to(ROOT / 'reports')}"
        for f in (ROOT / "reports").rglob("*.*")
        if f.suffix in (".html", ".css", ".js")
    }
    assert expected <= held
    assert {name for name in held if ".dist-info/" not in name} == expected


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


def test_the_core_imports_no_plugin_and_names_none():
    tricks_and_architectures = ("gan_bench_plugins.tricks.", "gan_bench_plugins.architectures.")
    plugins = {name.rpartition(".")[2] for name in modules("plugins") if name.startswith(tricks_and_architectures)}
    for file in (ROOT / "gan_bench").rglob("*.py"):
        assert not {name for name in imported(file) if name.split(".")[0] in ("gan_bench_plugins", "gan_bench_reports")}
        strings = {
            n.value
            for n in ast.walk(ast.parse(file.read_text()))
            if isinstance(n, ast.Constant) and isinstance(n.value, str)
        }
        assert not strings & plugins, file


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


@pytest.mark.slow
def test_a_strangers_package_is_found_and_trains(environment, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "wide_mlp.py").write_text(block("docs/architecture.md", "wide_mlp.py"))
    text = next(b.text for b in blocks(ROOT / "docs" / "architecture.md") if b.note == "package")
    (package / "pyproject.toml").write_text(text)
    install(environment, package)
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
    gan_bench("run", "grid.toml", "--set", "evaluate.samples=32", "--set", "evaluate.features='random'", "--seeds", "0")
    assert len(run_folders(tmp_path / "runs" / "wide")) == 2
