"""The diagnosis that numbers of diversity share."""

from __future__ import annotations

from gan_bench import Alarm


def lost_diversity(share: float, source: str) -> Alarm:
    """That a number is at most this share of what real training data score."""
    return Alarm(
        name="lost diversity",
        sentence="A number of diversity is at most this share of what real training data score on these data.",
        evidence="is all that {label} reaches, where real training data have {real}",
        threshold=share,
        side="below",
        of_real=True,
        source=source,
    )


NEARLY_ALL = lost_diversity(
    0.1, "measured: trained runs on digits have 0.47 and more, a fully connected one on MNIST 0.02"
)
HALF = lost_diversity(0.5, "Srivastava et al. 2017 for counting modes; half is our choice")
