"""Journals of tasks: a line an event, read while they grow, whoever is killed in the middle of a line."""

from __future__ import annotations

import pytest

from gan_bench.workers import events
from gan_bench.workers.events import Advanced, Failed, Finished, Returned, Started, Stopped
from gan_bench.workers.journal import Begun, Journal, Journals, Over, Refused, Told, as_line, of_line

ENTRIES = [
    Started("a-0", 50, 800),
    Advanced("a-0", 100, 1600, {"loss_g": 0.1 + 0.2, "loss_d": None}, {"D wins": "since step 50"}),
    events.Warned("a-0", "a file “is” damaged\n"),
    Finished("a-0", images=1600, seconds={"training": 2.5}),
    Failed("a-1", "ValueError: \udcff"),
    Returned("a-0", "the worker process ended", images=800),
    events.Foreign("a-0", "here is another kind", begun="CPU"),
    Stopped("a-0"),
    Begun(3, "n1", "12", 2),
    Refused("n1: a plugin differs"),
    Over("it was stopped"),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_is_the_same_after_its_line(entry):
    found = of_line(as_line(entry, 12.5), "j")
    assert found is not None
    assert (found.at, found.journal) == (12.5, "j")
    assert type(found.entry) is type(entry)
    assert repr(found.entry).encode(errors="backslashreplace") == repr(entry).encode(errors="backslashreplace")


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b'{"at": 1, "what": "Later"}', b'{"at": 1, "what": "Started", "run": "a"}', b"\xff"],
)
def test_a_damaged_line_is_none(line):
    assert of_line(line, "j") is None


def test_journals_are_read_on_as_they_grow(tmp_path):
    journals = Journals(tmp_path)
    assert journals.new() == []
    first = Journal(tmp_path, Begun(0, "n1", "7", 1))
    first(Started("a", 0, 0))
    assert [type(line.entry) for line in journals.new()] == [Begun, Started]
    assert journals.new() == []
    second = Journal(tmp_path, Begun(0, "n2", "7", 1))  # the same share, while the first may still write
    second(Started("a", 10, 0))
    first(Stopped("a"))
    assert [type(line.entry).__name__ for line in journals.new()] == ["Begun", "Started", "Stopped"]
    file = next(tmp_path.glob("0.n1*"))
    line = as_line(Finished("a"), 1.0)
    with file.open("ab") as half:
        half.write(line[:20])
    assert journals.new() == []
    with file.open("ab") as half:
        half.write(line[20:])
    assert [line.entry for line in journals.new()] == [Finished("a")]


def test_runs_that_advance_are_told_of_now_and_then(tmp_path):
    journal = Journal(tmp_path, Begun(0, "n1", "", 1))
    for step in range(100):
        journal(Advanced("a", step, step, {}, {}))
        journal(Advanced("b", step, step, {}, {}))
    assert [line.entry.run for line in Journals(tmp_path).new()[1:]] == ["a", "b"]


def test_what_has_ended_and_where_the_rest_trains(tmp_path):
    one, two = (Journal(tmp_path, Begun(i, f"n{i}", "7", 1)) for i in range(2))
    for entry in (Started("a", 5, 0), Finished("a"), Started("b", 0, 0), Stopped("b")):
        one(entry)
    for entry in (Started("b", 9, 0), Started("c", 0, 0), Failed("c", "no"), Refused("no")):
        two(entry)
    told = Told()
    told.take(Journals(tmp_path).new())
    assert told.finished == {"a"}
    assert told.failed == {"c"}
    assert told.started == {"a", "b", "c"}
    assert {run: task.node for run, task in told.at.items()} == {"b": "n1"}
    assert told.steps["b"] == 9
    assert list(told.refused) == ["no"]
    assert told.tasks == {0: "n0"}  # the other has refused
    one(Over("it was stopped"))
    told.take(Journals(tmp_path).new())
    assert told.tasks == {}
