"""More discriminator updates."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl


class DSteps(Trick):
    """The discriminator is updated k times per update of the generator (Goodfellow et al. 2014, algorithm 1)."""

    name = "d_steps"
    replaces = {"schedule"}
    k: int = Field(2, ge=2, le=100, description="discriminator updates per generator update")

    def edit(self, recipe: Recipe) -> None:
        recipe.d_steps = self.k


@hookimpl
def gan_bench_tricks():
    return [DSteps]
