"""Fuzzing: so many generated inputs, counted; and damage that is done to files. `pytest --fuzz 20` tries twenty times as many."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
Path = tuple[str | int, ...]  # keys and indices of a JSON value
times = 1  # --fuzz


def fuzz(inputs: int, strategy: SearchStrategy[T], check: Callable[[T], None]) -> None:
    """Call `check` with so many inputs, the same ones every time; a failure is told with the smallest that fails."""
    inputs, tried = inputs * times, 0

    @settings(
        max_examples=inputs, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def each(value: T) -> None:
        nonlocal tried
        tried += 1
        check(value)

    each()
    print(f"{tried} inputs tried")
    assert tried >= inputs


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.sampled_from(
        [2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**30, 1e308, -1e-300, float("nan"), float("inf")]
    )
    | st.floats()
    | st.sampled_from(
        ["", "0", "finished", "failed", "lower", "log", "<script>", "a\nb", "\x00", "\ud800", "../..", "{{ 1 }}"]
    )
    | st.text(max_size=6)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=5
)  # fmt: skip
DELETED = object()


def paths(value: Any, start: Path = ()) -> Iterator[Path]:
    """The paths of a JSON value and of all that it holds."""
    yield start
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*start, key))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The JSON value with another one at the path, or without what was there where `new` is DELETED."""
    if not path:
        return {} if new is DELETED else new
    inner = dict(value) if isinstance(value, dict) else list(value)
    if new is DELETED and len(path) == 1:
        del inner[path[0]]
    else:
        inner[path[0]] = replaced(inner[path[0]], path[1:], new)
    return inner


def damaged_json(document: Any) -> SearchStrategy[bytes]:
    """The text of a JSON document in which one value or two are replaced by anything, or missing."""
    one = st.tuples(st.sampled_from(list(paths(document))), VALUES | st.just(DELETED))

    def apply(changes: list[tuple[Path, Any]]) -> bytes:
        changed = document
        for path, new in changes:
            if path in set(paths(changed)):
                changed = replaced(changed, path, new)
        return json.dumps(changed).encode()

    return st.lists(one, min_size=1, max_size=2).map(apply)


def damaged_bytes(content: bytes) -> SearchStrategy[bytes]:
    """A file's content with bytes changed, lost, put in or overwritten by zeros, or cut short."""
    place = st.integers(0, max(0, len(content) - 1))
    cut = place.map(lambda end: content[:end])
    flipped = st.tuples(place, st.integers(0, 7)).map(
        lambda at: content[: at[0]] + bytes([content[at[0]] ^ (1 << at[1])]) + content[at[0] + 1 :]
    )
    zeros = st.tuples(place, st.integers(1, 4096)).map(
        lambda at: (content[: at[0]] + bytes(at[1]) + content[at[0] + at[1] :])[: len(content)]
    )
    lost = st.tuples(place, st.integers(1, 64)).map(lambda at: content[: at[0]] + content[at[0] + at[1] :])
    put_in = st.tuples(place, st.binary(min_size=1, max_size=16)).map(
        lambda at: content[: at[0]] + at[1] + content[at[0] :]
    )
    return cut | flipped | zeros | lost | put_in | st.binary(max_size=64)
