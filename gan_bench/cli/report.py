"""`gan-bench report`: tables and report again, from what is stored."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from gan_bench.cli.options import EXISTING_FOLDER, NEW_FILE, plugin_option, verify_option


@click.command("report")
@click.argument("stores", nargs=-1, required=True, type=EXISTING_FOLDER, metavar="DIR...")
@click.option(
    "-o",
    "--output",
    type=NEW_FILE,
    help="The file.  [default: report.html in the first DIR; with --format the standard output]",
)
@click.option(
    "--format",
    type=click.Choice(["html", "md", "tex", "csv"]),
    default="html",
    help="The page, or its findings and tables as Markdown, LaTeX (booktabs) or CSV.  [default: html]",
)
@verify_option
@plugin_option
@click.pass_context
def command(
    ctx: click.Context,
    stores: tuple[Path, ...],
    output: Path | None,
    format: str,
    verify: bool,
    plugins: tuple[Path, ...],
) -> None:
    """Write tables and report.html of one or more stores again.

    A store is a folder under runs/. Its results.csv and comparisons.csv are written anew, and in the first one's folder the
    page of all. With --format md, tex or csv nothing of this is written: the same findings and tables come as text.
    """
    from gan_bench.api.asking import ask
    from gan_bench.api.registry import Registry
    from gan_bench.console import printable, say
    from gan_bench.errors import GanBenchError
    from gan_bench.files import destination, is_stream, replace_file

    for store in stores:
        if not (store / "grid.json").exists():
            raise GanBenchError(
                f"{store} is no store: it holds no grid.json. Name the folder that `gan-bench run` wrote"
            )
    for store in stores if verify else ():
        _forget(store)
    manager, faults, said = Registry.load(plugins).manager, list[str](), list[object]()
    if format != "html":
        texts = ask(manager, "gan_bench_export", faults.append, stores=list(stores), format=format)
        if not texts:
            raise GanBenchError("\n".join([*faults, f"no plugin that is installed writes a report as {format}"]))
        text = str(texts[0])
        if output is None:
            click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)
        else:
            with destination(output) as file:
                replace_file(file, lambda beside: beside.write_text(text, encoding="utf-8"))
    else:
        for store in stores:
            _write_tables(store, needed=output is None and store == stores[0])
        # A link in the store's own place is not followed: the store may be a stranger's.
        with destination(output) if output else nullcontext(stores[0] / "report.html") as file:
            said = ask(manager, "gan_bench_report", faults.append, stores=list(stores), output=file)
        output = output or stores[0] / "report.html"
    if output and not is_stream(output):
        say(output)
    for line in (*said, *faults):
        say(line, err=True)
    ctx.exit(1 if faults else 0)


def _forget(store: Path) -> None:
    """Have every file of a store read again. GanBenchError: its index can't be deleted, or a command is at work there."""
    from gan_bench.errors import GanBenchError
    from gan_bench.store.index import FOLDER, forget
    from gan_bench.store.lock import Held, hold

    if not (store / FOLDER).exists():
        return
    try:
        with hold(store, lambda line: click.echo(line, err=True)):
            forget(store)
    except Held as error:
        raise GanBenchError(f"a gan-bench run is at work in {store} ({error}); --verify when that has ended") from error
    except OSError as error:
        cure = f"--verify deletes the index in {store}, which can't be written"
        raise GanBenchError(f"{cure} ({error.strerror}). Copy the store without it, or go without --verify.") from error


def _write_tables(store: Path, *, needed: bool) -> None:
    """Write a store's tables, which are caches. One that can't be written to can still be reported elsewhere.

    GanBenchError: it can't, and is `needed`, for the page is to stand there too.
    """
    from gan_bench.console import say
    from gan_bench.errors import GanBenchError
    from gan_bench.findings.tables import load, write_tables

    results = load(store)
    for fault in results.faults:
        say(f"Warning: {fault}", err=True)
    try:
        write_tables(store, results)
    except OSError as error:
        if needed:
            cure = "Give -o FILE to write the report elsewhere."
            raise GanBenchError(f"{store} can't be written ({error.strerror}). {cure}") from error
        say(f"results.csv and comparisons.csv are not written to {store} ({error.strerror})", err=True)
