"""`gan-bench check`: each check told, what fails with file and line, and exit codes."""

from __future__ import annotations

import pytest
from markdown import block
from plugin_sources import HALF_BROKEN
from stores import gan_bench


@pytest.fixture
def folder(tmp_path):
    """A folder with a plugin file that is sound, and one that is not."""
    (tmp_path / "tiny_mlp.py").write_text(block("README.md", "tiny_mlp.py"))
    (tmp_path / "mine.py").write_text(HALF_BROKEN)
    return tmp_path


def test_each_check_is_told(folder):
    done = gan_bench("check", "tiny_mlp.py", "--fast", cwd=folder)
    told = done.stdout.splitlines()
    assert told[0] == "architecture tiny_mlp"
    assert "  passed   resumes to the same bits" in told
    assert "makes samples of every shape" not in done.stdout, "which is slow"
    assert told[-1].endswith(("checks: 10 passed, 1 skipped", "checks: 11 passed"))  # there may be a GPU


def test_what_fails_has_file_and_line(folder):
    done = gan_bench("check", "mine.py", "--only", "a", "--fast", cwd=folder, code=1)
    assert done.stdout.splitlines()[:3] == [
        "architecture half",
        "  FAILED   can be loaded",
        "           mine.py:16: class Half lacks discriminator()",
    ]
    assert "2 failed" in done.stdout
    assert "a plugin that prints" in done.stderr
    assert "a plugin that prints" not in done.stdout


def test_a_plugin_that_could_not_be_tried_has_not_passed(folder):
    text = """from gan_bench import Field, Trick, hookimpl
class Dim(Trick):
    "All that D sees is dimmed (no paper's)."
    name = "dim"
    by: float = Field(description="the factor")
    def edit(self, recipe):
        raise NotImplementedError
@hookimpl
def gan_bench_tricks():
    return [Dim]
"""
    (folder / "dim.py").write_text(text)
    told = gan_bench("check", "dim.py", cwd=folder, code=1).stdout.splitlines()
    assert "  skipped  goes with every other trick, or is refused by name: it has no defaults for by" in told
    assert told[-2] == "5 checks: 2 passed, 3 skipped"
    assert told[-1] == "NOT TRIED: trick dim, for all checks that put it to use were skipped"
    gan_bench("check", "dim.py", "--only", "cites", cwd=folder)


@pytest.mark.parametrize("names", [["nowhere.py"], ["nothing"], ["mine.py", "--only", "xyz"]])
def test_what_can_t_be_checked_is_exit_code_2(folder, names):
    assert gan_bench("check", *names, cwd=folder, code=2).stderr.startswith("Error: ")
