"""Which modes of a known mixture are generated."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Metric, Number, RealData, hookimpl

from ._lost_diversity import HALF

BLOCK = 1000  # samples whose distances from all modes are held at a time


class ModeCounts(Metric):
    """Modes found, samples near a mode and the balance of modes, on mixtures of equal Gaussians (after Srivastava et al. 2017).

    A sample is near a mode within 3 standard deviations of its centre. A mode is found if at least 1 % of all samples are
    near it (of more than 25 modes, at least a quarter of its fair share). The divergence is KL(generated || uniform) of
    the shares of samples whose nearest centre it is; N samples of the mixture itself have (K-1)/(2N) on average, for K modes.
    In the plane 98.9 % of them are near their mode: more means modes that have shrunken.
    """

    name = "modes"
    reads = "samples"
    numbers = {
        "modes": Number("higher", unit="share", side="diversity", alarm=HALF),
        "near a mode": Number("higher", unit="share", side="quality"),
        "mode KL": Number("lower", unit="nats", side="diversity"),
    }

    def reference_of(self, data: RealData) -> dict[str, Tensor]:
        """`centres` (K, d) and `std`, float64. ValueError: the dataset tells no modes."""
        modes = data.data.spec.modes
        if modes is None:
            raise ValueError(f"dataset {data.data.name} tells no modes: Dataset.known_modes() does")
        return {"centres": torch.tensor(modes.centres).double(), "std": torch.tensor(modes.std).double()}

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> dict[str, float]:
        """Shares in [0, 1], and nats. ValueError: samples that are not finite."""
        centres = reference["centres"]
        count, points = len(centres), generated.double()
        if broken := int((~points.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(points)} samples are not finite")
        exact = "donot_use_mm_for_euclid_dist"
        nearest = [torch.cdist(some, centres, compute_mode=exact).min(1) for some in points.split(BLOCK)]
        near = torch.cat([block.values for block in nearest]) <= 3 * reference["std"]
        mode = torch.cat([block.indices for block in nearest])
        found = mode[near].bincount(minlength=count) >= min(0.01, 0.25 / count) * len(points)
        shares = mode.bincount(minlength=count).double() / len(points)
        return {
            "modes": found.double().mean().item(),
            "near a mode": near.double().mean().item(),
            "mode KL": torch.xlogy(shares, shares * count).sum().item(),
        }


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [ModeCounts]
