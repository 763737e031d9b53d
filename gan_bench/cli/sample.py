"""`gan-bench sample`: draw from a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan_bench.cli.options import EXISTING_FOLDER, NEW_PLACE, allow_option, plugin_option

if TYPE_CHECKING:
    from gan_bench.commands.generators import Generator


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
@click.option("-o", "--output", type=NEW_PLACE, required=True, help="The file, or the new folder.")
@click.option(
    "--format",
    type=click.Choice(["png", "png-folder", "npz", "gif", "apng"]),
    help="One picture of all; a picture each, numbered; an array, as other tools read it; or an animation of a walk.  "
    "[default: by the output's ending]",
)
@click.option(
    "--walk",
    "frames",
    type=click.IntRange(2, 10_000),
    metavar="N",
    help="Walk from each sample to others in N frames: a .gif or .apng goes round and comes back, a .png has a row a walk.",
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
    frames: int | None,
    seed: int,
    step: int | None,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
) -> None:
    """Draw samples from a run's generator into pictures or an array.

    RUN_FOLDER is a folder under runs/NAME/runs/, or one that `gan-bench export` has written. An .npz holds pictures as uint8
    (N, H, W, C), points as float32 (N, D), under arr_0. With the run's own seed they are the samples that it was scored by.

    Samples of a conditional run have classes in the training data's proportions, which an .npz holds under arr_1. With --class,
    and in a picture without -n, there is a row of each class instead.

    With --walk the samples' latents go to others on a sphere, by spherical interpolation, and each keeps its class. An
    animation begins with what is drawn without it; a .png has 10 walks, one of each class, unless -n says otherwise.
    """
    from gan_bench.files import destination, is_stream

    form = _form(output, format, walk=frames is not None)

    import torch

    from gan_bench.api.pictures import ROW
    from gan_bench.commands.generators import open_generator
    from gan_bench.console import say
    from gan_bench.data.label_draw import LabelDraw
    from gan_bench.errors import GanBenchError
    from gan_bench.scoring.sample_files import save_npz, save_pictures
    from gan_bench.scoring.sample_grid import save_grid
    from gan_bench.scoring.samples import draw, draw_labels, draw_latents
    from gan_bench.scoring.walks import interpolate

    generator, cpu = open_generator(run_folder, step, plugins, allow_plugins=allow_plugins), torch.device("cpu")
    rows = frames is not None and form == "png"  # one for each walk
    labels, columns = None, ROW
    if generator.labelled:
        names, counts = _classes(generator)
        if len(names) != len(counts) or not any(counts):
            raise GanBenchError(f"{run_folder} is damaged: it says nothing of how many samples the classes have")
        if asked or (form in ("png", "gif", "apng") and count is None):
            places, each = _places(asked or ("all",), names), count or (1 if rows else ROW)
            if unseen := [names[place] for place in dict.fromkeys(places) if not counts[place]]:
                say(f"Warning: the generator has seen no sample of {', '.join(unseen)}", err=True)
            labels = torch.tensor(places).repeat_interleave(each)
            columns = each if len(places) > 1 else min(each, ROW)
        else:
            labels = draw_labels(LabelDraw(counts, cpu), count or 100, seed, cpu)
    elif asked:
        raise click.BadParameter(f"the generator of {run_folder} takes no classes", param_hint="--class")
    whole = (count or (ROW if rows else 100)) if labels is None else len(labels)
    if frames is not None:
        start, end = (draw_latents(generator.latent, whole, seed, cpu, of) for of in ("evaluation", "end of a walk"))
        interpolate(generator.network, start, end, frames, labels=labels, turn=not rows, columns=columns).save(
            output, form
        )
    else:
        samples = draw(generator.network, generator.latent, whole, seed, cpu, labels=labels)
        if form == "png-folder":
            save_pictures(samples, output)
        else:
            with destination(output) as file:
                save_grid(samples, file, columns) if form == "png" else save_npz(samples, file, labels)
    if not is_stream(output):
        say(output)


def _form(output: Path, format: str | None, *, walk: bool) -> str:
    """In which format samples are written. UsageError: it does not go with the output, or with what is shown."""
    from gan_bench.files import is_stream

    into_file, ending = not is_stream(output), output.suffix.lower()
    by_ending = (
        ending[1:] if ending in (".npz", ".gif", ".apng") else "png" if ending or not into_file else "png-folder"
    )
    form = format or by_ending
    if form == "png-folder":
        usable, what = into_file and not output.is_file(), "place for a new folder"
    else:
        endings = (".apng", ".png") if form == "apng" else (f".{form}",)
        usable, what = not into_file or (ending in endings and not output.is_dir()), f"{endings[0]} file"
    if not usable or (into_file and not output.parent.is_dir()):
        raise click.BadParameter(f"{output} is no {what} in a folder that exists", param_hint="--output")
    if walk and form in ("npz", "png-folder"):
        raise click.BadParameter("a walk is shown as .gif, .apng or .png", param_hint="--output")
    if not walk and form in ("gif", "apng"):
        raise click.BadParameter("an animation is of a walk: --walk 60, for example", param_hint="--output")
    return form


def _classes(generator: Generator) -> tuple[list[str], list[int]]:
    """The names of a run's classes, and how many training samples each has."""
    dataset = generator.document.dataset
    counts = dataset.class_counts if dataset else None
    return list(generator.data.classes or ()), counts.training if counts else []


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
