"""`gan-bench score` and `gan_bench.score`: samples that gan-bench did not make, against others' implementations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from stores import gan_bench

import gan_bench as api
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets.digits import Digits

SMALL = {"name": "digits", "size": 8}
QUICK = {"against": SMALL, "metrics": ["kid"], "features": "pixels"}
COMMAND = ("--against", "digits", "--set", "size=8", "--features", "pixels", "--metrics", "kid")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures of nobody's generator: real digits of 8x8 with noise, as a folder and an .npz."""
    place = tmp_path_factory.mktemp("elsewhere")
    noise = np.random.default_rng(0).normal(0, 40, (360, 8, 8))
    pixels = np.clip(load_digits().images[:360] * 15.9375 + noise, 0, 255).round().astype(np.uint8)
    np.savez(place / "samples.npz", pixels[..., None])
    (place / "pictures").mkdir()
    for index, one in enumerate(pixels):
        Image.fromarray(one).save(place / "pictures" / f"{index}.png")
    return place


def flat(pictures: Path) -> np.ndarray:
    """(N, 64) in [-1, 1], read without gan-bench."""
    files = sorted(pictures.glob("*.png"), key=lambda file: int(file.stem))
    return np.stack([np.asarray(Image.open(file), dtype=np.float64).ravel() for file in files]) / 127.5 - 1


@pytest.mark.slow
def test_agrees_with_independent_implementations(folder):
    import torch
    from prdc import compute_prdc
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    generated = flat(folder / "pictures")
    real = prepare(Digits(size=8)).held_out.data.flatten(1).double().numpy() / 127.5 - 1
    tensors = [torch.from_numpy(values) for values in (generated, real)]
    frechet = fid_statistics_to_metric(*map(fid_features_to_statistics, tensors), verbose=False)
    subsets = {"kid_subsets": 1, "kid_subset_size": 360, "rng_seed": 0}
    kernel = {
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1,
    }
    size = tensors[1].square().mean().sqrt()  # KID of features of any size: docs/metric.md
    kid = kid_features_to_metric(*(values / size for values in tensors), **subsets, **kernel, verbose=False)
    expected = {
        "FD[pixels]": float(frechet["frechet_inception_distance"]),
        "KID[pixels]": float(kid["kernel_inception_distance_mean"]),
    }
    theirs = compute_prdc(real, generated, nearest_k=5)
    expected |= {f"{name}[pixels]": value for name, value in theirs.items()}
    metrics = ["fid", "kid", {"name": "precision_recall", "k": 5}, {"name": "density_coverage", "k": 5}]
    found = api.score(folder / "pictures", SMALL, metrics=metrics, features="pixels")
    assert found.table.set_index("score")["value"].to_dict() == pytest.approx(expected, rel=1e-5)
    assert 0.05 < expected["precision[pixels]"] < 0.95, "something is told"


def test_the_table_says_what_stands_beside_each_number(folder):
    found = api.score(folder / "pictures", **QUICK)
    (row,) = found.table.to_dict("records")
    assert row["score"] == "KID[pixels]"
    assert row["side"] == "distance"
    assert row["samples"] == 360
    assert abs(row["real_data"]) < 0.2 * row["value"]
    assert row["standard_error"] > 0
    assert found.scores[0].protocol_id == found.real[0].protocol_id == row["protocol_id"]
    assert found.taken_as == "360 grey pictures (PNG) of 8x8, in their order"
    assert not found.remarks


def test_every_form_of_the_same_samples_has_the_same_scores(folder):
    with np.load(folder / "samples.npz") as loaded:
        pixels = loaded["arr_0"]
    first, *others = [
        api.score(samples, **QUICK).scores
        for samples in (folder / "samples.npz", folder / "pictures", pixels, pixels / 127.5 - 1, pixels[..., 0] / 255)
    ]
    assert all(other == first for other in others)


def test_other_numbers_of_samples_are_other_protocols_and_told(folder):
    every, some, more = (api.score(folder / "pictures", **QUICK, count=count) for count in (None, 200, 1000))
    assert some.scores[0].protocol["generated"] == 200
    assert some.scores[0].protocol_id != every.scores[0].protocol_id
    assert more.scores == every.scores
    (remark,) = more.remarks
    assert remark.startswith("1,000 samples were asked for, and there are 360")


def test_more_samples_than_there_is_real_data_are_told():
    (remark,) = api.score(np.random.default_rng(0).random((1500, 8, 8)), **QUICK).remarks
    assert remark == "digits has 1,437 training samples, and these many are scored as real data, not 1,500."


def test_what_was_done_to_samples_stands_in_their_protocol_alone(folder):
    big = {**QUICK, "against": {"name": "digits", "size": 16, "channels": 3}}
    with pytest.raises(GanBenchError, match="Give --convert"):
        api.score(folder / "pictures", **big)
    with pytest.raises(GanBenchError, match="Give --resize"):
        api.score(folder / "pictures", **big, convert=True)
    found = api.score(folder / "pictures", **big, convert=True, resize=True)
    treatment = {"converted": "grey repeated", "resized": "Pillow bicubic, antialiased, from 8x8"}
    (scored,), (real,) = found.scores, found.real
    assert scored.protocol == real.protocol | treatment
    assert scored.protocol_id != real.protocol_id


@pytest.mark.slow
def test_a_folder_of_real_pictures_is_taken_at_the_samples_size(folder, tmp_path):
    for index, picture in enumerate(load_digits().images[360:700]):
        pixels = np.repeat(np.repeat((picture * 15.9375).astype(np.uint8), 2, 0), 2, 1)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    for against in (tmp_path, str(tmp_path)):
        found = api.score(folder / "pictures", against, metrics=["fid"], features="random")
        assert {"name": "folder", "size": 8, "channels": 1, "held_out": 0.1}.items() <= found.against.items()
    with pytest.raises(GanBenchError, match="Give --resize"):
        api.score(folder / "pictures", tmp_path, metrics=["fid"], features="random", overrides=["size=16"])


def test_pictures_that_are_no_squares_are_scored_against_a_folder_of_such(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 12, 3), dtype=np.uint8)
    for index, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    found = api.score(pixels[:20], tmp_path, metrics=["fid"], features="random", overrides=["held_out=0.5"])
    assert found.against["size"] == [8, 12]
    assert found.table.value.notna().all()


def test_points_are_scored_against_points():
    points = np.random.default_rng(0).normal(size=(400, 2))
    found = api.score(points, "ring", metrics=["modes", "fid"], features="pixels")
    assert set(found.table.score) >= {"modes", "FD[pixels]"}
    assert found.table.value.notna().all()


def test_the_callers_random_numbers_and_threads_are_left_alone(folder):
    import torch

    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    api.score(folder / "pictures", **QUICK)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_a_number_that_cannot_be_computed_says_why(folder):
    done = gan_bench("score", "pictures", *COMMAND[:-1], "duplicates,kid", "--samples", 19, cwd=folder)
    assert "KID[pixels] has no value: " in done.stdout
    assert done.stdout.count("has no value") == 1, "the others have one"
    assert "at least 20 generated samples, not 19" in done.stdout


@pytest.mark.slow
def test_the_command_prints_and_writes(folder, tmp_path):
    text = gan_bench("score", "pictures", *COMMAND, cwd=folder).stdout
    found = api.score(folder / "pictures", **QUICK)
    row = found.table.iloc[0]
    for word in (f"{row.value:.4g}", f"{row.standard_error:.4g}", f"{row.real_data:.4g}", row.protocol_id, "lower"):
        assert word in text
    for line in ("samples: 360 grey pictures (PNG) of 8x8, in their order", "against: name=digits size=8 channels=1"):
        assert line in text.splitlines()
    for name, given in (("a.json", ()), ("b", ("--format", "json"))):
        gan_bench("score", "pictures", *COMMAND, "-o", tmp_path / name, *given, cwd=folder)
        assert json.loads((tmp_path / name).read_text()) == json.loads(json.dumps(found.as_json()))
    gan_bench("score", "pictures", *COMMAND, "-o", tmp_path / "a.csv", cwd=folder)
    assert (tmp_path / "a.csv").read_text() == found.table.to_csv(index=False)
    assert (
        gan_bench("score", "pictures", *COMMAND, "--format", "csv", cwd=folder).stdout
        == (tmp_path / "a.csv").read_text()
    )
    gan_bench("score", "pictures", *COMMAND, "-o", tmp_path / "a.txt", cwd=folder)
    assert (tmp_path / "a.txt").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pictures", "--against", "digitz"], "against digitz: dataset: no dataset is called 'digitz'. Did you mean 'digits'?"),
        (["pictures", "--against", "folder"], "root"),
        (["pictures", "--against", "folder", "--set", "root=nowhere"], "there is no folder"),
        (["pictures", "--against", "folder", "--set", "root=."], "samples are pictures"),
        (["pictures", "--against", "empty"], "holds no pictures"),
        (["pictures", "--against", "digits", "--set", "size=3000"], "size=3000: dataset.size: must be the side of a square"),
        (["pictures", "--against", "digits", "--set", "size"], "--set size: must have the form KEY=VALUE"),
        (["pictures", "--against", "digits", "--set", "sise=8"], "Did you mean 'size'?"),
        (["pictures", *COMMAND, "--metrics", "kid,kid"], "metrics: evaluate.metrics[1]: this metric stands there twice"),
        (["pictures", *COMMAND, "--metrics", "kidd"], "Did you mean 'kid'?"),
        (["pictures", *COMMAND, "--metrics", ""], "no metric is called ''"),
        (["pictures", *COMMAND, "--metrics", "[]"], "metrics: evaluate.metrics: must have at least 1 items"),
        (["pictures", *COMMAND, "--metrics", "7"], "metrics: evaluate.metrics: must be a list"),
        (["pictures", *COMMAND, "--features", "pixel"], "features: evaluate.features: no feature extractor is called 'pixel'"),
        (["pictures", *COMMAND, "--metrics", "class_coverage"], "needs to know classes"),
        (["pictures", *COMMAND, "--device", "cuda:99"], "there is no device 'cuda:99' here"),
        (["pictures", "--against", "ring"], "the data points of 2."),
        (["pictures", "--against", "digits"], "Give --resize"),
        (["one.npy", *COMMAND], "there is one sample"),
        (["bad.npz", *COMMAND], "bad.npz can't be read"),
        (["nowhere", *COMMAND], "does not exist"),
        (["pictures"], "Missing option '--against'"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_a_line(folder, arguments, told):
    (folder / "empty").mkdir(exist_ok=True)
    np.save(folder / "one.npy", np.zeros((1, 8, 8, 1), np.uint8))
    (folder / "bad.npz").write_bytes((folder / "samples.npz").read_bytes()[:2000])
    done = gan_bench("score", *arguments, cwd=folder, code=2)
    assert told in done.stderr
    assert not done.stdout
    assert "Traceback" not in done.output


def test_a_plugin_file_may_bring_the_metric_and_the_table_its_own_features(folder, tmp_path):
    (tmp_path / "mean.py").write_text(
        "from gan_bench import Metric, hookimpl\n\n\nclass Mean(Metric):\n    '''Mean.'''\n\n    name = 'mean'\n"
        "    reads = 'samples'\n\n    def score(self, generated, real):\n        return generated.mean().item()\n\n\n"
        "@hookimpl\ndef gan_bench_metrics():\n    return [Mean]\n"
    )
    metrics = '["mean", { name = "fid", features = "random" }]'
    arguments = (*COMMAND, "--metrics", metrics, "--plugin", tmp_path / "mean.py", "--format", "csv")
    gan_bench("score", "pictures", *arguments, "-o", tmp_path / "x.csv", cwd=folder)
    table = pd.read_csv(tmp_path / "x.csv").set_index("score")
    assert table.value["mean"] == pytest.approx(flat(folder / "pictures").mean(), abs=1e-6)
    assert "FD[random]" in table.index
