"""The source code that makes a plugin what it is."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def source_hash(cls: type) -> str:
    """SHA-256 over the modules of a plugin's class and of the classes that it inherits from, the libraries' excepted.

    Of a plugin file it is the code that was executed, whatever the file holds by now. A class that was typed into a notebook
    has no source; all that is known of its code is its name.
    """
    digest = hashlib.sha256()
    for name in dict.fromkeys(base.__module__ for base in cls.__mro__):
        if name.split(".")[0] not in ("builtins", "abc", "pydantic", "gan_bench", "typing"):
            module = sys.modules.get(name)
            code = getattr(module, "__gan_bench_source__", None)
            file = getattr(module, "__file__", None)
            if code is None:
                code = Path(file).read_bytes() if file else cls.__qualname__.encode()
            digest.update(code)
    return digest.hexdigest()
