"""Each test has a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ramp import Ramp


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def decoded() -> list[str]:
    Ramp.decoded.clear()
    return Ramp.decoded
