"""Features of a small network trained to tell the dataset's classes apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributions import Binomial
from torch.nn.functional import cross_entropy
from torch.nn.utils import fuse_conv_bn_eval

from gan_bench import DataSpec, FeatureExtractor, Field, NetworkFeatures, hookimpl
from gan_bench.api.randomness import Stream
from gan_bench.errors import GanBenchError
from gan_bench.files import read_tensors, write_tensors

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData, Samples

CPU = torch.device("cpu")
SURE = 1e-3  # probability of so many right answers by chance, below which it has learnt something
FEWEST, PASSES, MOST = 500, 10, 1000  # training steps, and passes over the samples, of a length that nobody chose


class Classifier(FeatureExtractor):
    """Penultimate layer of a small network trained on the dataset's own training labels.

    The network is trained once, on one CPU thread and from its own seed, so that the same weights come out whatever the
    device and the number of threads; processors of another kind may round differently, which the weights' hash shows.
    The length is counted in steps, since a small dataset needs more passes than a large one.
    """

    name = "classifier"
    steps: int | None = Field(
        None, ge=1, description="training steps; by default as many as make 10 passes, at least 500 and at most 1000"
    )
    batch_size: int = Field(64, ge=2, description="samples a training step")
    width: int = Field(16, ge=1, description="channels of the first convolution; doubled by each of the next two")
    dimension: int = Field(64, ge=1, description="features: units of the penultimate layer")
    seed: int = Field(0, ge=0, description="seed of its weights and of its training samples' order")

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> NetworkFeatures:
        """Trained, or loaded from `cache`. GanBenchError: the data have no classes, or the cached file is damaged."""
        training, held_out = data.training.to(CPU), data.held_out.to(CPU)
        labels = training.labels
        if data.spec.classes is None or labels is None or len(data.spec.classes) < 2 or int(labels.min()) < 0:
            cure = (
                "'random' or 'inception'"
                if data.spec.kind == "image"
                else "'pixels', the points themselves, or 'random'"
            )
            raise GanBenchError(
                f"features = 'classifier' learns the dataset's classes, and these data have none. Use features = {cure}."
            )
        file = cache / f"classifier-{self._key(data)}.pt"
        try:
            saved = read_tensors(file)
        except (FileNotFoundError, ValueError):  # there is none yet, or a damaged one
            with Stream(self.seed, "classifier", CPU):
                network = self._network(data.spec)
            _train(network, training, labels, self._length(len(training)), self.batch_size, self.seed)
            saved = {"network": network.state_dict(), "test_accuracy": _accuracy(network, held_out)}
            write_tensors(file, saved)
        with Stream(self.seed, "classifier", CPU):
            network = self._network(data.spec)
        network.load_state_dict(saved["network"])
        more = {"resize": "none", "test_accuracy": saved["test_accuracy"]}
        remarks = _remarks(saved["test_accuracy"], held_out)
        body = _folded(network.eval()[:-1])
        return NetworkFeatures(body, self.name, data.spec, device, self.dimension, more, network[-1], remarks)

    def _length(self, count: int) -> int:
        """Training steps for so many samples."""
        return self.steps or min(max(FEWEST, PASSES * count // self.batch_size), MOST)

    def _key(self, data: PreparedData) -> str:
        """A name for everything that determines the weights."""
        source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        facts = [data.fingerprint, data.spec.shape, data.spec.classes, self.settings(), source, torch.__version__]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def _network(self, data: DataSpec) -> nn.Sequential:
        """(B, *shape) -> logits (B, classes); all but the last layer make the features."""
        if data.kind == "image":
            layers: list[nn.Module] = []
            channels = data.shape[0]
            for stage in range(3):
                width = self.width * 2**stage
                layers.append(nn.Conv2d(channels, width, 3, stride=1 if stage == 0 else 2, padding=1, bias=False))
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            pooled = {-(-side // 4) for side in data.shape[1:]} == {4}  # pooling would only copy the maps, and slowly
            layers += [nn.Identity() if pooled else nn.AdaptiveAvgPool2d(4), nn.Flatten()]
            units = channels * 16
        else:
            units = 8 * self.width
            layers = [nn.Flatten(), nn.Linear(data.numel, units), nn.ReLU()]
        layers += [nn.Linear(units, self.dimension), nn.ReLU()]
        layers.append(nn.Linear(self.dimension, len(data.classes or ())))
        return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # a third faster at 28x28


def _train(network: nn.Sequential, samples: Samples, labels: Tensor, steps: int, batch_size: int, seed: int) -> None:
    """Adam under a one-cycle learning rate (Smith & Topin 2019), which gets far in few steps."""
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps + 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads round differently
    try:
        with torch.enable_grad():
            for _ in range(steps):
                chosen = torch.randint(len(samples), (batch_size,), generator=order)
                loss = cross_entropy(network(samples.batch(chosen)), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    finally:
        torch.set_num_threads(threads)


def _folded(network: nn.Sequential) -> nn.Sequential:
    """The same function, where normalisation by running statistics is part of the convolution before it."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


@torch.no_grad()
def _accuracy(network: nn.Sequential, samples: Samples) -> float:
    """The share of samples whose class the network gets right, in evaluation mode."""
    if samples.labels is None:
        raise GanBenchError("the held-out part has no labels, so the classifier's accuracy can't be told.")
    network.eval()
    right = 0
    for chosen in torch.arange(len(samples)).split(500):
        right += int((network(samples.batch(chosen)).argmax(1) == samples.labels[chosen]).sum())
    return right / len(samples)


def _remarks(accuracy: float, samples: Samples) -> list[str]:
    """That the classifier gets no more samples right than a guess does, as far as a one-sided binomial test can tell."""
    assert samples.labels is not None, "it has an accuracy"
    count, chance = len(samples), int(samples.labels.unique(return_counts=True)[1].max()) / len(samples)
    right = torch.arange(round(accuracy * count), count + 1, dtype=torch.float64)
    if Binomial(count, torch.tensor(chance, dtype=torch.float64)).log_prob(right).exp().sum() < SURE:
        return []
    return [
        f"the classifier gets {accuracy:.0%} of {count:,} held-out samples right, and can't be told from one that always names "
        f"their commonest class ({chance:.0%}): its features say little of what matters. Train it for more steps, see whether "
        "the labels are right, or use features = 'random'."
    ]


@hookimpl
def gan_bench_features() -> list[type[FeatureExtractor]]:
    return [Classifier]
