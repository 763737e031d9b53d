"""One text, and one hash, for equal settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def equal_form(value: Any) -> Any:
    """The value with 1.0 written as 1, so that equal settings are equal JSON. (Not beyond 2**53: floats have gaps there.)"""
    if isinstance(value, str | int):  # first, for most values are
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        return {key: equal_form(item) for key, item in value.items()}
    return [equal_form(item) for item in value] if isinstance(value, list | tuple) else value


def canonical(value: Any) -> str:
    """JSON that is equal for equal values, whatever the order of keys. ValueError: NaN or infinity."""
    return json.dumps(equal_form(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_hash(value: Any) -> str:
    """SHA-256 of a JSON value's canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
