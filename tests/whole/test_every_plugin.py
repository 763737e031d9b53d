"""Every plugin that is installed passes the checks of its kind."""

from __future__ import annotations

import pytest

from gan_bench.api.registry import Registry
from gan_bench.checks import Skipped, checks_of

REGISTRY = Registry.load()
CHECKS = [
    pytest.param(check, id=str(check), marks=[pytest.mark.slow] if check.slow else [])
    for found in REGISTRY.found
    for check in checks_of(found, REGISTRY)
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_plugin(check):
    try:
        check.run()
    except Skipped as reason:
        pytest.skip(str(reason))
