"""What plugins print, kept with their run."""

from __future__ import annotations

from gan_bench.workers import output as lazy_file
from gan_bench.workers.output import LazyFile


def test_nothing_is_made_before_something_is_written(tmp_path):
    LazyFile(tmp_path / "run" / "output.txt").close()
    assert not (tmp_path / "run").exists()


def test_endless_output_ends_with_a_notice(tmp_path, monkeypatch):
    monkeypatch.setattr(lazy_file, "LIMIT", 100)
    path = tmp_path / "output.txt"
    for _ in range(2):  # a run that goes on has the same file, and no more room in it
        file = LazyFile(path)
        for _ in range(1000):
            assert file.write("ten chars\n") == 10
        file.close()
    assert path.read_text() == "ten chars\n" * 10 + "\ngan-bench: more was printed, and is left out\n"
