"""`pytest --gan-bench`: checks as tests, and nothing at all without the option."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec

import pytest
from markdown import ROOT
from plugin_sources import HALF_BROKEN

PLUGIN = "gan_bench.checks.pytest_plugin"
CONFTEST = """
import sys

def pytest_sessionfinish():
    print("imported:", [name for name in ("torch", "gan_bench.api", "pydantic") if name in sys.modules])
"""


@pytest.fixture
def tests(tmp_path):
    """Run pytest in a folder with a plugin file and one test; returns the exit code and what it printed."""
    (tmp_path / "mine.py").write_text(HALF_BROKEN)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")

    def tests(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", PLUGIN, *options]
        alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=alone)
        return done.returncode, done.stdout

    return tests


def test_pytest_finds_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"gan_bench": PLUGIN}
    assert find_spec(PLUGIN)


def test_without_the_option_nothing_is_imported(tests):
    code, said = tests("-q")
    assert code == 0
    assert "imported: []" in said
    assert "1 passed" in said


@pytest.mark.slow
def test_checks_are_tests_that_fail_with_file_and_line(tests):
    code, said = tests("-rfs", "--gan-bench", "mine.py", "-k", "test_own or half or parameter or GPU or CUDA")
    assert code == 1
    assert "mine.py:16: class Half lacks discriminator()" in said
    assert "mine.py:9: `by` needs Field(..., description=" in said
    assert "Traceback" not in said
    assert "2 failed, 1 passed, 1 skipped" in said
    assert "FAILED mine.py::trick dim says what it and each parameter is" in said


@pytest.mark.slow
def test_a_file_that_is_not_there_is_an_error(tests):
    code, said = tests("--gan-bench", "nowhere.py")
    assert code == 2
    assert "there is no file nowhere.py" in said
