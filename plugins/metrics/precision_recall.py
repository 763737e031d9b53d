"""How many generated samples look real, and how much of the real data is generated."""

from __future__ import annotations

from weakref import ReferenceType, ref

import torch
from pydantic import PrivateAttr
from torch import Tensor

from gan_bench import Alarm, Features, Field, Metric, Number, PreparedData, hookimpl

from ._lost_diversity import NEARLY_ALL
from ._neighbours import NeighbourMetric


class PrecisionRecall(NeighbourMetric):
    """Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2).

    Precision is the share of generated samples that lie in a ball round any real sample, as large as the distance from its
    k-th nearest other; recall is the same with the roles exchanged. Both depend on the numbers of samples, and neither is 1
    where the distributions agree.
    """

    name = "precision_recall"
    numbers = {
        "precision": Number("higher", unit="share", side="quality"),
        "recall": Number("higher", unit="share", side="diversity", alarm=NEARLY_ALL),
    }
    k: int = Field(3, ge=1, description="nearest neighbours that make a ball's radius")
    # Generated features and their radii, since the same are scored against training data too.
    _latest: tuple[ReferenceType[Tensor], Tensor] | None = PrivateAttr(None)

    def reference(self, real: Tensor) -> dict[str, Tensor]:
        """`features` (M, d) and `radii` (M,)."""
        return {"features": real, "radii": self.radii(self.finite(real, "real", self.k + 1), self.k)}

    def alarm_of(self, name: str, real: float | None, data: PreparedData, features: Features) -> Alarm | None:
        """Of features that tell classes alone: on random ones or pixels, healthy generators have a recall near 0, too."""
        return super().alarm_of(name, real, data, features) if hasattr(features, "logits") else None

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> dict[str, float]:
        """Both in [0, 1]. ValueError: k samples or fewer, or features that are not finite."""
        radii = self._radii_of(generated)
        inside = torch.zeros(len(generated), dtype=torch.bool)
        reached = torch.zeros(len(reference["features"]), dtype=torch.bool)
        for rows, block in self.distances(generated, reference["features"]):
            inside[rows] = _any(block <= reference["radii"], 1)
            reached |= _any(block <= radii[rows, None], 0)
        return {"precision": inside.double().mean().item(), "recall": reached.double().mean().item()}

    def _radii_of(self, generated: Tensor) -> Tensor:
        if self._latest is None or self._latest[0]() is not generated:
            radii = self.radii(self.finite(generated, "generated", self.k + 1), self.k)
            self._latest = ref(generated), radii
        return self._latest[1]


def _any(found: Tensor, dim: int) -> Tensor:
    """`found.any(dim)`, which looks at one value at a time, and takes six times as long."""
    return found.view(torch.uint8).amax(dim).bool()


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [PrecisionRecall]
