"""How alike generated pictures are."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Estimate, Features, Metric, RealData, hookimpl

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales (Wang et al. 2003)
KERNEL = 11  # pixels


class MsSsim(Metric):
    """Mean multi-scale structural similarity of random pairs of generated pictures (Odena et al. 2017, section 4.2).

    Lower is more varied: compare with the real data's own, for noise is lower still. Pictures too small for all five
    scales have the first ones alone, their weights made to sum to 1.
    """

    name = "ms_ssim"
    reads = "samples"

    def label(self, features: Features) -> str:
        return "MS-SSIM"

    def reference_of(self, data: RealData) -> Tensor:
        """Nothing. ValueError: the data are no pictures, or too small."""
        shape = data.data.spec.shape
        if data.data.spec.kind != "image" or min(shape[1:]) < KERNEL:
            raise ValueError(
                f"ms_ssim takes pictures of at least {KERNEL} pixels each way, not samples of shape {shape}"
            )
        return torch.empty(0)

    def score(self, generated: Tensor, reference: Tensor) -> Estimate:
        """In [0, 1], of pictures in [-1, 1]. ValueError: fewer than 4 pictures, or some that are not finite."""
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as similarity

        if len(generated) < 4:
            raise ValueError(f"ms_ssim needs at least 4 pictures, not {len(generated)}")
        if broken := int((~generated.flatten(1).isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} samples are not finite")
        side = min(generated.shape[2:])
        scales = max(n for n in range(1, 6) if side >= 2**n and side // max(1, n - 1) ** 2 >= KERNEL)
        total = sum(BETAS[:scales]) if scales < len(BETAS) else 1  # Wang et al.'s own sum to 1.0001
        betas = tuple(beta / total for beta in BETAS[:scales])
        pictures = ((generated + 1) / 2).split(200)
        pairs = torch.cat(
            [
                similarity(
                    some[: len(some) // 2], some[-(len(some) // 2) :], data_range=1.0, betas=betas, reduction="none"
                )
                for some in pictures
                if len(some) > 1
            ]
        ).double()
        return Estimate(pairs.mean().item(), (pairs.std() / len(pairs) ** 0.5).item())


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [MsSsim]
