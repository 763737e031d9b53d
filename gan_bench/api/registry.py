"""Finds plugins, in installed packages and in files, and makes them by kind and name.

A plugin of a file wins over installed ones of its kind and name. One broken plugin never stops the others: it is kept with
its cause, and only what needs it fails, also where an installed one has its name. The core imports no plugin and no torch by
itself; `Registry.load` does, because plugins do.
"""

from __future__ import annotations

import difflib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_args

import pluggy

from gan_bench.api import hooks
from gan_bench.api.faults import cause
from gan_bench.api.kinds import KINDS, RECIPE_PARTS, Dataset, Plugin, Side, Trick, check_shape, shared
from gan_bench.api.plugin_files import plugin_files
from gan_bench.api.sources import brought_by, source_hash
from gan_bench.api.trackers import Tracker, brought
from gan_bench.errors import GanBenchError, did_you_mean, short_path

GROUP = "gan_bench"
FILE = "file"  # how the origin of a plugin from a file begins
HOOKS = {kind: f"gan_bench_{kind}s" for kind in KINDS} | {"features": "gan_bench_features"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # a plugin's name becomes part of dotted paths and folder names

WORDS = {  # attributes of a class that are one of a few words
    "metric": {"better": ("lower", "higher"), "scale": ("log", "raw"), "side": (None, *get_args(Side))},
    "dataset": {"kind": ("image", "points")},
}


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
    origin: str  # "package gan-bench 0.2.0" or "file my_arch.py"
    source: Path  # the plugin file, or the file of an installed class's module
    instead_of: tuple[str, ...] = ()  # origins of installed plugins of its kind and name, over which it wins

    @property
    def of_file(self) -> bool:
        """Whether it was given as a file."""
        return self.origin.startswith(FILE)

    @property
    def source_hash(self) -> str:
        """SHA-256 of the code, with base classes and helper modules."""
        return source_hash(self.cls)

    def facts(self) -> dict[str, Any]:
        """What a store says of it, as JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "origin": self.origin,
            "instead_of": list(self.instead_of),
            "source": self.source_hash,
            "file": str(self.source) if self.of_file else None,
        }


@dataclass(frozen=True)
class Broken:
    """What was meant to be a plugin, and why it is none."""

    origin: str
    name: str  # of the entry point, the file or the class, as far as it got
    cause: str  # with file and line where they are known
    kind: str | None = None  # of the class or hook; None: all that the file or package brings is missing
    source: Path | None = None  # the file, if it was given as one

    def __str__(self) -> str:
        return f"{self.name} ({self.origin}): {self.cause}"

    def may_bring(self, kind: str, name: str) -> bool:
        """Whether the plugin of this kind and name may be what is broken here: a file was given for what it brings."""
        if name in (self.name, self.name.rpartition(".")[2]):
            return True
        return self.origin.startswith(FILE) and self.kind in (None, kind)


def _put_back() -> AbstractContextManager[Any]:
    """Puts back what an import changes for all runs: PyTorch's settings, the working folder. Before PyTorch is there, nothing."""
    if "torch" not in sys.modules:
        return nullcontext()
    from gan_bench.api.global_state import preserved

    return preserved()


class Registry:
    """The plugins of this process, by kind and name, and the manager that event hooks are called through."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("gan_bench")
        self.manager.add_hookspecs(hooks)
        self.found: list[Found] = []
        self.broken: list[Broken] = []
        self.files: tuple[Path, ...] = ()
        self._origins: dict[str, str] = {}  # by module

    @classmethod
    def load(cls, files: Sequence[Path] = ()) -> Registry:
        """Every plugin of installed packages, then those of the files; the same files give the same in each process."""
        registry = cls()
        source_hash.cache_clear()  # what is installed may have changed since
        for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.dist.name if e.dist else "", e.name)):
            origin = f"package {entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
            registry._load(entry.load, origin, entry.name)
        registry.files = tuple(dict.fromkeys(Path(file).resolve() for file in files))
        for file, load in zip(registry.files, plugin_files(registry.files), strict=True):
            known = len(registry.broken)
            registry._load(load, f"{FILE} {file.name}", file.stem)
            registry.broken[known:] = [replace(one, source=file) for one in registry.broken[known:]]
        return registry

    def _load(self, load: Callable[[], Any], origin: str, name: str) -> None:
        """Adds a module; of a package without hooks of its own each module whose name does not begin with `_`."""
        try:
            with _put_back(), redirect_stdout(sys.stderr):  # standard output is for results
                module = load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything
            self.broken.append(Broken(origin, name, cause(error)))
            return
        parts = [part.name for part in iter_modules(getattr(module, "__path__", ())) if not part.name.startswith("_")]
        if parts and not any(self.manager.parse_hookimpl_opts(module, k) or k in HOOKS.values() for k in vars(module)):
            for part in parts:
                self._load(partial(import_module, f"{module.__name__}.{part}"), origin, f"{name}.{part}")
        else:
            self._add(module, origin, name)

    def _add(self, module: Any, origin: str, name: str) -> None:
        """Registers a module (or any object with hooks) and collects the classes that it brings."""
        if self.manager.is_registered(module):  # two entry points that name one module
            return
        file = short_path(getattr(module, "__file__", None) or origin)
        try:
            self.manager.register(module)
            self._check_hooks(module)
        except (pluggy.PluginValidationError, GanBenchError) as error:
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            self.broken.append(Broken(origin, name, f"{file}: {' '.join(str(error).split())}"))
            return
        self._origins[getattr(module, "__name__", "")] = origin
        for kind, hook in HOOKS.items():
            for implementation in getattr(self.manager.hook, hook).get_hookimpls():
                if implementation.plugin is not module:
                    continue
                try:
                    classes = implementation.function()
                    if not isinstance(classes, (list, tuple)):
                        raise GanBenchError(f"{file}: {hook}() must return a list of classes, not {_type(classes)}")
                except Exception as error:  # noqa: BLE001 - a stranger's hook may raise anything
                    self.broken.append(Broken(origin, name, cause(error), kind))
                    continue
                for cls in classes:
                    self._add_class(kind, cls, origin, module, file)

    def _check_hooks(self, module: Any) -> None:
        """GanBenchError: it has no hook, or one that nothing calls, such as a misspelt one."""
        for caller in self.manager.get_hookcallers(module) or ():
            if not caller.has_spec():
                known = [hook for hook in vars(hooks) if hook.startswith("gan_bench_")]
                near = difflib.get_close_matches(caller.name, known, n=1)
                raise GanBenchError(f"unknown hook {caller.name}." + (f" Did you mean {near[0]}?" if near else ""))
        if not self.manager.get_hookcallers(module):
            unmarked = [hook for hook in HOOKS.values() if hasattr(module, hook)]
            if unmarked:
                raise GanBenchError(f"write @hookimpl above `def {unmarked[0]}`")
            cure = f"return your classes from {_listed(HOOKS.values())}; a helper module's name begins with `_`"
            raise GanBenchError(f"it implements no hook; {cure}")

    def _add_class(self, kind: str, cls: Any, origin: str, module: Any, file: str) -> None:
        fault = _fault(kind, cls)
        if fault:
            name = cls.__dict__.get("name", cls.__name__) if isinstance(cls, type) else repr(cls)
            self.broken.append(Broken(origin, str(name), f"{_place(cls) or file}: {fault}", kind))
        elif not any(known.cls is cls for known in self.found):
            of_class = inspect.getsourcefile(cls) or sys.modules[cls.__module__].__file__
            source = Path(str(module.__file__ if origin.startswith(FILE) else of_class))
            brought_by.setdefault(cls, getattr(module, "__name__", cls.__module__))
            new = Found(kind, cls.name, cls, origin, source)
            if new.of_file:
                beaten = [one for one in self.found if (one.kind, one.name, one.of_file) == (kind, cls.name, False)]
                self.found = [one for one in self.found if one not in beaten]
                new = replace(new, instead_of=tuple(one.origin for one in beaten))
            self.found.append(new)

    def trackers(self, tell: Callable[[str], object]) -> list[Found]:
        """The trackers. They stand apart from what is `found`, since no setting of a run names one; `tell` as in `brought`."""
        named: dict[str, list[type[Tracker]]] = {}
        for cls in brought(self.manager, tell):
            named.setdefault(cls.name, []).append(cls)
        return [
            Found("tracker", name, cls, self._origin(cls), Path(inspect.getfile(cls)), tuple(map(self._origin, others)))  # type: ignore[arg-type]
            for name, (cls, *others) in named.items()
        ]

    def _origin(self, cls: type) -> str:
        """Of a class that stands in a plugin's module, or in a helper module beside it."""
        top = cls.__module__.partition(".")[0]
        near = (origin for module, origin in self._origins.items() if module.partition(".")[0] == top)
        return self._origins.get(cls.__module__) or next(near, f"module {top}")

    def names(self, kind: str) -> list[str]:
        """Names of a kind, sorted."""
        return sorted({plugin.name for plugin in self.found if plugin.kind == kind})

    def get(self, kind: str, name: str) -> Found:
        """The plugin of this kind and name. PluginError: unknown, broken, or there are two of them."""
        matches = [plugin for plugin in self.found if (plugin.kind, plugin.name) == (kind, name)]
        what = "feature extractor" if kind == "features" else kind
        lost = self.lost(kind, name)
        if len(matches) == 1 and not lost:
            return matches[0]
        if matches and not lost:
            origins = " and ".join(f"{plugin.origin} ({plugin.source})" for plugin in matches)
            raise PluginError(
                f"{len(matches)} plugins bring a {what} called {name!r}: {origins}", "Remove or rename one."
            )
        own = lost or [broken for broken in self.broken if broken.may_bring(kind, name)]
        others = "; ".join(str(broken) for broken in self.broken if broken not in own)
        cure = did_you_mean(name, self.names(kind)) if self.names(kind) else f"No {what} is installed."
        if own:
            causes = "; ".join(broken.cause.rstrip(".") for broken in own)
            near = cure if cure.startswith("Did") else ""
            near = "An installed one of this name is not taken for it." if matches else near
            so = " So" if causes.endswith("?") else "; so"
            raise PluginError(f"{causes}{so} no {what} is called {name!r}", near)
        if not cure.startswith("Did"):
            cure += " Or name its file in plugins = [...] or with --plugin."
        raise PluginError(
            f"no {what} is called {name!r}", cure + (f" Could not be loaded: {others}." if others else "")
        )

    def lost(self, kind: str, name: str) -> list[Broken]:
        """What of the files was to be this plugin, where none of them brings it: no installed one is taken in its place.

        It has the plugin's name; or all of a file is broken, or its hook of the kind, and its text says `name = "..."`.
        """
        own = [one for one in self.broken if one.origin.startswith(FILE) and one.kind in (None, kind)]
        if not own or any(one.of_file and (one.kind, one.name) == (kind, name) for one in self.found):
            return []
        says = re.compile(rf"\bname\b[^\n]*=\s*([\"']){re.escape(name)}\1")
        return [
            one
            for one in own
            if one.name == name or (one.source and one.source.stem == one.name and says.search(_text(one.source)))
        ]

    def those(self, plugins: Iterable[tuple[str, str]]) -> list[Found]:
        """The plugins of these kinds and names. PluginError: as `get`."""
        return [self.get(kind, name) for kind, name in plugins]

    def create(self, kind: str, spec: str | Mapping[str, Any]) -> Any:
        """A plugin from its name, or from a table of `name` and parameters.

        PluginError: as `get`. pydantic.ValidationError: a parameter is refused (types are strict, as TOML and JSON have
        them: "2" is no number).
        """
        table = {"name": spec} if isinstance(spec, str) else spec
        found = self.get(kind, table["name"])
        parameters = {key: value for key, value in table.items() if key != "name"}
        return found.cls.model_validate_json(json.dumps(parameters), strict=True)


def _fault(kind: str, cls: Any) -> str | None:
    """Why this can't be a plugin of the kind, or None."""
    base = KINDS[kind]
    if not isinstance(cls, type):
        return f"{HOOKS[kind]}() must list classes, not {_type(cls)} objects"
    if not issubclass(cls, base):
        return f"class {cls.__name__} must be a subclass of gan_bench.{base.__name__}"
    for attribute in cls.__class_vars__ & cls.model_fields.keys() - {"shape"}:
        return f"class {cls.__name__}: write `{attribute} = ...` without a type, or it becomes a parameter"
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"class {cls.__name__} needs `name = \"...\"` of letters, digits, '_' and '-' (found: {name!r})"
    if inspect.isabstract(cls):
        return f"class {cls.__name__} lacks {_listed(sorted(cls.__abstractmethods__))}"
    if issubclass(cls, Trick) and (fault := _parts_fault(cls)):
        return fault
    for attribute, allowed in WORDS.get(kind, {}).items():
        if getattr(cls, attribute) not in allowed:
            rule = f"`{attribute}` must be {' or '.join(map(repr, allowed))}"
            return f"class {cls.__name__}: {rule} (found: {getattr(cls, attribute)!r})"
    if kind == "metric" and "features" in cls.model_fields:
        return f"class {cls.__name__}: a metric has no parameter `features`: in a grid, this key names the extractor it reads"
    return (_taken_fault(cls) or _shape_fault(cls)) if issubclass(cls, Dataset) else None


def _parts_fault(cls: type[Trick]) -> str | None:
    """What is wrong with a trick's `replaces`, `wraps` or `needs`."""
    for attribute in ("replaces", "wraps", "needs"):
        words = getattr(cls, attribute)
        if not isinstance(words, (set, frozenset, list, tuple)):
            return f'class {cls.__name__}: write {attribute} = {{"loss"}}, a set of words (found: {words!r})'
        for word in words:
            if word not in [*RECIPE_PARTS]:  # it may be anything, also what can't be hashed
                meant = "; ".join(f"{part!r} is {what}" for part, what in RECIPE_PARTS.items())
                near = did_you_mean(str(word), RECIPE_PARTS).partition("Known")[0]
                return f"class {cls.__name__}: `{attribute}` has no word {word!r} ({meant}). {near}".rstrip()
    return None


def _taken_fault(cls: type[Dataset]) -> str | None:
    """Which parameter of every dataset something else hides, such as a method of that name."""
    for name in sorted(shared(cls)):
        if cls.model_fields[name].default is not Dataset.model_fields[name].default:
            cure = f"declare your own with its type, `{name}: str = ...`, or choose another name"
            return f"class {cls.__name__}: `{name}` is a parameter of every dataset; {cure}"
    return None


def _shape_fault(cls: type[Dataset]) -> str | None:
    """What is wrong with a dataset's `shape`: a plain value, a property or a parameter."""
    if "shape" in cls.model_fields:
        return None
    shape = getattr(cls, "shape", None)
    if shape is None:
        return f"class {cls.__name__} lacks `shape`: write shape = (channels, height, width), or a property"
    if inspect.isfunction(shape):
        return f"class {cls.__name__}: write @property above `def shape`"
    if hasattr(shape, "__get__"):  # a property: known when there are parameters
        return None
    try:
        check_shape(shape, cls.kind)
    except ValueError as error:
        return f"class {cls.__name__}: {error}"
    return None


def _text(file: Path) -> str:
    """What a file holds; "" where it can't be read."""
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""


def _place(cls: Any) -> str:
    """File and line of a class, "" where there are none."""
    try:
        return f"{short_path(str(inspect.getsourcefile(cls)))}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return ""


def _type(value: Any) -> str:
    return type(value).__name__


def _listed(words: Any) -> str:
    return ", ".join(f"{word}()" for word in words)
