"""A feature extractor: what metrics look through."""

from torch import nn

from gan_bench import FeatureExtractor, Field, NetworkFeatures, hookimpl


class Mine(FeatureExtractor):
    """Samples at a lower resolution; points as they are."""

    name = "mine"
    size: int = Field(4, ge=1, le=256, description="height and width to which pictures are averaged")

    def prepare(self, data, cache, device):  # a network of yours may be trained on `data.training` here, or loaded
        shape = data.spec.shape
        if data.spec.kind == "image":
            layers, dimension = [nn.AdaptiveAvgPool2d(self.size), nn.Flatten()], shape[0] * self.size**2
        else:
            layers, dimension = [nn.Flatten()], shape[0]
        facts = {"resize": f"averaged to {self.size}x{self.size}"}  # what a score rests on, beside the weights
        return NetworkFeatures(nn.Sequential(*layers), self.name, data.spec, device, dimension, facts)


@hookimpl
def gan_bench_features():
    return [Mine]
