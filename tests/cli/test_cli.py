"""The commands that don't train: plan, plugins, schema, report."""

from __future__ import annotations

import json
import re
import tomllib
from types import SimpleNamespace

import click
import jsonschema
import pytest
from markdown import ROOT
from stores import GRID, gan_bench, write_grid

from gan_bench.cli import COMMANDS
from gan_bench.cli.plan import table
from gan_bench.cli.plugins import show_list


@pytest.mark.slow
def test_plan_trains_nothing_and_tells_what_it_would_take(tmp_path):
    done = gan_bench("plan", write_grid(tmp_path), cwd=tmp_path)
    assert "2 cells, 2 runs, 2 of them to train, in runs/toy" in done.stdout
    assert "to train: 0" in done.stdout
    for line in ("disk: ", "time: about ", "memory: about "):
        assert line in done.stdout
    assert not (tmp_path / "runs").exists()


def test_plan_without_pilot_estimates_no_time(tmp_path):
    done = gan_bench("plan", write_grid(tmp_path), "--no-pilot", "--seeds", "0-4", cwd=tmp_path)
    assert "2 cells, 10 runs, 10 of them to train" in done.stdout
    assert "to train: 0-4" in done.stdout
    assert "time:" not in done.stdout


def test_a_plans_table_fits_its_width():
    networks = {"generator": {"parameters": 1234, "flops": 1e6}, "discriminator": {"parameters": 5, "flops": 1}}
    dry = SimpleNamespace(networks=networks)
    plans = [
        SimpleNamespace(label=label, todo={"train": [0, 1, 2], "again": [4]}, steps=100, dry=dry, pilot=None)
        for label in ("dcgan", "fcgan, " + ", ".join(f"setting{i} {i}" for i in range(9)))
    ]
    for width in (120, 250):
        lines = list(table(plans, width))
        assert max(map(len, lines)) <= width
        assert "1,234" in lines[1]
        for word in ("setting8 8", "to train: 0-2", "4", "FLOPs an image"):
            assert any(word in line for line in lines)
    assert len(lines) == 3, "nothing is folded where there is room"


@pytest.mark.slow
def test_plan_counts_origins_parameters(tmp_path):
    grid = GRID.replace("size = 8", "size = 28").replace("depth = 1, width = 4, latent = 8", "")
    (tmp_path / "grid.toml").write_text(grid.replace('"dcgan", ', '"dcgan"'))
    done = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path)
    assert "2,330,944" in done.stdout
    assert "212,865" in done.stdout


def test_plugins_lists_every_kind_with_its_origin(tmp_path):
    facts = json.loads(gan_bench("plugins", "--json", cwd=tmp_path).stdout)
    assert facts["broken"] == []
    names = {(p["kind"], p["name"]) for p in facts["plugins"]}
    assert names >= {
        ("architecture", "dcgan"),
        ("dataset", "photo_patches"),
        ("trick", "wgan_gp"),
        ("metric", "fid"),
        ("features", "inception"),
        ("tracker", "tensorboard"),
    }
    assert all(p["origin"].startswith("package gan-bench ") and p["summary"] for p in facts["plugins"])
    listed = gan_bench("plugins", cwd=tmp_path).stdout
    assert "Gaussian" in listed
    assert "\ntrackers\n" in listed


def test_a_tracker_of_a_file_is_listed_and_described(tmp_path):
    file = """
from gan_bench import Tracker, hookimpl
class Mine(Tracker):
    "Tells nobody."
    name = "tensorboard"
@hookimpl
def gan_bench_trackers():
    return [Mine]
"""
    (tmp_path / "mine.py").write_text(file)
    shown = gan_bench("plugins", "tensorboard", "--plugin", "mine.py", cwd=tmp_path).stdout
    assert re.match(r"tensorboard  tracker, from file mine.py, instead of the one of package\s+gan-bench ", shown)
    assert "Tells nobody." in shown
    done = gan_bench("plugins", "tensorbord", cwd=tmp_path, code=2)
    assert "Did you mean 'tensorboard'?" in done.stderr


SUMMARY = "Gives words of a length that no terminal of eighty columns has room for beside a name and where it is from."


@pytest.mark.parametrize("columns", [80, 200, None])  # None: no terminal
def test_the_list_of_plugins_has_a_line_each(capsys, monkeypatch, columns):
    monkeypatch.setattr("sys.stdout.isatty", lambda: columns is not None)
    monkeypatch.setenv("COLUMNS", str(columns or 80))
    origins = {"own": "package gan-bench 0.2.0", "strange": "file strange.py"}
    facts = [{"kind": "trick", "name": n, "summary": SUMMARY, "origin": o} for n, o in origins.items()]
    facts += [{"kind": "features", "name": "a", "summary": "", "origin": "package gan-bench-more 1.0"}]
    show_list(facts, [{"name": "bad", "origin": "file bad.py", "cause": "bad.py:1: " + SUMMARY}])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    cut = SUMMARY if columns != 80 else "Gives words of a length that no terminal of eighty columns has..."
    shorter = SUMMARY if columns != 80 else "Gives words of a length that no terminal of..."
    assert lines == [
        "tricks",
        f"  own      {cut}",
        f"  strange  {shorter}  (file strange.py)",
        "feature extractors",
        "  a    (package gan-bench-more 1.0)",
        f"broken: bad (file bad.py): bad.py:1: {SUMMARY}",
    ]


def test_help_tells_each_command_in_a_whole_sentence(tmp_path):
    shown = gan_bench("--help", cwd=tmp_path).stdout.partition("Commands:\n")[2]
    assert "..." not in shown
    told = re.split(r"^  (?=\w)", shown, flags=re.MULTILINE)[1:]
    assert [line.split()[0] for line in told] == list(COMMANDS)
    for line in told:
        assert re.fullmatch(r"\w+ +[A-Z].*[\w)]\.\n*", line, re.DOTALL), line


def test_plugins_describes_an_architecture_layer_by_layer(tmp_path):
    detail = json.loads(gan_bench("plugins", "dcgan", "--json", cwd=tmp_path).stdout)
    assert detail["networks"]["generator"]["parameters"] == 2_330_944
    assert detail["networks"]["generator"]["trainable"] == 2_305_472
    assert detail["networks"]["discriminator"]["parameters"] == 212_865
    depth = next(p for p in detail["parameters"] if p["name"] == "depth")
    assert depth["type"] == "integer"
    assert depth["default"] == 2
    assert depth["bounds"] == ">= 1, <= 6"
    shown = gan_bench("plugins", "dcgan", "--data", "3x32x32", cwd=tmp_path).stdout
    assert shown.startswith("dcgan  architecture, from package gan-bench")
    assert "generator for 3x32x32" in shown
    assert "ConvTranspose2d" in shown


def test_plugins_describes_a_metrics_numbers(tmp_path):
    detail = json.loads(gan_bench("plugins", "modes", "--json", cwd=tmp_path).stdout)
    assert detail["reads"] == "samples"
    assert detail["numbers"][2] == {
        "name": "mode KL",
        "better": "lower",
        "scale": "raw",
        "unit": "nats",
        "side": "diversity",
    }
    detail = json.loads(gan_bench("plugins", "fid", "--json", cwd=tmp_path).stdout)
    assert detail["numbers"] == [{"name": "fid", "better": "lower", "scale": "log", "unit": "", "side": "distance"}]
    shown = gan_bench("plugins", "modes", cwd=tmp_path).stdout
    assert re.search(r"near a mode +higher +as they are +share", shown)


def test_an_unknown_plugin_is_named_with_its_neighbour(tmp_path):
    done = gan_bench("plugins", "dcgam", cwd=tmp_path, code=2)
    assert "Did you mean 'dcgan'?" in done.stderr


def test_a_broken_plugin_is_named_and_stops_only_grids_that_need_it(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    listed = gan_bench("plugins", "--plugin", "broken.py", cwd=tmp_path).stdout
    assert "No module named 'no_such_module'" in listed
    done = gan_bench("plan", write_grid(tmp_path), "--no-pilot", "--plugin", "broken.py", cwd=tmp_path)
    assert done.stderr.startswith("Warning: the plugin broken (file broken.py): broken.py:1: ModuleNotFoundError")
    done = gan_bench(
        "plan",
        "grid.toml",
        "--no-pilot",
        "--plugin",
        "broken.py",
        "--set",
        "architecture='broken'",
        cwd=tmp_path,
        code=2,
    )
    assert "no_such_module" in done.stderr


@pytest.mark.parametrize("name", ["quickstart", "homework"])
def test_example_grids_follow_the_schema(tmp_path, name):
    assert gan_bench("schema", "-o", "grid.schema.json", cwd=tmp_path).stdout == "grid.schema.json\n"
    schema = json.loads(gan_bench("schema", cwd=tmp_path).stdout)
    assert json.loads((tmp_path / "grid.schema.json").read_text()) == schema
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    grid = tomllib.loads((ROOT / "grids" / f"{name}.toml").read_text())
    validator.validate(grid)
    assert not validator.is_valid(grid | {"batch_size": 0})
    assert not validator.is_valid(grid | {"architecture": {"name": "dcgan", "depth": 99}})
    deep = [{"title": "How deep?", "architecture.depth": [1, 8]}]
    assert validator.is_valid(grid | {"architecture": "fcgan", "compare": deep})
    assert not validator.is_valid(grid | {"architecture": "dcgan", "compare": deep})


def test_wrong_shapes_are_found_before_anything_trains(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "from torch import nn\n"
        "from gan_bench import Architecture, hookimpl\n"
        "class Wrong(Architecture):\n"
        "    name = 'wrong'\n"
        "    def generator(self, data):\n"
        "        return nn.Linear(self.latent, 5)\n"
        "    def discriminator(self, data):\n"
        "        return nn.Sequential(nn.Flatten(), nn.Linear(data.numel, 1))\n"
        "@hookimpl\n"
        "def gan_bench_architectures():\n"
        "    return [Wrong]\n"
    )
    grid = write_grid(tmp_path, architecture='architecture = "wrong"', name='name = "toy"\nplugins = ["wrong.py"]')
    done = gan_bench("run", grid, cwd=tmp_path, code=2)
    assert (
        "the generator must return float32 (2, 1, 8, 8) for a batch of two, it returns torch.float32 (2, 5)"
        in done.stderr
    )
    assert not (tmp_path / "runs").exists()


def test_report_refuses_what_is_no_store(tmp_path):
    done = gan_bench("report", tmp_path, cwd=tmp_path, code=2)
    assert "is no store" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["plan", "grid.toml", "--devices", "cuda:77"], "there is no device 'cuda:77' here"),
        (["plan", "grid.toml", "--only", "nothing like it"], "selects none of the runs"),
        (["run", "grid.toml", "--out", "grid.toml/x"], "Not a directory"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(tmp_path, arguments, error):
    write_grid(tmp_path)
    done = gan_bench(*arguments, cwd=tmp_path, code=2)
    assert error in done.stderr
    assert "Traceback" not in done.stderr


READS_NUMBERS = """
import torch
from torch import nn
from gan_bench import Architecture, hookimpl

class Reads(Architecture):
    \"\"\"Reads numbers while it builds, as drop-path rates do; values in [lo, hi] as usual.\"\"\"
    name = "reads"

    def generator(self, data):
        rates = [rate.item() for rate in torch.linspace(0, 0.1, 2)]
        layers = [nn.Linear(self.latent, data.numel), nn.Dropout(rates[1]), nn.Tanh(), nn.Unflatten(1, data.shape)]
        return nn.Sequential(*layers)

    def discriminator(self, data):
        return nn.Sequential(nn.Flatten(), nn.Linear(data.numel, 1))

@hookimpl
def gan_bench_architectures():
    return [Reads]
"""


@pytest.mark.slow
def test_an_architecture_may_read_numbers_while_it_builds(tmp_path):
    (tmp_path / "reads.py").write_text(READS_NUMBERS)
    shown = gan_bench("plugins", "reads", "--plugin", "reads.py", cwd=tmp_path).stdout
    assert "generator for 1x28x28" in shown
    assert "values in [lo, hi] as usual" in shown
    grid = write_grid(tmp_path, architecture='architecture = "reads"', steps="steps = 2")
    gan_bench("run", grid, "--plugin", "reads.py", "--only", "no tricks", cwd=tmp_path)


def test_not_a_number_is_no_length_of_time(tmp_path):
    done = gan_bench("run", write_grid(tmp_path), "--step-seconds", "nan", cwd=tmp_path, code=2)
    assert "Invalid value for '--step-seconds': nan is no number of seconds." in done.stderr
