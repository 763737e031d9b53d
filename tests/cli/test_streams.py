"""Terminals, pipes and disks that take less than a command has to say."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from fake_store import write_store
from rich.text import Text
from stores import command, gan_bench, write_grid

from gan_bench.cli import COMMANDS, main
from gan_bench.cli.streams import PLAIN
from gan_bench.console import PlainConsole, printable, warnings_told

FULL = "standard output: No space left on device"
CLOSED = "standard output: Bad file descriptor"


def shell(redirection: str, *arguments: object, cwd: Path, **environment: str) -> tuple[int, str]:
    """Exit code of gan-bench in a shell, and what it wrote to standard error or a pipe."""
    script = f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command(*arguments)],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert "Traceback" not in done.stdout, done.stdout
    assert "Exception ignored" not in done.stdout, done.stdout
    return done.returncode, done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_an_output_that_takes_nothing_is_one_line(tmp_path, arguments):
    assert shell("2>&1 >/dev/full", *arguments, cwd=tmp_path) == (2, f"Error: {FULL}\n")
    assert shell("2>&1 >&-", *arguments, cwd=tmp_path) == (2, f"Error: {CLOSED}\n")
    assert shell("| true", *arguments, cwd=tmp_path)[1] == ""
    for lost in ("2>&-", "2>/dev/full", "<&-", "<&- 2>&-"):
        code, text = shell(lost, *arguments, cwd=tmp_path)
        assert (code, bool(text)) == (0, True)


def test_a_reader_that_has_gone_is_no_fault(tmp_path):
    script = 'set -o pipefail; { sleep 0.3; "$@"; } | true'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command("--help")], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_a_small_alphabet_gets_plain_signs(tmp_path):
    store = write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False)
    texts = [gan_bench("report", store, "--format", format, cwd=tmp_path).stdout for format in ("md", "tex")]
    text = "".join(texts)
    (tmp_path / "text").write_text(text, encoding="utf-8")
    code = "import click; from gan_bench.cli.streams import guard; guard()\n"
    code += "click.echo(open('text', encoding='utf-8').read(), nl=False)"
    for encoding, expected in (("latin-1", "latin-1"), ("ascii", "utf-8")):  # click takes ASCII for a mistake
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        assert done.stdout == text.encode(expected, "plain"), encoding
    with pytest.raises(UnicodeEncodeError):
        text.encode("latin-1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan", "report", "plugins", "schema", "clean", "bench", "sample"])
def test_no_command_dies_of_its_output(tmp_path, name):
    write_grid(tmp_path)
    write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False)
    (tmp_path / "store" / ".report.html.0123abcd").touch()  # for clean
    arguments = {
        "plan": ["plan", "grid.toml", "--no-pilot"],
        "report": ["report", "store", "--format", "md"],
        "clean": ["clean", "store", "--yes"],
        "bench": ["bench", "--devices", "cpu", "--case", "fcgan", "--rounds", "1", "--seconds", "0.01"],
        "sample": ["sample", "store", "-o", "x.png"],  # no run folder: an error either way
    }.get(name, [name])
    for redirection, code, text in (
        ("2>&1 >/dev/full", 2, FULL),
        ("2>&1 >&-", 2, CLOSED),
        ("| true", 141, ""),
    ):
        found = shell(redirection, *arguments, cwd=tmp_path)
        if name == "sample":
            assert found[0] == 2
        else:
            assert found[0] == code or (code == 141 and found[0] == 0)
            assert text in found[1]
    if name == "clean":
        assert (tmp_path / "store" / ".report.html.0123abcd").exists() == (found[0] != 0)


@pytest.mark.slow
def test_a_grid_trains_to_its_end_whoever_listens(tmp_path):
    write_grid(tmp_path, steps="steps = 4")
    for index, redirection in enumerate(("2>/dev/full >&-", ">&- 2>&-", "2>&1 | true", ">/dev/full 2>&-")):
        code, _ = shell(redirection, "run", "grid.toml", "--out", str(index), cwd=tmp_path)
        assert code == 0
        assert (tmp_path / str(index) / "report.html").exists()


HOSTILE = "a\x1b[2Jb\x9bc\rd\x07e\u202ef\x00\ud800"


def test_what_a_terminal_would_obey_is_written_out():
    assert printable(HOSTILE + "\ng\u202f\xa0é→") == "a\\x1b[2Jb\\x9bc\\rd\\x07e\\u202ef\\x00\\ud800\ng\u202f\xa0é→"
    file = io.StringIO()
    console = PlainConsole(file=file, width=200)
    console.print(HOSTILE, style="red")
    console.print(Text(HOSTILE))
    with warnings_told(console):
        warnings.warn(HOSTILE, stacklevel=1)
    with console.status(HOSTILE):
        pass
    assert set(re.findall(r"[^ -~\n]", file.getvalue())) == set()
    assert file.getvalue().count("\\x1b[2J") == 3


def test_a_console_for_terminals_still_speaks_to_them():
    file = io.StringIO()
    console = PlainConsole(file=file, width=200, force_terminal=True, color_system="standard")
    console.print("[b]" + HOSTILE, style="red")
    assert file.getvalue() == f"\x1b[31m[b]{printable(HOSTILE)}\x1b[0m\n"


def test_messages_of_strangers_are_written_out_by_commands(tmp_path):
    (tmp_path / "bad.py").write_text('raise ValueError("it is \\x1b[2J broken")\n')
    done = gan_bench("plan", write_grid(tmp_path), "--no-pilot", "--plugin", "bad.py", cwd=tmp_path)
    assert "it is \\x1b[2J broken" in done.stderr
    assert "\x1b" not in done.output


def test_summaries_are_whole_sentences():
    text = main.get_help(click.Context(main, info_name="gan-bench", terminal_width=80))
    lines = [line.split(maxsplit=1) for line in text.partition("Commands:\n")[2].splitlines()]
    assert [name for name, _ in lines] == list(COMMANDS)
    for _, sentence in lines:
        assert re.fullmatch(r"[A-Z].*[^.]\.", sentence), sentence


def test_every_sign_has_one_in_ascii():
    assert all(ord(sign) > 127 and plain.isascii() for sign, plain in ((chr(k), v) for k, v in PLAIN.items()))
