"""What is said of plugins of files that stand in for installed ones of their names."""

from __future__ import annotations

from gan_bench.findings.stand_ins import sentence
from gan_bench.store.documents import Plugin


def plugin(name: str, **facts: object) -> Plugin:
    return Plugin(
        **{"kind": "trick", "name": name, "origin": "file my.py", "instead_of": ["package gan-bench 1"], **facts}
    )


def test_one_is_named_with_its_file_and_what_it_stands_for():
    assert sentence([]) == ""
    said = "1 plugin of a file stands in for an installed one of its name: trick ema of my.py (for package gan-bench 1)"
    assert sentence([plugin("ema")]) == said


def test_many_are_counted_and_some_named():
    said = sentence([plugin(f"t{i}", instead_of=["package a 1", "package b 2"]) for i in range(46)])
    assert said.startswith(
        "46 plugins of files stand in for installed ones of their names: trick t0 of my.py (for package a 1"
    )
    assert said.count("trick") == 8
    assert said.endswith("trick t7 of my.py (for package a 1 and package b 2) and 38 more")


def test_no_name_breaks_the_line():
    said = sentence([plugin("a\nb\x1b[31m" + "x" * 500)])
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 250
