"""A large folder of pictures: decoding it, opening it again, and training's batches, also where it is larger than memory.

python benchmarks/data.py FOLDER --pictures 200000 --memory 1G

FOLDER gets the pictures (JPEG, 80x72 in a hundred classes), the cache and nothing else. Each measurement is a process of its
own, of `--seconds` where it could go on for ever. With `--memory` it stands in a control group of that much memory, page cache
included (which takes root on Linux). The rival is torchvision's ImageFolder, read by a DataLoader with a process a core, as its
users write it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, SIZE, BATCH = 100, 64, 64
GROUPS = Path("/sys/fs/cgroup")


def write(folder: Path, count: int) -> None:
    """So many pictures of smooth shapes, unless they are there."""
    done = folder / f"{count}.written"
    if done.exists():
        return
    random = np.random.default_rng(0)
    for index in range(count):
        place = folder / "pictures" / f"class{index % CLASSES:03}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((80, 72), Image.Resampling.BICUBIC).save(place / f"{index:07}.jpg", quality=90)
    done.touch()


def prepared(folder: Path, seconds: float) -> dict[str, float]:
    """From the start of the process to the data's being there."""
    began = time.monotonic()
    from gan_bench.api.registry import Registry
    from gan_bench.data.prepare import prepare

    imported = time.monotonic()
    dataset = Registry.load([]).create("dataset", {"name": "folder", "root": str(folder / "pictures"), "size": SIZE})
    data = prepare(dataset, folder / "cache")
    took = time.monotonic() - imported
    count = len(data.training) + len(data.held_out)
    return {"seconds": took, "pictures a second": count / took, "importing": imported - began}


def batches(folder: Path, seconds: float) -> dict[str, float]:
    """As a run takes them."""
    import torch

    from gan_bench.api.registry import Registry
    from gan_bench.data.batches import Batches
    from gan_bench.data.prepare import prepare

    torch.set_num_threads(1)
    dataset = Registry.load([]).create("dataset", {"name": "folder", "root": str(folder / "pictures"), "size": SIZE})
    taken = Batches(prepare(dataset, folder / "cache").training, BATCH, seed=0, memory=torch.contiguous_format)
    return _rate(taken, seconds)


def image_folder(folder: Path, seconds: float) -> dict[str, float]:
    """As torchvision's users take them."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    torch.set_num_threads(1)
    steps = [transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.ToTensor()]
    transform = transforms.Compose([*steps, transforms.Normalize([0.5] * 3, [0.5] * 3)])
    source = datasets.ImageFolder(str(folder / "pictures"), transform)
    workers = len(os.sched_getaffinity(0))
    loader = iter(DataLoader(source, BATCH, shuffle=True, num_workers=workers, drop_last=True))
    return _rate(lambda: next(loader)[0], seconds)


def _rate(take: Callable[[], object], seconds: float) -> dict[str, float]:
    """Pictures a second after the first batch, which may have to start something."""
    began = time.monotonic()
    take()
    first, count = time.monotonic(), 0
    while time.monotonic() - first < seconds:
        take()
        count += BATCH
    return {"pictures a second": count / (time.monotonic() - first), "seconds to the first batch": first - began}


MEASURED = {"decode": prepared, "open again": prepared, "batches": batches, "ImageFolder, DataLoader": image_folder}


def measured(what: str, folder: Path, seconds: float, memory: str | None) -> dict[str, float]:
    """One measurement, in a process and perhaps a control group of its own."""
    group = None
    if memory:
        first = GROUPS / "memory"
        group = (first if first.is_dir() else GROUPS) / f"gan-bench-{uuid.uuid4().hex[:8]}"
        group.mkdir()
        (group / ("memory.limit_in_bytes" if first.is_dir() else "memory.max")).write_text(memory)

    def enter() -> None:
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    command = [sys.executable, __file__, str(folder), "--only", what, "--seconds", str(seconds)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, preexec_fn=enter, check=True)
        return json.loads(done.stdout)
    finally:
        if group:
            group.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=200_000)
    parser.add_argument("--memory", help="such as 1G")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--only", choices=list(MEASURED))
    options = parser.parse_args()
    if options.only:
        found = MEASURED[options.only](options.folder, options.seconds)
        usage = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(json.dumps({**found, "MB resident at most": usage[0], "of its largest child": usage[1]}))
        return
    write(options.folder, options.pictures)
    for what in MEASURED:
        found = measured(what, options.folder, options.seconds, options.memory)
        print(f"{what}: " + ", ".join(f"{name} {value:,.1f}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
