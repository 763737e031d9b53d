"""The command line. Each command is a module of its own, imported when it is asked for; none imports torch by being so."""

from __future__ import annotations

import errno
import gc
import importlib
from typing import Any

import click

from gan_bench import __version__
from gan_bench.cli.interrupt import CODE, STOPPED, leaving_imports
from gan_bench.cli.streams import guard
from gan_bench.errors import GanBenchError

COMMANDS = (
    *(
        "run",
        "plan",
        "plugins",
        "report",
        "watch",
        "track",
        "sample",
        "export",
        "score",
        "data",
        "schema",
        "bench",
        "clean",
    ),
    *("status", "stop", "work"),  # of runs on a cluster
    *("new", "check"),  # for who writes grids and plugins
)

COLLECTING = gc.get_threshold()  # thresholds of garbage collection as they were, and as workers have them


class BadInput(click.ClickException):
    """The user's mistake: its text, and exit code 2."""

    exit_code = 2

    def format_message(self) -> str:
        """What a terminal would obey, such as a name in a stranger's file may hold, is written out."""
        from gan_bench.console import printable

        return printable(self.message)


class LazyGroup(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"gan_bench.cli.{cmd_name}").command
        return command

    def main(self, *args: Any, **options: Any) -> Any:
        guard()
        with leaving_imports():
            return super().main(*args, **options)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with the first sentence of its help, however many lines that takes."""
        commands = {name: self.get_command(ctx, name) for name in COMMANDS}
        rows = [(name, command.get_short_help_str(limit=10_000)) for name, command in commands.items() if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GanBenchError as error:
            raise BadInput(str(error)) from error
        except OSError as error:  # no room, no right, no disk
            text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            cure = ". What was saved before is whole. Make room, and give the same command again" if full else ""
            raise BadInput(text + cure) from error
        except KeyboardInterrupt:
            click.echo(STOPPED, err=True)
            ctx.exit(CODE)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="gan-bench")
def main() -> None:
    """Train grids of GANs, and get a page that says which choice was better, by how much and how sure that is."""
    # Imports make a million objects that stay. Looking through them for cycles as often as usual takes a tenth of a plan.
    gc.set_threshold(100_000, 20, 20)
