"""Exporting a trained generator: a folder that others' tools read, compared before it is there (docs/export.md)."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench import __version__
from gan_bench.api.pictures import ROW, row_classes
from gan_bench.commands.card import ONNX, PT2, architecture_of, card
from gan_bench.commands.generators import Generator, open_generator
from gan_bench.commands.hub import check_upload, upload
from gan_bench.errors import GanBenchError
from gan_bench.files import beside, flush, move, replace_file
from gan_bench.findings.tables import real_folder
from gan_bench.scoring.sample_grid import save_grid
from gan_bench.scoring.samples import GRID_SAMPLES, POINTS, draw, draw_latents
from gan_bench.store.documents import ScoresDocument, read_object
from gan_bench.store.exported import SAMPLES, WEIGHTS, holds_export, write_config, write_tensors
from gan_bench.store.folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

CARD, PICTURE = "README.md", "samples.png"
CHECKED = 16  # samples that are written beside their latents, and by which whatever is loaded is compared
EXTRAS = {  # what each needs beside what gan-bench always needs
    "export": ("safetensors",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "hub": ("huggingface_hub",),
}


def export(
    run_folder: str | Path,
    output: str | Path,
    *,
    step: int | None = None,
    onnx: bool = False,
    pt2: bool = False,
    push: str | None = None,
    plugins: Sequence[str | Path] = (),
    allow_plugins: bool = False,
) -> Path:
    """Export a run's generator, at its last snapshot or that of a step, into a new folder; returns that.

    Weights as safetensors, config.json, samples, a card; with `pt2` and `onnx` programs that run without gan-bench. All are
    loaded again and compared before the folder is there. `push` is a repository of the Hugging Face Hub, "USER/NAME", to
    upload it to. `plugins` and `allow_plugins` are as for `load_generator`. GanBenchError: as there; the folder is not empty, an
    extra is not installed, something can't be exported or makes other samples, or the Hub refuses.
    """
    needed = ["export", *(["onnx"] if onnx else []), *(["hub"] if push else [])]
    _check_installed(needed)
    path, folder = Path(run_folder), Path(output)
    if push:
        check_upload(push)
    if holds_export(path):
        raise GanBenchError(f"{path} is an exported generator; a run's folder is exported")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GanBenchError(f"{folder} is not empty: a generator is exported into a new folder")
    generator = open_generator(path, step, plugins, allow_plugins=allow_plugins)
    own = [path / plugin.file for plugin in generator.document.plugins if plugin.file and allow_plugins]
    with _new_folder(folder) as new:
        _write(new, RunFolder(path), generator, [*own, *map(Path, plugins)], pt2=pt2, onnx=onnx)
    if push:
        upload(folder, push)
    return folder


def _check_installed(extras: Sequence[str]) -> None:
    """GanBenchError: packages are missing, and the extras that they come with."""
    missing = [name for extra in extras for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]
    if missing:
        cure = f"pip install 'gan-bench[{','.join(extras)}]'"
        raise GanBenchError(f"this export needs {', '.join(missing)}, not installed here: {cure}")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its place when all of it is there; links to where that is are followed."""
    folder = Path(os.path.realpath(folder))
    new = beside(folder)
    new.mkdir(parents=True)
    try:
        yield new
        flush(new)
        with suppress(FileNotFoundError):
            folder.rmdir()  # it is empty
        move(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(new: Path, run: RunFolder, generator: Generator, plugins: list[Path], *, pt2: bool, onnx: bool) -> None:
    """Fill an export's folder. GanBenchError: what is loaded from it makes other samples than the generator."""
    import torch

    inputs = _inputs(generator)
    samples = generator.repeat(inputs)
    if not bool(samples.isfinite().all()):
        raise GanBenchError(f"{run.path} has a generator whose samples are no numbers, after step {generator.step}")
    write_tensors(new / WEIGHTS, generator.sampled.state_dict())
    write_config(new, _config(generator))
    write_tensors(new / SAMPLES, {**dict(zip(("z", "y"), inputs, strict=False)), "samples": samples})
    _save_picture(generator, new / PICTURE)
    loaded = open_generator(new, plugins=plugins)
    if not torch.equal(loaded.repeat(inputs), samples):
        raise GanBenchError(f"{run.path} can't be exported: its weights make other samples when they are loaded again")
    compared = _programs(new, generator, inputs, pt2=pt2, onnx=onnx)
    scores, real = run.scores(generator.step), _real_scores(run, generator)
    text = card(loaded, scores, real, run.read().result, compared)
    replace_file(new / CARD, lambda beside: beside.write_text(text, encoding="utf-8"))


def _programs(new: Path, generator: Generator, inputs: Sequence[Tensor], *, pt2: bool, onnx: bool) -> dict[str, str]:
    """Write the programs that are asked for; what comparing each has said."""
    if not (pt2 or onnx):
        return {}
    from gan_bench.commands import programs

    said, program = {}, programs.trace(generator, inputs)
    if pt2:
        programs.save_pt2(program, file := new / PT2)
        said[PT2] = programs.compared(generator, file, inputs)
    if onnx:
        programs.save_onnx(program, file := new / ONNX)
        said[ONNX] = programs.compared(generator, file, inputs)
    return said


def _config(generator: Generator) -> dict[str, Any]:
    """What config.json says: at its top what whoever calls the network must know, then all of run.json but how data were read."""
    data, document = generator.data, {"plugins": [], **generator.document.as_json()}
    document["dataset"] = {key: value for key, value in document["dataset"].items() if key != "reading"}
    return {
        "gan_bench": __version__,
        "architecture": architecture_of(generator),
        "latent": generator.latent,
        "latent_distribution": "normal",
        "takes_labels": generator.labelled,
        "classes": data.classes,
        "shape": data.shape,
        "kind": data.kind,
        "value_range": [-1, 1] if data.kind == "image" else None,
        "step": generator.step,
        **document,
    }


def _inputs(generator: Generator) -> tuple[Tensor, ...]:
    """Latents, the first that it was scored by, and labels if it takes them."""
    import torch

    z = draw_latents(generator.latent, CHECKED, generator.document.seed or 0, torch.device("cpu"))
    return (z, torch.arange(CHECKED) % len(generator.data.classes or ())) if generator.labelled else (z,)


def _save_picture(generator: Generator, file: Path) -> None:
    """The samples of the run's seed, as in its snapshots; of one that takes labels a row a class."""
    import torch

    labels, count = None, POINTS if generator.data.kind == "points" else GRID_SAMPLES
    if generator.labelled:
        labels = torch.tensor(row_classes(len(generator.data.classes or ()))).repeat_interleave(ROW)
        count = len(labels)
    asked = generator.latent, count, generator.document.seed or 0, torch.device("cpu")
    save_grid(draw(generator.network, *asked, labels=labels), file)


def _real_scores(run: RunFolder, generator: Generator) -> dict[tuple[str, str], float | None]:
    """What real training data score, by label and protocol; as far as it is known."""
    dataset = generator.document.dataset
    with suppress(ValueError):
        found = dataset and read_object(
            real_folder(run.path.absolute().parent.parent, dataset.fingerprint) / "scores.json", ScoresDocument
        )
        return {(score.label, score.protocol_id): score.value for score in found.scores} if found else {}
    return {}
