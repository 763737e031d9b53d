"""Files of the current folder that are called as modules are: none of a command's processes imports one of them."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import run_folders, write_grid

from gan_bench.workers.processes import apart

PROGRAM = Path(sys.executable).with_name("gan-bench")
SMALL = {"steps": "steps = 3", "snapshots": "snapshots = 1"}
TRAP = """
import os, sys
with open(os.path.join({folder!r}, "sprung"), "a") as file:
    file.write(f"{{__name__}} in {{sys.orig_argv}}\\n")
"""


@pytest.fixture
def trapped(tmp_path) -> Iterator[Path]:
    """A folder with a grid, and a file for every module that there is; none may be imported."""
    installed = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
    for name in {*sys.stdlib_module_names, *installed, "sitecustomize", "usercustomize"}:
        (tmp_path / f"{name}.py").write_text(TRAP.format(folder=str(tmp_path)))
    write_grid(tmp_path, **SMALL)
    yield tmp_path
    sprung = tmp_path / "sprung"
    assert not sprung.exists(), sprung.read_text()


def completed(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert not (cwd / "sprung").exists(), (cwd / "sprung").read_text()
    assert done.returncode == 0, done.stderr
    return done


def test_the_traps_are_set(tmp_path):
    (tmp_path / "random.py").write_text(TRAP.format(folder=str(tmp_path)))
    subprocess.run([sys.executable, "-c", "import random"], cwd=tmp_path, check=True)
    assert (tmp_path / "sprung").read_text().startswith("random in ")


@pytest.mark.slow
def test_plan_imports_nothing_from_the_current_folder(trapped):
    planned = completed(PROGRAM, "plan", "grid.toml", "--only", "no tricks", cwd=trapped).stdout
    assert "1 run, 1 of them to train" in planned
    assert "time: about " in planned  # with a pilot, so with processes


@pytest.mark.slow
def test_run_imports_nothing_from_the_current_folder(trapped):
    completed(PROGRAM, "run", "grid.toml", "--watch", cwd=trapped)
    assert len(run_folders(trapped / "runs" / "toy")) == 2


@pytest.mark.slow
def test_bench_imports_nothing_from_the_current_folder(trapped):
    arguments = ("--seconds", 0.01, "--rounds", 1, "--case", "fcgan", "--devices", "cpu")
    completed(PROGRAM, "bench", *arguments, cwd=trapped)


@pytest.mark.slow
def test_watch_imports_nothing_from_the_current_folder(trapped):
    process = subprocess.Popen([PROGRAM, "watch", "runs/toy"], cwd=trapped, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().startswith("http://127.0.0.1")
    finally:
        process.kill()
        process.communicate()


NOTEBOOK = """
import sys
from multiprocessing import forkserver, resource_tracker
import gan_bench

gan_bench.run("grid.toml")  # by which the caller has imported whatever it needs
forkserver._forkserver._stop()
resource_tracker._resource_tracker._stop()
sys.path.insert(0, "")
print(len(gan_bench.run("grid.toml", seeds="0-1").runs))
"""


@pytest.mark.slow
def test_what_a_notebook_would_import_its_workers_dont(trapped, tmp_path_factory):
    """There the current folder stands first in the path, and is the caller's own affair."""
    script = tmp_path_factory.mktemp("elsewhere") / "notebook.py"
    script.write_text(NOTEBOOK)
    (trapped / "plotly.py").unlink()  # the caller itself looks where that is
    assert completed(sys.executable, script, cwd=trapped).stdout == "4\n"


PATH = """
import os, sys
from gan_bench.workers.processes import apart

sys.path[:0] = ["added", "", ".", os.getcwd()]
sys.path.append("")
before = list(sys.path)
with apart():
    print(sys.path[0], {"", ".", os.getcwd()} & {*sys.path}, os.environ["PYTHONSAFEPATH"])
print(sys.path == before, "PYTHONSAFEPATH" in os.environ)
"""


def test_what_a_caller_adds_to_its_path_its_workers_have_too(tmp_path):
    """But for the current folder."""
    (tmp_path / "added").mkdir()
    assert completed(sys.executable, "-P", "-c", PATH, cwd=tmp_path).stdout == "added set() 1\nTrue False\n"


@pytest.mark.parametrize("how", ["PYTHONPATH", "installed"])
def test_a_current_folder_that_was_asked_for_stays(tmp_path, monkeypatch, how):
    """A plugin's author works in the folder that its package is installed from."""
    standard = sys.path.index(str(Path(os.__file__).parent))
    monkeypatch.chdir(tmp_path)
    if how == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", f"/elsewhere{os.pathsep}{tmp_path}")
    where = 0 if how == "PYTHONPATH" else standard + 1
    monkeypatch.setattr(sys, "path", [*sys.path[:where], str(tmp_path), *sys.path[where:]])
    with apart():
        assert str(tmp_path) in sys.path
