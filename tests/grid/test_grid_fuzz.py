"""Whatever a grid file or an option holds, it loads or is refused in one line; never another exception."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fuzz import damaged_bytes, fuzz
from grid_files import BASELINE, FOLDER, load, only_toys, toml  # noqa: F401 - a fixture
from hypothesis import strategies as st

from gan_bench.errors import GridError

FILE = FOLDER / "grid.toml"

SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from(["mnist", "dcgan", "fcgan", "touchy", "ema", "label_noise", "adam", "fid", "0-3", "name", "last"]),
)
NAMES = st.sampled_from(["name", "depth", "width", "size", "root", "amount", "lr", "betas", "x", "a.b", "", "title"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)

WHOLE = """\
name = "toy"
dataset = { name = "folder", root = "nowhere", size = 28 }
architecture = { name = "dcgan", width = 32, depth = 2, kernel = 5, shape = [1] }
tricks = [{ name = "label_noise", amount = 0.1, network = "generator" }, "ema"]
seeds = [0, 1]
epochs = 100
batch_size = 64
optimizer.name = "adam"
optimizer.lr = 0.1
optimizer.betas = [0.5, 0.9]
optimizer.eps = 1e-8
optimizer.weight_decay = 0.1
optimizer.discriminator = { lr = 0.2 }
evaluate.snapshots = 3
evaluate.metrics = ["fid"]
evaluate.samples = 100
evaluate.features = "classifier"
evaluate.keep = "all"
plugins = []
[[compare]]
title = "question"
"architecture.depth" = [1, 2, 3]
tricks = [[], ["ema"]]
"optimizer.name" = ["adam", "sgd"]
optimizer.lr = [1, 2]
dataset = ["mnist", "folder"]
reference = { "architecture.depth" = 2 }
exclude = [{ "architecture.depth" = 1 }]
budget = "steps"
"""
LINES = [number for number, line in enumerate(WHOLE.splitlines()) if " = " in line]


def error_of(text: str | bytes, **options: Any) -> str | None:
    """What a grid is refused with, or None. It is one line of bearable length."""
    try:
        load(text, **options)
    except GridError as error:
        found = str(error)
    else:
        return None
    assert "\n" not in found
    assert len(found) < 1000, found
    return found


def inputs(default: int, slow: int) -> pytest.MarkDecorator:
    """How many inputs a test tries: so many in the default suite, or among the slow tests."""
    return pytest.mark.parametrize("inputs", [default, pytest.param(slow, marks=pytest.mark.slow)])


@inputs(120, 1500)
def test_any_value_of_any_key(inputs: int) -> None:
    def check(case: tuple[int, Any]) -> None:
        number, value = case
        lines = WHOLE.splitlines()
        key = lines[number].split(" = ")[0]
        lines[number] = f"{key} = {toml(value)}"
        error = error_of("\n".join(lines))
        assert error is None or re.match(re.escape(str(FILE)) + r":[0-9]+: ", error), error  # always with a line

    fuzz(inputs, st.tuples(st.sampled_from(LINES), VALUES), check)


@inputs(80, 1000)
def test_any_override(inputs: int) -> None:
    keys = st.sampled_from([line.split(" = ")[0] for line in WHOLE.splitlines()[:19]])
    fuzz(inputs, st.tuples(keys, VALUES), lambda case: error_of(WHOLE, overrides=[f"{case[0]}={toml(case[1])}"]))


@inputs(80, 1000)
def test_any_option_text(inputs: int) -> None:
    def check(case: tuple[str, str]) -> None:
        override, seeds = case
        error_of(WHOLE, overrides=[override])
        error_of(WHOLE, overrides=[f"architecture.width={override}"], seeds=seeds)

    fuzz(inputs, st.tuples(st.text(max_size=30), st.text(max_size=30)), check)


@inputs(80, 1000)
def test_any_bytes(inputs: int) -> None:
    fuzz(inputs, st.binary(max_size=100) | st.text(max_size=100).map(str.encode), error_of)


@inputs(80, 1000)
def test_any_damage(inputs: int) -> None:
    fuzz(inputs, damaged_bytes(WHOLE.encode()), error_of)


@inputs(100, 1500)
def test_any_typing_mistake(inputs: int) -> None:
    typed = st.text("[]{}=.,\"'\n #ae1-", max_size=5)

    def check(case: tuple[int, int, str]) -> None:
        place, length, text = case
        error_of(WHOLE[:place] + text + WHOLE[place + length :])

    fuzz(inputs, st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 5), typed), check)


@inputs(80, 1000)
def test_any_comparison(inputs: int) -> None:
    paths = st.text(max_size=8) | st.sampled_from(["architecture.depth", "tricks", "optimizer"])

    def check(table: dict[str, Any]) -> None:
        lines = "\n".join(f"{json.dumps(key)} = {toml(value)}".replace("\x7f", "") for key, value in table.items())
        error_of(f"{BASELINE}[[compare]]\ntitle = 'q'\n{lines}\n")

    fuzz(inputs, st.dictionaries(paths, VALUES, max_size=4), check)
