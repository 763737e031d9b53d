"""`gan-bench data`: how data are read."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import click

from gan_bench.cli.options import NEW_FILE, allow_option, dataset_option, plugin_option


@click.command("data")
@click.argument("dataset")
@click.option("-o", "--output", type=NEW_FILE, help="A .png file for a contact sheet of both parts.")
@dataset_option
@click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for scripts.",
)
@plugin_option
@allow_option
def command(
    dataset: str,
    output: Path | None,
    overrides: tuple[str, ...],
    format: str,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
) -> None:
    """Show how data are read: parts, classes, sizes, and what is left out.

    DATASET is a dataset's name, a TOML table such as '{ name = "folder", root = "cats", size = 64 }', a folder or a file of
    samples, or a grid file, whose datasets are shown all. The contact sheet has samples as the networks will see them. What
    is decoded here need not be decoded again by `gan-bench run`.
    """
    from gan_bench.files import destination, is_stream

    stream = output is not None and is_stream(output)  # which may be the standard output
    if output is not None and not stream and not (output.suffix.lower() == ".png" and output.parent.is_dir()):
        raise click.BadParameter(f"{output} is no .png file in a folder that exists", param_hint="--output")

    from gan_bench.commands.data import read_data, write_sheet
    from gan_bench.console import plain_console, say
    from gan_bench.findings.told import lines

    read = read_data(dataset, plain_console(), overrides=overrides, plugins=plugins, allow_plugins=allow_plugins)
    if format == "json":
        click.echo(json.dumps({"datasets": [one.as_json() for one in read]}, indent=1), err=stream)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 200
        for line in lines([one.told for one in read], width):
            say(line, err=stream)
    if output is not None:
        with destination(output) as file:
            write_sheet(read, file)
        if not stream:
            say(output, err=format == "json")
