"""What an editor says of a grid file by its JSON Schema: asked of tombi, a TOML language server."""

from __future__ import annotations

import json
from pathlib import Path

import language_server
import pytest
from markdown import ROOT

from gan_bench.api.registry import Registry
from gan_bench.grid.json_schema import grid_schema

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(language_server.program() is None, reason="tombi is not installed"),
]
HEAD = '#:schema ./grid.schema.json\nname = "x"\nsteps = 3\n'
BASELINE = 'dataset = "digits"\narchitecture = "dcgan"\n'
COMPARE = f'{BASELINE}\n[[compare]]\ntitle = "Which?"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    (folder / "grid.schema.json").write_text(json.dumps(grid_schema(Registry.load())))
    with language_server.LanguageServer(folder) as server:
        yield server


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ('architecture = "^"', {'"dcgan"', '"fcgan"'}, {'"digits"'}),
        ('tricks = ["ema", { name = "^" }]', {'"input_noise"', '"ema"'}, {'"dcgan"'}),
        ('architecture = { name = "dcgan", ^ }', {"depth", "kernel", "conditional"}, {"noise", "growth", "sigma"}),
        ('[architecture]\nname = "stylegan2"\n^', {"latent"}, {"kernel"}),
        ('tricks = [{ name = "input_noise", ^ }]', {"sigma", "decay_steps"}, {"amount"}),
        ('dataset = { name = "folder", fit = "^" }', {'"crop"', '"pad"', '"stretch"'}, {'"dcgan"'}),
        ('[evaluate]\nmetrics = [{ name = "kid", ^ }]', {"features"}, {"k"}),
        (f'{COMPARE}"architecture.^"', {"architecture.depth", "architecture.conditional"}, {"dataset.size"}),
        (f"{COMPARE}architecture.^", {"depth", "conditional"}, {"size"}),
        (f'{COMPARE}"tricks.input_noise.^"', {"tricks.input_noise.sigma"}, {"tricks.label_noise.amount"}),
        (f'{COMPARE}"architecture.conditional" = ["^"]', {'"none"', '"projection"'}, set()),
        (f'{COMPARE}tricks = [[], [{{ name = "input_noise", ^ }}]]', {"sigma"}, {"amount"}),
    ],
)
def test_parameters_are_completed_by_the_plugins_name(server, text, some, none):
    found = server.completions(HEAD + text).keys()
    assert some <= found
    assert not none & found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('architecture = { name = "dcgan", de^pth = 2 }', "stages: convolutions of D"),
        ('architecture = "dc^gan"', "Convolutional networks with strides instead of pooling (Radford et al. 2016)"),
        ('tricks = [{ name = "input_noise", si^gma = 1.0 }]', "standard deviation"),
        (f'{COMPARE}"architecture.de^pth" = [1, 2]', "dcgan: stages: convolutions of D"),
        ("batch_s^ize = 3", "samples a batch"),
    ],
)
def test_they_are_described(server, text, said):
    assert said in server.hover(HEAD + text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BASELINE.replace('"dcgan"', '{ name = "dcgan", depth = 99 }'), ["the value must be ≤ 6, but found 99"]),
        (BASELINE.replace('"dcgan"', '{ name = "dcgan", dept = 9 }'), ['"dept" is not allowed']),
        (f'{COMPARE}"architecture.depth" = [1, 8]', ["the value must be ≤ 6, but found 8"]),  # 8 is one of fcgan's
        (COMPARE.replace("dcgan", "fcgan") + '"architecture.depth" = [1, 8]', []),
        (f'{COMPARE}architecture = ["fcgan"]\n"architecture.depth" = [1, 8]', []),
        (f'{COMPARE}"tricks.input_noise.sigma" = [-1.0]', ["the value must be > 0, but found -1"]),
        (f"{COMPARE}optimizer.lr = [0.1, 0.2]", []),
        ("architecture = 'dcgan'", ['"dataset" is required']),
    ],
)
def test_what_is_wrong_is_said(server, text, said):
    assert server.open(HEAD + text)[1] == said


@pytest.mark.parametrize("grid", sorted((ROOT / "grids").glob("*.toml")), ids=lambda grid: grid.stem)
def test_nothing_is_wrong_with_the_example_grids(server, grid: Path):
    assert server.open("#:schema ./grid.schema.json\n" + grid.read_text())[1] == []
