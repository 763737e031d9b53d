"""The source code that makes a plugin what it is."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from weakref import WeakKeyDictionary

from gan_bench.api.imports import Code, Territory, belongs_elsewhere, module_at
from gan_bench.api.kinds import Plugin
from gan_bench.api.plugin_files import Loader

brought_by: WeakKeyDictionary[type, str] = WeakKeyDictionary()  # the module whose hook lists a class


@cache
def source_hash(cls: type) -> str:
    """SHA-256 over the modules of a plugin's class and of the classes that it inherits from, and over what these import.

    That is, of a plugin file its neighbours, of an installed module those of its distribution; never the standard library,
    gan_bench or another distribution. Of a plugin file and its neighbours it is the code that was executed, whatever the files
    hold by now. A class that was typed into a notebook has no source; all that is known of its code is its name.
    """
    own = _source(cls.__module__)
    found: dict[Path, Code] = {}
    for base in cls.__mro__:
        source = _source(base.__module__)
        if source:
            code, territory = source
            followed = base is cls or issubclass(base, Plugin)
            found |= {one.file: one for one in (territory.imported_by(code).values() if followed else [code])}
    if maker := _maker(cls):
        found |= {one.file: one for one in maker[1].imported_by(maker[0]).values()}
    digest = hashlib.sha256(own[0].hashed() if own else cls.__qualname__.encode())
    for code in sorted(found.values(), key=lambda one: (one.name, one.source)):
        if not own or code.file != own[0].file:
            digest.update(b"\0%b\0%b" % (code.name.encode(), code.hashed()))
    return digest.hexdigest()


def has_source(cls: type) -> bool:
    """Whether there is a file that says what a plugin's class is: of one typed into a notebook nothing does."""
    return _source(cls.__module__) is not None


def _source(name: str) -> tuple[Code, Territory] | None:
    """A module's code, and the modules that may belong to it. None: it has no file, or is a library's."""
    top = name.partition(".")[0]
    if belongs_elsewhere(top) or top == "pydantic":
        return None
    module = sys.modules.get(name)
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    if isinstance(loader, Loader):
        return loader.code, loader.folder
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    code = Code(name, Path(file), Path(file).read_bytes(), is_package=hasattr(module, "__path__"))
    return code, Distribution(top)


def _maker(cls: type) -> tuple[Code, Territory] | None:
    """The module that brings a class that is not found where it is defined: a function made it, of arguments given elsewhere."""
    found = getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls
    return None if found or cls not in brought_by else _source(brought_by[cls])


class Distribution(Territory):
    """What is installed together with a top-level module, or lies beside it where nothing is installed."""

    def __init__(self, top: str) -> None:
        super().__init__()
        self.tops = _installed_with(top)
        folder = _folder(top)
        self.folder = None if folder is None or any(folder.glob("*.dist-info")) else folder

    def may_name(self, top: str, importer: Code) -> bool:
        if belongs_elsewhere(top):
            return False
        return top in self.tops or (self.folder is not None and _folder(top) == self.folder)

    def read(self, name: str) -> Code | None:
        top, *rest = name.split(".")
        spec = _spec(top)
        if spec is None:
            return None
        places = [Path(place) for place in spec.submodule_search_locations or ()]
        if rest:
            return next(filter(None, (module_at(place.joinpath(*rest), name) for place in places)), None)
        if places:
            return module_at(places[0], name)
        file = Path(spec.origin) if spec.has_location and spec.origin else None
        return Code(name, file, file.read_bytes()) if file else None


@cache
def _installed_with(top: str) -> frozenset[str]:
    """The top-level names of the distribution whose entry points name this one."""
    for entry in entry_points(group="gan_bench"):
        if entry.dist and entry.module.partition(".")[0] == top:
            files = (Path(file).parts[0] for file in entry.dist.files or () if file.suffix == ".py")
            names = (entry.dist.read_text("top_level.txt") or "").split() or [
                name.removesuffix(".py") for name in files
            ]
            return frozenset({top, *names})
    return frozenset({top})


def _spec(top: str) -> ModuleSpec | None:
    with suppress(ImportError, ValueError):  # ValueError: a module that no import made, such as a script
        return find_spec(top)
    return None


def _folder(top: str) -> Path | None:
    """Where a top-level module lies."""
    spec = _spec(top)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if spec and not places and spec.has_location and spec.origin:
        places = [spec.origin]
    return Path(places[0]).parent if places else None
