"""The core's rooms: each imports only itself and what stands before it, plugins and reports only what is theirs to see."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "gan_bench"
GROUND = {"errors", "canonical", "files", "console"}
ROOMS = [
    *("ground", "stats", "api", "store", "data", "grid", "scoring", "training", "checks", "planning", "findings"),
    *("workers", "live", "commands", "bench", "cli"),
]  # in the order in which they may import each other
ALLOWED = {  # beside the ground and the public names
    "plugins": {"api", "data.cache"},
    "reports": {"findings", "live", "api", "stats", "store", "workers.speed"},
}


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import of the core's in a file, wherever it stands; `gan_bench` alone is the public names."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level or file.is_relative_to(ROOT / "plugins"), f"{file}:{node.lineno}: a relative import"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]  # modules, or names in one
            modules = [name if _is_module(name) else str(node.module) for name in inner]
        yield from ((node.lineno, module) for module in modules if module.partition(".")[0] == "gan_bench")


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def room_of(module: str) -> str:
    """The room of a module of the core; "" of the public names."""
    parts = module.split(".")[1:]
    return "" if not parts else "ground" if parts[0] in GROUND else parts[0]


def files_of(room: str) -> list[Path]:
    """The source files of a room."""
    return [CORE / f"{name}.py" for name in sorted(GROUND)] if room == "ground" else sorted((CORE / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_itself_and_what_stands_before_it(room: str) -> None:
    allowed = {"", *ROOMS[: ROOMS.index(room) + 1]}
    files = files_of(room)
    assert files
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {module}"
        for file in files
        for line, module in imports(file)
        if room_of(module) not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_every_file_has_its_room() -> None:
    public = {"__init__.py", "losses.py"}
    assert {file.name for file in CORE.glob("*.py")} == {f"{name}.py" for name in GROUND} | public
    assert {folder.name for folder in CORE.iterdir() if folder.is_dir() and folder.name != "__pycache__"} == set(
        ROOMS
    ) - {"ground"}
    assert len((CORE / "losses.py").read_text().splitlines()) == 1


@pytest.mark.parametrize("package", ALLOWED)
def test_plugins_and_reports_import_what_is_theirs(package: str) -> None:
    allowed = ALLOWED[package] | {"", "ground"}
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {module}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line, module in imports(file)
        if not {room_of(module), module.removeprefix("gan_bench.")} & allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_no_two_modules_import_each_other() -> None:
    graph = {}
    for room in ROOMS:
        for file in files_of(room):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            graph[name] = {module for _, module in imports(file) if module != "gan_bench"} - {name}
    known: set[str] = set()
    while ready := {module for module, needs in graph.items() if needs & graph.keys() <= known} - known:
        known |= ready
    assert not graph.keys() - known, f"circles among {sorted(graph.keys() - known)}"


def test_the_map_in_contributing_is_what_the_packages_say() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert list(told) == ROOMS
    for room in ROOMS[1:]:
        assert told[room] == (ast.get_docstring(ast.parse((CORE / room / "__init__.py").read_text())) or "")


def test_the_tests_stand_in_folders_of_the_same_names() -> None:
    folders = {file.parent.name for file in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - {"plugins", "reports", "whole"} == {*ROOMS} - {"ground"}
