"""How many generated samples look real, and how much of the real data is generated."""

from __future__ import annotations

from weakref import ReferenceType, ref

import torch
from pydantic import PrivateAttr
from torch import Tensor

from gan_bench import Alarm, Features, Field, Metric, Number, PreparedData, hookimpl

from ._lost_diversity import NEARLY_ALL
from ._neighbours import NeighbourMetric

ROWS = 500  # of a matrix of float32 that are held at a time: few enough for the cache


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
        inside, reached = self._covered(generated, reference["features"], self._radii_of(generated), reference["radii"])
        return {"precision": inside.double().mean().item(), "recall": reached.double().mean().item()}

    def _covered(self, generated: Tensor, real: Tensor, radii: Tensor, real_radii: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) which generated samples lie in a ball round a real one, and (M,) which real ones in one round a generated one.

        Found by products in float32, twice as fast: |x - y|^2 - r^2 is least where x lies deepest in a ball. The few for
        which its sign might be rounding's are looked at again, as exactly as `distances` are.
        """
        centre = self.centre(real)
        x, y = generated.double() - centre, real.double() - centre
        scale = max(float(x.abs().amax()), float(y.abs().amax())) or 1.0  # else squares may overflow
        own, others = x.div_(scale).square().sum(1), y.div_(scale).square().sum(1)
        r, s = radii.double() / scale, real_radii.double() / scale
        # |error| of a product of d terms, of its factors and of what is added, each half a unit in the last place.
        rounding = (x.shape[1] + 16) * torch.finfo(torch.float32).eps / 2
        rounding *= float(own.amax() + others.amax() + max(r.amax(), s.amax()).square())

        rows, columns = y.mul_(-2).float(), x.float().T
        from_generated, from_real = (own - r.square()).float(), (others - s.square()).float()
        inside, reached = rows.new_full((len(x),), torch.inf), []
        products = rows.new_empty(ROWS, len(x))
        for some, sizes in zip(rows.split(ROWS), from_real.split(ROWS), strict=True):
            block = torch.mm(some, columns, out=products[: len(some)])
            reached.append((block + from_generated).amin(1))
            torch.minimum(inside, block.add_(sizes[:, None]).amin(0), out=inside)
        return (
            self._decided(inside + own, rounding, generated, real, real_radii),
            self._decided(torch.cat(reached) + others, rounding, real, generated, radii),
        )

    def _decided(self, depths: Tensor, rounding: float, points: Tensor, balls: Tensor, radii: Tensor) -> Tensor:
        """(N,) whether each point lies in a ball, by how deep it does, (N,), or by distances where that may be rounding's."""
        within = depths <= 0
        doubtful = (depths.abs() <= rounding).nonzero()[:, 0]
        if len(doubtful):
            for rows, near in self.distances(points[doubtful], balls):
                within[doubtful[rows]] = (near <= radii).any(1)
        return within

    def _radii_of(self, generated: Tensor) -> Tensor:
        if self._latest is None or self._latest[0]() is not generated:
            radii = self.radii(self.finite(generated, "generated", self.k + 1), self.k)
            self._latest = ref(generated), radii
        return self._latest[1]


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [PrecisionRecall]
