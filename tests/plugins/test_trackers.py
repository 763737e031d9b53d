"""TensorBoard's files, and what every built-in tracker's own reader finds after kills."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from fake_store import write_store
from readers import as_mlflow_names, assert_same, of_mlflow, of_store, of_tensorboard, of_trackio, of_wandb
from stores import command

from gan_bench import GanBenchError, TrackedRun
from gan_bench.commands.track import follow
from gan_bench_plugins.trackers._settled import folder_name, plain, untold
from gan_bench_plugins.trackers.mlflow import MLflow
from gan_bench_plugins.trackers.wandb import WandB

KILLER = Path(__file__).parents[1] / "helpers" / "track_killer.py"


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "quickstart", seeds=1, snapshots=2, steps=200)


def tell_tensorboard(store: Path) -> list[str]:
    pytest.importorskip("tensorboard")
    from gan_bench_plugins.trackers.tensorboard import TensorBoard

    said: list[str] = []
    done = follow(store, [TensorBoard], lambda: False, lambda seconds: None, said.append)
    assert done == (not any("Warning" in line for line in said))
    return said


def events(store: Path) -> list[Path]:
    return sorted((store / "tensorboard").glob("*/*/events*"))


def test_tensorboard_finds_every_point_over_steps_and_over_images(store):
    assert tell_tensorboard(store) == [f"tensorboard: tensorboard --logdir {store}/tensorboard"]
    assert_same(of_tensorboard(store), of_store(store))
    assert [file.parents[1].name for file in events(store)][:2] == [
        "dcgan depth 1 no tricks",
        "dcgan depth 2 ema decay 0.999",
    ]


def test_tensorboard_knows_settings_cell_and_verdict(store):
    tell_tensorboard(store)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data as parse

    (file,) = [file for file in events(store) if file.parent.name.startswith("fcgan-0")]
    found = EventAccumulator(str(file.parent))
    found.Reload()
    start = parse(found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    assert start.group_name == "fcgan, no tricks"
    assert start.hparams["architecture"].string_value == "fcgan"
    assert start.hparams["architecture.width"].number_value == 256
    (verdict,) = found.Tensors("Convolutional or fully connected?")
    assert verdict.tensor_proto.string_val[0].startswith(b"not tested")


@pytest.mark.parametrize("left", [0, 5, 40, 0.3, 0.5, 0.8, 0.99])
def test_a_file_of_tensorboards_that_is_cut_anywhere_is_mended(store, left):
    """As a process leaves it that is killed while it writes, before it has noted anything."""
    tell_tensorboard(store)
    file = events(store)[0]
    size = file.stat().st_size
    os.truncate(file, left if isinstance(left, int) else int(left * size))
    (run,) = (store / ".track").glob(f"*/{file.parent.name}.json")
    run.unlink()
    tell_tensorboard(store)
    assert_same(of_tensorboard(store), of_store(store))
    assert file.stat().st_size == size


def test_a_cell_that_is_called_otherwise_later_keeps_its_file(store):
    tell_tensorboard(store)
    before = events(store)
    grid = store / "grid.json"
    grid.write_text(grid.read_text().replace('"fcgan, no tricks"', '"fcgan"'))
    (store / "runs" / before[-1].parent.name / "result.json").unlink()
    tell_tensorboard(store)
    assert events(store) == before
    assert_same(of_tensorboard(store), of_store(store))


def test_tensorboard_does_not_follow_links_below_its_folder(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (store / "tensorboard").mkdir()
    (store / "tensorboard" / "fcgan no tricks").symlink_to(tmp_path / "elsewhere")
    assert "is a symbolic link" in " ".join(tell_tensorboard(store))
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("link", ["mlflow", "mlflow/mlflow.db"])
def test_mlflow_does_not_follow_links_in_a_store(store, tmp_path, monkeypatch, link):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (store / link).parent.mkdir(exist_ok=True)
    (store / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GanBenchError, match="is a symbolic link"):
        MLflow("quickstart", store / "mlflow").runs()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_mlflow_writes_no_pictures_where_a_database_wants_them(store, tmp_path, monkeypatch):
    """A stranger's may name any folder; so does that of a store that was moved."""
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = TrackedRun("ab" * 32, "dcgan-0-ab", "dcgan", 1.0, 2.0, {"seed": 0}, {}, "unfinished")
    MLflow("quickstart", store / "mlflow").tell(run, [], again=False)
    assert MLflow("quickstart", store / "mlflow").runs() == {run.id}
    moved = (store / "mlflow").rename(tmp_path / "mlflow")
    with pytest.raises(GanBenchError, match=r"was made elsewhere, .* Delete .*/mlflow, and all is told anew"):
        MLflow("quickstart", moved).runs()


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """Makes trackers of one SQLite file, each as another process has it."""
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda: MLflow("quickstart", tmp_path / "mlflow")


@pytest.mark.slow
def test_parameters_of_mlflows_that_were_half_written_are_completed(mlflow, monkeypatch):
    monkeypatch.setattr("gan_bench_plugins.trackers.mlflow.MOST_PARAMETERS", 2)
    settings = {f"setting.{number}": number for number in range(5)}
    run, first, batches = TrackedRun("ab" * 8, "run-0", "cell", 0.0, 1.0, settings, {}, "unfinished"), mlflow(), []
    log = first.client.log_batch

    def die(number, **facts):
        if facts.get("params") and len(batches) == 2:
            raise KeyboardInterrupt
        batches.append(facts)
        log(number, **facts)

    monkeypatch.setattr(first.client, "log_batch", die)
    with pytest.raises(KeyboardInterrupt):
        first.tell(run, [], again=False)
    second = mlflow()
    assert second.runs() == {run.id}
    second.tell(run, [], again=True)
    (kept,) = second.client.search_runs([second.experiment])
    assert kept.data.params == {name: str(value) for name, value in settings.items()}


@pytest.mark.slow
def test_an_experiment_of_mlflows_that_is_not_as_it_was_made_is_refused(mlflow, tmp_path):
    first = mlflow()
    assert first.runs() == set()
    first.client.delete_experiment(first.experiment)
    with pytest.raises(
        GanBenchError, match=r"experiment quickstart was deleted: `mlflow experiments restore -x \d+` brings"
    ):
        mlflow().runs()
    other = MLflow("strange", first.folder)
    other.client.create_experiment("strange", artifact_location=(tmp_path / "elsewhere").as_uri())
    with pytest.raises(
        GanBenchError, match=r"mlflow\.db was made elsewhere, .* Delete .*/mlflow, and all is told anew"
    ):
        other.runs()
    assert not (tmp_path / "elsewhere").exists()


def test_a_torn_part_of_wandbs_costs_its_run_that_it_is_told_again(store, monkeypatch):
    told: list[tuple[str, list[int]]] = []

    def write(self, folder, run, points, first):
        told.append((run.id, [point.step for point in points]))
        (made := folder / f"offline-run-{len(told)}-{run.id}").mkdir()
        return made

    def tell() -> list[tuple[str, list[int]]]:
        before = len(told)
        assert follow(store, [WandB], lambda: False, lambda seconds: None, lambda line: None)
        return told[before:]

    monkeypatch.setattr(WandB, "_write", write)
    monkeypatch.setattr(WandB, "close", lambda self: None)
    first = tell()
    assert len(first) == len({run for run, _ in first}) > 1
    (torn,) = (store / "wandb").glob(f"offline-run-*-{first[0][0]}-0/gan-bench.json")
    os.truncate(torn, 20)
    assert tell() == first[:1]
    assert tell() == []


def test_names_become_names_of_files_and_keys():
    assert plain("FD[classifier] #a1") == "FD classifier a1"
    assert plain("a:b", ":") == "a:b"
    assert folder_name("../..//etc/\x00\n") == ".. etc"
    assert folder_name("...") == "_"
    assert len(folder_name("x" * 500)) == 80
    assert list(untold([], set())) == []


def track(store: Path, names: str, kill: str = "", **environment: str) -> None:
    """`gan-bench track`, killed before it has told its own notes of something for that many times."""
    killer = ("--plugin", KILLER) if kill else ()
    done = subprocess.run(
        command("track", store, "--with", names, *killer),
        capture_output=True,
        text=True,
        env=os.environ | environment | {"KILL_AT": kill},
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if kill else 0), done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_each_trackers_own_reader_finds_every_point_once_after_kills(store, monkeypatch):
    """Killed four times, each time when another one has kept what it was told and nothing has noted it."""
    for name in ("tensorboard", "mlflow", "wandb", "trackio"):
        pytest.importorskip(name)
    home = str(store.parent / "trackio")
    names = "tensorboard,mlflow,wandb,trackio"
    for kill in ("tensorboard:2", "mlflow:2", "wandb:2", "trackio:2"):
        track(store, names, kill, TRACKIO_DIR=home)
    track(store, names, TRACKIO_DIR=home)
    expected = of_store(store)
    assert_same(of_tensorboard(store), expected)
    assert_same(of_mlflow(f"sqlite:///{store}/mlflow/mlflow.db", "quickstart"), as_mlflow_names(expected))
    assert_same(of_wandb(store), expected.over_steps())
    import trackio.sqlite_storage
    import trackio.utils

    for module in (trackio.utils, trackio.sqlite_storage):
        monkeypatch.setattr(module, "TRACKIO_DIR", Path(home))
    monkeypatch.setattr(trackio.utils, "MEDIA_DIR", Path(home) / "media")
    assert_same(of_trackio("quickstart"), expected.over_steps())
