"""Copies of plugin files, which nodes may be reading at any time."""

from __future__ import annotations

from gan_bench.workers.carried import carry


def test_a_copy_that_is_right_is_left_alone(tmp_path):
    file, folder = tmp_path / "plugin.py", tmp_path / "copies"
    file.write_text("a = 1\n")
    [carried] = carry([file], folder)
    copy = carried.copy_in(folder)
    before = copy.stat()
    assert carry([file], folder) == (carried,)
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    copy.write_text("")
    carry([file], folder)
    assert copy.read_text() == "a = 1\n"
