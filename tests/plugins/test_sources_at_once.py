"""Sources that several processes decode at once, each some of the samples: the same bits as in one."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from piles import arrays, decode

from gan_bench import Undivided
from gan_bench_plugins.datasets._streams import Streamed
from gan_bench_plugins.datasets.folder import PictureFolder

COUNT = 90


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def zipped(file: Path, images: np.ndarray, labels: np.ndarray) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            archive.writestr(f"{label}/{index:03}.png", png(image))


def tarred(file: Path, images: np.ndarray, labels: np.ndarray) -> None:
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as archive:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            info = tarfile.TarInfo(f"{label}/{index:03}.png")
            info.size = len(content := png(image))
            archive.addfile(info, io.BytesIO(content))


def table(file: Path, images: np.ndarray, labels: np.ndarray) -> None:
    column = list(map(png, images)) if "bytes" in file.name else [image.tolist() for image in images]
    pq.write_table(pa.table({"image": column, "label": labels}), file, row_group_size=7)


WRITERS: dict[str, Callable[[Path, np.ndarray, np.ndarray], object]] = {
    "x.zip": zipped,
    "x.tar": tarred,
    "x.tar.gz": tarred,
    "bytes.parquet": table,
    "lists.parquet": table,
    "x.npy": lambda file, images, labels: np.save(file, images),
    "x.npz": lambda file, images, labels: np.savez(file, images=images, labels=labels),
    "deflated.npz": lambda file, images, labels: np.savez_compressed(file, images=images, labels=labels),
    "x.pt": lambda file, images, labels: torch.save((torch.from_numpy(images), torch.from_numpy(labels)), file),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_bits_from_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    WRITERS[name](tmp_path / name, *arrays(COUNT))
    monkeypatch.setattr("gan_bench.data.pile.CHUNK", 4)
    found = []
    for processes in (1, 3):
        monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / f"cache-{processes}"))
        monkeypatch.setattr("gan_bench.data.pile.cores", lambda processes=processes: processes)
        prepared = decode(tmp_path / name)
        assert len(prepared.training) + len(prepared.held_out) == COUNT
        found.append((prepared.fingerprint, prepared.spec.classes))
    assert found[0] == found[1]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="what is open can't be looked at")
@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.npy"])
def test_the_place_that_processes_share_is_not_read_by(tmp_path: Path, name: str) -> None:
    """A process that is forked from another has the same place in a file that is open: it must mean nothing."""
    WRITERS[name](tmp_path / name, *arrays(COUNT))
    source = PictureFolder(root=tmp_path / name, size=16).load()
    assert isinstance(source, Undivided)
    expected = source.samples[0]
    opened = [
        int(fd) for fd in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{fd}") == str(tmp_path / name)
    ]
    assert len(opened) == 1
    for index in (0, 40, 89, 3):
        place = os.lseek(opened[0], 17 * index, os.SEEK_SET)
        sample = source.samples[index]
        assert os.lseek(opened[0], 0, os.SEEK_CUR) == place
        assert index or (sample[0] == expected[0]).all()


@pytest.mark.parametrize("jumps", [False, True])
def test_a_stream_is_begun_anew_no_more_than_needed(jumps: bool) -> None:
    begun = []

    def blocks(index: int):  # type: ignore[no-untyped-def]
        begun.append(index)
        for start in range(index - index % 10 if jumps else 0, 1000, 10):
            yield start, range(start, start + 10)

    streamed = Streamed(blocks, jumps)
    assert [streamed[index] for index in [*range(50), 20, 45, 60, 900, 5, 999]] == [*range(50), 20, 45, 60, 900, 5, 999]
    assert begun == ([0, 900, 5, 999] if jumps else [0, 5])
    with pytest.raises(ValueError, match="it ends too early"):
        streamed[1000]
    assert streamed[3] == 3
