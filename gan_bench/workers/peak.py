"""How fast a device can be at best, and how much work training is: together, what share of the device is used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from gan_bench.data.cache import cache_root
from gan_bench.errors import GanBenchError
from gan_bench.files import read_json, write_json
from gan_bench.training.global_state import preserved, tf32_products
from gan_bench.workers.device import device_name

if TYPE_CHECKING:
    from gan_bench.grid.schema import Precision

SIZE = {"cpu": 2048, "cuda": 8192}  # of the largest square matrices; smaller ones don't fill the device
SECONDS = 0.5  # of timed products


def peak(device: torch.device, dtype: Precision, *, anew: bool = False) -> float:
    """FLOP/s of a large matrix product on one GPU or one CPU core (where "tf32" is fp32).

    Measured once a machine, or `anew`; kept in peak.json of the cache root.
    """
    file, key = cache_root() / "peak.json", f"{device_name(device)}, torch {torch.__version__}, {dtype}"
    try:
        known = read_json(file)
    except GanBenchError:  # damaged
        known = None
    if not isinstance(known, dict):
        known = {}
    if anew or not isinstance(known.get(key), float):
        known[key] = _measure(device, dtype)
        write_json(file, known)
    return known[key]


def training_flops(networks: dict[str, dict[str, Any]], d_per_g: float) -> float:
    """FLOPs of training for one real image, from both networks' `flops` of a forward pass and D's updates a G update.

    A backward pass is twice a forward pass: once by the inputs, once by the weights. With G, D of one forward pass and n =
    `d_per_g`, an update of D is 6 D a real image (one real and one fake sample), an update of G is 3 G + 2 D (no derivatives
    by D's weights) and serves n real images, and each further D update takes a fake sample of its own:
    (3 G + 2 D + max(n - 1, 0) G) / n + 6 D, which is 3 G + 8 D at n = 1.

    An upper estimate: the derivatives by the first layers' inputs, which nothing needs in most updates, are counted.
    """
    g, d = networks["generator"]["flops"], networks["discriminator"]["flops"]
    return float((3 * g + 2 * d + max(d_per_g - 1, 0) * g) / d_per_g + 6 * d)


def _measure(device: torch.device, dtype: Precision) -> float:
    """The best of several products, on one thread; of smaller matrices where the device is slow at this type."""
    with preserved(), tf32_products(dtype == "tf32"):
        torch.set_num_threads(1)
        size, rate = 256, 0.0
        while size < SIZE[device.type] and (not rate or 16 * size**3 / rate < SECONDS):  # of the next size's product
            size *= 2
            rate = _best_rate(size, 0.0, device, dtype)  # also warms up
        return _best_rate(size, SECONDS, device, dtype)


def _best_rate(size: int, seconds: float, device: torch.device, dtype: Precision) -> float:
    """FLOP/s of the fastest product in so many seconds."""
    random = torch.Generator(device).manual_seed(0)  # a GPU is faster at zeros
    matrix = torch.randn(size, size, device=device, generator=random).to(
        torch.bfloat16 if dtype == "bf16" else torch.float32
    )
    product, best, began = torch.empty_like(matrix), 0.0, time.perf_counter()
    torch.mm(matrix, matrix, out=product)  # the first of its kind also loads a library, which can take a GPU a second
    while not best or time.perf_counter() - began < seconds:
        start = _now(device)
        torch.mm(matrix, matrix, out=product)
        best = max(best, 2 * size**3 / (_now(device) - start))
    return best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
