"""Walks through latents: where they lead, and how they are shown."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from written_run import write_run

import gan_bench as package
from gan_bench import DataSpec, GanBenchError
from gan_bench.scoring.walks import on_sphere


class Latents(nn.Module):
    """Gives the latents themselves, as points."""

    def forward(self, z):
        return z


class Noisy(nn.Module):
    """Pictures (B, C, 4, 4) of noise that is drawn anew in every call, and of dropout that evaluation leaves out."""

    def __init__(self, channels=1):
        super().__init__()
        self.channels, self.dropout = channels, nn.Dropout(0.5)

    def forward(self, z, y=None):
        shift = 0 if y is None else y.view(-1, 1, 1, 1) / 10
        return self.dropout(torch.ones(len(z), self.channels, 4, 4)) * 0.1 * torch.randn(len(z), 1, 4, 4) + shift


def path(start, end, frames, **options):
    return package.interpolate(Latents(), torch.tensor(start), torch.tensor(end), frames, **options).samples[:, 0]


def test_directions_turn_evenly_on_a_sphere_and_lengths_go_evenly():
    found = path([3.0, 0.0], [0.0, 1.0], 4)
    angles = torch.atan2(found[:, 1], found[:, 0])
    assert torch.allclose(angles, torch.linspace(0, math.pi / 2, 4))
    assert torch.allclose(found.norm(dim=1), torch.tensor([3, 7 / 3, 5 / 3, 1]))
    torch.manual_seed(0)
    start, end = torch.randn(2, 50, 512)
    middle = on_sphere(start, end, 0.5)
    assert middle.norm(dim=1).mean() > 0.99 * math.sqrt(512), "the straight line's middle would be 0.7 of that"


@pytest.mark.parametrize(
    ("start", "end", "middle"),
    [
        ([2.0], [4.0], [3.0]),  # of one number
        ([1.0], [-1.0], [0.0]),
        ([1.0, 1.0], [1.0, 1.0], [1.0, 1.0]),
        ([1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]),  # opposite
        ([0.0, 0.0], [2.0, 0.0], [1.0, 0.0]),  # from the centre, which has no direction
    ],
)
def test_where_there_is_no_one_great_circle_the_way_is_straight(start, end, middle):
    assert torch.allclose(path(start, end, 3), torch.tensor([start, middle, end]), atol=1e-6)


def test_a_turn_comes_back_and_stays_normally_distributed():
    found = path([1.0, 0.0], [0.0, 2.0], 4, turn=True)
    assert torch.allclose(found, torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -2.0]]), atol=1e-6)
    torch.manual_seed(0)
    whole = package.interpolate(Latents(), torch.randn(20_000, 2), torch.randn(20_000, 2), 5, turn=True).samples
    assert (whole.std(dim=1) - 1).abs().max() < 0.02, "in every frame, however few numbers latents have"


def test_noise_stands_still_and_the_network_is_left_as_it_was():
    network, z = Noisy().train(), torch.zeros(150, 3)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    samples = package.interpolate(network, z, z + 1, 3).samples
    assert torch.equal(torch.rand(1), expected)
    assert samples.shape == (3, 150, 1, 4, 4)
    assert torch.equal(samples[0], samples[2])
    assert samples[0].unique(dim=0).shape[0] == 150, "each walk has its own"
    assert not (samples == 0).any(), "nothing is dropped"
    assert network.training
    assert network.dropout.training


def test_each_walk_keeps_its_class():
    z = torch.zeros(2, 3)
    plain = package.interpolate(Noisy(), z, z, 2).samples
    shifted = package.interpolate(Noisy(), z, z, 2, labels=torch.tensor([0, 5])).samples
    assert torch.allclose(
        shifted - plain, torch.tensor([0.0, 0.5]).view(1, 2, 1, 1, 1).expand(2, 2, 1, 4, 4), atol=1e-6
    )
    same = package.interpolate(Noisy(), z, z, 2, labels=5).samples
    assert torch.allclose(same - plain, torch.tensor(0.5), atol=1e-6)


def test_ends_that_do_not_fit_are_refused():
    for start, end, frames in (
        (torch.zeros(3), torch.zeros(4), 2),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), 2),
        (torch.zeros(3), torch.zeros(3), 1),
    ):
        with pytest.raises(ValueError, match="a walk leads between latents of one shape"):
            package.interpolate(Latents(), start, end, frames)


def opened(content):
    return Image.open(content if not isinstance(content, bytes) else io.BytesIO(content))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_walk_is_saved_as_an_animation_and_as_one_picture(tmp_path, channels):
    torch.manual_seed(0)
    samples = torch.rand(6, 4, channels, 4, 4) * 2 - 1
    walk = type(package.interpolate(Latents(), torch.zeros(2), torch.ones(2)))(samples, columns=2)
    for name in ("a.gif", "a.apng", "a.png"):
        walk.save(tmp_path / name)
    frames = walk.frames()
    for name in ("a.gif", "a.apng"):
        found = opened(tmp_path / name)
        assert (found.n_frames, found.size, found.info["loop"]) == (6, (11, 11), 0)
        for place in (0, 5):
            found.seek(place)
            wrong = np.abs(np.asarray(found.convert("RGB"), int) - np.asarray(frames[place].convert("RGB"), int)).max()
            assert wrong == 0 if name == "a.apng" or channels == 1 else wrong < 100
    strip = opened(tmp_path / "a.png")
    assert (getattr(strip, "n_frames", 1), strip.size) == (1, (6 * 5 + 1, 4 * 5 + 1)), "a row a walk"
    corner = np.asarray(strip.convert("RGB"))[16:20, 26:30]
    assert np.array_equal(corner, np.asarray(frames[5].convert("RGB"))[6:10, 6:10])
    assert 'src="data:image/png;base64,' in walk._repr_html_()
    walk.save(tmp_path / "animated.png", "apng")
    assert opened(tmp_path / "animated.png").n_frames == 6
    with pytest.raises(GanBenchError, match=r"as \.gif, \.apng or \.png \(found: a\.jpg\)"):
        walk.save(tmp_path / "a.jpg")


def test_points_walk_in_a_plot(tmp_path):
    walk = package.interpolate(
        Latents(), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 3
    )
    assert walk.frames()[0].size == (240, 240)
    assert walk.picture().size == (720, 240)
    walk.save(tmp_path / "a.gif")
    assert opened(tmp_path / "a.gif").n_frames == 3


DCGAN = {"name": "dcgan", "depth": 1, "width": 4, "latent": 8}


def test_the_command_walks_from_the_samples_that_it_draws(tmp_path):
    from stores import gan_bench

    run = write_run(tmp_path / "run", DCGAN).path
    gan_bench("sample", run, "-o", "still.png", cwd=tmp_path)
    gan_bench("sample", run, "--walk", 5, "-o", "a.gif", cwd=tmp_path)
    gan_bench("sample", run, "--walk", 5, "-o", "b.png", "--format", "apng", cwd=tmp_path)
    still = np.asarray(opened(tmp_path / "still.png"))
    for name in ("a.gif", "b.png"):
        found = opened(tmp_path / name)
        assert found.n_frames == 5
        assert np.array_equal(np.asarray(found.convert("L")), still)
    gan_bench("sample", run, "--walk", 7, "-o", "rows.png", cwd=tmp_path)
    rows = opened(tmp_path / "rows.png")
    assert rows.size == (7 * 9 + 1, 10 * 9 + 1)
    gan_bench("sample", run, "--walk", 7, "-n", 2, "-o", "two.png", cwd=tmp_path)
    two = np.asarray(opened(tmp_path / "two.png"))
    assert np.array_equal(two, np.asarray(rows)[:19])
    assert np.array_equal(two[1:9, 1:9], still[1:9, 1:9]), "from the samples of the same seed"
    for words in (
        ("--walk", 5, "-o", "x.npz"),
        ("--walk", 5, "-o", "x"),
        ("-o", "x.gif"),
        ("--walk", 1, "-o", "x.gif"),
    ):
        gan_bench("sample", run, *words, cwd=tmp_path, code=2)


def test_the_command_walks_class_by_class(tmp_path):
    from stores import gan_bench

    data = DataSpec((1, 8, 8), classes=("zero", "one", "two"))
    run = write_run(tmp_path / "run", {**DCGAN, "conditional": "concat"}, data=data).path
    gan_bench("sample", run, "--walk", 6, "-o", "rows.png", cwd=tmp_path)
    assert opened(tmp_path / "rows.png").size == (6 * 9 + 1, 3 * 9 + 1), "a row of each"
    gan_bench("sample", run, "--walk", 6, "--class", "two", "-n", 4, "-o", "a.gif", cwd=tmp_path)
    assert opened(tmp_path / "a.gif").size == (4 * 9 + 1, 9 + 1)
    gan_bench("sample", run, "-o", "still.png", cwd=tmp_path)
    gan_bench("sample", run, "--walk", 3, "-o", "all.gif", cwd=tmp_path)
    found = opened(tmp_path / "all.gif")
    assert np.array_equal(np.asarray(found.convert("L")), np.asarray(opened(tmp_path / "still.png")))
