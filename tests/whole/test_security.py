"""Grids, stores and archives of a stranger who means harm: opened, and nothing happens but an error or a report.

docs/security.md makes the promises that are tried here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import stat
import struct
import subprocess
import sys
import tarfile
import urllib.request
from http.client import HTTPMessage
from pathlib import Path

import pytest
import torch
from fake_store import write_store
from markdown import block
from stores import gan_bench, run_folders, write_grid

import gan_bench as api
from gan_bench.errors import GanBenchError
from gan_bench.store.trust import TEXT_BYTES
from gan_bench_plugins.datasets._downloads import _StayOnHttps, fetch
from gan_bench_plugins.datasets.cifar10 import Cifar10
from gan_bench_plugins.datasets.cifar100 import Cifar100
from gan_bench_plugins.datasets.emnist import Emnist
from gan_bench_plugins.datasets.mnist import FashionMnist, Kmnist, Mnist
from gan_bench_plugins.datasets.oxford_pets import OxfordPets
from gan_bench_plugins.datasets.stl10 import Stl10
from gan_bench_plugins.datasets.svhn import Svhn
from gan_bench_reports import pictures
from gan_bench_reports.pictures import Pictures

SECRET = "the-text-that-must-not-get-out"


@pytest.fixture
def store(tmp_path) -> Path:
    """A small store, and beside it what no report of it may show: SECRET, in every kind of file."""
    outside = tmp_path / "outside"
    write_store(outside, seeds=1, snapshots=1, steps=50, trouble=False)
    for run in run_folders(outside):
        change(run / "run.json", dataset={"name": SECRET, "fingerprint": "cd" * 32})
    (outside / "secret.png").write_bytes(png(3, 5) + SECRET.encode())
    return write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False)


def change(file: Path, **keys: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def png(width: int, height: int) -> bytes:
    """What looks like a PNG of this size from its first bytes."""
    return pictures.SIGNATURE + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def report(store: Path) -> str:
    gan_bench("report", store, cwd=store.parent)
    return (store / "report.html").read_text(encoding="utf-8")


# Stores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../outside/runs/{run}", "/etc", "..", ".hidden", "a\\b", "C:x", "a\0b", "", "\u202eb"]
)
@pytest.mark.parametrize("where", ["runs", "level"])
def test_a_name_that_leads_out_of_the_store_is_refused(store, name, where):
    grid = json.loads((store / "grid.json").read_text())
    bad = name.format(run=run_folders(store.parent / "outside")[0].name)
    if where == "runs":
        grid["runs"][bad] = {"label": "bad", "steps": 50}
    else:
        grid["comparisons"][0]["levels"][0]["runs"]["0"] = bad
    (store / "grid.json").write_text(json.dumps(grid))
    assert "is no run folder's name" in gan_bench("report", store, cwd=store.parent, code=2).stderr
    with pytest.raises(GanBenchError, match="is no run folder's name"):
        api.load(store)


def test_a_terminal_is_told_nothing_that_it_would_obey(store):
    change(store / "grid.json", runs={"\x1b[2Jrun\u202e": 5})
    told = gan_bench("report", store, cwd=store.parent, code=2).stderr
    assert "\\x1b[2Jrun\\u202e" in told
    assert "\x1b" not in told


def test_a_fingerprint_is_no_path(store):
    for run in run_folders(store):
        change(run / "run.json", dataset={"name": "x", "fingerprint": "../../outside/real/ab"})
    shown = report(store)
    assert "Real data" not in shown
    assert shown.count('data-search="') == 7


@pytest.mark.parametrize("part", ["grid.json", "speed.json", "runs", "real"])
def test_a_store_whose_parts_are_links_is_refused(store, part):
    target = store.parent / "outside" / part
    target.touch() if not target.exists() else None
    if (store / part).exists():
        (store / part).rename(store / f"old {part}")
    (store / part).symlink_to(target)
    assert f"{part} is a symbolic link" in gan_bench("report", store, cwd=store.parent, code=2).stderr


@pytest.mark.parametrize(
    "part", ["", "run.json", "curves.jsonl", "snapshots", "snapshots/*", "snapshots/*/samples.png"]
)
def test_links_in_run_folders_are_not_followed(store, part):
    run = run_folders(store)[0]
    target = next(store.parent.glob(f"outside/runs/*/{part or '.'}")).resolve()
    link = next(run.glob(part)) if part else run
    link.rename(store.parent / "moved")
    link.symlink_to(target)
    shown = report(store)
    assert SECRET not in shown
    assert "is a symbolic link, and none is followed" in shown
    assert api.load(store).runs.set_index("run").status[run.name] == "damaged"


def test_what_a_listener_puts_into_a_run_folder_is_its_own_affair(store):
    run = run_folders(store)[0]
    (run / "tracker").mkdir()
    for link in (run / "latest", run / "tracker" / "run.json"):
        link.symlink_to(store.parent / "outside")
    assert (api.load(store).runs["status"] == "finished").all()


def test_a_link_among_the_real_samples_is_not_followed(store):
    folder = next((store / "real").iterdir())
    (folder / "samples.png").unlink()
    (folder / "samples.png").symlink_to(store.parent / "outside" / "secret.png")
    assert "Real data" not in report(store)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("part", ["run.json", "snapshots/*/samples.png"])
def test_a_pipe_in_a_run_folder_is_not_waited_for(store, part):
    file = next(run_folders(store)[0].glob(part))
    file.unlink()
    os.mkfifo(file)
    assert "is neither a file nor a folder" in report(store)


def test_folders_without_end_are_not_gone_into(store):
    unasked = store / "runs" / "dcgan-9-0123456789ab"
    unasked.mkdir()
    for folder in (run_folders(store)[0], unasked):
        here = os.open(folder, os.O_RDONLY)
        for _ in range(1200):  # together far more than a path may be long
            os.mkdir("step-1", dir_fd=here)
            here, outer = os.open("step-1", os.O_RDONLY, dir_fd=here), here
            os.close(outer)
        os.close(here)
    try:
        assert "status damaged" not in report(store)
        gan_bench("clean", store, "--yes", cwd=store.parent, code=2)
        assert unasked.exists()
    finally:
        subprocess.run(["rm", "-rf", store], check=True)  # Python's own could not


def test_endless_files_are_not_read(store):
    for run, name in zip(run_folders(store), ["run.json", "curves.jsonl", "result.json"], strict=False):
        os.truncate(run / name, TEXT_BYTES + 1)  # sparse: it takes no room here
    assert report(store).count("bytes; at most") >= 3


def test_huge_pictures_and_links_are_not_embedded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png(2**16, 2**16))
    (tmp_path / "large.png").write_bytes(png(5, 5))
    os.truncate(tmp_path / "large.png", pictures.MAX_BYTES + 1)
    (tmp_path / "good.png").write_bytes(png(5, 5))
    (tmp_path / "link.png").symlink_to(tmp_path / "good.png")
    (tmp_path / "short.png").write_bytes(png(5, 5)[:20])
    (tmp_path / "none.png").write_bytes(png(0, 0))
    (tmp_path / "text.png").write_text(SECRET)
    page = Pictures()
    assert [file.name for file in sorted(tmp_path.iterdir()) if page.add(file)] == ["good.png"]


HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>{{ 7*7 }}\'"'


def test_no_text_of_a_store_becomes_markup(store):
    """Every text in every file is replaced by one that would run as a script, be filled in, or end an attribute."""

    def hostile(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: hostile(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [hostile(item) for item in value]
        words = ("status", "fingerprint", "better", "scale", "protocol_id", "kind")
        return HOSTILE + value if isinstance(value, str) and key not in words else value

    for file in store.rglob("*.json"):
        document = json.loads(file.read_text())
        if file.name == "grid.json":
            for level in (level for comparison in document["comparisons"] for level in comparison["levels"]):
                level["label"] += HOSTILE
            document = {**document, "name": HOSTILE, "arguments": [HOSTILE, "; rm -rf /"]}
            document["comparisons"][0] |= {"title": HOSTILE, "axes": [HOSTILE], "budget": HOSTILE}
            for facts in document["runs"].values():
                facts |= {"label": facts["label"] + HOSTILE, "stale": HOSTILE}
        else:
            document = hostile(document)
        file.write_text(json.dumps(document))
    shown = report(store)
    assert '<script>alert("x")' not in shown
    assert "<img" not in shown
    assert shown.count("<script") == 3
    assert "{{ 7*7 }}" in shown
    assert "'; rm -rf /'" in shown.replace("&#39;", "'")  # quoted, where the command to train it again is shown
    assert "script-src 'sha256-" in shown.replace("&#39;", "'")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"settings": ' + '{"a": ' * 900 + "1" + "}" * 900 + "}",
        '{"seed": ' + "9" * 5000 + "}",
        '{"dataset": {"name": "\\ud800", "fingerprint": "ab"}}',
        '{"total_steps": ' + "9" * 40 + "}",
        "\xff\xfe",
        "null",
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("result.json", "snapshots/step-00000050/scores.json")),
    ],
)
def test_monstrous_documents_cost_their_run_alone(store, name, text):
    file = run_folders(store)[0] / name
    file.write_text(text, encoding="latin-1")
    damaged = report(store).count('<small class="status damaged">')
    assert damaged == 1 or (name.endswith("scores.json") and damaged == 0)  # of its other keys nothing is shown
    (store / "grid.json").write_text(text, encoding="latin-1")
    gan_bench("report", store, cwd=store.parent, code=2)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_neither_a_plan_nor_a_run_waits_for_a_pipe(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 3")
    gan_bench("run", grid, cwd=tmp_path)
    store = tmp_path / "runs" / "toy"
    for file, commands in ((run_folders(store)[0] / "run.json", ("plan", "run")), (store / "grid.json", ("run",))):
        file.rename(tmp_path / "aside")
        os.mkfifo(file)
        for command in commands:
            done = gan_bench(command, grid, "--set", "steps=30", cwd=tmp_path, code=2)
            assert f"{file.name} is neither a file nor a folder" in done.stderr
        file.unlink()
        (tmp_path / "aside").rename(file)


@pytest.mark.slow
def test_training_does_not_write_through_a_link(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 3")
    gan_bench("run", grid, cwd=tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    run = run_folders(tmp_path / "runs" / "toy")[0]
    (run / "curves.jsonl").unlink()
    (run / "curves.jsonl").symlink_to(tmp_path / "mine.txt")
    done = gan_bench("run", grid, "--set", "steps=30", cwd=tmp_path, code=2)
    assert "curves.jsonl is a symbolic link" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"


# Code -----------------------------------------------------------------------------------------------------------------

PLUGIN = block("README.md", "tiny_mlp.py")


@pytest.fixture
def stranger(tmp_path) -> Path:
    """A folder with a grid and a plugin file, whose neighbour leaves a trace where both are run."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "tiny_mlp.py").write_text(f"import layers\n{PLUGIN}")
    (folder / "layers.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\n")
    write_grid(folder, architecture='architecture = "tiny_mlp"', name='name = "toy"\nplugins = ["tiny_mlp.py"]')
    (tmp_path / "home").mkdir()
    return folder


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_grid_from_elsewhere_runs_no_code_unasked(stranger, tmp_path, command):
    grid, trace = stranger / "grid.toml", tmp_path / "trace"
    done = gan_bench(command, grid, cwd=tmp_path / "home", code=2)
    assert done.stderr.startswith(f"Error: {grid}:3: plugins[0]: its code is not run unasked")
    assert f"Read {stranger / 'tiny_mlp.py'}; then give --allow-plugins, or --plugin" in done.stderr
    assert not trace.exists()


@pytest.mark.parametrize("word", [["--allow-plugins"], ["--plugin", "../stranger/tiny_mlp.py"]])
def test_the_users_own_word_lets_it_run(stranger, tmp_path, word):
    gan_bench("plan", stranger / "grid.toml", "--no-pilot", *word, cwd=tmp_path / "home")
    assert (tmp_path / "trace").exists()


def test_a_grid_here_runs_its_plugins_here(stranger, tmp_path):
    gan_bench("plan", "grid.toml", "--no-pilot", cwd=stranger)
    gan_bench("plan", stranger / "grid.toml", "--no-pilot", cwd=tmp_path)
    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize("way", ["file link", "grid link", "absolute", "upwards"])
def test_what_leads_out_of_the_current_folder_is_outside(stranger, tmp_path, way):
    home, named = tmp_path / "home", "tiny_mlp.py"
    if way == "absolute":
        named = str(stranger / "tiny_mlp.py")
    elif way == "upwards":
        named = "../stranger/tiny_mlp.py"
    elif way == "file link":
        (home / "tiny_mlp.py").symlink_to(stranger / "tiny_mlp.py")
    if way == "grid link":
        (home / "grid.toml").symlink_to(stranger / "grid.toml")
        (home / "tiny_mlp.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\n{PLUGIN}")
    else:
        write_grid(home, architecture='architecture = "tiny_mlp"', name=f'name = "toy"\nplugins = ["{named}"]')
    assert "not run unasked" in gan_bench("plan", "grid.toml", "--no-pilot", cwd=home, code=2).stderr
    assert not (tmp_path / "trace").exists()


@pytest.mark.slow
def test_a_run_folder_runs_no_code_on_its_word(stranger, tmp_path):
    gan_bench("run", "grid.toml", "--set", "steps=2", cwd=stranger)
    (tmp_path / "trace").unlink()
    for module in [name for name in sys.modules if name.startswith("gan_bench_file_tiny_mlp")]:
        del sys.modules[module]  # a new process would not have it
    run = run_folders(stranger / "runs" / "toy")[0]
    done = gan_bench("sample", run, "-o", "x.png", cwd=stranger, code=2)
    assert "whose code is not run on its word" in done.stderr
    gan_bench("report", stranger / "runs" / "toy", cwd=stranger)
    assert not (tmp_path / "trace").exists()
    with pytest.raises(GanBenchError, match="not run on its word"):
        api.load_generator(run)
    assert not (tmp_path / "trace").exists()
    gan_bench("sample", run, "-o", "x.png", "--plugin", "tiny_mlp.py", cwd=stranger)
    gan_bench("sample", run, "-o", "x.png", "--allow-plugins", cwd=stranger)
    api.load_generator(run, allow_plugins=True)
    assert (tmp_path / "trace").exists()


class Bomb:
    """Unpickled, it would leave a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.slow
def test_weights_and_checkpoints_run_no_code(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 2")
    gan_bench("run", grid, "--only", "no tricks", cwd=tmp_path)
    (run,) = run_folders(tmp_path / "runs" / "toy")
    for file in [*run.rglob("*.pt")]:
        torch.save(Bomb(tmp_path / "trace"), file)
    assert "weights.pt" in gan_bench("sample", run, "-o", "x.png", cwd=tmp_path, code=2).stderr
    with pytest.raises(GanBenchError):
        api.load_generator(run)
    gan_bench("run", grid, "--only", "no tricks", "--set", "steps=4", cwd=tmp_path)
    assert not (tmp_path / "trace").exists()


def test_cifars_pickles_run_no_code(tmp_path):
    """CIFAR is published as pickles: none is opened whose sum is not the published one."""
    for dataset in (Cifar10, Cifar100):
        for name in dataset.required:
            (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
        with pytest.raises(GanBenchError, match=f"dataset {dataset.name}: .*MD5 sum .* a pickle may run any code"):
            dataset(root=tmp_path).load()
    assert not (tmp_path / "trace").exists()


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "..", ".", ".x", "con", "NUL.txt", "a\\\\b", "x ", "x.", "", "a\\u0000"]
)
def test_a_grids_name_is_one_folder(tmp_path, name):
    done = gan_bench("plan", write_grid(tmp_path, name=f'name = "{name}"'), "--no-pilot", cwd=tmp_path, code=2)
    assert "name: " in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "a b", "x" * 65])
def test_a_plugins_name_is_no_path(tmp_path, name):
    file = tmp_path / "bad.py"
    file.write_text(PLUGIN.replace('name = "tiny_mlp"', f"name = {name!r}"))
    done = gan_bench("plugins", "--plugin", file, cwd=tmp_path)
    assert "needs `name" in done.output


# Archives -------------------------------------------------------------------------------------------------------------


def hostile_tar(file: Path, kind: str) -> None:
    """An archive one of whose members would come to lie outside, or lead there."""
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo(
            {"absolute": str(file.parent / "out" / "a"), "upwards": "../../out/a"}.get(kind, "link")
        )
        if kind in ("symlink", "hardlink"):
            member.type = tarfile.SYMTYPE if kind == "symlink" else tarfile.LNKTYPE
            member.linkname = "../../out"
            archive.addfile(member)
            member = tarfile.TarInfo("link/a")
        if kind == "device":
            member.type = tarfile.FIFOTYPE
            archive.addfile(member)
        else:
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))


@pytest.mark.parametrize("kind", ["absolute", "upwards", "symlink", "hardlink", "device"])
@pytest.mark.parametrize("careless", [False, True])
def test_a_hostile_archive_stays_in_its_folder(tmp_path, monkeypatch, kind, careless):
    """Even if it had the published sum, and even with a torchvision that unpacks without looking."""
    from torchvision.datasets import utils

    (tmp_path / "out").mkdir()
    root = tmp_path / "data"

    def download(url: str, download_root: str, md5: str, **_: object) -> None:
        assert url.startswith("https://")
        assert len(md5) == 32
        Path(download_root).mkdir(parents=True, exist_ok=True)
        archive = tmp_path / "archive.tar.gz"
        hostile_tar(archive, kind)
        if careless:
            with tarfile.open(archive) as opened:
                opened.extractall(download_root)
        else:
            utils.extract_archive(archive, download_root)

    monkeypatch.setattr("torchvision.datasets.oxford_iiit_pet.download_and_extract_archive", download)
    with pytest.raises(GanBenchError, match="dataset oxford_pets: the download failed"):
        OxfordPets(root=root, download=True).files()
    assert not list((tmp_path / "out").iterdir())
    assert not [f for f in root.rglob("*") if stat.S_ISFIFO(f.lstat().st_mode)]


class Site:
    """Stands for the network: what is asked for, and the content of every file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, content: bytes = b"not what was published") -> None:
        self.asked: list[str] = []
        self.content = content
        monkeypatch.setattr("urllib.request.OpenerDirector.open", self.open)

    def open(self, url: object, data: object = None, timeout: float = 0) -> io.BytesIO:
        self.asked.append(getattr(url, "full_url", url))
        return io.BytesIO(self.content)


@pytest.mark.parametrize("dataset", [Mnist, FashionMnist, Kmnist, Emnist, Svhn, Cifar10, Cifar100, Stl10, OxfordPets])
def test_downloads_use_https_and_check_what_comes(tmp_path, monkeypatch, dataset):
    from torchvision.datasets import svhn, utils

    before, site = utils.download_url, Site(monkeypatch)
    with pytest.raises(GanBenchError, match=r"the download failed .*not the published file"):
        dataset(root=tmp_path, download=True).files()
    assert site.asked
    assert all(url.startswith("https://") for url in site.asked)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]  # neither unpacked nor left to be mistaken
    assert utils.download_url is svhn.download_url is before


def test_a_right_file_is_kept_under_its_name(tmp_path, monkeypatch):
    site = Site(monkeypatch, b"published")
    for _ in range(2):
        fetch("http://ufldl.stanford.edu/housenumbers/x.mat", tmp_path, md5=hashlib.md5(b"published").hexdigest())
    assert site.asked == ["https://ufldl.stanford.edu/housenumbers/x.mat"]
    assert [file.name for file in tmp_path.iterdir()] == ["x.mat"]


@pytest.mark.parametrize(("url", "md5"), [("http://example.org/x", "0" * 32), ("https://example.org/x", None)])
def test_nothing_is_fetched_without_https_or_a_sum(tmp_path, monkeypatch, url, md5):
    site = Site(monkeypatch)
    with pytest.raises(RuntimeError, match="no https address of a file with a published checksum"):
        fetch(url, tmp_path, md5=md5)
    assert not site.asked


def test_a_redirect_away_from_https_is_not_followed():
    handler, request = _StayOnHttps(), urllib.request.Request("https://example.org/x")
    with pytest.raises(RuntimeError, match="which is not https"):
        handler.redirect_request(request, io.BytesIO(), 302, "", HTTPMessage(), "http://example.org/x")
    assert handler.redirect_request(request, io.BytesIO(), 302, "", HTTPMessage(), "https://example.org/y")


def test_every_download_has_a_checksum():
    from torchvision import datasets

    resources = [*datasets.MNIST.resources, *datasets.FashionMNIST.resources, *datasets.KMNIST.resources]
    resources += [(name, md5) for _, name, md5 in datasets.SVHN.split_list.values()]
    resources += [(known.url, known.tgz_md5) for known in (datasets.CIFAR10, datasets.CIFAR100, datasets.STL10)]
    resources += [(datasets.EMNIST.url, datasets.EMNIST.md5), *datasets.OxfordIIITPet._RESOURCES]
    resources += [(name, md5) for _, md5, name in datasets.CelebA.file_list]
    assert all(len(md5) == 32 for _, md5 in resources)
