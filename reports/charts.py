"""Which charts a comparison has: its scores, and whatever quantities the curves of its runs hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gan_bench.findings.score_columns import ScoreColumn

# Quantities of one chart, its title, and whether it is logarithmic at first; None: it never is, for its values have signs.
KNOWN: list[tuple[tuple[str, ...], str, bool | None]] = [
    (("loss_g",), "Loss of G", False),
    (("loss_d",), "Loss of D", False),
    (("logit_real", "logit_fake"), "D’s outputs (logits)", None),
    (("grad_norm_g",), "Gradient norm of G", True),
    (("grad_norm_d",), "Gradient norm of D", True),
    (("loss_scale_g", "loss_scale_d"), "Loss scale", True),
    (("skipped_g", "skipped_d"), "Share of updates that were skipped", False),
    (("r1",), "R1 penalty", True),
    (("gradient_penalty",), "Gradient penalty", True),
]
PARTS = {
    "logit_real": "real",
    "logit_fake": "fake",
    "loss_scale_g": "G",
    "loss_scale_d": "D",
    "skipped_g": "G",
    "skipped_d": "D",
}


@dataclass(frozen=True)
class Chart:
    """One chart."""

    title: str
    curves: list[str]  # names in the page's data; several are told apart by their lines' pattern
    log: bool | None = False

    @property
    def note(self) -> str:
        """Which line is which."""
        patterns = ("solid", "dotted")
        parts = [
            f"{pattern}: {PARTS[name]}" for name, pattern in zip(self.curves, patterns, strict=False) if name in PARTS
        ]
        return ", ".join(parts) if len(self.curves) > 1 else ""


def charts(scores: Iterable[ScoreColumn], quantities: Sequence[str]) -> list[Chart]:
    """The charts of a comparison whose curves have these quantities; those that nobody here knows come last."""
    found = [Chart(column.title, [column.label], column.scale == "log") for column in scores]
    rest = list(quantities)
    for names, title, log in KNOWN:
        if own := [name for name in names if name in rest]:
            found.append(Chart(title, own, log))
            rest = [name for name in rest if name not in own]
    return found + [Chart(name.replace("_", " "), [name]) for name in rest]
