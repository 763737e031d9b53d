"""Plugin files: modules that are executed once a process for the same path and content."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from gan_bench.errors import GanBenchError


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
