"""Forward passes of both networks, as the recipe wants them: what G makes, and what D is shown and makes of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import Recipe
from gan_bench.api.seen import Seen
from gan_bench.training.networks import mixes_batch

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}  # that networks compute in by autocast


class Batch(NamedTuple):
    """Samples (B, *shape), labels (B,) where the networks take them, and the latents (B, latent) that fakes were made of."""

    samples: Tensor
    labels: Tensor | None = None
    latents: Tensor | None = None


class Look(NamedTuple):
    """A batch, what D saw of it, and what it made of that."""

    batch: Batch
    seen: Tensor
    logits: Tensor
    class_logits: Tensor | None = None


class Passes:
    """Passes of a recipe's networks over batches of one size.

    `next_real()` gives a batch (B, *shape) of real samples, or a pair of it and its labels (B,). The definition is separate
    passes of D over real and fake samples; they are joined into one where no module of D mixes the batch and no penalty
    differentiates one of them alone, or where the recipe says so.
    """

    def __init__(
        self,
        recipe: Recipe,
        streams: Streams,
        next_real: Callable[[], Tensor | tuple[Tensor, Tensor]],
        precision: str,
    ) -> None:
        self.recipe, self.streams = recipe, streams
        self.next_real, self.precision = next_real, precision
        indifferent = not recipe.penalties and not mixes_batch(recipe.discriminator)
        self.joined = indifferent if recipe.joined is None else recipe.joined

    def take_real(self) -> Batch:
        """The next real batch."""
        found = self.next_real()
        samples, labels = found if isinstance(found, tuple) else (found, None)
        return Batch(samples, labels if self.recipe.conditional else None)

    def generate(self, network: str, real: Batch | None = None, train: bool = True) -> Batch:
        """A fake batch from the next latents of a network's updates ("D" or "G"), without a gradient unless G is to `train`.

        Labels are those of the real batch where the recipe pairs the two.
        """
        recipe = self.recipe
        with self.streams[f"latents of {network}"]:
            z = torch.randn(recipe.batch_size, recipe.latent, device=self.streams.device)
        for transform in recipe.latent_transforms:
            z = transform(z)
        z.requires_grad_(train and bool(recipe.g_penalties))
        labels = real.labels if recipe.conditional and real and recipe.pairs else None
        if recipe.conditional and labels is None:
            with self.streams[f"labels of {network}"]:
                labels = recipe.draw_labels(len(z))
        with self.streams["forward passes of G"], self.arithmetic(), nullcontext() if train else torch.no_grad():
            samples: Tensor = recipe.generator(z) if labels is None else recipe.generator(z, labels)
        return Batch(samples.float(), labels, z)

    def learnt_from(self, fake: Batch) -> Batch:
        """The fakes that D learns from."""
        samples, labels = fake.samples.detach(), fake.labels
        for transform in self.recipe.fake_transforms:
            samples, labels = transform(samples, labels)
        return Batch(samples.detach(), labels, fake.latents)

    def look_at_both(self, real: Batch, fake: Batch, differentiable: bool) -> tuple[Look, Look]:
        """D's look at what it learns from; if `differentiable` by either batch, before and after `d_inputs`."""
        seen = self.show(real.samples, differentiable), self.show(fake.samples, differentiable)
        if not self.joined:
            return self.look_at(real, seen[0]), self.look_at(fake, seen[1])
        labels = None if real.labels is None or fake.labels is None else torch.cat((real.labels, fake.labels))
        logits, classes = self.judge(torch.cat(seen), labels)
        (of_real, of_fake), told = logits.chunk(2), (None, None) if classes is None else classes.chunk(2)
        return Look(real, seen[0], of_real, told[0]), Look(fake, seen[1], of_fake, told[1])

    def show(self, samples: Tensor, differentiable: bool) -> Tensor:
        """What D is to see of samples (B, *shape) that it learns from."""
        if not differentiable:
            return self.recipe.see(samples)
        return self.recipe.see(samples.requires_grad_()).requires_grad_()

    def look_at(self, batch: Batch, seen: Tensor) -> Look:
        """What D makes of a batch of which it sees (B, *shape)."""
        return Look(batch, seen, *self.judge(seen, batch.labels))

    def discriminate(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """D's logits (B, k)."""
        return self.judge(samples, labels)[0]

    def judge(self, samples: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """D's logits (B, k), and its class logits (B, classes) if it gives any."""
        with self.streams["forward passes of D"], self.arithmetic():
            found = self.recipe.discriminator(samples, *() if labels is None else (labels,))
        logits, classes = found if isinstance(found, tuple) else (found, None)
        return logits.float(), None if classes is None else classes.float()

    def arithmetic(self) -> AbstractContextManager[None]:
        """What the networks' forward passes run under. Weights, losses, penalties and optimisers stay in float32."""
        if (half := HALVES.get(self.precision)) is None:
            return nullcontext()
        # No weight is used twice in a pass, and a cached cast would outlive the update of its weight.
        return torch.autocast(self.streams.device.type, half, cache_enabled=False)


def seen_of(real: Look | None, fake: Look) -> Seen:
    """Two looks as penalties and losses are given them."""
    return Seen(
        real and real.seen,
        fake.seen,
        real and real.logits,
        fake.logits,
        real and real.batch.samples,
        fake.batch.samples,
        fake.batch.latents,
        real and real.batch.labels,
        fake.batch.labels,
        real and real.class_logits,
        fake.class_logits,
    )
