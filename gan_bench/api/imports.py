"""Which modules of its own folder or package a module imports: read off its syntax tree, so that all processes agree.

What is imported by a function only counts as well, and nothing is executed.
"""

from __future__ import annotations

import ast
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE = re.compile(r"(?:\.+[^\W\d]\w*|[^\W\d]\w*\.[^\W\d]\w*)(?:\.[^\W\d]\w*)*")  # in text: a dot is needed
CORE_PATH = re.compile(rb"(?<![\w.])gan_bench(?:\.\w+)+")


@dataclass(frozen=True)
class Code:
    """A module's source."""

    name: str  # dotted
    file: Path
    source: bytes
    is_package: bool = False

    @property
    def package(self) -> list[str]:
        """Names of the packages around it, itself included if it is one: where its relative imports begin."""
        return self.name.split(".")[: None if self.is_package else -1]

    def tree(self) -> ast.Module:
        """Its syntax tree. SyntaxError: it is no Python, with file and line."""
        try:
            return ast.parse(self.source, str(self.file))
        except (SyntaxError, ValueError) as error:  # of a null byte or an unknown encoding Python tells neither
            if getattr(error, "lineno", None):
                raise
            raise SyntaxError(str(error), (str(self.file), 1, None, None)) from None

    def nodes(self) -> list[ast.AST]:
        """All of the tree, nothing where executing it will say what is wrong."""
        try:
            return list(ast.walk(self.tree()))
        except (SyntaxError, RecursionError):
            return []

    def hashed(self) -> bytes:
        """Its source, but for where in gan_bench a name is imported from: the core may move its modules."""
        lines = self.source.splitlines(keepends=True)
        for node in self.nodes() if CORE_PATH.search(self.source) else ():
            if isinstance(node, ast.Import | ast.ImportFrom):
                own = slice(node.lineno - 1, node.end_lineno)
                lines[own] = [CORE_PATH.sub(b"gan_bench", line) for line in lines[own]]
        return b"".join(lines)


class Territory(ABC):
    """The modules that belong to a plugin, each read once."""

    def __init__(self) -> None:
        self._codes: dict[str, Code | None] = {}
        self._targets: dict[str, list[str]] = {}

    @abstractmethod
    def may_name(self, top: str, importer: Code) -> bool:
        """Whether an absolute import of this top-level name may mean one of them."""

    @abstractmethod
    def read(self, name: str) -> Code | None:
        """One of them, None where there is no such module. OSError: it can't be read."""

    def find(self, name: str) -> Code | None:
        """As `read`, the first time."""
        if name not in self._codes:
            self._codes[name] = self.read(name)
        return self._codes[name]

    def chain(self, target: str) -> list[Code]:
        """A module and the packages around it, outermost first; of `a.b.c` it is `a.b` where `c` is only a name in it."""
        found: list[Code] = []
        parts = target.split(".")
        for end in range(1, len(parts) + 1):
            code = self.find(".".join(parts[:end]))
            if code is None:
                break
            found.append(code)
        while found and found[-1].file.suffix != ".py":  # nothing in these folders is meant
            found.pop()
        return found

    def imported_by(self, start: Code) -> dict[str, Code]:
        """A module and all that it imports, directly or through others, by name.

        The packages around a module are not what it imports but what imports it, unless it imports something of theirs.
        """
        found: dict[str, Code] = {}
        queue = [start]
        for code in queue:
            if code.name in found:
                continue
            found[code.name] = code
            if code.name not in self._targets:
                self._targets[code.name] = list(self._targets_of(code))
            for target in self._targets[code.name]:
                *around, module = self.chain(target) or [code]
                queue += [*(one for one in around if not code.name.startswith(f"{one.name}.")), module]
        return found

    def _targets_of(self, code: Code) -> Iterator[str]:
        """Dotted names of modules, or of what is in them, that the code imports."""
        for node in code.nodes():
            if isinstance(node, ast.Import):
                for alias in node.names:
                    parts = alias.name.split(".")
                    if self.may_name(parts[0], code):
                        given = len(parts) if alias.asname else 1  # `import a.b` gives `a` as well
                        yield from (".".join(parts[:end]) for end in range(given, len(parts) + 1))
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node.module or "", node.level, code)
                yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names if base is not None)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
                name = node.value.lstrip(".")
                base = self._absolute(name, len(node.value) - len(name), code)
                if base and any(one.name == base for one in self.chain(base)):  # for importlib.import_module
                    yield base

    def _absolute(self, module: str, level: int, code: Code) -> str | None:
        """The whole name of what is imported after so many dots; "" is the folder itself. None: it is none of these modules."""
        if not level:
            return module if self.may_name(module.partition(".")[0], code) else None
        around = code.package
        if level > len(around) + 1:  # beyond the outermost package
            return None
        return ".".join([*around[: len(around) + 1 - level], *([module] if module else [])])


def module_at(place: Path, name: str) -> Code | None:
    """The module or package of a path without suffix; a folder without `__init__.py` is a package without source."""
    package, file = place / "__init__.py", place.with_name(f"{place.name}.py")
    if package.is_file():
        return Code(name, package, package.read_bytes(), is_package=True)
    if file.is_file():
        return Code(name, file, file.read_bytes())
    return Code(name, place, b"", is_package=True) if place.is_dir() else None


def belongs_elsewhere(top: str) -> bool:
    """Whether a top-level name is the standard library's or the core's, whatever lies beside a plugin."""
    return top in sys.stdlib_module_names or top == "gan_bench"
