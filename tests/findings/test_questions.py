"""One report over several stores: seeds are pooled where the stores agree, and only there."""

from __future__ import annotations

import json
import shutil

import pytest
from fake_store import score, write, write_store
from stores import gan_bench

from gan_bench.findings.answers import answer
from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports.page import write_report


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("all") / "s", seeds=8, snapshots=1, steps=50, trouble=False)


@pytest.fixture
def split(eight, tmp_path):
    """Two stores with these seeds and so many comparisons of one."""

    def make(monday, tuesday, count=1):
        stores = []
        for name, seeds in (("monday", monday), ("tuesday", tuesday)):
            grid = json.loads((eight / "grid.json").read_text())
            grid["comparisons"] = grid["comparisons"][:count]
            for level in (level for comparison in grid["comparisons"] for level in comparison["levels"]):
                level["runs"] = {seed: run for seed, run in level["runs"].items() if int(seed) in seeds}
            used = {run for c in grid["comparisons"] for level in c["levels"] for run in level["runs"].values()}
            grid["runs"] = {run: facts for run, facts in grid["runs"].items() if run in used}
            store = tmp_path / name
            write(store / "grid.json", grid)
            for run in used:
                shutil.copytree(eight / "runs" / run, store / "runs" / run, ignore=shutil.ignore_patterns("*.png"))
            stores.append(store)
        return stores

    return make


def retold(store, pattern, change):
    """Change the run.json of some runs."""
    files = list((store / "runs").glob(f"{pattern}/run.json"))
    assert files
    for file in files:
        document = json.loads(file.read_text())
        change(document)
        write(file, document)


def numbers(comparison):
    findings = [(entry.level.label, entry.finding) for entry in comparison.answers]
    return [(label, finding.seeds, finding.differences, finding.p) for label, finding in findings]


def test_disjoint_seeds_are_pooled_to_the_same_numbers(eight, split):
    stores = split(range(4), range(4, 8))
    pooled, whole = compare(load(*stores)), compare(load(eight))
    assert [c.title for c in pooled] == ["Convolutional or fully connected?"]
    assert numbers(pooled[0]) == numbers(whole[0])
    assert pooled[0].stores == ["monday", "tuesday"]
    assert "Pooled over 2 stores: 8 runs of monday, 8 runs of tuesday." in pooled[0].notes
    assert [part.answers[0].finding.n for part in pooled[0].beside] == [4, 4]
    assert answer(compare(load(stores[0]))[0]).verdict == "not tested"
    assert answer(pooled[0]).verdict == "worse"


def test_a_run_in_both_stores_counts_once(eight, split):
    stores = split(range(5), range(3, 8))
    pooled = compare(load(*stores))
    assert numbers(pooled[0]) == numbers(compare(load(eight))[0])
    assert "4 runs are in more than one store and count once." in pooled[0].notes
    assert set(pooled[0].doubles) == {run for run in pooled[0].doubles if run.startswith("tuesday/")}
    assert len(pooled[0].runs) == len(set(pooled[0].runs)) == 16


def test_a_finished_copy_stands_for_one_that_is_not(split):
    stores = split(range(6), range(6))
    run = next((stores[0] / "runs").glob("fcgan-2-*"))
    (run / "result.json").unlink()
    level = compare(load(*stores))[0].levels[1]
    assert level.runs[2].startswith("tuesday/")
    assert len(level.seeds["finished"]) == 6
    # And its pair is of the same store.
    assert compare(load(*stores))[0].levels[0].runs[2].startswith("tuesday/")
    assert compare(load(*stores))[0].levels[0].runs[1].startswith("monday/")


def test_another_protocol_is_set_apart_and_never_averaged(split, tmp_path):
    stores = split(range(4), range(4, 8))
    for file in stores[1].glob("runs/*/snapshots/*/scores.json"):
        scores = json.loads(file.read_text())
        scores["scores"][0] = score(scores["scores"][0]["value"] * 2, 500, "ffee0011")
        write(file, scores)
    apart = compare(load(*stores))
    assert [(c.title, c.stores) for c in apart[:2]] == [
        ("Convolutional or fully connected?", ["monday"]),
        ("Convolutional or fully connected?", ["tuesday"]),
    ]
    assert len(apart) == 2
    assert all(len(entry.finding.seeds) == 4 for c in apart for entry in c.answers)
    assert apart[0].headline.protocol_id != apart[1].headline.protocol_id
    assert "its scores follow another protocol (FD[classifier] #a1b2 (2000 generated, 360 real)" in apart[0].apart
    write_report(stores, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<strong>Not pooled:</strong>") == 2
    assert page.count("Store by store: ") == 2


def test_other_versions_are_pooled_and_told(split):
    stores = split(range(4), range(4, 8))
    retold(stores[1], "*", lambda run: run["sessions"][0]["versions"].update(torch="2.12.0"))
    pooled = compare(load(*stores))
    assert len(pooled) == 1
    assert "different places (monday: torch 2.11.0, an ordinary one; tuesday: torch 2.12.0, an" in pooled[0].notes[-1]


def test_pairs_of_mixed_kinds_of_device_are_marked(eight, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(eight, store)
    retold(store, "*", lambda run: run["sessions"][0].update(kind="NVIDIA A100"))
    retold(store, "fcgan-[0-2]-*", lambda run: run["sessions"][0].update(kind="NVIDIA H100"))
    retold(store, "dcgan-7-*", lambda run: run["sessions"].append({**run["sessions"][0], "kind": "NVIDIA H100"}))
    levels = {level.label: level for level in compare(load(store), words=False)[0].levels}
    assert levels["fcgan"].troubled == "4 of mixed kinds of device"  # seed 7 of its reference went on elsewhere
    assert levels["dcgan"].troubled == "1 of mixed kinds of device"
    retold(store, "*", lambda run: run["sessions"][0].pop("kind"))  # as runs of before
    retold(store, "dcgan-7-*", lambda run: run["sessions"].pop())
    assert not any(level.troubled for level in compare(load(store), words=False)[0].levels)


@pytest.mark.parametrize(
    ("pattern", "change", "said"),
    [
        ("fcgan-*", lambda run: run["settings"].update(batch_size=8), "batch_size of fcgan is 64 in one and 8 in the other"),
        ("*", lambda run: run["dataset"].update(fingerprint="cd" * 32), "dataset of dcgan is "),
        ("*", lambda run: run["plugins"][0].update(source="ef" * 32), "the source of the architecture dcgan of dcgan is "),
    ],
)  # fmt: skip
def test_what_was_made_otherwise_is_set_apart(split, pattern, change, said):
    stores = split(range(4), range(4, 8))
    retold(stores[1], pattern, change)
    apart = compare(load(*stores))
    assert apart[0].apart.startswith(said)
    assert (apart[0].stores, apart[1].stores) == (["monday"], ["tuesday"])


def test_equal_seeds_of_another_identity_are_set_apart(split):
    stores = split(range(4), range(4))
    retold(stores[1], "fcgan-3-*", lambda run: run.update(identity="0" * 64))
    assert compare(load(*stores))[0].apart == "seed 3 of fcgan is another run: its identity differs"


def test_another_length_is_set_apart(split):
    stores = split(range(4), range(4, 8))
    grid = json.loads((stores[1] / "grid.json").read_text())
    for facts in grid["runs"].values():
        facts["steps"] = 40
    write(stores[1] / "grid.json", grid)
    assert compare(load(*stores))[0].apart == "the length in steps of dcgan is 50 in one and 40 in the other"


def test_a_level_of_one_store_alone_is_kept(split):
    stores = split(range(6), range(6), 2)
    grid = json.loads((stores[1] / "grid.json").read_text())
    del grid["comparisons"][1]["levels"][2:]
    write(stores[1] / "grid.json", grid)
    tricks = compare(load(stores[1], stores[0]))[1]
    assert [level.label for level in tricks.levels][2:] == ["ema", "label_noise (amount 0.05) + ema"]
    assert all(entry.finding.n == 6 for entry in tricks.answers)


def test_exports_say_where_runs_come_from(split, tmp_path):
    stores = split(range(4), range(4, 8))
    text = gan_bench("report", *stores, "--format", "md", cwd=tmp_path).stdout
    assert "Runs of monday and tuesday. Pooled over 2 stores: 8 runs of monday, 8 runs of tuesday." in text
    gan_bench("report", *stores, "-o", "both.html", cwd=tmp_path)
    page = (tmp_path / "both.html").read_text()
    assert "2 stores: monday, tuesday · 16 runs" in " ".join(page.split())
    assert "4 monday, 4 tuesday" in page
