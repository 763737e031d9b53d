"""`gan-bench check`: what every plugin must pass, run over a plugin file or a package."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gan_bench.checks.check import Check


@click.command("check")
@click.argument("names", nargs=-1, required=True, metavar="FILE|PACKAGE...")
@click.option("--only", default="", metavar="TEXT", help="Only checks whose plugin or name contains TEXT.")
@click.option("--fast", is_flag=True, help="Leave out the checks that take more than a moment.")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], only: str, fast: bool) -> None:
    """Check the plugins of a FILE, or of an installed PACKAGE.

    They train for some steps on toys, resume, and are looked at. Each check is told, and what fails with file and line. Exit
    code 0 if nothing has failed, 1 if something has or a plugin could not be tried at all, 2 if there is no such file or
    package.
    """
    from gan_bench.checks.subjects import subjects
    from gan_bench.console import say
    from gan_bench.errors import GanBenchError

    counts: Counter[str] = Counter()
    used: dict[str, set[str]] = {}  # by plugin, how the checks ended that put it to use
    for subject in subjects(names):
        title = ""
        for check in subject.checks():
            if only not in str(check) or (fast and check.slow):
                continue
            if check.title != title:
                title = check.title
                say(title)
            outcome, why = result(check)
            counts[outcome] += 1
            if check.uses:
                used.setdefault(title, set()).add(outcome)
            say(f"  {outcome:7}  {check.name}{f': {why}' if outcome == 'skipped' else ''}")
            if outcome == "FAILED":
                say(f"           {why}")
    if not counts:
        raise GanBenchError(f"no check's name and no plugin's has {only!r} in it")
    told = [f"{counts[outcome]} {outcome.lower()}" for outcome in ("passed", "FAILED", "skipped") if counts[outcome]]
    say(f"{counts.total()} checks: {', '.join(told)}")
    untried = [title for title, outcomes in used.items() if outcomes == {"skipped"}]
    for title in untried:
        say(f"NOT TRIED: {title}, for all checks that put it to use were skipped")
    ctx.exit(1 if counts["FAILED"] or untried else 0)


def result(check: Check) -> tuple[str, str]:
    """How a check ends, and why. What plugins print is no result, and goes to standard error."""
    from gan_bench.checks.check import Failed, Skipped

    try:
        with redirect_stdout(sys.stderr):
            check.run()
    except Failed as failure:
        return "FAILED", str(failure)
    except Skipped as reason:
        return "skipped", str(reason)
    return "passed", ""
