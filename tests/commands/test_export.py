"""Exported generators: what the folder holds, that it is what was trained, and who can load it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from stores import gan_bench
from written_run import STEP, write_run

import gan_bench as package
from gan_bench import DataSpec, GanBenchError
from gan_bench.api.registry import Registry
from gan_bench.commands import export as exporting
from gan_bench.store.exported import CONFIG, SAMPLES, WEIGHTS, read_tensors, write_tensors

pytest.importorskip("safetensors")
LABELLED = Path(__file__).parents[1] / "helpers" / "labelled.py"
DCGAN = {"name": "dcgan", "depth": 1, "width": 4, "latent": 8}
CLASSES = DataSpec((1, 8, 8), classes=("zero", "one | two", "<b>three</b>"))
PROGRAMS = ("onnx", "onnxscript", "onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Convolutions, whose weights lie channels last, behind spectral normalisation, averaged."""
    tricks = {"name": "ema"}, {"name": "spectral_norm"}
    return write_run(tmp_path_factory.mktemp("store") / "runs" / "dcgan-3", DCGAN, *tricks)


@pytest.fixture(scope="module")
def once(run, tmp_path_factory):
    return package.export(run.path, tmp_path_factory.mktemp("export") / "exported")


@pytest.fixture
def exported(once, tmp_path):
    return shutil.copytree(once, tmp_path / "exported")


def change(file: Path, **values: object) -> None:
    """Other values in a JSON file, which then has no checksum."""
    found = json.loads(file.read_text())
    found.pop("checksum", None)
    file.write_text(json.dumps(found | values))


def test_the_folder_has_the_trained_weights_to_the_bit(run, exported):
    kept = torch.load(run.snapshot(STEP) / "weights.pt", weights_only=True)
    found = read_tensors(exported / WEIGHTS)
    assert found.keys() == kept.keys()
    assert all(torch.equal(found[name], kept[name]) for name in kept)
    assert any(not tensor.is_contiguous() for tensor in kept.values()), "which safetensors would refuse"
    loaded, own = package.load_generator(exported), package.load_generator(run.path)
    z = torch.randn(5, 8)
    assert torch.equal(loaded(z), own(z))
    made = read_tensors(exported / SAMPLES)
    assert torch.equal(made["samples"], own(made["z"]))
    assert made["samples"].unique(dim=0).shape == (16, 1, 8, 8)


def test_config_says_how_to_call_it(exported):
    config = json.loads((exported / CONFIG).read_text())
    wanted = {"architecture": "dcgan", "latent": 8, "latent_distribution": "normal", "takes_labels": False}
    wanted |= {"classes": None, "shape": [1, 8, 8], "value_range": [-1, 1], "step": STEP, "seed": 3}
    assert config.items() >= wanted.items()
    assert config["settings"]["architecture"]["depth"] == 1


def test_what_is_published_does_not_say_whose_machine_it_was(tmp_path):
    data = {"name": "folder", "root": "/home/me/secret/cats", "size": 8, "channels": 1}
    run = write_run(tmp_path / "run", DCGAN, dataset=data)
    facts = json.loads(run.run_file.read_text())
    assert facts["settings"]["dataset"]["root"] == "/home/me/secret/cats"
    facts["plugins"][1]["file"] = "/home/me/secret/own.py"
    change(run.run_file, plugins=facts["plugins"])
    folder = package.export(run.path, tmp_path / "out")
    for file in (CONFIG, "README.md"):
        text = (folder / file).read_text()
        assert "cats" in text
        assert "own.py" in text
        assert "/home" not in text
        assert "secret" not in text


def test_samples_drawn_from_an_export_are_the_runs(run, exported, tmp_path):
    for folder, name in ((run.path, "a.png"), (exported, "b.png")):
        gan_bench("sample", folder, "-n", 20, "-o", name, cwd=tmp_path)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    gan_bench("sample", exported, "--seed", 3, "-o", "grid.png", cwd=tmp_path)
    assert (tmp_path / "grid.png").read_bytes() == (exported / "samples.png").read_bytes()


def test_labels_go_with_it(tmp_path):
    run = write_run(tmp_path / "run", {**DCGAN, "conditional": "concat"}, data=CLASSES)
    folder = package.export(run.path, tmp_path / "out")
    generator, own = package.load_generator(folder), package.load_generator(run.path)
    z, y = torch.randn(3, 8), torch.tensor([2, 0, 1])
    assert torch.equal(generator(z, y), own(z, y))
    with pytest.raises(ValueError, match="from 0 to 2"):
        generator(z)
    card = (folder / "README.md").read_text()
    assert r"zero, one \| two, \<b\>three\</b\>" in card, "names are text to whoever shows the card"
    assert "class-conditional" in card
    gan_bench("sample", folder, "--class", "zero", "-o", "zero.png", cwd=tmp_path)


def test_an_architecture_of_a_file_needs_that_file(tmp_path):
    file = shutil.copy(LABELLED, f"{tmp_path}/labelled.py")
    architecture = {"name": "labelled", "conditional": "none"}
    run = write_run(tmp_path / "run", architecture, registry=Registry.load([Path(file)]))
    facts = json.loads(run.run_file.read_text())
    change(run.run_file, plugins=[{**p, "file": file if p["name"] == "labelled" else None} for p in facts["plugins"]])
    with pytest.raises(GanBenchError, match="not run on its word"):
        package.export(run.path, tmp_path / "out")
    folder = package.export(run.path, tmp_path / "out", allow_plugins=True)
    assert "It needs `labelled.py`, which is not part of this folder" in (folder / "README.md").read_text()
    with pytest.raises(GanBenchError, match=r"'labelled' is in labelled\.py, whose code is not run on its word"):
        package.load_generator(folder)
    assert isinstance(package.load_generator(folder, plugins=[file]), torch.nn.Module)
    shutil.move(file, folder)
    assert isinstance(package.load_generator(folder, allow_plugins=True), torch.nn.Module)


def test_links_as_the_hubs_cache_has_them_are_followed(exported, tmp_path):
    cache = tmp_path / "snapshot"
    cache.mkdir()
    for file in exported.iterdir():
        (cache / file.name).symlink_to(file)
    assert isinstance(package.load_generator(cache), torch.nn.Module)


def truncate(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, 100)


def change_a_weight(folder: Path) -> None:
    tensors = read_tensors(folder / WEIGHTS)
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 4)
    write_tensors(folder / WEIGHTS, {**tensors, name: -tensors[name]})


DAMAGES = {
    "weights": (truncate, "model.safetensors can't be read"),
    "other weights": (
        change_a_weight,
        "of other code than is installed here .* or is damaged: its weights make other samples",
    ),
    "no step": (lambda folder: change(folder / CONFIG, step=None), "config.json is damaged: step"),
    "another shape": (
        lambda folder: change(folder / CONFIG, dataset={"name": "x", "fingerprint": "", "shape": [2, 8, 8]}),
        "is damaged: RuntimeError",
    ),
    "no JSON": (lambda folder: (folder / CONFIG).write_text("{"), "config.json is damaged"),
    "no samples": (lambda folder: (folder / SAMPLES).unlink(), "samples.safetensors"),
    "a pipe": (lambda folder: ((folder / WEIGHTS).unlink(), os.mkfifo(folder / WEIGHTS)), "no regular file"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_export_is_not_loaded(exported, damage):
    spoil, said = DAMAGES[damage]
    spoil(exported)
    with pytest.raises(GanBenchError, match=said):
        package.load_generator(exported)


def test_a_changed_plugin_is_noticed_by_what_it_makes(exported, monkeypatch):
    """Not by its source: an export is read by later versions."""
    change(
        exported / CONFIG,
        plugins=[{**plugin, "source": "other"} for plugin in json.loads((exported / CONFIG).read_text())["plugins"]],
    )
    package.load_generator(exported)
    from gan_bench_plugins.architectures.dcgan import DCGAN as architecture

    build = architecture.generator
    monkeypatch.setattr(
        architecture, "generator", lambda self, data: torch.nn.Sequential(*build(self, data), torch.nn.ReLU())
    )
    with pytest.raises(GanBenchError, match="of other code"):
        package.load_generator(exported)


def test_what_can_t_be_exported_leaves_nothing(run, exported, tmp_path):
    with pytest.raises(GanBenchError, match="is not empty"):
        package.export(run.path, exported)
    with pytest.raises(GanBenchError, match="is an exported generator"):
        package.export(exported, tmp_path / "again")
    with pytest.raises(GanBenchError, match=r"holds no weights of the snapshot of step 2, only of steps \[5\]"):
        package.export(run.path, tmp_path / "again", step=2)
    with pytest.raises(GanBenchError, match=r"holds no run\.json"):
        package.export(tmp_path, tmp_path / "again")
    lost = shutil.copytree(run.path, tmp_path / "lost")
    weights = torch.load(lost / "snapshots" / "step-00000005" / "weights.pt", weights_only=True)
    for tensor in weights.values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
    torch.save(weights, lost / "snapshots" / "step-00000005" / "weights.pt")
    with pytest.raises(GanBenchError, match="samples are no numbers"):
        package.export(lost, tmp_path / "again")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["exported", "lost"]


def test_a_missing_extra_is_named_before_anything_is_done(run, exported, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting.EXTRAS, "onnx", ("not_installed_here",))
    done = gan_bench("export", run.path, "-o", "out", "--onnx", cwd=tmp_path, code=2)
    assert "needs not_installed_here, not installed here: pip install 'gan-bench[export,onnx]'" in done.stderr
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(GanBenchError, match=r"read by safetensors: pip install 'gan-bench\[export\]'"):
        package.load_generator(exported)


def test_the_command_names_what_it_wrote(run, tmp_path):
    said = gan_bench("export", run.path, "-o", "out", cwd=tmp_path).stdout
    assert said.split() == [f"out/{name}" for name in sorted(os.listdir(tmp_path / "out"))]
    assert sorted(os.listdir(tmp_path / "out")) == ["README.md", CONFIG, WEIGHTS, "samples.png", SAMPLES]


def test_the_hub_reads_the_card(run, exported):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(exported / "README.md")
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert card.data.library_name == "gan-bench"
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("fid", 10.25, "digits")
    assert result.metric_name == "FD[random] (protocol 570c7e1e)"
    assert "| FD\\[random\\] | lower | 10.25 ± 0.4 |" in card.text
    assert "570c7e1e: generated 64, real 360, split held out" in card.text
    assert "seed 3" in card.text


WITHOUT = """
import json, sys
from importlib.abc import MetaPathFinder

class Refused(MetaPathFinder):
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {refused}:
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
"""


def follow_card(folder: Path, refused: set[str], imported: str) -> None:
    """Run the card's block that imports a module, in a process that can't import others."""
    blocks = (folder / "README.md").read_text().split("```python\n")[1:]
    (block,) = (text.split("```")[0] for text in blocks if f"import {imported}\n" in text and "gan_bench" not in text)
    code = WITHOUT.format(refused=refused) + block + "\nprint(list(samples.shape))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [8, 1, 8, 8]


OWN = {"gan_bench", "gan_bench_plugins", "gan_bench_reports"}


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [False, True])
def test_programs_run_without_gan_bench_as_the_card_says(tmp_path, labelled):
    for name in PROGRAMS:
        pytest.importorskip(name)
    if labelled:
        run = write_run(tmp_path / "run", {**DCGAN, "conditional": "concat"}, {"name": "latents"}, data=CLASSES)
    else:
        run = write_run(tmp_path / "run", DCGAN)
    folder = package.export(run.path, tmp_path / "out", onnx=True, pt2=True)
    follow_card(folder, *((OWN, "torch") if labelled else ({*OWN, "torch"}, "onnxruntime")))
    import onnxruntime

    made = read_tensors(folder / SAMPLES)
    session = onnxruntime.InferenceSession(folder / "generator.onnx", providers=["CPUExecutionProvider"])
    given = {name: made[name].numpy() for name in ("z", "y") if name in made}
    assert [given.name for given in session.get_inputs()] == list(given)
    assert np.allclose(session.run(["samples"], given)[0], made["samples"], atol=1e-5)
    program = torch.export.load(folder / "generator.pt2").module()
    assert torch.allclose(program(*(made[name] for name in given)), made["samples"], atol=1e-5)


@pytest.mark.slow
def test_every_architecture_is_exported(tmp_path):
    """As a program for PyTorch; one that draws noise for ONNX too, where only the noise's effect can be compared."""
    for name in PROGRAMS:
        pytest.importorskip(name)
    registry = Registry.load()
    for name in [found.name for found in registry.found if found.kind == "architecture"]:
        data = DataSpec((1,), "points") if name == "dirac" else DataSpec((1, 16, 16))
        run = write_run(tmp_path / name, {"name": name}, data=data, registry=registry)
        folder = package.export(run.path, tmp_path / f"{name} out", pt2=True, onnx=name == "stylegan2")
        card = (folder / "README.md").read_text()
        assert "generator.pt2`, loaded again after it was written: the same samples" in card, name
        assert ("noise of its own" in card) == (name == "stylegan2")


@pytest.mark.slow
def test_a_program_that_makes_something_else_is_found_out(tmp_path):
    """onnxruntime leaves dropout out wherever another layer follows, also that of generators that are sampled with it."""
    for name in PROGRAMS:
        pytest.importorskip(name)
    run = write_run(tmp_path / "run", DCGAN, {"name": "g_dropout"})
    with pytest.raises(
        GanBenchError, match=r"generator\.onnx, loaded again, makes other samples: of one latent, they have another"
    ):
        package.export(run.path, tmp_path / "out", onnx=True)
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.slow
def test_what_onnx_has_no_like_of_is_said(tmp_path):
    for name in PROGRAMS:
        pytest.importorskip(name)
    run = write_run(tmp_path / "run", DCGAN, {"name": "truncation"})
    done = gan_bench("export", run.path, "-o", "out", "--onnx", cwd=tmp_path, code=2)
    assert "can't be written as an ONNX model" in done.stderr
    assert "erf_inv" in done.stderr
    assert os.listdir(tmp_path) == ["run"]
    gan_bench("export", run.path, "-o", "out", "--pt2", cwd=tmp_path)


class Hub(BaseHTTPRequestHandler):
    """So much of the Hub's interface as an upload of small files takes."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        place = self.path.partition("?")[0]
        said: dict[str, object] = {}
        if place == "/api/repos/create":
            self.server.created = json.loads(content)  # type: ignore[attr-defined]
            said = {"url": f"http://127.0.0.1:{self.server.server_port}/me/{self.server.created['name']}"}  # type: ignore[attr-defined]
        elif place == "/api/validate-yaml":
            said = {"errors": [], "warnings": []}
        elif place == "/api/models/me/digits/preupload/main":
            files = json.loads(content)["files"]
            said = {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]}
        elif place == "/api/models/me/digits/commit/main":
            self.server.commit = [json.loads(line) for line in content.splitlines()]  # type: ignore[attr-defined]
            said = {"commitUrl": "http://127.0.0.1/me/digits/commit/1", "commitOid": "1", "success": True}
        self._answer(200 if said else 404, said)

    def do_GET(self) -> None:
        known = self.path.startswith("/api/models/me/digits")
        self._answer(200 if known else 404, {"id": "me/digits", "sha": "0", "siblings": []} if known else {})

    def _answer(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch):
    """A hub on loopback, to which the real client is logged in."""
    client = pytest.importorskip("huggingface_hub")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    place = partial(client.HfApi, endpoint=f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(client, "HfApi", place)
    yield server
    server.shutdown()
    server.server_close()


def test_an_export_is_uploaded_as_it_lies_there(run, tmp_path, hub):
    said = gan_bench("export", run.path, "-o", "out", "--push", "me/digits", cwd=tmp_path).stdout
    assert said.endswith("uploaded to me/digits\n")
    assert hub.created["name"] == "digits"
    assert hub.created.get("visibility", hub.created.get("private")) in ("private", True), (
        "nobody else sees it before its owner wants so"
    )
    files = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in hub.commit[1:]}
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}


def test_what_the_hub_refuses_is_exported_all_the_same(run, tmp_path, hub, monkeypatch):
    said = gan_bench("export", run.path, "-o", "out", "--push", "me/other", cwd=tmp_path, code=2).stderr
    assert "out is exported but not uploaded" in said
    assert "hf upload --private me/other out" in said
    assert isinstance(package.load_generator(tmp_path / "out"), torch.nn.Module)
    for name, wrong in (("a b", "is no repository of the Hub"), ("me/digits", "nobody is logged in")):
        if name == "me/digits":
            monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
        assert wrong in gan_bench("export", run.path, "-o", "new", "--push", name, cwd=tmp_path, code=2).stderr
        assert not (tmp_path / "new").exists(), "said before anything is done"


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(tensors, file, metadata):
        from safetensors import SafetensorError

        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(GanBenchError, match=r"model\.safetensors can't be written: No space left on device"):
        write_tensors(tmp_path / WEIGHTS, {"x": torch.zeros(3)})
