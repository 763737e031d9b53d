"""A plugin of a file wins over installed ones of its kind and name, and says so; a broken one gives way to none."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from gan_bench.api.plugin_files import import_file
from gan_bench.api.registry import HOOKS, Registry
from gan_bench.errors import GanBenchError

PLUGINS = '''
from gan_bench import Architecture, Dataset, FeatureExtractor, Metric, Trick, hookimpl

class A(Architecture):
    """WHOSE."""
    name = "same"
    def generator(self, data): pass
    def discriminator(self, data): pass

class D(Dataset):
    """WHOSE."""
    name = "same"
    shape = (1, 8, 8)
    def load(self): pass

class T(Trick):
    """WHOSE."""
    name = "same"
    def edit(self, recipe): pass

class M(Metric):
    """WHOSE."""
    name = "same"
    def score(self, generated, real): return 0.0

class F(FeatureExtractor):
    """WHOSE."""
    name = "same"
    def prepare(self, data, cache, device): pass

@hookimpl
def gan_bench_architectures(): return [A]

@hookimpl
def gan_bench_datasets(): return [D]

@hookimpl
def gan_bench_tricks(): return [T]

@hookimpl
def gan_bench_metrics(): return [M]

@hookimpl
def gan_bench_features(): return [F]
'''


@pytest.fixture
def write(tmp_path):
    def write(name: str, whose: str = "file's", text: str = PLUGINS) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("WHOSE", whose))
        return tmp_path / name

    return write


@pytest.fixture
def install(write, monkeypatch):
    """Has packages of these names installed, each with all of the plugins."""

    def install(*packages: str) -> None:
        def entry(package: str) -> SimpleNamespace:
            module: ModuleType = import_file(write(f"{package}/installed.py", package))
            return SimpleNamespace(name=package, dist=SimpleNamespace(name=package, version="1.2"), load=lambda: module)

        found = [entry(package) for package in packages]
        monkeypatch.setattr("gan_bench.api.registry.entry_points", lambda group: found)

    return install


@pytest.mark.parametrize("kind", HOOKS)
def test_a_file_wins_over_what_is_installed(install, write, kind):
    install("gan-bench", "strange")
    registry = Registry.load([write("mine.py")])
    found = registry.get(kind, "same")
    assert (found.cls.summary(), found.origin, found.of_file) == ("file's.", "file mine.py", True)
    assert found.instead_of == ("package gan-bench 1.2", "package strange 1.2")
    assert [one for one in registry.found if one.kind == kind] == [found]
    assert found.facts() == {
        "kind": kind,
        "name": "same",
        "origin": "file mine.py",
        "instead_of": ["package gan-bench 1.2", "package strange 1.2"],
        "source": found.source_hash,
        "file": str(found.source),
    }


def test_what_is_installed_is_taken_where_no_file_has_its_name(install, write):
    install("gan-bench")
    other = write("other.py", text=PLUGINS.replace('"same"', '"other"'))
    found = Registry.load([other]).get("trick", "same")
    assert (found.origin, found.of_file, found.instead_of, found.facts()["file"]) == (
        *("package gan-bench 1.2", False, ()),
        None,
    )


def test_a_broken_file_takes_nothing_that_a_sound_one_of_its_name_speaks_of(install, write, tmp_path):
    install("gan-bench")
    for folder in ("broken", "sound"):
        (tmp_path / folder).mkdir()
    only = PLUGINS.replace("[D]", "[]").replace("[T]", "[]").replace("[M]", "[]").replace("[F]", "[]")
    registry = Registry.load([write("broken/mine.py", text="1 / 0\n"), write("sound/mine.py", text=only)])
    assert registry.get("architecture", "same").of_file
    assert registry.get("trick", "same").origin == "package gan-bench 1.2"


def test_two_files_and_two_packages_clash(install, write):
    install("gan-bench", "strange")
    with pytest.raises(
        GanBenchError, match=r"^2 plugins bring a trick called 'same': package gan-bench 1.2 \(.*strange"
    ):
        Registry.load().get("trick", "same")
    with pytest.raises(
        GanBenchError, match=r"^2 plugins bring a trick called 'same': file one.py \(.* and file two.py"
    ):
        Registry.load([write("one.py"), write("two.py", "another")]).get("trick", "same")


def test_a_file_that_lists_an_installed_class_brings_nothing_of_its_own(install, write):
    """It stays the installed one."""
    install("gan-bench")
    installed = Registry.load().get("trick", "same")
    text = f"import sys\nfrom gan_bench import hookimpl\nT = sys.modules[{installed.cls.__module__!r}].T\n"
    file = write("again.py", text=text + "\n@hookimpl\ndef gan_bench_tricks(): return [T]\n")
    assert Registry.load([file]).get("trick", "same") == installed


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        ("def (", "mine.py:46: SyntaxError: invalid syntax"),
        ("1 / 0", "mine.py:46: ZeroDivisionError: division by zero"),
        ("\n@hookimpl\ndef gan_bench_trick(): return []", "mine.py: unknown hook gan_bench_trick."),
    ],
)
def test_a_broken_file_does_not_fall_back_to_what_is_installed(install, write, broken, cause):
    install("gan-bench")
    registry = Registry.load([write("mine.py", text=f"{PLUGINS}\n{broken}\n")])
    for kind in HOOKS:
        with pytest.raises(GanBenchError) as caught:
            registry.get(kind, "same")
        assert cause in str(caught.value)
        what = "feature extractor" if kind == "features" else kind
        end = f"o no {what} is called 'same'. An installed one of this name is not taken for it."
        assert str(caught.value).endswith(end)


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("def edit", "def edits", ": class T lacks edit()"),
        ("return [T]", "return [T] + 1", 'TypeError: can only concatenate list (not "int") to list'),
    ],
)
def test_a_broken_class_or_hook_stops_its_own_kind_alone(install, write, old, new, cause):
    install("gan-bench")
    registry = Registry.load([write("mine.py", text=PLUGINS.replace(old, new))])
    with pytest.raises(GanBenchError, match="An installed one of this name is not taken for it") as caught:
        registry.get("trick", "same")
    assert cause in str(caught.value)
    assert registry.get("metric", "same").of_file


def test_a_broken_file_that_speaks_of_other_names_stops_none(install, write):
    install("gan-bench")
    file = write("mine.py", text=PLUGINS.replace('"same"', '"other"').replace("def edit", "def edits"))
    assert Registry.load([file]).get("trick", "same").origin == "package gan-bench 1.2"
    file.write_text('name = "other"  # works with "same"\n1 / 0\n')
    assert Registry.load([file]).get("trick", "same").origin == "package gan-bench 1.2"


def test_a_file_that_is_called_as_a_plugin_was_to_bring_it(install, write, tmp_path):
    install("gan-bench")
    for file in (write("same.py", text="1 / 0"), tmp_path / "nowhere" / "same.py"):
        with pytest.raises(GanBenchError, match="no trick is called 'same'"):
            Registry.load([file]).get("trick", "same")
