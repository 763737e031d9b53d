"""Every column of every table is described, once, in code and in docs/tables.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_store import write_store
from small_runs import finish, open_run

import gan_bench
from gan_bench.findings.columns import REPORTED, SCORE, SETTING, TABLES
from gan_bench.findings.tables import Results
from gan_bench.grid import cell_from_settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "tables.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return gan_bench.load(write_store(tmp_path_factory.mktemp("stores") / "s", seeds=2, snapshots=2, steps=100))


def test_what_is_described_is_what_there_is(results):
    described = results.describe()
    for table in TABLES:
        own = described[described["table"] == table]
        assert list(own["column"]) == list(getattr(results, table).columns)
        assert own["meaning"].str.len().min() > 5
        fixed = [name for name, _, _ in TABLES[table][1] if not name.startswith((SETTING, SCORE, REPORTED))]
        assert set(fixed) <= set(own["column"])  # nothing is described that is gone
    import pandas as pd

    assert {name for name, value in vars(results).items() if isinstance(value, pd.DataFrame)} == set(TABLES)


def test_only_settings_and_what_tricks_report_have_no_line_of_their_own(results):
    described = results.describe()
    lines = {name: {one[0]: one[2] for one in rows} for name, (_, rows) in TABLES.items()}
    of_setting = described[described["meaning"] == lines["runs"][SETTING]]
    assert list(of_setting["column"]) == ["architecture", "architecture.depth", "architecture.width", "tricks"]
    assert not (described["meaning"] == lines["curves"][REPORTED]).any()


def test_a_score_s_columns_have_its_unit_and_direction(results):
    described = results.describe().set_index("column")
    assert described.at["KID[classifier] best step", "unit"] == "steps of G"
    meaning = described.at["KID[classifier] last", "meaning"]
    assert meaning == "the score at its last snapshot (KID[classifier] (2000 generated, 360 real); lower is better)"


def test_a_real_run_s_columns_are_described_too(tmp_path, parts):
    registry, data, evaluator = parts
    settings = {
        "dataset": {"name": "digits", "size": 8},
        "architecture": {"name": "mlp"},
        "tricks": [{"name": "ada"}],
        "optimizer": {},
        "batch_size": 16,
        "precision": "fp32",
    }
    folder = tmp_path / "runs" / "a"
    folder.parent.mkdir()
    finish(open_run(cell_from_settings(settings, registry), (25, 50), folder, data, evaluator))
    described = gan_bench.load(tmp_path).describe()
    curves = described[described["table"] == "curves"].set_index("column")["meaning"]
    lines = {name: meaning for name, _, meaning in TABLES["curves"][1]}
    reported = {name for name, meaning in curves.items() if meaning == lines[REPORTED]}
    assert set(curves.index) == set(lines) - {REPORTED} | reported
    assert reported
    assert len(reported) <= 2


def test_the_document_says_the_same():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, (row, columns) in TABLES.items():
        _, _, after = text.partition(f"## `{name}`\n\nOne row: {row}.\n\n")
        table = after.partition("\n\n")[0].splitlines()[2:]
        assert table == [f"| `{column}` | {unit} | {meaning} |" for column, unit, meaning in columns], name
