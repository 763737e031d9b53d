"""Architectures that take labels: what `conditional` makes of both networks, part by part and as a whole."""

from __future__ import annotations

import pytest
import torch
from networks import CLASSES, assert_rows_are_alone, both, moved, outputs, untrained
from torch import nn
from torch.nn import functional as F

from gan_bench.api.data_spec import DataSpec
from gan_bench.grid import load_grid
from gan_bench.training.networks import mixes_batch
from gan_bench_plugins.architectures._labels import Auxiliary, Beside, ClassBatchNorm, Labels, Projection
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.architectures.mlp import MLP
from gan_bench_plugins.architectures.r3gan import R3GAN
from gan_bench_plugins.architectures.resnet import ResNet
from gan_bench_plugins.architectures.stylegan2 import StyleGAN2

PICTURES = DataSpec((3, 16, 16), "image", CLASSES)
SMALL = {
    DCGAN: {"width": 4, "latent": 6},
    FCGAN: {"width": 16, "latent": 6},
    MLP: {"width": 16, "latent": 6},
    R3GAN: {"width": 8, "latent": 6, "growth": 2},
    ResNet: {"width": 8, "width_d": 8, "latent": 6, "attention_at": (8,)},
    StyleGAN2: {"width": 4, "latent": 6, "styles": 8, "growth": 2},
}
y = torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("conditional", ["concat", "projection", "auxiliary"])
@pytest.mark.parametrize("cls", SMALL, ids=lambda cls: cls.name)
def test_networks_take_labels_and_heed_them(cls, conditional):
    architecture = cls(**SMALL[cls], conditional=conditional)
    generator, discriminator = map(moved, both(architecture, PICTURES))
    z, x = torch.randn(4, 6), torch.randn(4, 3, 16, 16)
    assert generator(z, y).shape == (4, 3, 16, 16)
    shapes = [tuple(output.shape) for output in outputs(discriminator, x, y)]
    assert shapes == ([(4, 1), (4, 3)] if conditional == "auxiliary" else [(4, 1)])
    assert untrained(generator, z, y) == []
    assert untrained(discriminator, x, y) == []
    assert not mixes_batch(discriminator)
    assert_rows_are_alone(discriminator, x, y)
    torch.manual_seed(0)  # of the noise
    samples = generator.eval()(z[:1], y[:1])
    torch.manual_seed(0)
    assert not torch.allclose(generator(z[:1], y[1:2]), samples)
    judged, other = (outputs(discriminator, x, labels)[0] for labels in (y, (y + 1) % 3))
    assert torch.equal(judged, other) == (conditional == "auxiliary")  # it tells labels, and is not told them


@pytest.mark.parametrize("cls", SMALL, ids=lambda cls: cls.name)
def test_unlabelled_data_are_refused_with_a_way_out(cls):
    architecture = cls(**SMALL[cls], conditional="projection")
    for build in (architecture.generator, architecture.discriminator):
        with pytest.raises(ValueError, match=r"'projection' needs labels.*say conditional = \"none\""):
            build(DataSpec((3, 16, 16)))


@pytest.mark.parametrize("cls", SMALL, ids=lambda cls: cls.name)
def test_without_labels_classes_change_nothing(cls):
    architecture = cls(**SMALL[cls])
    assert not architecture.takes_labels
    for labelled, bare in zip(both(architecture, PICTURES), both(architecture, DataSpec((3, 16, 16))), strict=True):
        assert [*labelled.state_dict()] == [*bare.state_dict()]
        assert all(map(torch.equal, labelled.state_dict().values(), bare.state_dict().values()))


@pytest.mark.parametrize("cls", SMALL, ids=lambda cls: cls.name)
def test_runs_without_labels_are_told_by_the_settings_that_they_always_had(cls):
    assert "conditional" not in cls().settings()
    assert cls(conditional="concat").settings()["conditional"] == "concat"


def test_levels_with_and_without_labels_are_told_apart(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text(
        'name = "x"\ndataset = "digits"\narchitecture = "dcgan"\nsteps = 5\n[[compare]]\ntitle = "Labels?"\n'
        '"architecture.conditional" = ["none", "projection"]\n'
    )
    cells = load_grid(file).cells
    assert [cell.label for cell in cells] == ["dcgan, conditional none", "dcgan, conditional projection"]
    assert [cell.differs for cell in cells] == [{"architecture.conditional": each} for each in ("none", "projection")]


def test_points_have_labels_beside_them():
    data = DataSpec((2,), "points", CLASSES)
    for conditional in ("concat", "projection", "auxiliary"):
        generator, discriminator = both(MLP(conditional=conditional), data)
        samples = generator(torch.randn(4, 100), y)
        assert samples.shape == (4, 2)
        assert outputs(discriminator, samples, y)[0].shape == (4, 1)
    assert discriminator[1].in_features == 2
    assert both(MLP(conditional="concat"), data)[1][2].in_features == 2 + 3


def test_labels_stand_beside_vectors_and_pictures():
    beside = Beside(3)
    vectors = torch.randn(4, 5)
    assert torch.equal(beside(vectors, y), torch.cat([vectors, torch.eye(3)[y]], 1))
    pictures = torch.randn(4, 2, 3, 5)
    joined = beside(pictures, y)
    assert torch.equal(joined[:, :2], pictures)
    assert torch.equal(joined[:, 2:], torch.eye(3)[y][..., None, None].expand(4, 3, 3, 5))


def test_projection_is_equation_7():
    """v^T phi(x) + b, plus (row y of V) phi(x); Miyato & Koyama 2018."""
    head = Labels("projection", PICTURES).head(5)
    assert isinstance(head, Projection)
    phi = torch.randn(4, 5)
    logits = head(phi, y)
    for row, label in enumerate(y):
        expected = head.logit.weight[0] @ phi[row] + head.logit.bias + head.classes.weight[label] @ phi[row]
        torch.testing.assert_close(logits[row], expected)


@pytest.mark.parametrize(("norm", "shape"), [(nn.BatchNorm1d, (6, 4)), (nn.BatchNorm2d, (6, 4, 3, 5))])
def test_class_batch_norm_has_one_mean_and_each_class_its_gain(norm, shape):
    layer = Labels("projection", PICTURES).norm(norm, 4)
    assert isinstance(layer, ClassBatchNorm)
    x, labels = torch.randn(shape), torch.tensor([0, 1, 2, 2, 1, 0])
    torch.testing.assert_close(layer(x, labels), F.batch_norm(x, None, None, training=True))  # gains 1, biases 0
    moved(layer)
    normed = F.batch_norm(x, None, None, training=True)
    for row, label in enumerate(labels):
        gain, bias = (each.weight[label].view(-1, *[1] * (x.dim() - 2)) for each in (layer.gain, layer.bias))
        torch.testing.assert_close(layer(x, labels)[row], normed[row] * gain + bias)


def test_an_auxiliary_head_has_two_answers():
    head = Labels("auxiliary", PICTURES).head(5)
    assert isinstance(head, Auxiliary)
    phi = torch.randn(4, 5)
    logits, classes = head(phi)
    torch.testing.assert_close(logits, phi @ head.logit.weight.t() + head.logit.bias)
    torch.testing.assert_close(classes, phi @ head.classes.weight.t() + head.classes.bias)


def test_generators_with_batch_norm_have_it_by_class_and_others_have_labels_beside_z():
    for cls in (DCGAN, FCGAN):
        with_norm = cls(**SMALL[cls], conditional="projection").generator(PICTURES)
        without = cls(**SMALL[cls], conditional="projection", batch_norm=False).generator(PICTURES)
        assert sum(isinstance(layer, ClassBatchNorm) for layer in with_norm) == (3 if cls is DCGAN else 2)
        assert not any(isinstance(layer, Beside) for layer in with_norm)
        assert not any(isinstance(layer, ClassBatchNorm) for layer in without)
        assert isinstance(without[0], Beside)
    blocks = ResNet(**SMALL[ResNet], conditional="projection").generator(PICTURES)
    assert sum(isinstance(module, ClassBatchNorm) for module in blocks.modules()) == 4  # two blocks
