"""`gan-bench track`: tell TensorBoard, MLflow and others of a store."""

from __future__ import annotations

from pathlib import Path

import click

from gan_bench.cli.options import EXISTING_FOLDER, Names, plugin_option


@click.command("track")
@click.argument("store", type=EXISTING_FOLDER, metavar="DIR")
@click.option(
    "--with", "names", type=Names(), required=True, help="Trackers: tensorboard, mlflow, wandb, trackio, or a plugin's."
)
@plugin_option
@click.pass_context
def command(ctx: click.Context, store: Path, names: tuple[str, ...], plugins: tuple[Path, ...]) -> None:
    """Tell trackers of the runs of a store (a folder under runs/).

    As long as runs train there it follows them; else it ends once all is told. What was told before is not told again, so it
    can be interrupted and repeated at will. Exit code 1 if a tracker has failed.
    """
    import time

    from gan_bench.api.registry import Registry
    from gan_bench.api.trackers import trackers
    from gan_bench.commands.submission import in_work
    from gan_bench.commands.track import follow
    from gan_bench.console import say
    from gan_bench.errors import GanBenchError

    def tell(line: str) -> None:
        say(line, err=True)

    if not (store / "grid.json").exists():
        raise GanBenchError(f"{store} is no store: it holds no grid.json. Name the folder that `gan-bench run` wrote")
    chosen = trackers(Registry.load(plugins).manager, names, tell)
    ctx.exit(0 if follow(store, chosen, lambda: in_work(store), time.sleep, tell) else 1)
