"""Augmentation of all that D sees: ranges by statistics, the same T for real and fake in both networks' steps, gradients to G."""

from __future__ import annotations

import pytest
import torch
from small_runs import make_loop
from torch.autograd import gradcheck, gradgradcheck

from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks import _pixels, ada, diff_augment
from gan_bench_plugins.tricks.ada import ADA
from gan_bench_plugins.tricks.diff_augment import DiffAugment

TINY = DCGAN(latent=6, width=4, depth=1)
SHAPES = [(3, 8, 8), (1, 8, 8), (3, 6, 11), (2, 9, 4)]
MANY = 4000


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def pictures(shape, count=4, dtype=torch.float32):
    return torch.rand(count, *shape, dtype=dtype) * 2 - 1


def see(trick, x):
    """What D sees of pictures, through the recipe of a run."""
    return make_loop(FCGAN(latent=6, width=4), [trick], shape=tuple(x.shape[1:])).recipe.see(x)


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_positions_are_mirrored_at_the_outermost_pixels(size):
    line = torch.arange(-20, 20)
    there_and_back = [*range(size), *range(size - 2, 0, -1)] if size > 1 else [0]
    expected = [there_and_back[i % len(there_and_back)] for i in line.tolist()]
    assert _pixels.reflect(line, size).tolist() == expected
    assert _pixels.reflect(line.float(), size).tolist() == expected


def test_pictures_are_shifted_by_whole_pixels():
    x = pictures((2, 5, 6), 3)
    rows, columns = torch.tensor([2, 0, -1]), torch.tensor([-1, 3, 0])
    grey, mirrored = (_pixels.shifted(x, rows, columns, mirrored=mirrored) for mirrored in (False, True))
    assert torch.equal(grey[0, :, 2:, :-1], x[0, :, :-2, 1:])
    assert torch.equal(mirrored[0, :, 2:, :-1], x[0, :, :-2, 1:])
    assert not grey[0, :, :2].any()
    assert not grey[0, :, :, -1].any()
    assert torch.equal(mirrored[0, :, 1, :-1], x[0, :, 1, 1:]), (
        "row 1 shows what is row 1 of the source, mirrored at row 0"
    )
    assert torch.equal(mirrored[2, :, -1], x[2, :, -2])
    assert torch.equal(grey[1, :, :, 3:], x[1, :, :, :3])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("trick", [DiffAugment(), ADA(start=0.8)], ids=["diff_augment", "ada"])
def test_any_picture_is_augmented_and_stays_one(trick, shape):
    x = pictures(shape)
    y = see(trick, x)
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert not torch.equal(x, y)
    loop = make_loop(DCGAN(latent=6, width=4, depth=1), [trick], shape=shape)
    loop.step()
    assert all(p.grad.isfinite().all() for p in loop.g_parameters)
    assert any(p.grad.any() for p in loop.g_parameters), "gradients lead through it to G"


@pytest.mark.parametrize("trick", [DiffAugment(), ADA()])
def test_points_are_refused(trick):
    with pytest.raises(ValueError, match=f"{trick.name} augments pictures, and these data are points"):
        make_loop(FCGAN(latent=2, width=4), [trick], shape=(2,))


def test_colours_change_within_the_published_ranges():
    x = pictures((3, 4, 4), 1).repeat(MANY, 1, 1, 1)
    y = diff_augment.color(x)
    brightness = y.mean((1, 2, 3)) - x.mean((1, 2, 3))  # which saturation and contrast keep
    assert -0.5 <= brightness.min() < -0.49
    assert 0.49 < brightness.max() <= 0.5
    assert brightness.mean().item() == pytest.approx(0, abs=0.02)
    grey, plain = y.mean(1), x.mean(1)  # which saturation keeps
    contrast = (grey - grey.mean((1, 2), keepdim=True)).flatten(1).norm(dim=1)
    contrast = contrast / (plain - plain.mean((1, 2), keepdim=True)).flatten(1).norm(dim=1)
    assert 0.5 <= contrast.min() < 0.51
    assert 1.49 < contrast.max() <= 1.5 + 1e-5
    colour = (y - y.mean(1, keepdim=True)).flatten(1).norm(dim=1) / (x - x.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    saturation = colour / contrast
    assert saturation.min() < 0.02
    assert 1.98 < saturation.max() <= 2 + 1e-4
    assert saturation.mean().item() == pytest.approx(1, abs=0.03)


def test_saturation_does_nothing_to_one_channel():
    x = pictures((1, 4, 4), 50)
    y = diff_augment.color(x)
    shape = (x - x.mean((1, 2, 3), keepdim=True)).flatten(1)
    ours = (y - y.mean((1, 2, 3), keepdim=True)).flatten(1)
    ratios = ours.norm(dim=1) / shape.norm(dim=1)
    assert ratios.min() > 0.49
    torch.testing.assert_close(ours, shape * ratios[:, None])


@pytest.mark.parametrize(("side", "most"), [(8, 1), (32, 4), (28, 4), (12, 2)])
def test_translation_reaches_an_eighth_of_each_side_and_brings_in_grey(side, most):
    x = torch.zeros(MANY, 1, side, side + 4)
    x[:, :, side // 2, side // 2] = 1
    y = diff_augment.translation(x)
    _, _, rows, columns = y.nonzero().unbind(1)
    assert y.sum() == MANY, "grey comes in, so that the only bright pixel stays the only one"
    for moved, reach in ((rows, most), (columns, int((side + 4) / 8 + 0.5))):
        counts = (moved - side // 2 + reach).bincount(minlength=2 * reach + 1)
        assert len(counts) == 2 * reach + 1
        assert counts.min() > 0.7 * MANY / (2 * reach + 1)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 12)], ids=str)
def test_cutout_takes_half_of_each_side_around_any_centre(shape):
    y = diff_augment.cutout(torch.ones(MANY, *shape))
    gone = (y == 0).all(1)
    heights, widths = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(gone.sum((1, 2)), heights * widths), "it is a rectangle"
    for found, side in ((heights, shape[1]), (widths, shape[2])):
        cut = int(side / 2 + 0.5)
        assert found.max() == cut
        assert found.min() == cut // 2, "its centre may be the border"
    assert ((y == 0) | (y == 1)).all()


def test_a_policy_is_a_string_or_a_list_and_says_what_is_done():
    assert DiffAugment(policy=["color", "cutout"]) == DiffAugment(policy="color,cutout")
    x = torch.full((100, 1, 8, 8), 0.5)
    assert set(see(DiffAugment(policy="translation,cutout"), x).unique().tolist()) == {0, 0.5}
    assert see(DiffAugment(policy="color"), x).flatten(1).std(1).max() < 1e-6
    for wrong in ("colour", "", [], "color,", ["color", 1]):
        with pytest.raises(ValueError, match="policy"):
            DiffAugment(policy=wrong)


def spy(loop):
    """The pictures that D is shown before augmentation, in order."""
    shown, (first, *others) = [], loop.recipe.input_transforms

    def noted(x):
        shown.append(x.detach().clone())
        return first(x)

    loop.recipe.input_transforms[:] = [noted, *others]
    return shown


@pytest.mark.parametrize("trick", [DiffAugment(), ADA(start=0.9)], ids=["diff_augment", "ada"])
def test_real_and_fake_go_through_it_in_both_networks_steps(trick):
    loop = make_loop(TINY, [trick])
    shown = spy(loop)
    loop.step()
    real, fake, fake_again = shown  # in D's step, and in G's
    assert torch.equal(fake, fake_again)
    assert not torch.equal(real, fake)
    x = pictures((1, 8, 8), 1).repeat(MANY, 1, 1, 1)
    a, b = loop.recipe.see(x), loop.recipe.see(x)
    assert not torch.equal(a, b), "every call draws anew"
    for mine, other in ((a.mean((1, 2, 3)), b.mean((1, 2, 3))), (a.std((1, 2, 3)), b.std((1, 2, 3)))):
        deciles = torch.linspace(0.1, 0.9, 9)
        torch.testing.assert_close(mine.quantile(deciles), other.quantile(deciles), atol=0.05, rtol=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ada_of_probability_0_changes_no_bit(shape):
    x = pictures(shape)
    assert torch.equal(see(ADA(), x), x)


def test_bilinear_sampling_is_pytorchs_and_can_be_differentiated_twice():
    x = pictures((2, 5, 7), 3, torch.float64).requires_grad_()
    where = (torch.rand(3, 2, 35, dtype=torch.float64) - 0.5) * 20
    halves = torch.tensor([3.0, 2.0])
    grid = (where / halves[:, None]).transpose(1, 2).view(3, 5, 7, 2)
    theirs = torch.nn.functional.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
    torch.testing.assert_close(ada.sampled(x, where), theirs)
    assert gradcheck(lambda x: ada.sampled(x, where), x)
    assert gradgradcheck(lambda x: ada.sampled(x, where), x)


@pytest.mark.parametrize("shape", [(4, 3, 8, 6), (2, 1, 5, 5), (3, 2, 1, 4)])
def test_what_a_gpu_adds_in_any_order_is_what_pytorch_adds(shape):
    torch.manual_seed(0)
    grad, grid = 1e-3 * torch.randn(shape), 6 * torch.rand(shape[0], *shape[2:], 2) - 3
    theirs = ada.Spread.apply(grad, grid)
    torch.testing.assert_close(ada.spread(grad, grid), theirs, atol=1e-6 * theirs.abs().max().item(), rtol=0)
    assert not ada.spread(0 * grad, grid).any()
    grad[0, 0, 0, 0] = torch.nan
    assert ada.spread(grad, grid).isnan().all()  # a run that diverges is told, in whole numbers too


@pytest.mark.gpu
def test_a_gpu_adds_to_the_same_bits_every_time():
    grad, grid = torch.randn(16, 3, 32, 32, device="cuda"), torch.rand(16, 32, 32, 2, device="cuda") / 4
    first = ada.Spread.apply(grad, grid)
    assert all(torch.equal(ada.Spread.apply(grad, grid), first) for _ in range(10))


def test_adas_flips_and_quarter_turns_keep_every_value():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    moved = ada.moved(x.repeat(MANY, 1, 1, 1), torch.tensor(0.3))
    for flipped in (x, x.flip(3)):
        for turns in range(4):
            same = (moved - flipped.rot90(turns, (2, 3))).abs().amax((1, 2, 3)) < 1e-4
            assert same.float().mean() > 0.0003


def moments(values):
    return values.mean().item(), values.std().item()


def test_adas_geometry_has_the_papers_magnitudes(monkeypatch):
    """The maps that `moved` hands to sampling, taken apart: areas, and how often a picture is left as it is."""
    maps = []
    monkeypatch.setattr(ada, "sampled", lambda x, where: maps.append(where) or x)
    x = torch.zeros(20_000, 1, 16, 16)
    for p in (0.0, 0.3, 1.0):
        ada.moved(x, torch.tensor(p))
    still, some, whole = (where.view(-1, 2, 16, 16) for where in maps)
    assert torch.equal(still[0, 0, 0], torch.arange(16) - 7.5)
    across, down = whole[:, :, 0, 1] - whole[:, :, 0, 0], whole[:, :, 1, 0] - whole[:, :, 0, 0]
    area = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    mean, spread = moments(area.abs().log2())  # two equal factors of 2^(0.2 n); the other scale keeps areas
    assert (mean, spread) == pytest.approx((0, 0.4), abs=0.02)
    assert (area < 0).float().mean().item() == pytest.approx(0.5, abs=0.02)  # flipped
    stretch = across.norm(dim=1).log2()  # at a random angle
    assert stretch.std() > 0.2
    middle = whole.mean((2, 3))
    # Uniform whole pixels to an eighth of 16 (std about 1.15 to 1.3) and normal ones of an eighth, 2, through the scales.
    assert 2 < middle.std().item() < 3
    untouched = (some - still).abs().flatten(1).amax(1) < 1e-5
    # A flip that is done is none in 1 of 2 cases, a turn in 1 of 4, a shift of up to 2 pixels of an axis too, once rounded. One
    # chance of 0.3 for both angles together, one for each scale, two for the fractional shifts.
    share = (1 - 0.3 / 2) * (1 - 0.3 * 3 / 4) ** 3 * (1 - 0.3) ** 5
    assert untouched.float().mean().item() == pytest.approx(share, abs=0.006)


def test_adas_colours_have_the_papers_magnitudes():
    p = torch.ones(())
    grey = ada.coloured(torch.full((20_000, 1, 2, 2), 1.0), p)
    plain = ada.coloured(torch.zeros(20_000, 1, 2, 2), p)
    assert plain[:, 0].std(unbiased=False).item() > 0.2
    assert (grey[:, 0, 0, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=0.02)  # luma flipped
    x = pictures((3, 2, 2), 1).repeat(20_000, 1, 1, 1)
    y = ada.coloured(x, p)

    def contrast(of):
        luma = of.mean(1)
        return (luma - luma.mean((1, 2), keepdim=True)).flatten(1).norm(dim=1)

    def colour(of):
        return (of - of.mean(1, keepdim=True)).flatten(1).norm(dim=1)

    contrasts = (contrast(y) / contrast(x)).log2()
    assert moments(contrasts) == pytest.approx((0, 0.5), abs=0.02)
    assert moments((colour(y) / colour(x)).log2() - contrasts) == pytest.approx((0, 1), abs=0.03)  # saturation
    axes = torch.linalg.qr(torch.tensor([[1.0, 1, 1], [1, -1, 0], [0, 1, -1]]).T)[0][:, 1:]
    before, after = ((of[:, :, 0, 0] - of[:, :, 0, 0].mean(1, keepdim=True)) @ axes for of in (x, y))
    angle = torch.atan2(after[:, 1], after[:, 0]) - torch.atan2(before[:, 1], before[:, 0])
    assert abs(torch.exp(1j * angle).mean()) < 0.03  # hue turns by any angle
    torch.testing.assert_close(ada.coloured(x[:4], torch.zeros(())), x[:4])


def p_after(loop, logits):
    """p after one rhythm of updates whose real logits were these."""
    for hook in loop.recipe.after["discriminator"][:1] * 4:
        loop.recipe.real_logits.copy_(logits)
        hook.function()
    loop.recipe.after["discriminator"][1].function()
    return loop.recipe.state["trick:ada.p"].item()


def test_adas_p_moves_by_the_images_of_four_batches():
    loop = make_loop(TINY, [ADA(speed=1000)], batch_size=8)
    sure, even = torch.ones(8, 1), torch.tensor([[1.0], [-1.0]] * 4)
    assert loop.recipe.after["discriminator"][1].every == 4
    assert p_after(loop, sure) == pytest.approx(0.032)
    assert p_after(loop, sure) == pytest.approx(0.064)
    assert p_after(loop, even) == pytest.approx(0.032)  # r_t = 0, below the target
    assert p_after(loop, even) == pytest.approx(0, abs=1e-7)
    assert p_after(loop, even) == 0
    almost = torch.tensor([[1.0]] * 7 + [[-1.0]])  # r_t = 0.75
    assert p_after(loop, almost) == pytest.approx(0.032)
    for _ in range(40):
        p = p_after(loop, sure)
    assert p == 1


@pytest.mark.slow
def test_adas_p_rises_where_d_overfits_and_falls_where_it_does_not():
    overfits = make_loop(DCGAN(latent=6, width=8, depth=1, dropout=0), [ADA(speed=4000)])  # on fakes that stay bad
    for group in overfits.g_optimizer.param_groups:
        group["lr"] = 0.0
    for _ in range(60):
        overfits.step()
    assert overfits.recipe.state["trick:ada.p"] > 0.05
    learns_nothing = make_loop(TINY, [ADA(speed=4000, start=0.5)])
    for group in learns_nothing.d_optimizer.param_groups:
        group["lr"] = 0.0
    for _ in range(20):
        learns_nothing.step()
    assert learns_nothing.recipe.state["trick:ada.p"].item() == pytest.approx(0.5 - 5 * 4 * 8 / 4000)
    means = learns_nothing.window.means()
    assert 0.46 < means["ada_p"] < 0.5
    assert -1 <= means["ada_r_t"] < 0.6
