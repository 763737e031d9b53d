"""`gan-bench score`: samples made elsewhere, by the protocols of runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gan_bench.cli.options import NEW_FILE, allow_option, dataset_option, plugin_option

if TYPE_CHECKING:
    from rich.console import Console

    from gan_bench.commands.score import SampleScores


@click.command("score")
@click.argument("samples", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--against",
    required=True,
    metavar="DATASET",
    help="The real data: a dataset's name, a TOML table, a folder or file of pictures, or a grid file with one dataset.",
)
@dataset_option
@click.option(
    "--metrics", metavar="NAMES", help="Metrics as in a grid: names with commas, or a TOML list.  [default: a grid's]"
)
@click.option("--features", metavar="NAME", help="Features as in a grid: a name or a TOML table.  [default: a grid's]")
@click.option("--samples", "count", type=click.IntRange(2, 10_000_000), help="How many are scored.  [default: all]")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Take the samples in an order drawn by this seed.  [default: their own where they are all taken and have one, else 0]",
)
@click.option("--resize", is_flag=True, help="Resize samples of another size than the data's (bicubic, antialiased).")
@click.option("--convert", is_flag=True, help="Turn colours into grey, or grey into colours, where the data are so.")
@click.option("--device", default="auto", show_default=True, help="auto (the first GPU, else the CPU), cpu, or cuda:0.")
@click.option("-o", "--output", type=NEW_FILE, help="The file.  [default: the standard output]")
@click.option(
    "--format",
    type=click.Choice(["text", "json", "csv"]),
    help="A table, all with protocols, or a table for scripts.  [default: by the file's ending, else text]",
)
@plugin_option
@allow_option
def command(
    samples: Path,
    against: str,
    overrides: tuple[str, ...],
    metrics: str | None,
    features: str | None,
    count: int | None,
    seed: int | None,
    resize: bool,
    convert: bool,
    device: str,
    output: Path | None,
    format: str | None,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
) -> None:
    """Score samples that any tool has made, as those of runs are scored.

    SAMPLES is a folder or .zip of pictures, or an .npz or .npy file with an array of them. The table has each number with its
    standard error, the same number of real training data, which no generator can be expected to beat, and
    the protocol's id: numbers of one id can be compared, whoever made the samples.
    """
    from gan_bench.commands.score import score
    from gan_bench.console import plain_console, say
    from gan_bench.files import destination, is_stream, replace_file
    from gan_bench.grid.overrides import value_of

    names = None if metrics is None else value_of(metrics, "--metrics")
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    found = score(
        samples,
        against,
        metrics=names,
        features=None if features is None else value_of(features, "--features"),
        count=count,
        seed=seed,
        resize=resize,
        convert=convert,
        overrides=overrides,
        plugins=plugins,
        allow_plugins=allow_plugins,
        device=device,
    )
    form = format or {".json": "json", ".csv": "csv"}.get("" if output is None else output.suffix.lower(), "text")
    if output is None:
        if form == "text":
            _print(found, plain_console(stderr=False, width=None if sys.stdout.isatty() else 200))
        else:
            click.echo(_text(found, form), nl=False)
        return
    with destination(output) as file:
        replace_file(file, lambda beside: beside.write_text(_text(found, form), encoding="utf-8"))
    if not is_stream(output):
        say(output)


def _text(found: SampleScores, form: str) -> str:
    """As a file of this format has it."""
    if form == "json":
        return json.dumps(found.as_json(), indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        return found.table.to_csv(index=False)
    import io

    from gan_bench.console import PlainConsole

    file = io.StringIO()
    _print(found, PlainConsole(file=file, width=200))
    return file.getvalue()


def _print(found: SampleScores, console: Console) -> None:
    """The table and what is to be known of it."""
    from rich.table import Table

    console.print(f"samples: {found.taken_as}")
    console.print(f"against: {' '.join(f'{key}={value}' for key, value in found.against.items())}\n")
    table = Table("score", "value", "standard error", "real data", "better", "protocol", box=None, pad_edge=False)
    for column in table.columns[1:4]:
        column.justify = "right"
    rows = found.table
    for row in rows.to_dict("records"):
        numbers = [_number(row[key]) for key in ("value", "standard_error", "real_data")]
        table.add_row(row["score"], *numbers, row["better"], row["protocol_id"])
    console.print(table)
    errors = [
        f"{row['score']} has no value: {row['error']}"
        for row in rows.to_dict("records")
        if isinstance(row["error"], str)  # pandas may hold NaN where there is none
    ]
    for line in (*errors, *found.remarks):
        console.print(f"\n{line}")


def _number(value: Any) -> str:
    return "-" if value != value else f"{value:.4g}"
