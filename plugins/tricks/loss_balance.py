"""Updates left out by the losses."""

from __future__ import annotations

from torch.nn.functional import softplus

from gan_bench import Field, Recipe, Trick, hookimpl


class LossBalance(Trick):
    """A network stands still while its loss is below a bound: "while lossD > A: train D".

    It is what point 11 of ganhacks warns of (Chintala et al. 2016).
    Losses are the cross-entropies of D's latest logits: 1.39 and 0.69 where D can't tell real from fake. Learning rates are 0
    while they are below, so that Adam's moments go on.
    """

    name = "loss_balance"
    needs = {"loss"}
    d_loss: float = Field(1.0, ge=0, le=2, description="A: D stands still while its loss is below")
    g_loss: float = Field(0.5, ge=0, le=2, description="B: G stands still while its loss is below")

    def edit(self, recipe: Recipe) -> None:
        def d_trains():
            trains = softplus(-recipe.real_logits).mean() + softplus(recipe.fake_logits).mean() >= self.d_loss
            recipe.report("d_trains", trains.float())
            return trains.float()

        def g_trains():
            trains = softplus(-recipe.fake_logits).mean() >= self.g_loss
            recipe.report("g_trains", trains.float())
            return trains.float()

        recipe.lr_schedule(d_trains, "discriminator")
        recipe.lr_schedule(g_trains, "generator")


@hookimpl
def gan_bench_tricks():
    return [LossBalance]
