"""Files of a store that are damaged, lost or of another form: the same command makes them again, with the same bits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from stores import assert_equal_runs, assert_equal_stores, gan_bench, run_folders, write_grid

from gan_bench.store.documents import Document, read_object, write_object
from gan_bench.store.folder import RunFolder

TOY = {"steps": "steps = 80", "snapshots": "snapshots = 2", "tricks": 'tricks = [[], ["d_every", "ema"]]'}
LAST, FIRST = "snapshots/step-00000080", "snapshots/step-00000040"

Damage = Callable[[Path], None]  # done to a run folder


def lost(*names: str) -> Damage:
    """Files or folders are gone."""

    def damage(run: Path) -> None:
        for name in names:
            shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()

    return damage


def cut(name: str, share: float = 0.5) -> Damage:
    """A file has lost its end."""
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[: int(share * (run / name).stat().st_size)])


def flipped(name: str, share: float = 0.5) -> Damage:
    """A file has a wrong bit."""

    def damage(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        content[int(share * len(content))] ^= 0x80
        (run / name).write_bytes(content)

    return damage


def changed(name: str, **values: object) -> Damage:
    """A JSON file holds other values, with the checksum of these."""
    return lambda run: write_object(run / name, (read_object(run / name, Document) or Document()).as_json() | values)


def other_digit(name: str, after: str) -> Damage:
    """A flipped bit has made a number another one, and JSON is none the wiser."""

    def damage(run: Path) -> None:
        text, count = re.subn(
            rf"({after}.*?\d\.\d)(\d)", lambda m: f"{m[1]}{int(m[2]) ^ 1}", (run / name).read_text(), count=1
        )
        assert count
        (run / name).write_text(text)

    return damage


def copied(source: str, name: str) -> Damage:
    """A file holds what another one holds, of the same run or of one beside it."""
    return lambda run: shutil.copyfile(run / source, run / name)


def checkpoint_of_another(run: Path) -> None:
    shutil.copyfile(by_seed(run.parents[1])[0] / "checkpoint.pt", run / "checkpoint.pt")


def without_line(number: int) -> Damage:
    def damage(run: Path) -> None:
        lines = (run / "curves.jsonl").read_bytes().splitlines(keepends=True)
        (run / "curves.jsonl").write_bytes(b"".join(lines[:number] + lines[number + 1 :]))

    return damage


def both(*damages: Damage) -> Damage:
    def damage(run: Path) -> None:
        for each in damages:
            each(run)

    return damage


MENDED = [  # from what else there is; nothing is trained
    lost("run.json"),
    cut("run.json"),
    changed("run.json", settings={"tricks": []}),
    changed("run.json", identity="another"),
    lost(f"{LAST}/scores.json"),
    cut(f"{FIRST}/scores.json"),
    changed(f"{FIRST}/scores.json", d_steps=None),
    changed(f"{FIRST}/scores.json", step=41),
    lost(f"{FIRST}/samples.png"),
    flipped(f"{LAST}/samples.png"),
    cut(f"{LAST}/samples.png"),
    cut("result.json"),
    changed("result.json", snapshots=["40"], weights=[{}]),
    both(lost("result.json"), copied("run.json", f"{FIRST}/.scores.json.37ac5417")),  # left by a killed process
    both(lost("result.json"), lost("run.json")),
    other_digit(f"{LAST}/scores.json", '"value":'),
    both(lost("result.json"), other_digit(f"{FIRST}/scores.json", '"value":')),
    changed(f"{FIRST}/scores.json", scores=300 * [{"metric": "m", "label": "m", "value": 1.0, "protocol_id": "p"}]),
]
AGAIN = [  # trained again from the start
    lost("curves.jsonl"),
    cut("curves.jsonl"),
    flipped("curves.jsonl"),
    without_line(1),
    without_line(3),  # the last one, of a window that the end has cut short
    lost(FIRST),
    lost(f"{FIRST}/weights.pt"),
    cut(f"{LAST}/weights.pt"),
    both(lost(f"{FIRST}/scores.json"), flipped(f"{FIRST}/weights.pt")),
    both(lost("result.json"), cut("curves.jsonl")),
    both(lost("result.json"), lost("checkpoint.pt")),
    changed("result.json", steps=2**60),
    both(lost("result.json"), copied(f"{LAST}/weights.pt", "checkpoint.pt")),
    other_digit("curves.jsonl", '"loss_d"'),
    both(lost("result.json"), other_digit("curves.jsonl", '"loss_g"')),
    both(lost("result.json"), checkpoint_of_another),
    both(lost("result.json"), copied("run.json", "checkpoint.pt")),
    both(lost(f"{FIRST}/scores.json"), copied("checkpoint.pt", f"{FIRST}/weights.pt")),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store of as many runs as there are kinds of damage."""
    folder = tmp_path_factory.mktemp("whole")
    assert len(MENDED) == len(AGAIN)
    gan_bench("run", grid_of(folder, len(MENDED)), "--out", "store", cwd=folder)
    return folder / "store"


def grid_of(folder: Path, runs: int) -> Path:
    return write_grid(folder, **TOY, seeds=f"seeds = {list(range(runs // 2))}")


def by_seed(store: Path) -> list[Path]:
    return sorted(run_folders(store), key=lambda run: (int(run.name.split("-")[1]), run.name))


def damaged(whole: Path, folder: Path, damages: list[Damage]) -> tuple[Path, Path]:
    """A grid of as many runs, and its store with a damage in each of them."""
    store = Path(shutil.copytree(whole, folder / "store"))
    for run, damage in zip(by_seed(store), damages, strict=False):
        damage(run)
    for run in by_seed(store)[len(damages) :]:
        shutil.rmtree(run)
    return grid_of(folder, len(damages)), store


def said(done: Result) -> str:
    """What was told, whose lines are wrapped."""
    return " ".join(done.stderr.split())


def assert_mended(store: Path, whole: Path) -> None:
    for run in run_folders(store):
        (run / "checkpoint.damaged.pt").unlink(missing_ok=True)
        assert_equal_runs(run, whole / "runs" / run.name)


@pytest.mark.slow
def test_what_can_be_made_again_is_mended_without_training(tmp_path, whole):
    grid, store = damaged(whole, tmp_path, MENDED)
    checkpoints = {run: (run / "checkpoint.pt").stat().st_mtime_ns for run in run_folders(store)}
    done = gan_bench("run", grid, "--out", store, cwd=tmp_path)
    assert_mended(store, whole)
    assert {run: (run / "checkpoint.pt").stat().st_mtime_ns for run in checkpoints} == checkpoints
    assert "from the start" not in said(done)
    assert "nothing is trained" in gan_bench("run", grid, "--out", store, cwd=tmp_path).stderr


@pytest.mark.slow
def test_what_only_training_can_make_is_trained_again(tmp_path, whole):
    grid, store = damaged(whole, tmp_path, AGAIN)
    planned = gan_bench("plan", grid, "--out", store, "--no-pilot", cwd=tmp_path)
    assert "to train again (files are damaged or lost)" in " ".join(planned.stdout.split())
    done = gan_bench("run", grid, "--out", store, cwd=tmp_path)
    assert "curves.jsonl is damaged or has lost lines; the run trains again from the start" in said(done)
    assert "Traceback" not in done.stderr
    assert_mended(store, whole)
    assert "nothing is trained" in gan_bench("run", grid, "--out", store, cwd=tmp_path).stderr


@pytest.mark.slow
def test_an_unfinished_run_with_a_gap_in_its_past_trains_again(tmp_path, whole):
    """Its checkpoint stands at 80; the grid asks for more."""
    grid, store = damaged(whole, tmp_path, [without_line(1), lost(FIRST), cut("curves.jsonl", 0.9), lost("run.json")])
    longer = ("--out", store, "--set", "steps=160", "--set", "evaluate.snapshots=4")
    for run in run_folders(store):
        (run / "result.json").unlink()
    done = gan_bench("run", grid, *longer, cwd=tmp_path)
    assert said(done).count("trains again from the start") == 2
    gan_bench("run", grid, "--out", "straight", *longer[2:], cwd=tmp_path)
    assert_equal_stores(store, tmp_path / "straight")


@pytest.mark.slow
def test_a_run_that_was_trained_further_is_not_thrown_away(tmp_path, whole):
    grid, store = damaged(whole, tmp_path, [without_line(2), without_line(1)])
    before = RunFolder(by_seed(store)[0]).checkpoint_file.stat().st_mtime_ns
    done = gan_bench("run", grid, "--out", store, "--set", "steps=40", "--set", "evaluate.snapshots=1", cwd=tmp_path)
    assert "it was trained further than is asked, and is left as it is" in said(done)
    assert RunFolder(by_seed(store)[0]).checkpoint_file.stat().st_mtime_ns == before
