"""Finds plugins, in installed packages and in files, and makes them by kind and name.

One broken plugin never stops the others: it is kept with its cause, and only what needs it fails. The core imports no
plugin and no torch by itself; `Registry.load` does, because plugins do.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from gan_bench import hooks
from gan_bench.errors import GanBenchError, did_you_mean
from gan_bench.plugin import KINDS, Plugin
from gan_bench.sources import source_hash

GROUP = "gan_bench"
HOOKS = {kind: f"gan_bench_{kind}s" for kind in KINDS} | {"features": "gan_bench_features"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # a plugin's name becomes part of dotted paths and folder names


class PluginError(GanBenchError):
    """A plugin that was asked for can't be had. `rule` says what is wrong, `cure` what to do about it."""

    def __init__(self, rule: str, cure: str = "") -> None:
        self.rule, self.cure = rule, cure
        super().__init__(f"{rule}.{' ' + cure if cure else ''}")


@dataclass(frozen=True)
class Found:
    """A usable plugin class and where it came from."""

    kind: str
    name: str
    cls: type[Plugin]
    origin: str  # "package gan-bench 0.1.0" or "file my_arch.py"
    source: Path  # the file of the class's module
    source_hash: str  # SHA-256 of the code, base classes' included


@dataclass(frozen=True)
class Broken:
    """What was meant to be a plugin, and why it is none."""

    origin: str
    name: str  # of the entry point, the file or the class, as far as it got
    cause: str

    def __str__(self) -> str:
        return f"{self.name} ({self.origin}): {self.cause}"


class Registry:
    """The plugins of this process, by kind and name, and the manager that event hooks are called through."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("gan_bench")
        self.manager.add_hookspecs(hooks)
        self.found: list[Found] = []
        self.broken: list[Broken] = []
        self.files: tuple[Path, ...] = ()

    @classmethod
    def load(cls, files: Sequence[Path] = ()) -> Registry:
        """Every plugin of installed packages, then those of the files; the same files give the same in each process."""
        registry = cls()
        for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.dist.name if e.dist else "", e.name)):
            origin = f"package {entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
            try:
                module = entry.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything
                registry.broken.append(Broken(origin, entry.name, _cause(error)))
            else:
                registry._add(module, origin, entry.name)
        registry.files = tuple(dict.fromkeys(Path(file).resolve() for file in files))
        for file in registry.files:
            try:
                module = import_file(file)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
                registry.broken.append(Broken(f"file {file.name}", file.stem, _cause(error)))
            else:
                registry._add(module, f"file {file.name}", file.stem)
        return registry

    def _add(self, module: Any, origin: str, name: str) -> None:
        """Registers a module (or any object with hooks) and collects the classes that it brings."""
        if self.manager.is_registered(module):  # two entry points that name one module
            return
        try:
            self.manager.register(module)
            self.manager.check_pending()  # a misspelt hook would be silently ignored without it
            if not self.manager.get_hookcallers(module):
                raise GanBenchError(f"it implements no hook; return your classes from {_listed(HOOKS.values())}")
        except (pluggy.PluginValidationError, GanBenchError) as error:
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            self.broken.append(Broken(origin, name, " ".join(str(error).split())))
            return
        for kind, hook in HOOKS.items():
            for implementation in getattr(self.manager.hook, hook).get_hookimpls():
                if implementation.plugin is not module:
                    continue
                try:
                    classes = implementation.function()
                    if not isinstance(classes, (list, tuple)):
                        raise TypeError(f"{hook}() must return a list of classes, not {type(classes).__name__}")
                except Exception as error:  # noqa: BLE001 - a stranger's hook may raise anything
                    self.broken.append(Broken(origin, name, _cause(error)))
                    continue
                for cls in classes:
                    self._add_class(kind, cls, origin)

    def _add_class(self, kind: str, cls: Any, origin: str) -> None:
        fault = _fault(kind, cls)
        if fault:
            name = cls.__dict__.get("name", cls.__name__) if isinstance(cls, type) else repr(cls)
            self.broken.append(Broken(origin, str(name), fault))
        elif not any(known.cls is cls for known in self.found):
            source = Path(str(inspect.getsourcefile(cls) or sys.modules[cls.__module__].__file__))
            self.found.append(Found(kind, cls.name, cls, origin, source, source_hash(cls)))

    def names(self, kind: str) -> list[str]:
        """Names of a kind, sorted."""
        return sorted({plugin.name for plugin in self.found if plugin.kind == kind})

    def get(self, kind: str, name: str) -> Found:
        """The plugin of this kind and name. PluginError: unknown, broken, or there are two of them."""
        matches = [plugin for plugin in self.found if (plugin.kind, plugin.name) == (kind, name)]
        what = "feature extractor" if kind == "features" else kind
        if len(matches) == 1:
            return matches[0]
        if matches:
            origins = " and ".join(f"{plugin.origin} ({plugin.source})" for plugin in matches)
            raise PluginError(
                f"{len(matches)} plugins bring a {what} called {name!r}: {origins}", "Remove or rename one."
            )
        for broken in self.broken:
            if name in (broken.name, broken.name.rpartition(".")[2]):
                raise PluginError(f"{what} {name!r} could not be loaded from {broken.origin}: {broken.cause}")
        others = "; ".join(str(broken) for broken in self.broken)
        cure = did_you_mean(name, self.names(kind)) if self.names(kind) else f"No {what} is installed."
        raise PluginError(
            f"no {what} is called {name!r}", cure + (f" Could not be loaded: {others}." if others else "")
        )

    def create(self, kind: str, spec: str | Mapping[str, Any]) -> Any:
        """A plugin from its name, or from a table of `name` and parameters.

        PluginError: as `get`. pydantic.ValidationError: a parameter is refused (types are strict, as TOML and JSON have
        them: "2" is no number).
        """
        table = {"name": spec} if isinstance(spec, str) else spec
        found = self.get(kind, table["name"])
        parameters = {key: value for key, value in table.items() if key != "name"}
        return found.cls.model_validate_json(json.dumps(parameters), strict=True)


def import_file(file: Path) -> ModuleType:
    """The module of a plugin file, executed once a process for the same path and content.

    The module's name holds a hash of both, so that files of equal names don't meet and a changed file is a new module. The
    code is compiled from the bytes that are hashed: a stale bytecode cache (which goes by whole seconds) can't slip in.
    GanBenchError: there is no such file. What the file itself raises comes through.
    """
    if not file.is_file():
        raise GanBenchError(f"there is no file {file}")
    source = file.read_bytes()
    digest = hashlib.sha256(str(file).encode() + b"\0" + source).hexdigest()[:16]
    name = f"gan_bench_file_{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    loader = SourceFileLoader(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    assert spec is not None  # only None without a loader
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__gan_bench_source__"] = source
    sys.modules[name] = module  # pydantic and pickle look classes' modules up here
    try:
        exec(loader.source_to_code(source, str(file)), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _fault(kind: str, cls: Any) -> str | None:
    """Why this can't be a plugin of the kind, or None."""
    base = KINDS[kind]
    if not isinstance(cls, type):
        return f"{HOOKS[kind]}() must list classes, not {type(cls).__name__} objects"
    if not issubclass(cls, base):
        return f"class {cls.__name__} must be a subclass of gan_bench.plugin.{base.__name__}"
    if "name" in cls.model_fields:
        return f"class {cls.__name__}: write `name = ...` without a type, or it becomes a parameter"
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"class {cls.__name__} needs `name = \"...\"` of letters, digits, '_' and '-' (found: {name!r})"
    if inspect.isabstract(cls):
        return f"class {cls.__name__} lacks {_listed(sorted(cls.__abstractmethods__))}"
    return None


def _listed(words: Any) -> str:
    return ", ".join(f"{word}()" for word in words)


def _cause(error: BaseException) -> str:
    """The exception in a line, with where it was raised."""
    if isinstance(error, GanBenchError):
        return str(error)
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return text if isinstance(error, SyntaxError) else text + next(_places(error), "")


def _places(error: BaseException) -> Iterator[str]:
    """Innermost first: the frames of plugins, not of the import system or of this file."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith("<") and frame.filename != __file__ and "importlib" not in frame.filename:
            yield f" ({frame.filename}:{frame.lineno})"
