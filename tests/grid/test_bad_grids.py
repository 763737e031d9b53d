"""Grid files as somebody may get them wrong, through the command line: one line, with exit code 2, and soon."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stores import gan_bench

BASELINE = 'name = "bad"\ndataset = "digits"\narchitecture = "dcgan"\nsteps = 3\n'


def question(*axes: str) -> str:
    return "\n".join([BASELINE, '[[compare]]\ntitle = "?"', *axes])


def levels(path: str, count: int) -> str:
    return f'"{path}" = {list(range(1, count + 1))}'


def dataset(**parameters: object) -> str:
    return BASELINE.replace('"digits"', "{ " + ", ".join(f'{k} = "{v}"' for k, v in parameters.items()) + " }")


REFUSED = {
    "10 million cells": (
        question(levels("architecture.width", 1000), levels("batch_size", 10_000)),
        "6: compare: the grid asks for up to 80,000,000 runs (levels times seeds), and at most 100,000 are allowed.",
    ),
    "10 million cells of three axes": (
        question(*(levels(path, 216) for path in ("architecture.width", "architecture.latent", "batch_size"))),
        "6: compare: the grid asks for up to 80,621,568 runs (levels times seeds), and at most 100,000 are allowed.",
    ),
    "10 million seeds": (
        BASELINE + 'seeds = "0-9999999"',
        "5: seeds: these are 10,000,000 seeds, and a grid has at most ",
    ),
    "a negative seed": (BASELINE + "seeds = [-1]", "5: seeds[0]: must be at least 0 (found: -1)."),
    "a seed of 63 bits and one": (BASELINE + f"seeds = [{2**63}]", "5: seeds[0]: whole numbers must fit into 64 bits."),
    "a seed of 64 bits and one": (BASELINE + f"seeds = [{2**64}]", "5: seeds[0]: whole numbers must fit into 64 bits."),
    "seeds of many bits in text": (
        BASELINE + f'seeds = "0-{2**70}"',
        "5: seeds: must be a list of whole numbers, or text",
    ),
    "no seed in text": (BASELINE + 'seeds = ""', "5: seeds: must be a list of whole numbers, or text such as "),
    "empty": ("", " name: is required. And 2 more in this file."),
    "all bytes": (bytes(range(256)), "2: is not UTF-8 text (found: b'\\x80')."),
    "UTF-16": (BASELINE.encode("utf-16"), "1: is not UTF-8 text (found: b'\\xff')."),
    "ends of lines of old": (BASELINE.replace("\n", "\r"), "1: is not valid TOML: "),
    "a deep key": (
        ".".join("a" * 3000) + " = 1",
        " a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: lists and tables are nested more ",
    ),
    "a deep value": ("a = " + "{ b = " * 3000 + "1" + " }" * 3000, " lists or tables are nested too deeply."),
    "50,000 keys": (
        BASELINE + "\n".join(f"k{i} = {i}" for i in range(50_000)),
        "5: k0: is no known key (found: 0). Known: ",
    ),
    "twice": (BASELINE + BASELINE, "5: is not valid TOML: cannot overwrite a value."),
    "a table twice": (BASELINE + "[evaluate]\n[evaluate]", "6: is not valid TOML: "),
    "half a character": (question('"\\ud800" = [1, 2]'), "8: is not valid TOML: "),
    "itself as a plugin, which brings none": (
        BASELINE.replace('"dcgan"', '"mine"') + 'plugins = ["grid.toml"]',
        "3: architecture: grid.toml: it implements no hook; return your classes from ",
    ),
    "a metric twice": (
        BASELINE + 'evaluate = { metrics = ["fid", "kid", "fid"] }',
        "5: evaluate.metrics[2]: this metric stands there twice (found: 'fid').",
    ),
    "a folder as a plugin": (BASELINE + 'plugins = ["."]', "5: plugins[0]: there is no such plugin file (found: '.')."),
    "a plugin with a zero byte": (
        BASELINE + 'plugins = ["a\\u0000b"]',
        "5: plugins[0]: must be one line of readable text",
    ),
    "a plugin of 5,000 letters": (
        BASELINE + f'plugins = ["{"a" * 5000}"]',
        "5: plugins[0]: must have at most 1000 char",
    ),
    "a folder of nobody": (dataset(name="folder", root="~no-such-user/x"), "2: dataset: there is no folder "),
    "a folder with a zero byte": (dataset(name="folder", root="a\\u0000b"), "2: dataset: there is no folder "),
    "a folder of 5,000 letters": (dataset(name="folder", root="a" * 5000), "2: dataset: there is no folder "),
    "a grid as pictures": (dataset(name="folder", root="grid.toml"), "2: dataset: grid.toml is nothing that "),
    "a folder without pictures": (dataset(name="folder", root="."), "2: dataset: "),
    "published data in a folder of 5,000 letters": (dataset(name="mnist", root="a" * 5000), "2: dataset: "),
    "published data of nobody": (dataset(name="cifar10", root="~no-such-user/x"), "2: dataset: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    content, error = REFUSED[case]
    (tmp_path / "grid.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.process_time()
    said = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path, code=2).stderr
    assert said.count("\n") == 1, said
    assert said.startswith(f"Error: grid.toml:{error}"), said
    assert time.process_time() - began < 20  # of work, however busy the machine
    assert os.listdir(tmp_path) == ["grid.toml"]


@pytest.mark.parametrize(
    "case", ["10 million cells", pytest.param("50,000 keys", marks=pytest.mark.slow), "10 million seeds"]
)
def test_large_ones_are_refused_before_anything_is_built(tmp_path: Path, case: str) -> None:
    """Before PyTorch and the plugins are imported even."""
    (tmp_path / "grid.toml").write_text(REFUSED[case][0])  # type: ignore[arg-type]
    code = (
        "import sys; from pathlib import Path; from gan_bench.errors import GridError\n"
        "from gan_bench.grid import load_grid\n"
        "try: load_grid(Path('grid.toml'))\n"
        "except GridError as error: print('torch' in sys.modules, 'gan_bench_plugins' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_file_without_an_end(tmp_path: Path) -> None:
    said = gan_bench("plan", "/dev/zero", cwd=tmp_path, code=2).stderr
    assert said == "Error: /dev/zero: a grid file has at most 1,000,000 bytes (found: 1000001).\n"
