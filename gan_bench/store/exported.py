"""An exported generator's folder: weights and settings, to be read by others' tools, and published (docs/export.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular, replace_file, write_json
from gan_bench.store.documents import RunDocument, Whole, read_object
from gan_bench.store.trust import TEXT_BYTES

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
WEIGHTS = "model.safetensors"  # the sampled network's state dict
SAMPLES = "samples.safetensors"  # latents `z`, labels `y` where there are any, and the `samples` made of them


class ExportedDocument(RunDocument):
    """config.json: run.json without this machine's paths, and what whoever loads the generator must know."""

    step: Whole


def holds_export(folder: Path) -> bool:
    """Whether a folder is an exported generator's."""
    return (folder / CONFIG).is_file() and not (folder / "run.json").exists()


def read_config(folder: Path) -> ExportedDocument:
    """The folder's config.json. ValueError: it is damaged, or another tool's."""
    file = folder / CONFIG
    if file.stat().st_size > TEXT_BYTES:
        raise ValueError(f"{CONFIG} has more than {TEXT_BYTES:,} bytes")
    found = read_object(file, ExportedDocument)
    assert found is not None
    return found


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write config.json, of paths in settings and of plugin files their last part alone: the rest says whose machine it was."""
    plugins = [{**plugin, "file": plugin.get("file") and PurePath(plugin["file"]).name} for plugin in config["plugins"]]
    write_json(folder / CONFIG, {**config, "settings": _without_folders(config["settings"]), "plugins": plugins})


def _without_folders(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith(("~", ".."))):
        return PurePath(value).name or value
    return value


def write_tensors(file: Path, tensors: Mapping[str, Any]) -> None:
    """Write tensors as safetensors. They are copied, for the format knows neither memory formats nor shared memory.

    GanBenchError: a state dict holds something else than tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if other := [name for name, value in tensors.items() if not isinstance(value, torch.Tensor)]:
        raise GanBenchError(f"a safetensors file holds tensors alone, and {other[0]} is none")
    copies = {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    try:
        replace_file(file, lambda beside: save_file(copies, beside, metadata={"format": "pt"}))
    except SafetensorError as error:  # such as a full disk
        raise GanBenchError(f"{file} can't be written: {error}") from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """What a file of safetensors holds; no code in it is executed. ValueError: it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        check_regular(file)
        tensors: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file.name} can't be read: {error}") from error
    return tensors
