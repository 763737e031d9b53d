"""The training loop. It reads like the algorithm; everything that a trick can change comes from the recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from gan_bench.api.losses import NetworkName
from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import NETWORKS, Recipe
from gan_bench.api.seen import Hook, Penalty, Seen
from gan_bench.training.loss_scale import LossScale, skipping
from gan_bench.training.optimizers import Schedule, build_optimizer
from gan_bench.training.passes import Batch, Passes, seen_of
from gan_bench.training.window import Window

NORM_EVERY = (
    5  # updates of a network between two norms of its gradient: in each they would be 7 % of a tiny network's time
)


class Loop(Passes):
    """Alternating updates of D and G (Goodfellow et al. 2014, algorithm 1)."""

    def __init__(
        self,
        recipe: Recipe,
        window: Window,
        streams: Streams,
        next_real: Callable[[], Tensor | tuple[Tensor, Tensor]],
        precision: str = "fp32",
    ) -> None:
        super().__init__(recipe, streams, next_real, precision)
        self.window = window
        self.g_parameters = [p for p in recipe.generator.parameters() if p.requires_grad]
        self.d_parameters = [p for p in recipe.discriminator.parameters() if p.requires_grad]
        self.schedules = {
            name: Schedule(recipe.optimizer[name]["lr"], factors, streams.device)
            for name, factors in recipe.lr_factors.items()
            if factors
        }
        rates = {name: {"lr": schedule.lr} for name, schedule in self.schedules.items()}
        settings = {name: recipe.optimizer[name] | rates.get(name, {}) for name in NETWORKS}
        around = recipe.optimizers_around
        self.g_optimizer = build_optimizer(settings["generator"], self.g_parameters, around["generator"])
        self.d_optimizer = build_optimizer(settings["discriminator"], self.d_parameters, around["discriminator"])
        self.scales = {name: LossScale(recipe, name) for name in NETWORKS} if precision == "fp16" else {}
        if self.scales:
            self.g_optimizer = skipping(self.g_optimizer, self.scales["generator"].skipped)
            self.d_optimizer = skipping(self.d_optimizer, self.scales["discriminator"].skipped)
        self.learns: dict[NetworkName, tuple[list[nn.Parameter], torch.optim.Optimizer]] = {
            "generator": (self.g_parameters, self.g_optimizer),
            "discriminator": (self.d_parameters, self.d_optimizer),
        }
        self.steps = self.d_steps = 0

    def step(self) -> None:
        """One update of G, and the updates of D around it; the last of them judges the batch that G learns from."""
        for _ in range(self.recipe.d_steps - 1):
            real = self.take_real()
            self.update_discriminator(real, self.generate("D", real, train=False))
        updates_d = self.steps % self.recipe.g_per_d == 0
        of_both = self.take_real() if updates_d or self.g_needs_real() else None
        fake = self.generate("G", of_both)
        if updates_d and of_both:
            self.update_discriminator(of_both, fake)
        self.update_generator(fake, of_both)

    def update_discriminator(self, real: Batch, fake: Batch) -> None:
        """One update of D on a real and a fake batch."""
        recipe = self.recipe
        by_samples = any(penalty.by_samples for penalty in due(recipe.penalties, self.d_steps))
        of_real, of_fake = self.look_at_both(real, self.learnt_from(fake), by_samples)
        seen = seen_of(of_real, of_fake)
        with self.streams["loss"]:
            loss = recipe.loss.discriminator(of_real.logits, of_fake.logits, *recipe.loss.given(seen))
        self.descend("discriminator", self.penalised(loss, recipe.penalties, self.d_steps, seen), self.d_steps)
        self.d_steps += 1
        keep(recipe.real_logits, of_real.logits)
        keep(recipe.fake_logits, of_fake.logits)
        self.window.add("loss_d", loss)
        self.window.add("logit_real", of_real.logits.mean())
        self.window.add("logit_fake", of_fake.logits.mean())
        for hook in due(recipe.after["discriminator"], self.d_steps):
            hook.function()

    def update_generator(self, fake: Batch, real: Batch | None) -> None:
        """One update of G through D; only G's gradients are computed."""
        recipe = self.recipe
        of_fake, of_real = self.look_at(fake, recipe.see(fake.samples)), None
        if real and self.g_needs_real():
            with torch.no_grad():
                real = real._replace(samples=real.samples.detach())
                of_real = self.look_at(real, recipe.see(real.samples))
        seen = seen_of(of_real, of_fake)
        with self.streams["loss"]:
            loss = recipe.loss.generator(of_fake.logits, seen.real_logits, *recipe.loss.given(seen))
        self.descend("generator", self.penalised(loss, recipe.g_penalties, self.steps, seen), self.steps)
        self.steps += 1
        recipe.step += 1
        self.window.add("loss_g", loss)
        for hook in due(recipe.after["generator"], self.steps):
            hook.function()

    def penalised(self, loss: Tensor, penalties: Sequence[Penalty], updates: int, seen: Seen) -> Tensor:
        """A loss with those penalties whose turn it is."""
        labels = seen.fake_labels if seen.real_labels is None else seen.real_labels

        def discriminator(samples: Tensor, own: Tensor | None = None) -> Tensor:
            return self.discriminate(samples, labels if own is None else own)

        for penalty in due(penalties, updates):
            loss = loss + penalty.every * penalty.term(discriminator, seen)
        return loss

    def descend(self, network: NetworkName, objective: Tensor, updates: int) -> None:
        """One step of a network's optimiser against the gradient by its parameters, and by nothing else."""
        (parameters, optimizer), scale = self.learns[network], self.scales.get(network)
        for parameter in parameters:
            parameter.grad = None
        objective.backward(scale.value if scale else None, inputs=parameters)
        if scale:
            scale.unscale(parameters, seen=bool(self.recipe.before[network] or self.recipe.after[network]))
        for hook in due(self.recipe.before[network], updates + 1):
            hook.function()
        if schedule := self.schedules.get(network):
            schedule.update()
        optimizer.step()
        if scale:
            scale.update()
            self.window.add(f"skipped_{network[0]}", scale.skipped)
            self.window.add(f"loss_scale_{network[0]}", scale.value)
        if updates % NORM_EVERY == 0:
            self.window.add(
                f"grad_norm_{network[0]}", gradient_norm(parameters), unless=scale.skipped if scale else None
            )

    def g_needs_real(self) -> bool:
        """Whether G's next update looks at real samples."""
        recipe = self.recipe
        return recipe.loss.generator_needs_real or any(p.needs_real for p in due(recipe.g_penalties, self.steps))


Rare = TypeVar("Rare", Penalty, Hook)


def due(rare: Sequence[Rare], count: int) -> Iterator[Rare]:
    """Those of penalties or hooks whose turn it is at a count of updates."""
    return (one for one in rare if count % one.every == 0)


def keep(latest: Tensor, logits: Tensor) -> None:
    """Copy logits into a tensor, which takes their shape the first time."""
    latest.resize_(logits.shape).copy_(logits.detach())


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """The L2 norm, over all parameters together, of the gradient that the optimiser was given: before weight decay. A scalar."""
    return torch.stack(torch._foreach_norm([p.grad for p in parameters if p.grad is not None])).norm()
