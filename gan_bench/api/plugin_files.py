"""Plugin files and their neighbours: modules that are executed once a process for the same folder and content."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from gan_bench.api.imports import Code, Territory, belongs_elsewhere, module_at
from gan_bench.errors import GanBenchError


def import_file(file: Path) -> ModuleType:
    """The module of a plugin file. GanBenchError: there is no such file. What the file itself raises comes through."""
    return plugin_files([file])[0]()


def plugin_files(files: Iterable[Path]) -> list[Callable[[], ModuleType]]:
    """What imports each of these plugin files, and raises as `import_file`: executed once a process for the same content.

    A file may import its neighbours, which are modules and packages in its folder; files of one folder share them. The names of
    all these modules hold a hash of the folder and of what is imported there, so that equal names in two folders don't meet, a
    changed file or neighbour is a new module, and nobody else can import one. The code is compiled from the bytes that are
    hashed: a stale bytecode cache (which goes by whole seconds) can't slip in.
    """
    folders: dict[Path, Folder] = {}
    loads: list[Callable[[], ModuleType]] = []
    for file in files:
        path = file.resolve().parent
        loads.append(partial(folders.setdefault(path, Folder(path)).load, file))
        folders[path].plugins[_name(file)] = file
    return loads


class Folder(Territory):
    """A folder of plugin files: they and their neighbours."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.plugins: dict[str, Path] = {}  # those that were asked for

    def load(self, file: Path) -> ModuleType:
        """The module of one of the plugin files."""
        if not file.is_file():
            raise GanBenchError(f"there is no file {file}")
        name = _name(file)
        unit = self._shared(self._imports(name))
        digest = hashlib.sha256(str(self.path).encode())
        for code in sorted(unit.values(), key=lambda code: code.name):
            digest.update(b"\0%b\0%b" % (code.name.encode(), code.source))
        first = re.sub(r"[^A-Za-z0-9_]", "_", min(self.plugins.keys() & unit.keys()))
        root = f"gan_bench_file_{first}_{digest.hexdigest()[:16]}"
        Finder.loaders[root] = Loader(root, Code("", self.path, b"", is_package=True), self)
        for code in unit.values():
            Finder.loaders.setdefault(f"{root}.{code.name}", Loader(f"{root}.{code.name}", code, self))
        return import_module(f"{root}.{name}")

    def _imports(self, plugin: str) -> dict[str, Code]:
        code = self.find(plugin)
        return self.imported_by(code) if code else {}

    def _shared(self, unit: dict[str, Code]) -> dict[str, Code]:
        """All that plugin files import that share a module with these, or with others that do."""
        others = []
        for plugin in self.plugins:
            with suppress(OSError):  # told when that file is loaded
                others.append(self._imports(plugin))
        while more := [one for one in others if one.keys() & unit.keys() and not one.keys() <= unit.keys()]:
            unit = unit | more[0]
        return unit

    def may_name(self, top: str, importer: Code) -> bool:
        """Not what a module itself is called: that means a library."""
        return not belongs_elsewhere(top) and (top != importer.name or importer.is_package)

    def read(self, name: str) -> Code | None:
        """A plugin file or a neighbour."""
        if file := self.plugins.get(name):
            return Code(name, file, file.read_bytes()) if file.is_file() else None
        code = module_at(self.path.joinpath(*name.split(".")), name)
        return code if code and code.file.resolve().is_relative_to(self.path) else None  # no link out of the folder

    def linked(self, code: Code) -> ast.Module:
        """The syntax tree of a module in which neighbours are imported relatively."""
        tree = code.tree()
        for node in ast.walk(tree):
            for _, children in ast.iter_fields(node):
                if isinstance(children, list):
                    children[:] = [new for old in children for new in self._relative(old, code)]
        return tree

    def _relative(self, node: ast.AST, code: Code) -> list[ast.AST]:
        level = len(code.package) + 1  # from the folder itself
        if isinstance(node, ast.ImportFrom) and not node.level:
            node.level = level if any(self._has(f"{node.module}.{alias.name}", code) for alias in node.names) else 0
        if not isinstance(node, ast.Import) or not any(self._has(alias.name, code) for alias in node.names):
            return [node]
        new: list[ast.stmt] = []
        for alias in node.names:
            around, _, name = alias.name.rpartition(".")
            if not self._has(alias.name, code):
                new.append(ast.Import([alias]))
            elif not around or alias.asname:
                new.append(ast.ImportFrom(around or None, [ast.alias(name, alias.asname)], level))
            else:  # `import a.b` gives `a`, once `a.b` is imported
                top = alias.name.partition(".")[0]
                new.append(ast.ImportFrom(around, [ast.alias(name, top)], level))
                new.append(ast.ImportFrom(None, [ast.alias(top)], level))
        return [ast.fix_missing_locations(ast.copy_location(one, node)) for one in new]

    def _has(self, target: str, importer: Code) -> bool:
        return self.may_name(target.partition(".")[0], importer) and bool(self.chain(target))


class Loader(SourceFileLoader):
    """Executes what was read, whatever the file holds by now."""

    def __init__(self, name: str, code: Code, folder: Folder) -> None:
        super().__init__(name, str(code.file))
        self.code, self.folder = code, folder

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.folder.linked(self.code), self.path, "exec", dont_inherit=True)


class Finder:
    """Finds them for Python's own import."""

    loaders: dict[str, Loader] = {}

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Where a module comes from, None of all others."""
        if (loader := cls.loaders.get(name)) is None:
            return None
        spec = spec_from_file_location(name, loader.path, loader=loader)
        if spec:  # an empty path: nothing but this finder looks for what is in a package
            spec.submodule_search_locations = [] if loader.code.is_package else None
        return spec


sys.meta_path.append(Finder)


def _name(file: Path) -> str:
    return file.stem.replace(".", ":")
