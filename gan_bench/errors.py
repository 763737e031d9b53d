"""What goes wrong by the user's doing, said once and clearly."""

from __future__ import annotations

import ast
import difflib
import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType


class GanBenchError(Exception):
    """A mistake in what the user gave (grid file, plugin, data, option): printed without a traceback, exit code 2."""


class GridError(GanBenchError):
    """A mistake in a grid file, with where it stands.

    Printed as ``file:line: path: rule (found: value). cure``; every part but the rule may be missing.
    """

    def __init__(
        self,
        rule: str,
        *,
        file: object = None,
        line: int | None = None,
        path: str = "",
        value: object = ...,
        cure: str = "",
    ) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        found = "" if value is ... else f" (found: {value!r})"
        super().__init__(f"{place}{path + ': ' if path else ''}{rule}{found}.{' ' + cure if cure else ''}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A cure that names the nearest of the known words, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


def message(error: BaseException) -> str:
    """An exception's type and text. A plugin's text may have megabytes, or raise itself."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - a stranger's code
        text = f"its text can't be had ({type(second).__name__})"
    return shortened(f"{type(error).__name__}: {text}", 2000)


def shortened(text: str, length: int) -> str:
    """Beginning and end of a text that is longer than about so many characters."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]} [...] {text[-half:]}"


def cause(error: BaseException) -> str:
    """An exception of a plugin's in one line: `my_arch.py:3: NameError: name 'nn' is not defined`.

    File and line are the plugin's own where it was on the way, not those of a library that it called.
    """
    if isinstance(error, GanBenchError):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename and error.lineno and Path(error.filename).is_file():
        return f"{short_path(error.filename)}:{error.lineno}: {type(error).__name__}: {error.msg}"
    text = re.sub(r"For further information visit \S+", "", message(error))
    text = " ".join(text.split()).rstrip(": ")
    found = _plugins_frame(error)
    if not found:
        return text
    file, line = found[0].f_code.co_filename, found[1]
    if str(getattr(error, "code", "")).startswith("model-field-"):  # pydantic: a parameter without a type
        line, text = _untyped_parameter(file, line, text)
    return f"{short_path(file)}:{line}: {text}"


def short_path(path: str | Path) -> str:
    """A path below the current folder relative to it, another one absolute."""
    path = Path(path).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _plugins_frame(error: BaseException) -> tuple[FrameType, int] | None:
    """The innermost frame and line of a plugin file, else of a package with plugins, else of what is no library."""
    from importlib.metadata import entry_points

    packages = {entry.module.partition(".")[0] for entry in entry_points(group="gan_bench")}
    paths = sysconfig.get_paths()
    installed = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    libraries = (*(f"{folder}/" for folder in (*installed, Path(__file__).parent)), "<frozen")
    frames = list(traceback.walk_tb(error.__traceback__))[::-1]
    of_files = [one for one in frames if "__gan_bench_source__" in one[0].f_globals]
    of_packages = [one for one in frames if str(one[0].f_globals.get("__name__")).partition(".")[0] in packages]
    others = [one for one in frames if not one[0].f_code.co_filename.startswith(libraries)]
    return next(iter((*of_files, *of_packages, *others)), None)


def _untyped_parameter(file: str, line: int, text: str) -> tuple[int, str]:
    """Line and cure of the attribute that pydantic names, in the class that begins at `line`."""
    name = re.search(r"[`'](\w+)", text)
    linecache.checkcache(file)
    for cls in ast.walk(ast.parse("".join(linecache.getlines(file)))):
        if name and isinstance(cls, ast.ClassDef) and line in range(_first_line(cls), cls.lineno + 1):
            for item in cls.body:
                if isinstance(item, ast.Assign) and [ast.unparse(target) for target in item.targets] == [name[1]]:
                    return item.lineno, _typed(name[1], item.value)
    return line, text


def _first_line(cls: ast.ClassDef) -> int:
    return min([cls.lineno, *(decorator.lineno for decorator in cls.decorator_list)])


def _typed(name: str, value: ast.expr) -> str:
    """The attribute as it should be written, by its default."""
    is_field = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Field"
    default = value
    if is_field:
        assert isinstance(value, ast.Call)
        default = next(iter((*value.args, *(k.value for k in value.keywords if k.arg == "default"))), value)
    try:
        kind = type(ast.literal_eval(default)).__name__
    except ValueError:
        kind = "TYPE"
    if is_field:
        return f"write `{name}: {kind} = Field(...)`"
    return f"write `{name}: {kind} = {ast.unparse(value)}`, or `{name}: ClassVar = ...` if it is no parameter"
