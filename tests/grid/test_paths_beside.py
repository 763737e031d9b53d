"""Relative paths of a dataset are looked for beside the grid file first: of every parameter that is a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from grid_files import BASELINE, only_toys  # noqa: F401 - a fixture

from gan_bench.errors import GanBenchError
from gan_bench.grid import cell_from_settings, load_grid

PLUGIN = '''
from pathlib import Path

from gan_bench.api.hooks import hookimpl
from gan_bench.api.kinds import Architecture, Dataset


class Files(Dataset):
    """Of many files."""

    name = "files"
    shape = (1, 8, 8)
    images: Path
    labels: Path | None = None
    more: list[Path] = []
    pair: tuple[Path, Path] | None = None
    named: dict[str, Path] = {}
    either: Path | int = 3
    root: str = ""
    text: str = "data"
    usual: Path = Path("data")

    def load(self):
        raise AssertionError("reading a grid file decodes nothing")


class Plain(Architecture):
    """Networks."""

    name = "plain"

    def generator(self, data): ...
    def discriminator(self, data): ...


@hookimpl
def gan_bench_datasets():
    return [Files]


@hookimpl
def gan_bench_architectures():
    return [Plain]
'''


def load(folder: Path, parameters: str):
    (folder / "files.py").write_text(PLUGIN)
    text = BASELINE.replace('"mnist"', f'{{ name = "files", {parameters} }}')
    text = text.replace('{ name = "dcgan", width = 32 }', '"plain"')
    (folder / "grid.toml").write_text(f'plugins = ["files.py"]\n{text}')
    return load_grid(folder / "grid.toml", registry_files=[Path(__file__).parents[1] / "helpers" / "toy_plugins.py"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the grid file, with `data`, which the working directory has too, and `own`, which it has not."""
    (tmp_path / "grid" / "data").mkdir(parents=True)
    (tmp_path / "grid" / "own").mkdir()
    (tmp_path / "elsewhere" / "data").mkdir(parents=True)
    (tmp_path / "elsewhere" / "there").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "grid"


@pytest.mark.parametrize(
    ("parameters", "name", "found"),
    [
        ('images = "own"', "images", "{}/own"),
        ('images = "data"', "images", "{}/data"),
        ('images = "there"', "images", "there"),
        ('images = "/own"', "images", "/own"),
        ('images = "own/../data"', "images", "{}/own/../data"),
        ('images = "~/own"', "images", "~/own"),
        ('images = "x"', "labels", None),
        ('images = "x", labels = "own"', "labels", "{}/own"),
        ('images = "x", more = ["own", "there", "data", "nowhere"]', "more", ["{}/own", "there", "{}/data", "nowhere"]),
        ('images = "x", pair = ["own", "there"]', "pair", ["{}/own", "there"]),
        ('images = "x", named = { a = "own", b = "there" }', "named", {"a": "{}/own", "b": "there"}),
        ('images = "x", either = "own"', "either", "{}/own"),
        ('images = "x", either = 5', "either", 5),
        ('images = "x", root = "own"', "root", "{}/own"),
        ('images = "x", root = "there"', "root", "there"),
        ('images = "x"', "root", ""),
        ('images = "x", text = "own"', "text", "own"),
        ('images = "x"', "usual", "{}/data"),
    ],
)
def test_each_is_looked_for_beside_the_grid_file_first(folder, parameters, name, found):
    def filled(value):
        if isinstance(value, str):
            return value.format(folder)
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    grid = load(folder, parameters)
    assert grid.baseline.settings["dataset"][name] == filled(found)
    again = cell_from_settings(grid.baseline.settings, grid.registry)
    assert again.dataset == grid.baseline.dataset, "as a worker has it, in another folder"


def test_what_lies_nowhere_is_told_with_both_places(folder):
    grid = load(folder, 'images = "nowhere", labels = "own", more = ["there", "gone"]')
    told = str(grid.data_error(grid.baseline, GanBenchError("dataset files: there is no file nowhere.")))
    assert (
        f"A relative `images` and `more` is looked for in {folder}, beside the grid file, then in {Path.cwd()}." in told
    )
    found = load(folder, 'images = "data"')
    assert "looked for" not in str(found.data_error(found.baseline, GanBenchError("dataset files: it is damaged.")))
