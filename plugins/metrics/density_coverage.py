"""How densely generated samples lie where real ones do, and how many of these have one near."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Field, Metric, Number, hookimpl

from ._lost_diversity import NEARLY_ALL
from ._neighbours import NeighbourMetric


class DensityCoverage(NeighbourMetric):
    """Density and coverage (Naeem et al. 2020, equations 3 and 4), by balls round real samples.

    Density counts the balls that a generated sample lies in, divided by k: 1 on average where the distributions agree, and
    more where samples crowd in the middle. Coverage is the share of real samples with a generated one in their ball:
    1 - prod_{i=1..k} (M-i)/(N+M-i) on average of N generated and M real samples of one distribution.
    """

    name = "density_coverage"
    numbers = {
        "density": Number("higher", side="quality"),
        "coverage": Number("higher", unit="share", side="diversity", alarm=NEARLY_ALL),
    }
    k: int = Field(5, ge=1, description="nearest neighbours that make a ball's radius")

    def reference(self, real: Tensor) -> dict[str, Tensor]:
        """`features` (M, d) and `radii` (M,). ValueError: every one is 0, so that nothing could lie within."""
        radii = self.radii(self.finite(real, "real", self.k + 1), self.k)
        if not radii.any():
            raise ValueError(
                f"each of the {len(real)} real samples has {self.k} others equal to it, so no ball has a size"
            )
        return {"features": real, "radii": radii}

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> dict[str, float]:
        """Density, at least 0, and coverage in [0, 1]. ValueError: no samples, or features that are not finite."""
        within = 0
        covered = torch.zeros(len(reference["features"]), dtype=torch.bool)
        for _, block in self.distances(self.finite(generated, "generated", 1), reference["features"]):
            # Not "<=": a copy of the real data has density 1, as in the authors' code. Yet a ball of no size holds its centre.
            inside = (block < reference["radii"]) | (block == 0)
            within += int(inside.sum())
            covered |= inside.any(0)
        return {"density": within / (self.k * len(generated)), "coverage": covered.double().mean().item()}


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [DensityCoverage]
