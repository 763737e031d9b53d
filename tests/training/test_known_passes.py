"""What a dry pass has found is kept for later commands, and says nothing of whether one would succeed now."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import gan_bench, write_grid

from gan_bench.grid import Cell, load_grid
from gan_bench.training import dry, known_passes
from gan_bench.training.known_passes import known_pass

NEEDY = '''
from pathlib import Path

from gan_bench import Trick, hookimpl

class Needy(Trick):
    """Needs a file, which is beside it."""
    name = "needy"

    def edit(self, recipe):
        Path(__file__).with_name("weights").read_text()

@hookimpl
def gan_bench_tricks():
    return [Needy]
'''
GRID = """
plugins = ["needy.py"]
name = "toy"
dataset = "gaussians"
architecture = { name = "fcgan", depth = 1, width = 4, latent = 2 }
tricks = ["needy"]
seeds = [0]
steps = 4
batch_size = 16

[evaluate]
snapshots = 1
samples = 64
metrics = ["fid"]
features = "pixels"
"""


@pytest.fixture
def made(monkeypatch, tmp_path) -> list[str]:
    """Labels of the cells for which a dry pass was made; as in a process, and with a cache, of a test's own."""
    found: list[str] = []
    make = dry._dry_pass
    monkeypatch.setattr(dry, "_dry_pass", lambda cell: (found.append(cell.label), make(cell))[1])
    monkeypatch.setattr(dry, "_passes", {})
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    return found


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another process had begun."""
    monkeypatch.setattr(dry, "_passes", {})


def the_cell(folder: Path) -> Cell:
    return load_grid(write_grid(folder, GRID)).cells[0]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "needy.py").write_text(NEEDY)
    (tmp_path / "weights").touch()
    return tmp_path


def test_one_is_made_once_for_all_commands(folder, made, monkeypatch):
    first = known_pass(the_cell(folder))
    forget(monkeypatch)
    assert known_pass(the_cell(folder)) == first == dry.dry_pass(the_cell(folder))
    assert len(made) == 2, "the first, and that which was asked for in spite of it"


@pytest.mark.parametrize("change", ["plugin", "setting", "core", "damaged"])
def test_another_is_made_where_anything_differs(folder, made, monkeypatch, change):
    known_pass(the_cell(folder))
    forget(monkeypatch)
    if change == "plugin":
        (folder / "needy.py").write_text(NEEDY + "\n")
    elif change == "core":
        monkeypatch.setattr(known_passes, "_core", lambda: "of tomorrow")
    elif change == "damaged":
        (file,) = (folder / "cache" / "dry").iterdir()
        file.write_text("{}")
    cell = the_cell(folder)
    if change == "setting":
        monkeypatch.setattr("test_known_passes.GRID", GRID.replace("batch_size = 16", "batch_size = 8"))
        cell = the_cell(folder)
    known_pass(cell)
    assert len(made) == 2


def test_of_a_class_without_source_none_is_kept(folder, made, monkeypatch):
    cell = the_cell(folder)
    monkeypatch.setattr(known_passes, "has_source", lambda cls: False)
    known_pass(cell)
    assert not (folder / "cache" / "dry").exists()


def test_what_is_gone_since_is_found_before_anything_trains(folder, made, monkeypatch):
    grid = write_grid(folder, GRID)
    gan_bench("run", grid, "--allow-plugins", cwd=folder)
    forget(monkeypatch)
    (folder / "weights").unlink()
    gan_bench("run", grid, "--allow-plugins", cwd=folder)  # for which nothing is built
    done = gan_bench("run", grid, "--allow-plugins", "--set", "seeds=[0, 1]", cwd=folder, code=2)
    assert "needy" in done.stderr
    assert "weights" in done.stderr
    assert len(list((folder / "runs/toy/runs").iterdir())) == 1
