"""How fast a device can be at best, and how much work training is: together, what share of the device is used."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_bench.api.global_state import preserved, tf32_products
from gan_bench.data.cache import cache_root, caching
from gan_bench.errors import GanBenchError
from gan_bench.files import read_json, write_json
from gan_bench.training.passes import HALVES
from gan_bench.workers.device import device_name

if TYPE_CHECKING:
    from gan_bench.grid.schema import Precision

# Kernels that fill the device, and are short enough for moments in which nobody disturbs them. No library is the fastest
# everywhere: on some CPUs oneDNN's convolutions have nearly twice the rate of MKL's products.
SIZES = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}  # of square matrices
CONVOLUTIONS = {  # batch, channels in and out, height and width, kernel
    "cpu": ((8, 128, 14, 1), (4, 128, 16, 3), (8, 64, 18, 5)),
    "cuda": ((256, 256, 32, 1), (128, 256, 34, 3)),
}
SECONDS = {"cpu": 0.1, "cuda": 0.25}  # of each kernel
METHOD = 2  # of measuring; what another one found is not believed


def peak(device: torch.device, dtype: Precision, *, anew: bool = False) -> float:
    """FLOP/s of the fastest products and convolutions on one GPU or one CPU core (where "tf32" is fp32).

    Measured once a machine, or `anew`, and kept in peak.json of the cache root: the best that was ever reached.
    GanBenchError: the cache can't be used.
    """
    file = cache_root() / "peak.json"
    key = f"{device_name(device)}, torch {torch.__version__}, {dtype}, method {METHOD}"
    with caching(file.parent):
        try:
            known = read_json(file)
        except GanBenchError:  # damaged
            known = None
        if not isinstance(known, dict):
            known = {}
        best = known.get(key)
        if not isinstance(best, float) or not 0 < best < math.inf:
            best = 0.0
        if anew or not best:
            known[key] = best = max(best, _measure(device, dtype))
            write_json(file, known)
        return best


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
    """The best rate of all kernels, on one thread; where the device is slow at this type, of the smaller ones."""
    with preserved(), tf32_products(dtype == "tf32"), torch.no_grad():
        torch.set_num_threads(1)
        best = 0.0
        for flops, kernel in _kernels(device, HALVES.get(dtype, torch.float32)):
            if not best or flops / best < SECONDS[device.type]:
                best = max(best, flops / _shortest(kernel, device))
        return best


def _kernels(device: torch.device, dtype: torch.dtype) -> Iterator[tuple[int, Callable[[], object]]]:
    """The work of each kernel in FLOP, and a call of it."""
    generator = torch.Generator(device).manual_seed(0)

    def random(*shape: int) -> Tensor:  # a GPU is faster at zeros
        return torch.randn(shape, device=device, generator=generator).to(dtype)

    for size in SIZES[device.type]:
        matrix = random(size, size)
        yield 2 * size**3, partial(torch.mm, matrix, matrix, out=torch.empty_like(matrix))
    for batch, channels, side, kernel in CONVOLUTIONS[device.type]:
        images, weights = (
            random(*shape).contiguous(memory_format=torch.channels_last)
            for shape in ((batch, channels, side, side), (channels, channels, kernel, kernel))
        )
        outputs = batch * channels * (side - kernel + 1) ** 2
        yield 2 * outputs * channels * kernel**2, partial(F.conv2d, images, weights)


def _shortest(kernel: Callable[[], object], device: torch.device) -> float:
    """Seconds of the shortest of a kernel's calls."""
    kernel()  # the first of its kind also loads a library, which can take a GPU a second
    best, began = math.inf, time.perf_counter()
    while best == math.inf or time.perf_counter() - began < SECONDS[device.type]:
        start = _now(device)
        kernel()
        best = min(best, _now(device) - start)
    return best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
