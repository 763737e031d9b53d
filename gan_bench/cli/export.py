"""`gan-bench export`: a trained generator for others."""

from __future__ import annotations

from pathlib import Path

import click

from gan_bench.cli.options import EXISTING_FOLDER, NEW_FOLDER, allow_option, plugin_option


@click.command("export")
@click.argument("run_folder", type=EXISTING_FOLDER)
@click.option("-o", "--output", type=NEW_FOLDER, required=True, help="The new folder.")
@click.option("--step", type=click.IntRange(0), help="The snapshot.  [default: the last]")
@click.option("--onnx", is_flag=True, help="Also generator.onnx, which onnxruntime runs without PyTorch.")
@click.option("--pt2", is_flag=True, help="Also generator.pt2, which PyTorch runs without gan-bench.")
@click.option(
    "--push", metavar="USER/NAME", help="Upload it to this repository of the Hugging Face Hub; a new one is private."
)
@plugin_option
@allow_option
def command(
    run_folder: Path,
    output: Path,
    step: int | None,
    onnx: bool,
    pt2: bool,
    push: str | None,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
) -> None:
    """Write a run's generator into a folder that other tools read.

    RUN_FOLDER is a folder under runs/NAME/runs/. The new one can be published: it holds model.safetensors, config.json, samples,
    and README.md, a card with scores under their protocols, seed and provenance. All is loaded again and compared before the
    folder is there.
    """
    from gan_bench.commands.export import export
    from gan_bench.console import say

    made = export(
        *(run_folder, output),
        step=step,
        onnx=onnx,
        pt2=pt2,
        push=push,
        plugins=plugins,
        allow_plugins=allow_plugins,
    )
    for file in sorted(made.iterdir()):
        say(file)
    if push:
        say(f"uploaded to {push}")
