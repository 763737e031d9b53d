"""`pytest --gan-bench FILE|PACKAGE`: the checks of its plugins as tests. Without the option nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gan_bench.checks.check import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    parser.getgroup("gan-bench").addoption(
        "--gan-bench",
        action="append",
        default=[],
        metavar="FILE|PACKAGE",
        help="Also check the plugins of a file, or of an installed package, as `gan-bench check` does.",
    )


@pytest.hookimpl(tryfirst=True)  # -k, -m and other plugins choose among them
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds the checks to what is collected."""
    for name in config.getoption("gan_bench"):
        items += (item for item in session.genitems(Plugins.from_parent(session, name=name, nodeid=name)))


class Plugins(pytest.Collector):
    """The plugins of a file or package."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test for each check. CollectError: there is no such file or package."""
        from gan_bench.checks.subjects import subjects
        from gan_bench.errors import GanBenchError

        try:
            (subject,) = subjects([self.name])
        except GanBenchError as error:
            raise self.CollectError(str(error)) from error
        for check in subject.checks():
            yield Item.from_parent(self, name=str(check), check=check)


class Item(pytest.Item):
    """A check. Its failure is the plugin's file and line, and the rule."""

    def __init__(self, *, check: Check, **options: Any) -> None:
        super().__init__(**options)
        self.check = check

    def runtest(self) -> None:
        """Run it."""
        from gan_bench.checks.check import Skipped

        try:
            self.check.run()
        except Skipped as reason:
            pytest.skip(str(reason))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Without a traceback of the checks' own code."""
        from gan_bench.checks.check import Failed

        return str(excinfo.value) if isinstance(excinfo.value, Failed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[PathLike[str] | str, int | None, str]:
        """Where its plugin is from."""
        return self.path, None, self.name
