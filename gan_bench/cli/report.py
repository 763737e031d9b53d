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
    help="The page.  [default: report.html in the first DIR]",
)
@plugin_option
def command(stores: tuple[Path, ...], output: Path | None, plugins: tuple[Path, ...]) -> None:
    """Write results.csv, comparisons.csv and report.html again, from one or more stores (folders under runs/)."""
    from gan_bench.errors import GanBenchError
    from gan_bench.registry import Registry
    from gan_bench.results import write_tables

    for store in stores:
        if not (store / "grid.json").exists():
            raise GanBenchError(
                f"{store} is no store: it holds no grid.json. Name the folder that `gan-bench run` wrote"
            )
        write_tables(store)
    output = output or stores[0] / "report.html"
    told = Registry.load(plugins).manager.hook.gan_bench_report(stores=list(stores), output=output)
    click.echo(output)
    for line in told:
        click.echo(line, err=True)
