"""`gan-bench watch`: the report, kept current while runs train."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

import click

from gan_bench.cli.options import NEW_FOLDER, plugin_option, port_option


@click.command("watch")
@click.argument("stores", nargs=-1, required=True, type=NEW_FOLDER, metavar="DIR...")
@port_option
@click.option("--open", "browse", is_flag=True, help="Open the page in the browser.")
@plugin_option
def command(stores: tuple[Path, ...], port: int, browse: bool, plugins: tuple[Path, ...]) -> None:
    """Serve a report that stays current while runs train.

    It shows one or more stores (folders under runs/) in the browser. The page is on this machine alone, at
    the address that is printed. It reads what runs write and changes nothing; Ctrl-C ends it.
    """
    from gan_bench.commands.submission import in_work
    from gan_bench.console import say
    from gan_bench.live.beside import NICE, make_server
    from gan_bench.live.server import address, listen, new_token

    with listen(port) as listener:
        os.nice(NICE)
        token = new_token()
        server = make_server(listener, token, stores, plugins, lambda: any(map(in_work, stores)))
        say(address(listener, token))
        for store in stores:
            if not store.exists():
                say(f"{store} is not there yet; the page waits for it.", err=True)
        if browse:
            webbrowser.open(address(listener, token))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Nothing is watched any more. What trains goes on.", err=True)
