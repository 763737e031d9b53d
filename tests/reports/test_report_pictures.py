"""The report's pictures: which are shown, of how many samples, in how many bytes, and that no pixel is lost."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from fake_store import grid_of, write_store
from PIL import Image

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports import budget, png
from gan_bench_reports.budget import LAST, NONE, Cost, Plan, Wanted
from gan_bench_reports.gallery import columns, exhibits
from gan_bench_reports.page import plotly_js, write_report
from gan_bench_reports.pictures import Pictures, ServedPictures
from gan_bench_reports.shots import take

DIGITS = {"kind": "image", "shape": [1, 16, 16], "name": "digits", "fingerprint": "ab" * 32}
POINTS = {"kind": "points", "shape": [2], "name": "ring", "fingerprint": "cd" * 32}


def saved(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def embedded(pictures: Pictures, name: str) -> Image.Image:
    found = re.search(r"base64,([^)]+)\)", pictures.rules[name])
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=3, snapshots=4, steps=100)


@pytest.fixture(scope="module")
def results(store):
    return load(store)


@pytest.mark.parametrize(
    "pixels",
    [
        np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 256, (40, 30, 1), dtype=np.uint8).repeat(3, axis=2),
        np.random.default_rng(0).choice(np.array([[1, 2, 3], [9, 0, 255]], dtype=np.uint8), (40, 30)),
        np.random.default_rng(0).choice(np.array([0, 255], dtype=np.uint8), (40, 30)),
    ],
    ids=["grey", "colour", "grey as colour", "two colours", "black and white"],
)
def test_smaller_pictures_lose_no_pixel(pixels):
    made = Image.open(io.BytesIO(png.first_samples(saved(pixels), (20, 25))))
    mode = "RGB" if pixels.ndim == 3 else "L"
    np.testing.assert_array_equal(np.asarray(made.convert(mode)), pixels[:25, :20])
    assert made.mode == ("P" if len(np.unique(pixels.reshape(1200, -1), axis=0)) == 2 else "L" if mode == "L" or
                         (pixels == pixels[..., :1]).all() else "RGB")  # fmt: skip


def test_a_mask_is_the_ink_of_points():
    pixels = np.full((24, 24), 255, np.uint8)
    pixels[3:6, 4:7], pixels[10:13, 10:13] = 0, 166
    made = np.asarray(Image.open(io.BytesIO(png.as_mask(saved(pixels)))).convert("RGBA"))
    np.testing.assert_array_equal(made[..., 3], 255 - pixels)
    assert not made[..., :3].any()


@pytest.mark.parametrize("damage", [lambda c: c[: len(c) // 2], lambda c: c[:40] + b"???" + c[43:]])
def test_a_damaged_picture_that_must_be_opened_is_left_out(tmp_path, damage):
    (tmp_path / "torn.png").write_bytes(damage(grid_of(np.random.default_rng(0).random((100, 16, 16)), 10)))
    assert Pictures().add(tmp_path / "torn.png", DIGITS, (3, 3)) is None
    assert Pictures().add(tmp_path / "torn.png", POINTS) is None


def test_the_first_samples_are_those_of_the_grid(tmp_path):
    samples = np.random.default_rng(0).random((100, 16, 16))
    (tmp_path / "grid.png").write_bytes(grid_of(samples, 10))
    pictures = Pictures()
    few, full = pictures.add(tmp_path / "grid.png", DIGITS, (3, 2)), pictures.add(tmp_path / "grid.png", DIGITS)
    assert (few.width, few.height, full.width) == (3 * 17 + 1, 2 * 17 + 1, 171)
    whole = np.asarray(Image.open(tmp_path / "grid.png"))
    np.testing.assert_array_equal(np.asarray(embedded(pictures, few.name)), whole[:35, :52])
    assert full.window(3, 2) == (few.width, few.height)
    assert f"--pw:{few.width};--ph:{few.height}" in pictures.rules[few.name]
    other = {**DIGITS, "shape": [1, 15, 15]}  # what does not fit the grid is never cut
    assert pictures.add(tmp_path / "grid.png", other, (3, 2)).width == 171


def test_points_are_served_as_masks_and_only_if_unchanged(tmp_path):
    file = tmp_path / "points.png"
    file.write_bytes(saved(np.tile(np.array([[255, 0]], np.uint8), (8, 4))))
    pictures = ServedPictures()
    picture = pictures.add(file, POINTS)
    key = re.search(r"mask-image:url\(picture/([0-9a-f]{64})\)", pictures.rules[picture.name])[1]
    assert pictures.content(key) == png.as_mask(file.read_bytes())
    file.write_bytes(saved(np.zeros((8, 8), np.uint8)))
    assert pictures.content(key) is None


def noise(cells: int, seeds: int, snapshots: int, sample: int) -> Wanted:
    one = Cost(100 * sample, 10, 10)
    side = columns((29, 29), 10)
    return Wanted(
        first=[[one] * snapshots] * cells,
        others=[[one] * snapshots] * (cells * (seeds - 1)),
        real=[one],
        gallery=[one.part(side)] * (2 * cells),
        neighbours=[Cost(48 * sample, 6, 8)] * cells,
    )


@pytest.mark.parametrize("sample", [256, 784, 3 * 32**2, 3 * 64**2], ids=["16", "28", "colour 32", "colour 64"])
@pytest.mark.parametrize(("cells", "seeds", "snapshots"), [(12, 5, 20), (2, 3, 6), (200, 5, 20)])
def test_a_plan_fits_and_thins_no_more_than_needed(cells, seeds, snapshots, sample):
    wanted = noise(cells, seeds, snapshots, sample)
    found = list(budget.plans(wanted, 4e6))
    fewer = list(budget.plans(wanted, 2.5e6))
    assert found[0].side >= fewer[0].side
    assert found[-1].first == NONE  # there always is one
    if cells * seeds * snapshots * sample * 100 < 2e6:
        assert found[0] == Plan()
    if cells == 12:
        assert found[0].first not in (LAST, NONE)  # the slider still moves
        assert found[0].gallery
        assert found[0].others == LAST or found[0].side >= 4


def test_what_is_left_out_is_said():
    assert Plan().note() == ""
    assert Plan(4, 1, 4).note() == (
        "the slider's grids show 16 of 100 samples, and of the other seeds every 4th snapshot is shown"
    )
    assert Plan(2, LAST, NONE, gallery=0).note().endswith("no snapshot is shown, and the gallery is left out")


@pytest.mark.parametrize(
    ("every", "kept"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (4, [0, 4]), (LAST, [4]), (NONE, [])]
)
def test_the_last_snapshot_is_kept_first(every, kept):
    assert budget.stride(5, every) == kept


def test_pictures_fit_the_room_they_are_given(results):
    facts = compare(results)
    everything = Pictures()
    take(results, facts, everything)
    for room in (800_000, 300_000, 100_000):
        pictures = Pictures()
        shots = take(results, facts, pictures, room)
        assert 0.3 * room < pictures.size <= room < everything.size
        assert shots.plan.note()
        assert all(steps[-1][0] == max(step for step, _ in steps) for steps in shots.runs.values())


def test_the_gallery_shows_the_best_by_the_score_and_the_last(results):
    table = results.snapshots[results.snapshots["score"] == "FD[classifier]"]
    found = exhibits(results, compare(results))
    assert len(found) == 7  # a cell that three comparisons share once
    for exhibit in found:
        own = table[table["run"].isin(exhibit.cell)]
        best = own.loc[own["value"].idxmin()]
        assert (exhibit.best.run, exhibit.best.step, exhibit.best.value) == (best["run"], best["step"], best["value"])
        assert exhibit.last.step == own.loc[own["run"] == best["run"], "step"].max()
        assert exhibit.last.run == exhibit.best.run
        assert exhibit.neighbours.step == exhibit.last.step


def test_a_thinned_page_says_so_and_stays_small(store, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "LEAST", 300_000)
    monkeypatch.setattr(budget, "PAGE", 0)
    told = write_report([store], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert re.fullmatch(r"\d\.\d MB in [\d.]+ s; to keep it small, the slider's grids show \d+ of 100 samples.*", told)
    assert html.count("To keep the page small") == 4  # three comparisons and the gallery
    assert len(html) < len(plotly_js()) + 300_000 + 500_000
