"""The training loop. It reads like the algorithm; everything that a trick can change comes from the recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import Recipe, Seen
from gan_bench.training.networks import mixes_batch
from gan_bench.training.optimizers import build_optimizer
from gan_bench.training.window import Window

NORM_EVERY = (
    5  # updates of a network between two norms of its gradient: in each they would be 7 % of a tiny network's time
)


class Loop:
    """Alternating updates of D and G (Goodfellow et al. 2014, algorithm 1).

    `next_real()` gives a batch (B, *shape) of real samples. The definition is separate passes of D over real and fake
    samples; they are joined into one where no module of D mixes the batch and no penalty differentiates one of them alone.
    """

    def __init__(
        self,
        recipe: Recipe,
        window: Window,
        streams: Streams,
        next_real: Callable[[], Tensor],
        batch_size: int,
        latent: int,
        precision: str = "fp32",
    ) -> None:
        self.recipe, self.window, self.streams = recipe, window, streams
        self.next_real, self.precision = next_real, precision
        self.latent_shape = (batch_size, latent)
        self.joined = not recipe.penalties and not mixes_batch(recipe.discriminator)
        self.g_parameters = [p for p in recipe.generator.parameters() if p.requires_grad]
        self.d_parameters = [p for p in recipe.discriminator.parameters() if p.requires_grad]
        self.g_optimizer = build_optimizer(recipe.optimizer["generator"], self.g_parameters)
        self.d_optimizer = build_optimizer(recipe.optimizer["discriminator"], self.d_parameters)
        self.steps = self.d_steps = 0

    def step(self) -> None:
        """One update of G, and the updates of D around it; the last of them judges the batch that G learns from."""
        for _ in range(self.recipe.d_steps - 1):
            self.update_discriminator(self.next_real(), self.generate("latents of D", train=False))
        fake, real = self.generate("latents of G"), None
        if self.steps % self.recipe.g_per_d == 0:
            real = self.next_real()
            self.update_discriminator(real, fake.detach())
        self.update_generator(fake, real)

    def update_discriminator(self, real: Tensor, fake: Tensor) -> None:
        """One update of D on a real and a fake batch (B, *shape)."""
        recipe = self.recipe
        real, fake = recipe.see(real).requires_grad_(bool(recipe.penalties)), recipe.see(fake)
        if self.joined:
            real_logits, fake_logits = self.discriminate(torch.cat((real, fake))).split(len(real))
        else:
            real_logits, fake_logits = self.discriminate(real), self.discriminate(fake)
        with self.streams["loss"]:
            loss = recipe.loss.discriminator(real_logits, fake_logits)
        objective = loss
        for penalty in recipe.penalties:
            if self.d_steps % penalty.every == 0:
                objective = objective + penalty.every * penalty.term(
                    self.discriminate, Seen(real, fake, real_logits, fake_logits)
                )
        descend(objective, self.d_parameters, self.d_optimizer)
        if self.d_steps % NORM_EVERY == 0:
            self.window.add("grad_norm_d", gradient_norm(self.d_parameters))
        self.d_steps += 1
        recipe.real_logits.copy_(real_logits.detach())
        recipe.fake_logits.copy_(fake_logits.detach())
        self.window.add("loss_d", loss)
        self.window.add("logit_real", real_logits.mean())
        self.window.add("logit_fake", fake_logits.mean())
        for function in recipe.after_d:
            function()

    def update_generator(self, fake: Tensor, real: Tensor | None) -> None:
        """One update of G through D; only G's gradients are computed."""
        recipe = self.recipe
        fake_logits = self.discriminate(recipe.see(fake))
        real_logits = None
        if recipe.loss.generator_needs_real:
            with torch.no_grad():
                real_logits = self.discriminate(recipe.see(self.next_real() if real is None else real.detach()))
        with self.streams["loss"]:
            loss = recipe.loss.generator(fake_logits, real_logits)
        descend(loss, self.g_parameters, self.g_optimizer)
        if self.steps % NORM_EVERY == 0:
            self.window.add("grad_norm_g", gradient_norm(self.g_parameters))
        self.steps += 1
        recipe.step += 1
        self.window.add("loss_g", loss)
        for function in recipe.after_g:
            function()

    def generate(self, latents: str, train: bool = True) -> Tensor:
        """A fake batch (B, *shape) from the next latents of a stream; without a gradient where G is not to learn from it."""
        with self.streams[latents]:
            z = torch.randn(self.latent_shape, device=self.streams.device)
        with self.streams["forward passes of G"], self.arithmetic(), nullcontext() if train else torch.no_grad():
            samples: Tensor = self.recipe.generator(z)
        return samples.float()

    def discriminate(self, samples: Tensor) -> Tensor:
        """D's logits (B, 1)."""
        with self.streams["forward passes of D"], self.arithmetic():
            logits: Tensor = self.recipe.discriminator(samples)
        return logits.float()

    def arithmetic(self) -> AbstractContextManager[None]:
        """What the networks' forward passes run under. Weights, losses, penalties and optimisers stay in float32."""
        if self.precision != "bf16":
            return nullcontext()
        # No weight is used twice in a pass, and a cached cast would outlive the update of its weight.
        return torch.autocast(self.streams.device.type, torch.bfloat16, cache_enabled=False)


def descend(objective: Tensor, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """One step of an optimiser against an objective's gradient by the parameters, and by nothing else."""
    for parameter in parameters:
        parameter.grad = None
    objective.backward(inputs=parameters)
    optimizer.step()


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """The L2 norm, over all parameters together, of the gradient that the optimiser was given: before weight decay. A scalar."""
    return torch.stack(torch._foreach_norm([p.grad for p in parameters if p.grad is not None])).norm()
