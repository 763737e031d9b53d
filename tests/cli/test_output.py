"""Where `-o` writes: whole files, through links, and straight into what is no file."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from fake_store import write_store
from stores import gan_bench, run_folders, write_grid

from gan_bench.files import destination, is_stream, replace_file


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("output") / "store", seeds=1, snapshots=1, steps=50, trouble=False)


@pytest.fixture(scope="module")
def csv(store) -> str:
    return gan_bench("report", store, "--format", "csv", cwd=store).stdout


def test_an_open_descriptor_is_written_to_where_it_stands(store, csv, tmp_path):
    link, file = tmp_path / "stdout", tmp_path / "all.txt"
    link.symlink_to("/proc/self/fd/1")  # as /dev/stdout is
    with file.open("w") as opened:
        opened.write("before\n")
        opened.flush()
        before = os.dup(1)
        try:
            os.dup2(opened.fileno(), 1)
            gan_bench("report", store, "--format", "csv", "-o", link, cwd=tmp_path)
        finally:
            os.dup2(before, 1)
            os.close(before)
        opened.seek(0, os.SEEK_END)
        opened.write("after\n")
    assert file.read_text() == f"before\n{csv}after\n"
    assert link.is_symlink()


def test_a_pipe_gets_all_and_stays(store, csv, tmp_path):
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    done = gan_bench("report", store, "--format", "csv", "-o", pipe, cwd=tmp_path)
    reader.join(timeout=10)
    assert read == [csv]
    assert done.stdout == ""  # which may be the pipe's other end
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_page_goes_into_a_pipe_too(store, tmp_path):
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    gan_bench("report", store, "-o", pipe, cwd=tmp_path)
    reader.join(timeout=10)
    assert read[0].endswith(b"</html>\n") or read[0].rstrip().endswith(b"</html>")


@pytest.mark.parametrize("number", [3, 7], ids=["null", "full"])
def test_a_device_stays_one(store, tmp_path, number):
    device = tmp_path / "device"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, number))
        device.open("wb").close()
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    done = gan_bench("report", store, "--format", "md", "-o", device, cwd=tmp_path, code=2 if number == 7 else 0)
    assert stat.S_ISCHR(device.lstat().st_mode)
    assert (f"{device}: No space left on device" in done.stderr) == (number == 7)


def test_a_link_stays_and_its_target_is_replaced(store, csv, tmp_path):
    target, link = tmp_path / "there" / "target.csv", tmp_path / "link.csv"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o640)
    before = target.stat().st_ino
    link.symlink_to("there/target.csv")
    assert gan_bench("report", store, "--format", "csv", "-o", link, cwd=tmp_path).stdout == f"{link}\n"
    assert os.readlink(link) == "there/target.csv"
    assert target.read_text() == csv
    assert target.stat().st_ino != before  # at once, not byte by byte
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(target.parent) == ["target.csv"]


def test_a_link_in_a_store_is_not_followed(tmp_path):
    store, other = write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False), tmp_path / "mine"
    other.write_text("mine")
    for name in ("report.html", "results.csv"):
        (store / name).unlink(missing_ok=True)
        (store / name).symlink_to(other)
    gan_bench("report", store, cwd=tmp_path)
    assert other.read_text() == "mine"
    assert not (store / "report.html").is_symlink()


@pytest.mark.parametrize("place", ["", "folder", "new/"])
def test_what_names_no_file_is_one_error(store, tmp_path, place):
    (tmp_path / "folder").mkdir()
    run = run_folders(store)[0]
    sample = [("sample", run)] if not place else []  # which may write a folder of pictures
    for arguments in (
        ("report", store),
        ("report", store, "--format", "csv"),
        ("score", store, "--against", "digits"),
        *sample,
    ):
        done = gan_bench(*arguments, "-o", place, cwd=tmp_path, code=2)
        assert "Invalid value for '-o' / '--output'" in done.stderr
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize(
    "arguments", [("run", "grid.toml", "--out", ""), ("plan", "grid.toml", "--out", ""), ("watch", "")]
)
def test_an_empty_text_is_no_store(tmp_path, arguments):
    write_grid(tmp_path)
    assert "'' names no folder." in gan_bench(*arguments, cwd=tmp_path, code=2).stderr
    assert os.listdir(tmp_path) == ["grid.toml"]


def test_a_store_that_can_t_be_written_to_is_reported_elsewhere(tmp_path):
    store = write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False)
    (store / "results.csv").unlink(missing_ok=True)
    (store / "results.csv").mkdir()  # which root can't replace either
    gan_bench("report", store, cwd=tmp_path, code=2)
    done = gan_bench("report", store, "-o", "page.html", cwd=tmp_path)
    assert "results.csv and comparisons.csv are not written" in done.stderr
    assert (tmp_path / "page.html").stat().st_size > 1e5


def test_a_loop_of_links_and_a_closed_descriptor_are_errors(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"), destination(tmp_path / "a"):
        pass
    assert not is_stream(Path("/proc/self/fd/999"))
    assert not is_stream(tmp_path)


def test_an_error_names_the_file_and_not_the_one_beside_it(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError) as caught:
        replace_file(tmp_path / "there", lambda beside: beside.write_text("x"))
    assert caught.value.filename == str(tmp_path / "there")
