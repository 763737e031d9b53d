"""Whose plugins are checked: those of files and of installed packages, and pairs of tricks."""

from __future__ import annotations

import re

import pytest
from plugin_sources import HALF_BROKEN

from gan_bench.checks.check import Failed, Skipped
from gan_bench.checks.subjects import subjects
from gan_bench.errors import GanBenchError

PAIRS = "goes with every other trick, or is refused by name"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a plugin file into the current folder."""
    monkeypatch.chdir(tmp_path)
    return lambda text, name="mine.py": (tmp_path / name).write_text(text) and name


def failure(checks, name: str) -> str:
    (check,) = (one for one in checks if one.name == name)
    with pytest.raises(Failed) as failed:
        check.run()
    return str(failed.value)


def test_what_of_a_file_can_be_loaded_is_checked_and_the_rest_told(written):
    (subject,) = subjects([written(HALF_BROKEN)])
    checks = list(subject.checks())
    assert {check.title for check in checks} == {"trick dim", "architecture half"}
    assert failure(checks, "can be loaded") == "mine.py:16: class Half lacks discriminator()"
    assert failure(checks, "says what it and each parameter is").startswith("mine.py:9: `by` needs Field(")
    assert failure(checks, "cites where it is from").startswith("mine.py:5: its docstring does not say")


def test_a_broken_file_is_no_fault_of_a_sound_one_of_its_name(written, tmp_path):
    for folder in ("broken", "sound"):
        (tmp_path / folder).mkdir()
    sound = HALF_BROKEN.partition("class Half")[0] + "@hookimpl\ndef gan_bench_tricks(): return [Dim]\n"
    one, other = subjects([written("1 / 0\n", "broken/mine.py"), written(sound, "sound/mine.py")])
    assert [broken.cause for broken in one.broken] == ["broken/mine.py:1: ZeroDivisionError: division by zero"]
    assert (one.found, other.broken) == ([], [])
    assert [found.name for found in other.found] == ["dim"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0\n", "mine.py:1: ZeroDivisionError: division by zero"),
        ("import gan_bench\n", "mine.py: it implements no hook; return your classes from gan_bench_architectures(), "),
    ],
)
def test_a_file_that_is_none_fails_with_its_cause(written, text, said):
    (subject,) = subjects([written(text)])
    assert failure(subject.checks(), "can be loaded").startswith(said)


def test_a_package_has_its_plugins_by_the_name_of_its_distribution():
    (subject,) = subjects(["Gan_Bench"])
    assert len(subject.found) > 100
    assert not subject.broken


LISTENER = "from gan_bench import hookimpl\n@hookimpl\ndef gan_bench_run_ended(folder): pass\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nowhere.py", "", "there is no file nowhere.py"),
        ("gan-bnch", "", "no package with plugins is installed that is called 'gan-bnch'. Did you mean 'gan-bench'?"),
        ("listener.py", LISTENER, "listener.py brings no plugin that could be checked: it has hooks for events alone"),
        (
            "folder",
            '[project]\nname = "my-gans"',
            "no package .* is called 'my-gans'. Install it first: pip install -e folder",
        ),
    ],
)
def test_what_can_t_be_checked_is_refused(written, tmp_path, name, text, said):
    if name == "folder":
        (tmp_path / name).mkdir()
        written(text, f"{name}/pyproject.toml")
    elif text:
        written(text, name)
    with pytest.raises(GanBenchError, match=re.escape(said).replace(r"\.\*", ".*")):
        subjects([name])


TWICE = """        if hasattr(recipe.generator, "dimmed"):
            raise TypeError("dimmed twice")
        recipe.generator.dimmed = True
"""


def test_another_that_is_unsound_by_itself_is_no_fault_of_a_tricks(written):
    text = HALF_BROKEN.replace('"dim"', '"other"').replace('print("a plugin that prints")', "1 / 0")
    subject, _ = subjects([written(HALF_BROKEN), written(text, "other.py")])
    pairs = next(check for check in subject.checks() if check.name == PAIRS)
    sound = [one for one in subject.registry.found if one.name in ("ema", "r1")]
    own = [one for one in subject.registry.found if one.of_file]
    subject.registry.found = [*own, *sound]
    pairs.run()
    subject.registry.found = own
    with pytest.raises(Skipped, match="no other trick that is sound"):
        pairs.run()


def test_a_trick_that_another_can_t_stand_fails(written):
    text = HALF_BROKEN.replace('        print("a plugin that prints")\n', TWICE)
    subject, _ = subjects([written(text), written(text.replace('"dim"', '"other"'), "other.py")])
    subject.registry.found = [one for one in subject.registry.found if one.of_file]
    said = failure(subject.checks(), PAIRS)
    assert said == "other.py:13: beside other (file other.py): TypeError: dimmed twice"
