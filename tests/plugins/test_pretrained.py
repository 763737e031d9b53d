"""Extractors whose networks somebody else has trained: the published code and preprocessing, and files that are not theirs."""

from __future__ import annotations

import builtins
import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.pictures import from_uint8, to_uint8
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.dinov2 import DinoV2
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.inception import Inception
from gan_bench_plugins.metrics.kid import KernelDistance
from gan_bench_plugins.metrics.mobilenet import MobileNet

CPU = torch.device("cpu")
INCEPTION, MOBILENET = "GAN_BENCH_INCEPTION", "GAN_BENCH_MOBILENET"


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> PreparedData:
    """scikit-learn's digits at 16x16."""
    return prepare(Digits(), tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def points() -> PreparedData:
    """Points in the plane."""
    some = Samples(torch.randn(9, 2), None)
    return PreparedData("test", DataSpec((2,), "points", None), "fingerprint", Path(), some, some, (), "held out")


def colours(size: int, height: int | None = None) -> torch.Tensor:
    """(3, 3, height, size) in [-1, 1], in 256 levels."""
    random = torch.Generator().manual_seed(0)
    return from_uint8(torch.randint(256, (3, 3, height or size, size), generator=random, dtype=torch.uint8))


def of_pictures(samples: torch.Tensor) -> PreparedData:
    """Data of that shape."""
    part = Samples(to_uint8(samples), None)
    return PreparedData(
        "test", DataSpec(tuple(samples.shape[1:]), "image", None), "fingerprint", Path(), part, part, (), "held out"
    )


def saved(network: nn.Module, file: Path) -> dict:
    """The parameters of an extractor that reads this network's weights from there."""
    torch.save(network.state_dict(), file)
    return {"weights": file, "sha256": sha256(file)}


@pytest.fixture(scope="module")
def mobilenet() -> nn.Module:
    """torchvision's network with random weights, and statistics of its norms that do something."""
    from torchvision.models import mobilenet_v2

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mobilenet_v2()
        network.train()(torch.randn(4, 3, 32, 32))
    return network.eval()


@torch.no_grad()
def theirs(network: nn.Module, samples: torch.Tensor, size: int) -> torch.Tensor:
    """MobileNet's features (B, 1280) of samples (B, 3, H, W), by torchvision's own preprocessing and network."""
    from torchvision.models import MobileNet_V2_Weights

    preprocess = MobileNet_V2_Weights.IMAGENET1K_V1.transforms(crop_size=size)
    preprocess.resize_size = [size, size]
    return adaptive_avg_pool2d(network.features(preprocess((samples + 1) / 2)), 1).flatten(1)


@pytest.mark.parametrize("size", [32, 96])
def test_mobilenet_is_torchvisions_with_its_preprocessing_but_no_crop(mobilenet, tmp_path, size):
    file, samples = saved(mobilenet, tmp_path / "weights.pth"), colours(40, 30)
    state = torch.get_rng_state()
    features = MobileNet(**file, size=size).prepare(of_pictures(samples), tmp_path, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    found = features(samples)
    assert found.shape == (3, features.protocol["dimension"]) == (3, 1280)
    assert found.std() > 0.01
    assert torch.allclose(found, theirs(mobilenet, samples, size), atol=1e-4)
    assert features.protocol["resize"] == f"{size}x{size} bilinear, antialiased, not cropped"
    assert "(0.485, 0.456, 0.406)" in features.protocol["normalised"]
    assert features.protocol["file_sha256"] == sha256(file["weights"])
    assert json.loads(json.dumps(features.protocol)) == features.protocol
    assert not hasattr(features, "logits")
    assert FrechetDistance().label(features) == "FD[mobilenet]"
    assert KernelDistance().label(features) == "KID[mobilenet]"


def test_mobilenet_repeats_grey_and_sees_many_as_it_sees_one(mobilenet, digits, tmp_path):
    file = saved(mobilenet, tmp_path / "weights.pth")
    features = MobileNet(**file, size=32).prepare(digits, tmp_path, CPU)
    grey = digits.held_out.batch(torch.arange(30))
    found = features(grey)
    assert torch.allclose(found, theirs(mobilenet, grey.expand(-1, 3, -1, -1), 32), atol=1e-4)
    assert torch.allclose(features(grey[29:]), found[29:], atol=1e-5)


@pytest.mark.slow
def test_mobilenets_published_weights_tell_photographs_apart(tmp_path):
    """Two parts of two photographs are nearer to parts of the same one; and the weights are those that torchvision names."""
    if MOBILENET not in os.environ:
        pytest.skip(f"{MOBILENET} names no file with MobileNet's published weights")
    from sklearn.datasets import load_sample_images
    from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

    photographs = [torch.tensor(picture).permute(2, 0, 1) for picture in load_sample_images().images]
    tiles = [p.unfold(1, 96, 96).unfold(2, 96, 96).permute(1, 2, 0, 3, 4).flatten(0, 1) for p in photographs]
    samples = from_uint8(torch.cat(tiles))
    features = MobileNet().prepare(of_pictures(samples), tmp_path, CPU)
    assert features.protocol["file_sha256"].startswith(MobileNet_V2_Weights.IMAGENET1K_V1.url[-12:-4])
    found = features(samples)
    network = mobilenet_v2().eval()
    network.load_state_dict(torch.load(os.environ[MOBILENET], weights_only=True))
    assert torch.allclose(found[:5], theirs(network, samples[:5], 224), atol=1e-3)
    which = torch.arange(2).repeat_interleave(torch.tensor([len(some) for some in tiles]))
    far = torch.cdist(found, found).fill_diagonal_(torch.inf)
    assert (which[far.argmin(1)] == which).double().mean() > 0.9


@pytest.fixture(scope="module")
def dinov2() -> nn.Module:
    """timm's network with random weights."""
    timm = pytest.importorskip("timm", reason="timm, which has DINOv2's code, is not installed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0)
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):  # else its blocks would do next to nothing
                nn.init.constant_(parameter, 0.1)
    return network.eval()


@pytest.mark.slow
def test_dinov2_is_timms_with_its_preprocessing(dinov2, tmp_path):
    """Of weights saved as timm publishes them, and as the authors do, who have a token for masks more."""
    from safetensors.torch import save_file
    from timm.data import create_transform, resolve_model_data_config

    file, samples = saved(dinov2, tmp_path / "weights.pth"), colours(56)
    features = DinoV2(**file, size=518).prepare(of_pictures(samples), tmp_path, CPU)
    found = features(samples[:1])
    assert (features.label, found.shape, features.protocol["dimension"]) == ("dinov2-small", (1, 384), 384)
    config = resolve_model_data_config(dinov2)
    assert (config["crop_pct"], config["interpolation"]) == (1.0, "bicubic")
    from torchvision.transforms.functional import to_pil_image

    picture = to_pil_image(to_uint8(samples[0]))
    with torch.no_grad():
        expected = dinov2(create_transform(**config)(picture)[None])
    # Theirs is resized in 8 bits, ours in float32.
    assert (found - expected).norm() < 0.02 * expected.norm()

    small = DinoV2(**file).prepare(of_pictures(samples), tmp_path, CPU)
    assert small.protocol["resize"] == "224x224 bicubic, antialiased, not cropped"
    assert small.protocol["network"].endswith(" vit_small_patch14_dinov2")
    assert "(0.485, 0.456, 0.406)" in small.protocol["normalised"]
    assert small.protocol["file_sha256"] == file["sha256"]
    assert json.loads(json.dumps(small.protocol)) == small.protocol
    reference = small(samples)
    assert reference.std() > 0.01
    save_file(dinov2.state_dict(), tmp_path / "model.safetensors")
    torch.save({"mask_token": torch.zeros(1, 384), **dinov2.state_dict()}, tmp_path / "authors.pth")
    for other in (tmp_path / "model.safetensors", tmp_path / "authors.pth"):
        again = DinoV2(weights=other, sha256=sha256(other)[:8]).prepare(of_pictures(samples), tmp_path, CPU)
        assert torch.equal(again(samples), reference)
        assert again.protocol["weights_sha256"] == small.protocol["weights_sha256"]


def test_dinov2_says_that_its_code_is_missing(tmp_path, monkeypatch):
    def without(name, *rest):
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name=name)
        return real(name, *rest)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(GanBenchError, match=r"needs timm's code.*pip install 'gan-bench\[dinov2\]'"):
        DinoV2(sha256="0" * 8).prepare(of_pictures(colours(28)), tmp_path, CPU)


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory) -> Path:
    """Random weights in the format of the published file."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_args, **_kwargs):
            return None

    file = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save({}, file)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Untrained("untrained", ["2048"], feature_extractor_weights_path=file)
    torch.save(network.state_dict(), file)
    return file


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.slow
def test_inception_features(digits, inception_weights, tmp_path, monkeypatch):
    extractor = Inception(weights=inception_weights, sha256=sha256(inception_weights))
    features = extractor.prepare(digits, tmp_path, CPU)
    grey = digits.held_out.batch(torch.arange(2))
    found = features(grey)
    assert found.shape == (2, 2048)
    assert torch.equal(found, features(grey.expand(-1, 3, -1, -1)))
    assert FrechetDistance().label(features) == "FID"
    assert features.protocol["file_sha256"] == sha256(inception_weights)
    assert json.loads(json.dumps(features.protocol)) == features.protocol
    # The network is torch-fidelity's own, given the picture's 8 bits.
    direct = features.network.inception(to_uint8(grey).expand(-1, 3, -1, -1))[0]
    assert torch.equal(found, direct)
    features.network.inception.features_list = ["logits_unbiased"]
    logits = features.network.inception(to_uint8(grey).expand(-1, 3, -1, -1))[0]
    assert torch.allclose(features.logits(found), logits, atol=1e-5)
    monkeypatch.setenv(INCEPTION, str(inception_weights))
    by_variable = Inception(sha256=sha256(inception_weights)[:8]).prepare(digits, tmp_path, CPU)
    assert by_variable.protocol == features.protocol


@pytest.mark.parametrize(
    "dimension", [pytest.param(64, marks=pytest.mark.slow), 192, pytest.param(768, marks=pytest.mark.slow)]
)
def test_inceptions_earlier_layers_are_torch_fidelitys(digits, inception_weights, tmp_path, dimension):
    file = {"weights": inception_weights, "sha256": sha256(inception_weights)}
    features = Inception(**file, dimension=dimension).prepare(digits, tmp_path, CPU)
    grey = digits.held_out.batch(torch.arange(2))
    found = features(grey)
    assert (found.shape, features.protocol["dimension"]) == ((2, dimension), dimension)
    features.network.inception.features_list = [str(dimension), "2048"]  # as torch-fidelity gives both at once
    assert torch.equal(found, features.network.inception(to_uint8(grey).expand(-1, 3, -1, -1))[0])
    assert FrechetDistance().label(features) == f"FD[inception-{dimension}]"
    assert not hasattr(features, "logits")


def extractors() -> list:
    """Each of them with a file of its own, and the name that errors give it."""
    return [Inception, MobileNet, pytest.param(DinoV2, marks=pytest.mark.slow)]


@pytest.mark.parametrize("cls", extractors())
def test_says_how_to_get_its_weights(cls, digits, tmp_path, monkeypatch):
    if cls is DinoV2:
        pytest.importorskip("timm", reason="timm, which has DINOv2's code, is not installed")
    variable, other = f"GAN_BENCH_{cls.name.upper()}", tmp_path / "other.pth"
    other.write_bytes(b"something else")
    monkeypatch.delenv(variable, raising=False)
    settings = {} if cls is not DinoV2 else {"sha256": "67" * 32}
    cure = f"Download .*https://.*{variable}"
    with pytest.raises(GanBenchError, match=f"features = '{cls.name}' needs its weights. {cure}"):
        cls(**settings).prepare(digits, tmp_path, CPU)
    with pytest.raises(GanBenchError, match=f"missing.pth.*No such file.*{cure}"):
        cls(**settings, weights=tmp_path / "missing.pth").prepare(digits, tmp_path, CPU)
    with pytest.raises(GanBenchError, match=f"SHA-256 is {sha256(other)}, not [0-9a-f]{{64}}.*{cure}"):
        cls(**settings, weights=other).prepare(digits, tmp_path, CPU)
    monkeypatch.setenv(variable, str(other))
    with pytest.raises(GanBenchError, match="not weights of "):
        cls(sha256=sha256(other)[:8]).prepare(digits, tmp_path, CPU)


@pytest.mark.parametrize("cls", extractors())
def test_executes_no_code_of_its_file_and_takes_no_other_networks(cls, digits, tmp_path):
    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    if cls is DinoV2:
        pytest.importorskip("timm", reason="timm, which has DINOv2's code, is not installed")
    file = tmp_path / "weights.pth"
    # Without weights at all, timm would look for others.
    for content in (
        {"weights": Attack()},
        {"fc.bias": torch.zeros(3)},
        {},
        torch.zeros(3),
        {"pos_embed": torch.zeros(2)},
    ):
        torch.save(content, file)
        with pytest.raises(GanBenchError, match="not weights"):
            cls(weights=file, sha256=sha256(file)).prepare(digits, tmp_path, CPU)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("cls", [Inception, MobileNet])
def test_refuses_points(cls, points, tmp_path):
    with pytest.raises(GanBenchError, match=f"'{cls.name}' takes pictures of 1 or 3 channels"):
        cls().prepare(points, tmp_path, CPU)
