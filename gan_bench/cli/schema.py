"""`gan-bench schema`: what an editor needs to check and complete grid files."""

from __future__ import annotations

from pathlib import Path

import click

from gan_bench.cli.options import NEW_FILE, plugin_option


@click.command("schema")
@click.option("-o", "--output", type=NEW_FILE, help="A file to write, instead of standard output.")
@plugin_option
def command(output: Path | None, plugins: tuple[Path, ...]) -> None:
    """Write the JSON Schema of grid files, for editors.

    It knows the parameters of all installed plugins. A grid file whose first line is `#:schema FILE` is checked and completed by
    it.
    """
    from gan_bench.console import say
    from gan_bench.files import destination, is_stream, write_text

    text = schema_text(plugins)
    if output is None:
        click.echo(text, nl=False)
        return
    with destination(output) as file:
        write_text(file, text)
    if not is_stream(output):
        say(output)


def schema_text(plugins: tuple[Path, ...]) -> str:
    """The schema of grid files that may use these plugin files and all that is installed, as JSON."""
    import json

    from gan_bench.api.registry import Registry
    from gan_bench.grid.json_schema import grid_schema

    return json.dumps(grid_schema(Registry.load(plugins)), indent=2) + "\n"
