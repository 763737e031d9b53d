"""`gan-bench new`: files that train, pass every check, and are never written over another."""

from __future__ import annotations

import json
import subprocess
import tomllib

import language_server
import pytest
from stores import gan_bench

from gan_bench.grid import load_grid

KINDS = ["architecture", "trick", "dataset", "metric", "features"]


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "metric")) for kind in KINDS])
def test_a_new_plugin_passes_every_check(tmp_path, kind):
    assert gan_bench("new", kind, "my_own2", cwd=tmp_path).stdout == "my_own2.py\n"
    assert "class MyOwn2(" in (tmp_path / "my_own2.py").read_text()
    told = gan_bench("check", "my_own2.py", cwd=tmp_path).stdout
    assert told.startswith(f"{kind} my_own2\n")
    assert "failed" not in told


@pytest.mark.parametrize("name", ["mine", "perceptrons"])  # the class of the text, and a word of it
def test_what_only_stands_in_the_text_is_a_name(tmp_path, name):
    gan_bench("new", "architecture", name, cwd=tmp_path)
    assert name in [
        one["name"]
        for one in json.loads(gan_bench("plugins", "--json", "--plugin", f"{name}.py", cwd=tmp_path).stdout)["plugins"]
    ]


@pytest.mark.slow
def test_new_plugins_train_in_a_new_grid(tmp_path):
    plugins = [word for kind in KINDS for word in ("--plugin", f"{kind}-1.py")]
    for kind in KINDS:
        gan_bench("new", kind, f"{kind}-1", cwd=tmp_path)
    gan_bench("new", "grid", "mine", *plugins, cwd=tmp_path)
    short = ["steps=3", "evaluate.samples=32", "evaluate.snapshots=1"]
    gan_bench("run", "mine.toml", "--seeds", 0, *(word for one in short for word in ("--set", one)), cwd=tmp_path)
    page = (tmp_path / "runs" / "mine" / "report.html").read_text()
    for kind in KINDS:
        assert f"{kind}-1" in page


@pytest.mark.parametrize("kinds", [[], ["architecture"], ["trick", "metric"], ["dataset", "features"]], ids="-".join)
def test_a_new_grid_asks_about_its_plugins(tmp_path, monkeypatch, kinds):
    monkeypatch.chdir(tmp_path)
    for kind in kinds:
        gan_bench("new", kind, f"my_{kind}", cwd=tmp_path)
    plugins = [word for kind in kinds for word in ("--plugin", f"my_{kind}.py")]
    gan_bench("new", "grid", "question", *plugins, cwd=tmp_path)
    text = (tmp_path / "question.toml").read_text()
    schema = "question.schema.json"
    assert text.startswith(f"#:schema ./{schema}\n")
    assert "dataset" in json.loads((tmp_path / schema).read_text())["properties"]
    written = tomllib.loads(text)
    assert written.get("plugins", []) == [f"my_{kind}.py" for kind in kinds]
    titles = {"architecture": "Which architecture?", "trick": "Which tricks help?"}
    asked = [titles[kind] for kind in kinds if kind in titles] or ["How deep?", "Which tricks help?"]
    assert [one["title"] for one in written["compare"]] == asked
    for kind in kinds:
        assert f'"my_{kind}"' in text
    assert load_grid(tmp_path / "question.toml").comparisons


@pytest.mark.slow
@pytest.mark.skipif(language_server.program() is None, reason="tombi is not installed")
def test_an_editor_has_nothing_against_a_new_grid(tmp_path):
    gan_bench("new", "architecture", "mine", cwd=tmp_path)
    gan_bench("new", "grid", "question", "--plugin", "mine.py", cwd=tmp_path)
    text = (tmp_path / "question.toml").read_text()
    with language_server.LanguageServer(tmp_path) as server:
        assert server.open(text)[1] == []
        assert server.open(text.replace('"mine"]', '{ name = "mine", width = 0 }]'))[1] == [
            "the value must be ≥ 1, but found 0"
        ]
        assert {"latent", "width"} <= server.completions(text.replace('"mine"]', '{ name = "mine", ^ }]')).keys()
    checked = subprocess.run(
        [str(language_server.program()), "format", "--check", "--offline", "question.toml"], cwd=tmp_path, check=False
    )
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["architecture", "there"], "there.py is there already"),
        (["grid", "there"], "there.toml is there already"),
        (["trick", "2fast"], "a name has letters, digits, '_' and '-', begins with a letter"),
        (["trick", "../up"], "a name has letters"),
        (["package", "up-"], "a name has letters"),
        (["package", "torch"], "a package can't be called 'torch'"),
        (["trick", "torch"], "a plugin can't be called 'torch'"),
        (["trick", "none"], "'none' would make a class None"),
        (["dataset", "parts"], "'parts' would make a class Parts"),
        (["grid", "told"], "told.schema.json is there already"),
        (["package", "class"], "a package can't be called 'class'"),
        (
            ["grid", "new", "--plugin", "broken.py"],
            "the plugin broken (file broken.py): broken.py:1: ZeroDivisionError",
        ),
        (["trick", "new", "--plugin", "broken.py"], "--plugin is what a new grid asks about"),
        (["gan", "new"], "'gan' is not one of 'architecture', 'trick', 'dataset', 'metric', 'features', 'grid'"),
    ],
)
def test_what_can_t_be_written_is_refused_and_nothing_is(tmp_path, words, said):
    there = {"there.py": "", "there.toml": "", "broken.py": "1 / 0", "told.schema.json": ""}
    for name, text in there.items():
        (tmp_path / name).write_text(text)
    assert said in gan_bench("new", *words, cwd=tmp_path, code=2).stderr
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == there


def test_a_new_package_is_named_everywhere(tmp_path):
    gan_bench("new", "package", "My-Gans", cwd=tmp_path)
    project = tomllib.loads((tmp_path / "My-Gans" / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["gan_bench"] == {"my_gans": "my_gans.plugins"}
    assert project["tool"]["pytest"]["ini_options"]["addopts"] == "--gan-bench My-Gans"
    assert 'name = "my_gans"' in (tmp_path / "My-Gans" / "src" / "my_gans" / "plugins" / "my_gans.py").read_text()
