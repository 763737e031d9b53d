"""Every plugin that is installed passes the checks of its kind, and tricks do so in pairs."""

from __future__ import annotations

import itertools

import fuzz
import pytest

from gan_bench.api.registry import Registry
from gan_bench.checks.check import Skipped
from gan_bench.checks.plugins import check_pair, checks_of

REGISTRY = Registry.load()
CHECKS = {f"{found.kind} {found.name}": checks_of(found, REGISTRY) for found in REGISTRY.found}
TRICKS = sorted((found for found in REGISTRY.found if found.kind == "trick"), key=lambda found: found.name)
TRIED, TRAINED = 150, 50  # pairs at most that the fast tests try and the slow ones train


def run(checks):
    """Run checks one after another; skipped if there is nothing here to check by any of them."""
    reasons = []
    for check in checks:
        try:
            check.run()
        except Skipped as reason:
            reasons.append(str(reason))
    if checks and len(reasons) == len(checks):
        pytest.skip("; ".join(dict.fromkeys(reasons)))


def having(kind):
    """A parameter for each plugin that has such checks: "slow" or "gpu" ones, or others."""
    of = {
        name: [check for check in checks if kind == ("slow" if check.slow else "gpu" if check.gpu else "fast")]
        for name, checks in CHECKS.items()
    }
    return pytest.mark.parametrize("checks", [pytest.param(own, id=name) for name, own in of.items() if own])


@having("fast")
def test_a_plugin(checks):
    run(checks)


@pytest.mark.slow
@having("slow")
def test_a_plugin_at_length(checks):
    run(checks)


@pytest.mark.gpu
@having("gpu")
def test_a_plugin_on_a_gpu(checks):
    run(checks)


def pairs(most):
    """Ordered pairs of tricks, all that there are or so many; each trick stands as often in either place as any other."""
    count = len(TRICKS)
    apart = range(1, min(count - 1, max(1, most // count)) + 1)
    return [(TRICKS[i], TRICKS[(i + k) % count]) for k in apart for i in range(count)]


def test_pairs_of_tricks_are_refused_by_name_or_pass_the_dry_pass():
    for pair in pairs(TRIED):
        check_pair(*pair)
    assert {one.name for pair in pairs(TRIED) for one in pair} == {one.name for one in TRICKS}


@pytest.mark.slow
def test_so_do_the_pairs_that_are_too_many_for_the_fast_tests():
    """Every second one of them; with `--fuzz 2` all."""
    tried = pairs(TRIED)
    left = [pair for pair in itertools.permutations(TRICKS, 2) if pair not in tried]
    for pair in left[:: 2 if fuzz.times == 1 else 1]:
        check_pair(*pair)


@pytest.mark.slow
@pytest.mark.parametrize("pair", pairs(TRAINED), ids=lambda pair: "+".join(one.name for one in pair))
def test_some_train_and_resume_together(pair):
    check_pair(*pair, train=True)
