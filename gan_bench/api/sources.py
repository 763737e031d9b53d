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

from gan_bench.api.imports import Code, Territory, belongs_elsewhere, module_at, own_modules
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
    digest = hashlib.sha256()
    modules = dict.fromkeys(base.__module__ for base in cls.__mro__)
    classes = {name: _source(name) for name in modules if not _is_library(name)}
    for found in classes.values():
        digest.update(found[0].hashed() if found else cls.__qualname__.encode())
    followed = [base.__module__ for base in cls.__mro__ if base is cls or issubclass(base, Plugin)]
    imported: dict[Path, Code] = {}
    for start in filter(None, [*(classes.get(name) for name in followed), _maker(cls)]):
        code, territory = start
        imported |= {one.file: one for one in own_modules([code], territory).values()}
    seen = {found[0].file for found in classes.values() if found}
    for code in sorted((imported[file] for file in imported.keys() - seen), key=lambda one: (one.name, one.source)):
        digest.update(b"\0%b\0%b" % (code.name.encode(), code.hashed()))
    return digest.hexdigest()


def _is_library(module: str) -> bool:
    top = module.partition(".")[0]
    return belongs_elsewhere(top) or top == "pydantic"


def _source(name: str) -> tuple[Code, Territory] | None:
    """A module's code, and the modules that may belong to it. None: it has no file."""
    module = sys.modules.get(name)
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    if isinstance(loader, Loader):
        return loader.code, loader.folder
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    code = Code(name, Path(file), Path(file).read_bytes(), is_package=hasattr(module, "__path__"))
    return code, Distribution(name.partition(".")[0])


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
        return (
            Code(name, Path(spec.origin), Path(spec.origin).read_bytes()) if spec.has_location and spec.origin else None
        )


@cache
def _installed_with(top: str) -> frozenset[str]:
    """The top-level names of the distribution whose entry points name this one."""
    for entry in entry_points(group="gan_bench"):
        if entry.dist and entry.module.partition(".")[0] == top:
            names = (entry.dist.read_text("top_level.txt") or "").split()
            names = names or [
                Path(file).parts[0].partition(".")[0] for file in entry.dist.files or () if file.suffix == ".py"
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
