"""How networks take labels: beside their input, by normalisation, by a projection, or as D's second answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench import DataSpec, Field

Conditional = Literal["none", "concat", "projection", "auxiliary"]


def conditional_field() -> Any:
    """The parameter of an architecture whose networks may take labels."""
    return Field(
        "none",
        description="what labels do: nothing; stand beside z and x; choose a projection in D; are told by D beside its logits",
    )


class Labels:
    """What the networks of one architecture do with the labels of given data: its `conditional`, part by part.

    "concat" has them one-hot beside z in G and beside x in D (Mirza & Osindero 2014), "auxiliary" beside z in G, while D tells
    them (Odena et al. 2017). "projection" is Miyato & Koyama's (2018, eq. 7) in D; in G each class has BatchNorm's gains and
    biases to itself (de Vries et al. 2017), or, where there is no BatchNorm, labels stand beside z. By "none" no part differs
    from what it would be without labels. ValueError: the data has none.
    """

    def __init__(self, conditional: Conditional, data: DataSpec) -> None:
        if conditional != "none" and data.classes is None:
            raise ValueError(
                f"conditional = {conditional!r} needs labels, and this data has none; "
                'train on a dataset with classes, or say conditional = "none"'
            )
        self.conditional = conditional
        self.classes = 0 if conditional == "none" else len(data.classes or ())

    def network(self, *layers: nn.Module) -> nn.Sequential:
        """Layers one after the other, called with the labels where there are any."""
        return Labelled(*layers) if self.classes else nn.Sequential(*layers)

    def beside_latents(self, size: int, *, normalised: bool = False) -> tuple[list[nn.Module], int]:
        """What G begins with, `normalised` if it has BatchNorm, and the size that z has then."""
        return self._beside(size, self.conditional != "none" and not (self.conditional == "projection" and normalised))

    def beside_samples(self, channels: int) -> tuple[list[nn.Module], int]:
        """What D begins with, and the channels, or numbers, that a sample has then."""
        return self._beside(channels, self.conditional == "concat")

    def _beside(self, size: int, told: bool) -> tuple[list[nn.Module], int]:
        return ([Beside(self.classes)], size + self.classes) if told else ([], size)

    def norm(self, batch_norm: type[nn.BatchNorm1d | nn.BatchNorm2d], features: int) -> nn.Module:
        """BatchNorm in G."""
        if self.conditional == "projection":
            return ClassBatchNorm(batch_norm(features, affine=False), self.classes)
        return batch_norm(features)

    def head(self, features: int, linear: Callable[..., nn.Module] = nn.Linear) -> nn.Module:
        """D's last layer: features (B, n) -> logits (B, 1), and class logits (B, classes) by "auxiliary"."""
        if self.conditional == "projection":
            return Projection(linear(features, 1), linear(features, self.classes, bias=False))
        if self.conditional == "auxiliary":
            return Auxiliary(linear(features, 1), linear(features, self.classes))
        return linear(features, 1)


class Labelled(nn.Sequential):
    """Layers one after the other; those whose `takes_labels` is true are given the labels as well."""

    per_sample = True

    def forward(self, x: Tensor, y: Tensor) -> Any:  # type: ignore[override]
        """x (B, ...) and labels y (B,) -> what the last layer makes of them."""
        for layer in self:
            x = layer(x, y) if getattr(layer, "takes_labels", False) else layer(x)
        return x


class Beside(nn.Module):
    """One-hot labels beside the numbers of a vector, or as constant maps beside those of a picture."""

    per_sample = takes_labels = True

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, n, ...) and (B,) -> (B, n + classes, ...)."""
        ones = F.one_hot(y, self.classes).to(x.dtype)
        return torch.cat([x, ones.view(*ones.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])], 1)


class ClassBatchNorm(nn.Module):
    """BatchNorm over the whole batch, with gains and biases for each class (de Vries et al. 2017, eq. 4 and 5)."""

    takes_labels = True

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, classes: int) -> None:
        super().__init__()
        self.norm = norm
        self.gain, self.bias = (nn.Embedding(classes, norm.num_features) for _ in range(2))
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, n, ...) and (B,) -> the same shape."""
        shape = *x.shape[:2], *[1] * (x.dim() - 2)
        return torch.addcmul(self.bias(y).view(shape), self.norm(x), self.gain(y).view(shape))


class Projection(nn.Module):
    """The logit of the features, plus their product with the label's own vector (Miyato & Koyama 2018, eq. 7).

    The vectors are the rows of a linear layer, so that what is done to D's layers, such as spectral normalisation, is done to
    them too.
    """

    per_sample = takes_labels = True

    def __init__(self, logit: nn.Module, classes: nn.Module) -> None:
        super().__init__()
        self.logit, self.classes = logit, classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, n) and (B,) -> (B, 1)."""
        logits: Tensor = self.logit(x) + self.classes(x).gather(1, y[:, None])
        return logits


class Auxiliary(nn.Module):
    """The logit, and logits of the classes (Odena et al. 2017)."""

    per_sample = True

    def __init__(self, logit: nn.Module, classes: nn.Module) -> None:
        super().__init__()
        self.logit, self.classes = logit, classes

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n) -> (B, 1) and (B, classes)."""
        return self.logit(x), self.classes(x)
