"""Networks without their dropout."""

from __future__ import annotations

from typing import Literal

from torch.nn.modules.dropout import _DropoutNd

from gan_bench import Field, Recipe, Trick, hookimpl


class DropoutOff(Trick):
    """The dropout layers (Srivastava et al. 2014) of a network drop nothing.

    Penalties and statistics of D that compare its passes are then about D, and not about what was dropped.
    """

    name = "dropout_off"
    network: Literal["generator", "discriminator", "both"] = Field("discriminator", description="whose dropout")

    def edit(self, recipe: Recipe) -> None:
        both = {"generator": recipe.generator, "discriminator": recipe.discriminator}
        networks = [network for name, network in both.items() if self.network in (name, "both")]
        layers = [m for network in networks for m in network.modules() if isinstance(m, _DropoutNd) and m.p]
        if not layers:
            whose = "either network" if self.network == "both" else f"the {self.network}"
            raise ValueError(f"dropout_off finds no dropout in {whose}: leave it out")
        for layer in layers:
            layer.p = 0.0


@hookimpl
def gan_bench_tricks():
    return [DropoutOff]
