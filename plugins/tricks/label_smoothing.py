"""One-sided label smoothing."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl


class LabelSmoothing(Trick):
    """One-sided label smoothing: D's target for real samples is below 1 (Salimans et al. 2016, section 3.4)."""

    name = "label_smoothing"
    needs = {"targets"}
    target: float = Field(0.9, gt=0.5, lt=1, description="D's target for real samples")

    def edit(self, recipe: Recipe) -> None:
        def smooth(target, network, real):
            return target * self.target if network == "discriminator" and real else target

        recipe.targets(smooth)


@hookimpl
def gan_bench_tricks():
    return [LabelSmoothing]
