"""Diagnoses: of curves and scores made up to have or just not to have them, and of trainings provoked to show them."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_store import write_store
from rich.console import Console
from small_runs import CPU, open_run
from stores import assert_equal_runs, gan_bench
from torch import nn
from torch.nn import functional as F

from gan_bench.api.kinds import Alarm, Architecture, Metric, Trick
from gan_bench.api.losses import BinaryCrossEntropy
from gan_bench.api.registry import Registry
from gan_bench.data.prepare import prepare
from gan_bench.findings.tables import load, write_tables
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.training.diagnosis import KINDS, Kind, Record, as_json, diagnose, hopeless
from gan_bench.training.training import Training, record_failure
from gan_bench.workers.events import Advanced, Started
from gan_bench.workers.progress import Display, Shown
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_reports.page import write_report

ROOT = Path(__file__).parents[2]

ADAM = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
SGD = {"name": "sgd", "lr": 0.02, "momentum": 0.0, "weight_decay": 0.0}
WILD = {**SGD, "lr": 1000.0}
RING = {"name": "ring", "training": 500, "held_out": 200}
SMALL = {"name": "fcgan", "width": 16, "depth": 1, "latent": 4, "dropout": 0}


class Saturating(BinaryCrossEntropy):
    """The minimax loss of G, whose gradient is gone where D is sure (Goodfellow et al. 2014, eq. 1)."""

    def generator(self, fake_logits, real_logits=None):
        return -F.softplus(fake_logits).mean()


class Minimax(Trick):
    """Its trick."""

    name = "minimax"
    replaces = {"loss"}

    def edit(self, recipe):
        recipe.loss = Saturating()


class Copied(nn.Module):
    """A generator that knows the training samples of `FEW` by heart."""

    def __init__(self, samples: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("samples", samples)
        self.shift = nn.Parameter(torch.zeros(samples.shape[1]))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.samples[z.argmax(1)] + self.shift


class Copies(FCGAN):
    """An architecture with that generator."""

    latent: int = 60

    def generator(self, data):
        return Copied(prepare(Registry.load().create("dataset", FEW)).training.batch(torch.arange(60)))


class Shaken(Trick):
    """From step 150 on, the weights of G wander off, further with each step."""

    name = "shaken"

    def edit(self, recipe):
        def shake():
            amount = (recipe.step - 150).clamp(min=0) * 4e-4
            for parameter in recipe.generator.parameters():
                parameter += amount * torch.randn_like(parameter)

        recipe.after_g_step(shake)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture
def train(tmp_path, registry):
    """Train a run to its end, however that is; returns its result.json."""

    def train(
        steps, tricks=(), g=ADAM, d=ADAM, architecture=SMALL, dataset=RING, metrics=("fid",), snapshots=6, **options
    ):
        settings = {
            "dataset": dataset,
            "architecture": SMALL if isinstance(architecture, Architecture) else architecture,
            "tricks": [trick for trick in tricks if isinstance(trick, dict)],
            "optimizer": {"generator": g, "discriminator": d},
            "batch_size": 32,
        }
        cell = cell_from_settings(settings, registry)
        object.__setattr__(cell, "tricks", (*cell.tricks, *(trick for trick in tricks if isinstance(trick, Trick))))
        if isinstance(architecture, Architecture):
            object.__setattr__(cell, "architecture", architecture)
        data = prepare(cell.dataset)
        made = [registry.create("metric", metric) for metric in metrics]
        evaluator = Evaluator(data, made, registry.create("features", "pixels"), 200, CPU)
        at = [steps * (i + 1) // snapshots for i in range(snapshots)]
        training = open_run(cell, at, tmp_path / "run", data, evaluator, **options)
        folder = training.folder
        try:
            for _ in training:
                pass
            training.finish()
        except Exception as error:  # noqa: BLE001 - as a worker does
            record_failure(folder, error, training)
        return json.loads(folder.result_file.read_text())

    return train


def test_a_healthy_run_is_healthy(train):
    result = train(600, architecture={**SMALL, "width": 32, "depth": 2})
    assert result["health"] == "healthy", result["diagnoses"]
    assert result["diagnoses"] == []


NARROW = {**SMALL, "batch_norm": False}  # makes a tight blob at the origin before it has learnt
FAR = {"name": "gaussians", "modes": 1, "radius": 10, "std": 0.5, "training": 500, "held_out": 200}
FEW = {"name": "gaussian", "dimension": 8, "training": 60, "held_out": 60}
STILL = {**ADAM, "lr": 1e-6}

# What each is provoked by, and what its evidence must name.
PROVOKED = {
    "not a number": ({"steps": 200, "tricks": [{"name": "wgan_gp"}], "d": WILD, "g": WILD}, "no finite number"),
    "discriminator saturated": (
        {"steps": 350, "d": {**ADAM, "lr": 0.2}, "g": STILL, "architecture": NARROW, "dataset": FAR},
        "D's logits on real and fake",
    ),
    "generator's gradient vanished": (
        {
            "steps": 400,
            "tricks": [Minimax()],
            "d": {**ADAM, "lr": 2},
            "g": STILL,
            "architecture": NARROW,
            "dataset": FAR,
        },
        "the norm of G's gradient",
    ),
    "mode collapse": (
        {
            "steps": 400,
            "tricks": [{"name": "d_every", "n": 5}],
            "g": {**ADAM, "lr": 0.02},
            "d": {**ADAM, "lr": 0.01},
            "architecture": NARROW,
            "snapshots": 4,
        },
        "as far apart as two real ones",
    ),
    "oscillation": (
        {"steps": 2400, "g": SGD, "d": SGD, "architecture": {"name": "dirac"}, "dataset": {"name": "dirac"}},
        "G's loss repeats itself every",
    ),
    "divergence after the best snapshot": (
        {"steps": 450, "tricks": [Shaken()], "snapshots": 9},
        "as bad as at its best",
    ),
    "lost diversity": (
        {"steps": 400, "g": STILL, "architecture": NARROW, "metrics": ("density_coverage", "modes")},
        "0% is all that coverage[pixels] reaches, where real training data have ",
    ),
    "memorising": (
        {"steps": 400, "g": STILL, "architecture": Copies(), "dataset": FEW, "metrics": ("memorization",)},
        "% of generated samples lie nearer to training data than to data held out; new ones: 50%, copies: 100%",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROVOKED)
def test_a_provoked_run_has_its_diagnosis(train, name):
    options, evidence = PROVOKED[name]
    result = train(**options)
    found = {diagnosis["name"]: diagnosis for diagnosis in result["diagnoses"]}
    assert name in found, result
    assert evidence in found[name]["evidence"]
    assert 0 < found[name]["step"] <= result["steps"] + 25
    assert set(result["health"].split(", ")) == set(found)


def alarms() -> list[Alarm]:
    """Those of all metrics at hand, each once."""
    metrics = [found.cls for found in Registry.load().found if issubclass(found.cls, Metric)]
    every = [number.alarm for metric in metrics for number in metric.every_number().values() if number.alarm]
    return list(dict.fromkeys(every))


def test_every_diagnosis_is_provoked():
    assert list(PROVOKED) == list(dict.fromkeys(kind.name for kind in (*KINDS, *alarms())))


@pytest.mark.slow
def test_with_r1_the_dirac_gan_arrives_and_is_healthy(train):
    r1 = {"name": "r1", "gamma": 0.5}
    result = train(2400, [r1], g=SGD, d=SGD, architecture={"name": "dirac"}, dataset={"name": "dirac"})
    assert result["health"] == "healthy", result["diagnoses"]


# Made up: what is just not one.


def rows(count: int, **values: float | np.ndarray) -> list[dict]:
    """Windows of curves, of a run in which nothing happens but `values`."""
    usual = {
        "loss_d": 1.3,
        "loss_g": 0.7,
        "logit_real": 0.3,
        "logit_fake": -0.3,
        "grad_norm_d": 1.0,
        "grad_norm_g": 1.0,
    }
    columns = {name: np.broadcast_to(value, count) for name, value in {**usual, **values}.items()}
    return [
        {"step": 25 * (i + 1), **{name: float(column[i]) for name, column in columns.items()}} for i in range(count)
    ]


def shots(*scores: float, diversity: float = 1.0, scale: str = "log") -> list[dict]:
    """Snapshots with these scores."""
    score = {"metric": "fid", "label": "FD", "better": "lower", "scale": scale}
    return [
        {"step": 100 * (i + 1), "diversity": diversity, "scores": [{**score, "value": v}]} for i, v in enumerate(scores)
    ]


def names(record: Record) -> list[str]:
    return [found.name for found in diagnose(record)]


def after(count: int, before: float, now: float, total: int = 100) -> np.ndarray:
    """A curve that changes for its last `count` windows."""
    return np.where(np.arange(total) < total - count, before, now)


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        ({}, []),
        ({"logit_real": after(25, 2, 25)}, ["discriminator saturated"]),
        ({"logit_real": after(15, 2, 25)}, []),  # not for long enough
        ({"logit_real": after(25, 2, 15)}, []),
        ({"logit_real": after(25, 25, 2)}, []),  # it has recovered
        ({"grad_norm_g": after(25, 1, 1e-4)}, ["generator's gradient vanished"]),
        ({"grad_norm_g": after(25, 1, 1e-2)}, []),
        (
            {"grad_norm_g": after(25, 1, 1e-4), "logit_real": after(25, 2, -0.3)},
            [],
        ),  # D can't tell any more: it has arrived
        ({"loss_g": 1 + 0.2 * np.sin(np.arange(100))}, ["oscillation"]),
        ({"loss_g": 1 + 0.01 * np.sin(np.arange(100))}, []),
        ({"loss_g": 1 + np.exp(-np.arange(100) / 10) * np.sin(np.arange(100))}, []),  # dies down
        ({"loss_g": 1 + 0.2 * np.sin(np.arange(100) / 20)}, []),  # too few times to be sure
        ({"loss_g": np.arange(100) / 10.0}, []),
    ],
)
def test_conditions_on_curves(curves, expected):
    assert names(Record(rows(100, **curves), shots(3, 2, 1, 1), log_odds=True)) == expected


@pytest.mark.slow
def test_random_curves_do_not_oscillate():
    random = np.random.default_rng(0)
    for count in (80, 200, 800):
        for smooth in (1, 5, 20):
            for _ in range(25):
                noise = np.convolve(random.normal(size=count + smooth), np.ones(smooth) / smooth, "same")[:count]
                walk = random.normal(size=count).cumsum() / 10
                for loss in (2 + noise, 2 + walk, 2 + noise + walk):
                    assert names(Record(rows(count, loss_g=loss), [])) == []


def test_logits_that_are_no_log_odds_have_no_size_that_says_anything():
    assert names(Record(rows(100, logit_real=1000.0), shots(3, 2, 1, 1))) == []


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        (shots(9, 3, 1, 1, 5, 30, 40), ["divergence after the best snapshot"]),
        (shots(9, 3, 1, 1, 1.2, 1.1, 1.5), []),
        (shots(9, 3, 1, 1, 1.1, 1.2, 40), []),  # once
        (shots(9, 1, 8, 1.2, 9, 2, 8, 7), []),  # it jumps as far all the time
        (shots(9, 3, 1, 1, 5, 30, 40, scale="raw"), []),
        (shots(3, 2, 1, 1, diversity=0.3), ["mode collapse"]),
        (shots(3, 2, 1, 1, diversity=0.5), []),
        (shots(3, 2, 1, diversity=0.1), []),  # it has only begun
    ],
)
def test_conditions_on_snapshots(snapshots, expected):
    assert names(Record(rows(40), snapshots)) == expected


def test_a_short_run_is_neither_healthy_nor_ill():
    assert as_json(Record(rows(3), shots(1, 1))) == {"health": "", "diagnoses": []}
    assert as_json(Record(rows(40), shots(1, 1)))["health"] == "healthy"
    assert as_json(Record(rows(40), shots(1, 1), failed=True))["health"] == ""


def test_curves_of_before_there_were_norms_are_read():
    old = [{key: value for key, value in row.items() if not key.startswith("grad")} for row in rows(100)]
    assert diagnose(Record([*old, {"step": 2525, "loss_g": None}], [{"step": 100, "scores": []}], log_odds=True)) == []


def test_each_is_defined_once():
    kinds: list[Kind | Alarm] = [*KINDS, *alarms()]
    assert all(kind.sentence.endswith(".") and kind.source for kind in kinds)
    document = (ROOT / "docs" / "diagnosis.md").read_text()
    rows = [line for line in document.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [kind.name for kind in kinds]
    for kind, row in zip(kinds, rows, strict=True):
        assert kind.sentence in row
        assert f"| {kind.threshold:g} |" in row or not kind.threshold
        assert row.rstrip(" |").endswith(kind.source)
        assert ("**" in row) == getattr(kind, "hopeless", False)


# Alarms of metrics' numbers.

CROWDED = Alarm("crowding", "Few are apart.", "of pairs are apart", 0.2, "a test", side="below", usual=0.9)


def alarmed(
    *values: float | None, alarm: Alarm | None = CROWDED, error: float = 0.1, unit: str = "share"
) -> list[dict]:
    """Snapshots with these scores of a number with an alarm, as scores.json has them."""
    score = {"metric": "spread", "label": "spread", "better": "higher", "scale": "raw", "unit": unit}
    score |= {"standard_error": error} | ({"alarm": asdict(alarm)} if alarm else {})
    return [{"step": 250 + 100 * i, "scores": [{**score, "value": value}]} for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("snapshots", "since"),
    [
        (alarmed(0.9, 0.3, 0.2, 0.1), 450),
        (alarmed(0.1, 0.1, None, 0.1), 250),  # a value that is missing tells nothing
        (alarmed(0.9, 0.9, 0.9, 0.1), None),  # once
        (alarmed(0.1, 0.1, 0.1, 0.3), None),  # it has recovered
        (alarmed(0.1, 0.1, 0.1, error=0.3), None),  # by chance, perhaps
        (alarmed(0.1, 0.1, 0.1, alarm=replace(CROWDED, usual=None), error=0.3), 250),
        (alarmed(0.1, 0.1, 0.1, alarm=replace(CROWDED, side="above", usual=0)), None),
        (alarmed(0.4, 0.4, alarm=replace(CROWDED, side="above", usual=0)), 250),
        ([{**shot, "step": shot["step"] - 50} for shot in alarmed(0.1, 0.1)], None),  # it has only begun
        (alarmed(0.4, 0.4, alarm=None), None),
        (
            [*alarmed(0.9, 0.1, alarm=None), *alarmed(0.9, 0.1, 0.1)[2:]],
            350,
        ),  # the first were written before it was there
    ],
)
def test_an_alarm_of_a_number_is_a_diagnosis(snapshots, since):
    found = diagnose(Record(rows(40), snapshots))
    assert [(diagnosis.name, diagnosis.step) for diagnosis in found] == ([("crowding", since)] if since else [])


def test_an_alarm_tells_the_value_in_its_unit():
    above = replace(CROWDED, side="above", usual=None)
    told = [
        diagnose(Record(rows(40), alarmed(0.5, 7.5, alarm=above, unit=unit)))[0].evidence
        for unit in ("share", "nats", "")
    ]
    assert told == ["750% of pairs are apart", "7.5 nats of pairs are apart", "7.5 of pairs are apart"]


def test_an_alarms_evidence_names_the_number_and_what_real_data_have():
    snapshots = alarmed(0.1, 0.1, alarm=replace(CROWDED, evidence="of {label}; real: {real}, usual: {usual}"))
    for shot in snapshots:
        shot["scores"][0]["alarm"]["real"] = 0.875
    assert diagnose(Record(rows(40), snapshots))[0].evidence == "10% of spread; real: 88%, usual: 90%"


def test_no_alarm_sounds_in_a_run_that_has_hardly_begun():
    assert diagnose(Record(rows(9), alarmed(0.1, 0.1, 0.1))) == []


def test_a_name_is_told_once():
    twice = [
        {**shot, "scores": [*shot["scores"], {**shot["scores"][0], "label": "again"}]}
        for shot in alarmed(0.1, 0.1, 0.1)
    ]
    assert names(Record(rows(40), twice)) == ["crowding"]


@pytest.mark.parametrize("wrong", [{"side": "up"}, {"threshold": float("nan")}, {"name": "a, b"}, {"name": ""}])
def test_an_alarm_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="an Alarm"):
        replace(CROWDED, **wrong)


# Stopping what is hopeless.


def saturated(train, steps=800, **options):
    return train(steps, d={**ADAM, "lr": 0.2}, g=STILL, architecture=NARROW, dataset=FAR, snapshots=1, **options)


@pytest.mark.slow
def test_a_hopeless_run_fails_where_it_would_without_a_kill(train, tmp_path):
    whole = saturated(train, stop_hopeless=300)
    assert (whole["status"], whole["steps"]) == ("failed", 500)
    assert whole["reason"].startswith("hopeless: discriminator saturated since step ")
    (tmp_path / "run").rename(tmp_path / "whole")
    for until in (130, 470, 500):
        interrupted(train, until)
    again = saturated(train, stop_hopeless=300)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")
    assert again["steps"] == 500
    assert saturated(train, stop_hopeless=300)["steps"] == 500, "trying again ends at once"
    assert saturated(train)["status"] == "finished", "it goes on where it may"


def interrupted(train, until):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_is_checkup", lambda self: self.loop.steps == until or is_checkup(self))
        patch.setattr(Training, "_check_up", lambda self: stop(self, until))
        with pytest.raises(KeyboardInterrupt):
            saturated(train, stop_hopeless=300)


is_checkup, check_up = Training._is_checkup, Training._check_up


def stop(training, until):
    if training.loop.steps == until:
        training.save()
        raise KeyboardInterrupt
    check_up(training)


@pytest.mark.slow
def test_the_command_ends_hopeless_runs_and_counts_them_as_failures(tmp_path):
    (tmp_path / "grid.toml").write_text(HOPELESS)
    said = gan_bench("run", "grid.toml", "--devices", "cpu", "--slots", "1", cwd=tmp_path, code=1)
    results = load(tmp_path / "runs" / "hopeless")
    run = results.runs.iloc[0]
    assert (run["status"], run["g_steps"], run["health"]) == ("failed", 500, "discriminator saturated")
    assert run["reason"].startswith("hopeless: discriminator saturated since step ")
    assert run["reason"] in said.stderr.replace("\n", " ")


HOPELESS = """
name = "hopeless"
dataset = { name = "gaussians", modes = 1, radius = 10, std = 0.5, training = 500, held_out = 200 }
architecture = { name = "fcgan", width = 16, depth = 1, latent = 4, dropout = 0, batch_norm = false }
seeds = [0]
steps = 800
batch_size = 32

[optimizer]
lr = 1e-6
discriminator = { lr = 0.2 }

[evaluate]
snapshots = 1
samples = 100
features = "pixels"
stop_hopeless = 300
"""


def test_only_hopeless_diagnoses_end_a_run():
    ends = [
        Record(rows(100, **{"loss_g": 1 + 0.2 * np.sin(np.arange(100))}), []),
        Record(rows(100, logit_real=25), [], True),
    ]
    assert [bool(hopeless(diagnose(record), 2500, 1000)) for record in ends] == [False, True]
    assert hopeless(diagnose(ends[1]), 2500, 2500) is None


@pytest.mark.slow
def test_tables_and_report_tell_the_health_of_runs(tmp_path):
    store = write_store(tmp_path / "store")
    ill, healthy = sorted((store / "runs").glob("dcgan-0-*"))[:2]
    found = {"name": "mode collapse", "step": 300, "evidence": "<i>0.2</i> times as far apart"}
    for run, facts in ((ill, {"health": found["name"], "diagnoses": [found]}), (healthy, {"health": "healthy"})):
        result = json.loads((run / "result.json").read_text())
        (run / "result.json").write_text(json.dumps(result | facts))
    results = load(store)
    assert results.diagnoses.to_dict("records") == [{"run": ill.name, **found}]
    health = results.runs.set_index("run")["health"]
    assert (health[ill.name], health[healthy.name]) == ("mode collapse", "healthy")
    assert set(health.drop([ill.name, healthy.name, *results.runs.query("status == 'unfinished'")["run"]])) == {""}
    assert set(results.runs.query("status == 'unfinished'")["health"]) == {"healthy"}, "told from its files"
    write_tables(store, results)
    assert "mode collapse" in (store / "results.csv").read_text()
    write_report([store], store / "report.html")
    page = (store / "report.html").read_text(encoding="utf-8")
    assert ">Health</button></th>" in page
    assert 'title="seed 0: &lt;i&gt;0.2&lt;/i&gt; times as far apart">1 mode collapse</small>' in page
    assert "<strong>Mode collapse</strong> since step 300: &lt;i&gt;0.2&lt;/i&gt; times as far apart." in page


def test_a_diagnosis_is_told_once_while_its_run_trains():
    console = Console(file=io.StringIO(), width=200)
    display = Display([Shown("a", "a run", 1000, 0)], 10.0, console)
    sick = {"mode collapse": "they are alike"}
    with display:
        display(Started("a", 0, 0))
        for step, diagnoses in ((100, {}), (400, sick), (500, sick)):
            display(Advanced("a", step, 0, {}, diagnoses))
    assert console.file.getvalue().count("a run: mode collapse: they are alike") == 1
