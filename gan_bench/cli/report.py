"""`gan-bench report`: tables and report again, from what is stored."""

from __future__ import annotations

from pathlib import Path

import click

from gan_bench.cli.options import EXISTING_FOLDER, plugin_option


@click.command("report")
@click.argument("stores", nargs=-1, required=True, type=EXISTING_FOLDER, metavar="DIR...")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file.  [default: report.html in the first DIR; with --format the standard output]",
)
@click.option(
    "--format",
    type=click.Choice(["html", "md", "tex", "csv"]),
    default="html",
    help="The page, or its findings and tables as Markdown, LaTeX (booktabs) or CSV.  [default: html]",
)
@plugin_option
def command(stores: tuple[Path, ...], output: Path | None, format: str, plugins: tuple[Path, ...]) -> None:
    """Write results.csv, comparisons.csv and report.html again, from one or more stores (folders under runs/).

    With --format md, tex or csv nothing of this is written: the same findings and tables come as text.
    """
    from gan_bench.api.registry import Registry
    from gan_bench.errors import GanBenchError
    from gan_bench.files import replace_file
    from gan_bench.findings.tables import load, write_tables

    for store in stores:
        if not (store / "grid.json").exists():
            raise GanBenchError(
                f"{store} is no store: it holds no grid.json. Name the folder that `gan-bench run` wrote"
            )
    manager = Registry.load(plugins).manager
    if format != "html":
        text = manager.hook.gan_bench_export(stores=list(stores), format=format)
        if text is None:
            raise GanBenchError(f"no plugin that is installed writes a report as {format}")
        if output is None:
            click.echo(text, nl=False)
        else:
            replace_file(output, lambda path: path.write_text(text, encoding="utf-8"))
            click.echo(output)
        return
    for store in stores:
        results = load(store)
        for fault in results.faults:
            click.echo(f"Warning: {fault}", err=True)
        try:
            write_tables(store, results)
        except OSError as error:
            if output is None and store == stores[0]:
                cure = "Give -o FILE to write the report elsewhere."
                raise GanBenchError(f"{store} can't be written ({error.strerror}). {cure}") from error
            click.echo(f"results.csv and comparisons.csv are not written to {store} ({error.strerror})", err=True)
    output = output or stores[0] / "report.html"
    told = manager.hook.gan_bench_report(stores=list(stores), output=output)
    click.echo(output)
    for line in told:
        click.echo(line, err=True)
