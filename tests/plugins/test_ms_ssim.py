"""The similarity of generated pictures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from small_runs import CPU

from gan_bench.data.prepare import prepare
from gan_bench.scoring.evaluator import Evaluator
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.datasets.ring import Ring
from gan_bench_plugins.metrics.ms_ssim import BETAS, MsSsim
from gan_bench_plugins.metrics.pixels import Pixels


def smooth(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Pictures in [-1, 1] with some structure."""
    noise = torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
    blurred = torch.nn.functional.avg_pool2d(noise, 7, 1, 3)
    return (blurred - blurred.amin()) / (blurred.amax() - blurred.amin()) * 2 - 1


def by_definition(x: torch.Tensor, y: torch.Tensor) -> float:
    """Wang et al. 2003, equations 6 and 7, at the two scales that 32 pixels have, with borders reflected in SSIM alone."""
    window = torch.exp(-((torch.arange(11.0) - 5) ** 2) / (2 * 1.5**2)).double()
    kernel = (window[:, None] * window / window.sum() ** 2)[None, None]
    blur = lambda z: torch.nn.functional.conv2d(torch.nn.functional.pad(z, (5,) * 4, mode="reflect"), kernel)  # noqa: E731
    product = torch.ones(len(x)).double()
    for scale, beta in enumerate(BETAS[:2]):
        m, n = blur(x), blur(y)
        contrast = (2 * (blur(x * y) - m * n) + 0.03**2) / (blur(x * x) - m * m + blur(y * y) - n * n + 0.03**2)
        luminance = (2 * m * n + 0.01**2) / (m * m + n * n + 0.01**2)
        part = contrast[..., 5:-5, 5:-5] if scale == 0 else contrast * luminance
        product *= part.mean((1, 2, 3)).clamp(min=0) ** (beta / sum(BETAS[:2]))
        x, y = (torch.nn.functional.avg_pool2d(z, 2) for z in (x, y))
    return float(product.mean())


def test_agrees_with_the_definition():
    pictures = smooth(12, 32)
    unit = (pictures.double() + 1) / 2
    expected = by_definition(unit[:6], unit[6:])
    assert 0.05 < expected < 0.9
    assert MsSsim().score(pictures, None).value == pytest.approx(expected, rel=1e-3)


def test_agrees_with_torchmetrics_class_at_all_five_scales():
    from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure as Theirs

    pictures = smooth(8, 192)
    theirs = Theirs(data_range=1.0)  # Wang et al.'s five weights are its defaults
    theirs.update((pictures[:4] + 1) / 2, (pictures[4:] + 1) / 2)
    assert MsSsim().score(pictures, None).value == pytest.approx(float(theirs.compute()), rel=1e-5)


def test_equal_pictures_are_1_and_alike_ones_more_so():
    one = smooth(1, 24)
    assert MsSsim().score(one.expand(20, 1, 24, 24), None).value == pytest.approx(1, abs=1e-5)
    alike = [MsSsim().score((one + amount * smooth(40, 24, 1)).clamp(-1, 1), None).value for amount in (0, 0.2, 0.5, 1)]
    assert alike == sorted(alike, reverse=True)


def test_one_class_is_less_varied_than_all(tmp_path):
    data = prepare(Digits(), tmp_path)
    evaluator = Evaluator(data, [MsSsim()], Pixels(), 200, CPU, tmp_path)
    evaluator.prepare()
    (every,) = evaluator.score_training_data()
    zeros = data.training.batch(torch.nonzero(data.training.labels == 0)[:, 0])
    (one,) = evaluator.score(zeros)
    assert every["label"] == "MS-SSIM"
    assert one["value"] > every["value"] + 4 * (one["standard_error"] + every["standard_error"])


def test_says_what_it_cannot_compare(tmp_path):
    with pytest.raises(ValueError, match="at least 4 pictures, not 3"):
        MsSsim().score(smooth(3, 16), None)
    for dataset in (Ring(training=10, held_out=10), Digits(size=8)):
        real = SimpleNamespace(data=prepare(dataset, tmp_path))
        with pytest.raises(ValueError, match="pictures of at least 11 pixels each way, not samples of shape"):
            MsSsim().reference_of(real)  # type: ignore[arg-type]
