"""What went wrong in a plugin's own code: in one line, with the plugin's file and line."""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from dis import opmap
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import Any

from gan_bench.api.kinds import SkipSample
from gan_bench.api.plugin_files import Loader
from gan_bench.errors import GanBenchError, message, short_path


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


def reason(error: BaseException) -> str:
    """Why something can't be computed: a ValueError that a plugin or the core raised in its own words, all else as `cause`."""
    if type(error) is ValueError and is_an_answer(error):
        return message(error).removeprefix("ValueError: ")
    return cause(error)


def is_an_answer(error: BaseException) -> bool:
    """Whether a `raise` of a plugin's or the core's made it, and no library that they call."""
    innermost = error.__traceback__
    while innermost and innermost.tb_next:
        innermost = innermost.tb_next
    if innermost is None or _is_library(innermost.tb_frame, _packages()):
        return False
    return innermost.tb_frame.f_code.co_code[innermost.tb_lasti] == opmap["RAISE_VARARGS"]  # else C code that it called


def _plugins_frame(error: BaseException) -> tuple[FrameType, int] | None:
    """The innermost frame and line of a plugin file, else of a package with plugins, else of what is no library."""
    packages, core = _packages(), f"{Path(__file__).parents[1]}/"
    frames = list(traceback.walk_tb(error.__traceback__))[::-1]
    of_files = [one for one in frames if isinstance(one[0].f_globals.get("__loader__"), Loader)]
    of_packages = [one for one in frames if _top(one[0]) in packages]
    others = [
        one for one in frames if not (_is_library(one[0], packages) or one[0].f_code.co_filename.startswith(core))
    ]
    return next(iter((*of_files, *of_packages, *others)), None)


def _is_library(frame: FrameType, packages: set[str]) -> bool:
    """Whether code is neither the core's nor that of packages with plugins, but installed."""
    if _top(frame) in {"gan_bench", *packages}:
        return False
    paths = sysconfig.get_paths()
    installed = [f"{paths[key]}/" for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return frame.f_code.co_filename.startswith((*installed, "<frozen"))


def _top(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _packages() -> set[str]:
    """The installed packages with plugins."""
    return {entry.module.partition(".")[0] for entry in entry_points(group="gan_bench")}


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


@contextlib.contextmanager
def told(call: str) -> Iterator[None]:
    """Whatever a plugin's own code raises becomes a GanBenchError that says in which call and line."""
    try:
        yield
    except (GanBenchError, SkipSample):
        raise
    except (Exception, SystemExit) as error:
        raise GanBenchError(f"{call} failed: {cause(error)}") from error


def place_of(what: Callable[..., Any]) -> str:
    """File and line of a function or class."""
    code = getattr(inspect.unwrap(what), "__code__", None)
    if code:  # most often, and quick
        return f"{short_path(code.co_filename)}:{code.co_firstlineno}"
    try:
        return f"{short_path(str(inspect.getsourcefile(what)))}:{inspect.getsourcelines(what)[1]}"
    except (OSError, TypeError):  # typed into a notebook or a prompt, or not written in Python
        return "a place unknown"
