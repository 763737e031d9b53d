"""`gan-bench schema`: what an editor needs to check and complete grid files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gan_bench.cli.options import plugin_option


@click.command("schema")
@plugin_option
def command(plugins: tuple[Path, ...]) -> None:
    """Print the JSON Schema of grid files, for editors.

    It knows the parameters of all installed plugins.
    """
    from gan_bench.api.registry import Registry
    from gan_bench.grid.json_schema import grid_schema

    click.echo(json.dumps(grid_schema(Registry.load(plugins)), indent=2))
