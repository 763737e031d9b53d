"""What every plugin must pass, short trainings on toys among it: the tests run it over the registry."""

from gan_bench.checks.check import Check, Failed, Skipped
from gan_bench.checks.plugins import check_pair, checks_of

__all__ = ["Check", "Failed", "Skipped", "check_pair", "checks_of"]
