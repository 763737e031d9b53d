"""`gan-bench sample`: draw from a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan_bench.cli.options import EXISTING_FOLDER, NEW_PLACE, allow_option, plugin_option

if TYPE_CHECKING:
    from gan_bench.store.documents import RunDocument


@click.command("sample")
@click.argument("run_folder", type=EXISTING_FOLDER)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 1_000_000),
    help="How many samples; with --class, of each class.  [default: 100; 10 of each class]",
)
@click.option(
    "--class",
    "asked",
    multiple=True,
    metavar="NAME|INDEX",
    help="Of a conditional run: a class, by its name or place from 0; or all. May be given several times.",
)
@click.option("-o", "--output", type=NEW_PLACE, required=True, help="The .png or .npz file, or the new folder.")
@click.option(
    "--format",
    type=click.Choice(["png", "png-folder", "npz"]),
    help="One picture of all; a picture each, numbered; or an array, as other tools read it.  [default: by the output's ending]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the latents.")
@click.option("--step", type=click.IntRange(0), help="The snapshot.  [default: the last]")
@plugin_option
@allow_option
def command(
    run_folder: Path,
    count: int | None,
    asked: tuple[str, ...],
    output: Path,
    format: str | None,
    seed: int,
    step: int | None,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
) -> None:
    """Draw samples from a run's generator into pictures or an array.

    RUN_FOLDER is a folder under runs/NAME/runs/. An .npz holds pictures as uint8 (N, H, W, C), points as float32 (N, D),
    under arr_0. With the run's own seed they are the samples that it was scored by.

    Samples of a conditional run have classes in the training data's proportions, which an .npz holds under arr_1. With --class,
    and in a picture without -n, there is a row of each class instead.
    """
    from gan_bench.files import destination, is_stream

    into_file, ending = not is_stream(output), output.suffix.lower()
    form = format or ("npz" if ending == ".npz" else "png" if ending or not into_file else "png-folder")
    if form == "png-folder":
        usable, what = into_file and not output.is_file(), "place for a new folder"
    else:
        usable, what = not into_file or (ending == f".{form}" and not output.is_dir()), f".{form} file"
    if not usable or (into_file and not output.parent.is_dir()):
        raise click.BadParameter(f"{output} is no {what} in a folder that exists", param_hint="--output")

    import torch

    from gan_bench.api.pictures import ROW
    from gan_bench.commands.notebook import load_generator
    from gan_bench.console import say
    from gan_bench.data.label_draw import LabelDraw
    from gan_bench.errors import GanBenchError
    from gan_bench.scoring.sample_files import save_npz, save_pictures
    from gan_bench.scoring.sample_grid import save_grid
    from gan_bench.scoring.samples import draw, draw_labels
    from gan_bench.store.documents import RunDocument, read_object
    from gan_bench.store.folder import RunFolder

    generator = load_generator(run_folder, step, plugins, allow_plugins=allow_plugins)
    run, cpu = read_object(RunFolder(run_folder).run_file, RunDocument) or RunDocument(), torch.device("cpu")
    architecture, labels, columns = run.settings["architecture"], None, ROW
    latent = architecture.get("latent")
    if type(latent) is not int:
        raise GanBenchError(f"{run_folder} is damaged: its run.json says nothing of the latents' size")
    if architecture.get("conditional", "none") != "none":
        names, counts = _classes(run)
        if not names or len(names) != len(counts) or not any(counts):
            raise GanBenchError(f"{run_folder} is damaged: its run.json says nothing of the classes")
        if asked or (form == "png" and count is None):
            places, each = _places(asked or ("all",), names), count or ROW
            if unseen := [names[place] for place in dict.fromkeys(places) if not counts[place]]:
                say(f"Warning: the generator has seen no sample of {', '.join(unseen)}", err=True)
            labels = torch.tensor(places).repeat_interleave(each)
            columns = each if len(places) > 1 else min(each, ROW)
        else:
            labels = draw_labels(LabelDraw(counts, cpu), count or 100, seed, cpu)
    elif asked:
        raise click.BadParameter(f"the generator of {run_folder} takes no classes", param_hint="--class")
    samples = draw(generator, latent, (count or 100) if labels is None else len(labels), seed, cpu, labels=labels)
    if form == "png-folder":
        save_pictures(samples, output)
    else:
        with destination(output) as file:
            save_grid(samples, file, columns) if form == "png" else save_npz(samples, file, labels)
    if into_file:
        say(output)


def _classes(run: RunDocument) -> tuple[list[str], list[int]]:
    """The names of a run's classes, and how many training samples each has."""
    dataset = run.dataset
    counts = dataset.class_counts if dataset else None
    return (dataset.classes if dataset else None) or [], counts.training if counts else []


def _places(asked: tuple[str, ...], classes: list[str]) -> list[int]:
    """The classes that were asked for, by name, else by index; or all. UsageError: there is no such class."""
    from gan_bench.errors import did_you_mean

    places: list[int] = []
    for text in asked:
        if text in classes:
            places.append(classes.index(text))
        elif text.isdecimal() and int(text) < len(classes):
            places.append(int(text))
        elif text == "all":
            places += range(len(classes))
        else:
            rule = f"there is no class {text!r}, of {len(classes)} from 0 on"
            raise click.BadParameter(f"{rule}. {did_you_mean(text, classes)}", param_hint="--class")
    return places
