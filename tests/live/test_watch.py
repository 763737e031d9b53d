"""`gan-bench watch` and `run --watch`: the page follows real training, serves nothing else, and changes nothing."""

from __future__ import annotations

import html
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import BROWSER
from fake_store import write_store
from stores import command, gan_bench, write_grid

from gan_bench.live.beside import make_server
from gan_bench.live.server import address as address_of
from gan_bench.live.server import listen, new_token
from gan_bench_reports.live import Live

SECONDS = 60  # that anything may take on a busy machine


@contextmanager
def started(*arguments, cwd):
    """A command as a process; killed in the end."""
    process = subprocess.Popen(
        command(*arguments), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def watching(*stores, cwd):
    """The address of a page that is watched, and the process."""
    with started("watch", *stores, cwd=cwd) as process:
        yield process.stdout.readline().strip(), process


def until(true, what):
    deadline = time.monotonic() + SECONDS
    while not (value := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return value


def get(address, path="", method="GET", **headers):
    """Status, headers and content of an answer."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=SECONDS)
    connection.putrequest(method, place.path + path if not path.startswith("/") else path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def contents(store: Path) -> dict[str, tuple[int, bytes]]:
    return {str(f): (f.stat().st_mtime_ns, f.read_bytes()) for f in sorted(store.rglob("*")) if f.is_file()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=2, snapshots=3, steps=300)


@pytest.fixture(scope="module")
def address(store):
    with listen(0) as listener:
        server = make_server(listener, new_token(), [store], [], lambda: True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield address_of(listener, server.token)
        server.shutdown()


def test_the_page_and_its_data_are_served(address, store):
    status, headers, page = get(address)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert "connect-src 'self'" in html.unescape(page.decode())
    update = json.loads(get(address, "update?since=0")[2])
    assert update["parts"]["runs"].keys() == {run.name for run in (store / "runs").iterdir()}
    key = re.search(r"picture/([0-9a-f]{64})", page.decode())[1]
    status, headers, picture = get(address, f"picture/{key}")
    assert (status, headers["Content-Type"], picture[:4]) == (200, "image/png", b"\x89PNG")
    assert get(address, method="HEAD")[::2] == (200, b"")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "[::1]:{port}"])
def test_foreign_hosts_are_refused(address, host):
    assert get(address, Host=host.format(port=urlsplit(address).port))[0] == 421
    assert get(address, "update?since=0", Host=host.format(port=urlsplit(address).port))[0] == 421


def test_foreign_origins_are_refused(address):
    port = urlsplit(address).port
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}", "http://127.0.0.1:1"):
        assert get(address, "update?since=0", Origin=origin)[0] == 403
    for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        assert get(address, "update?since=0", Origin=origin)[0] == 200
    assert get(address, Host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/update?since=0", "/wrong/", "grid.json", "../grid.json", "..%2f..%2fetc/passwd", "/etc/passwd", "update",
     "update?since=-1", "update?since=0&x=1", "picture/", "picture/../../grid.json", "picture/" + "0" * 64,
     "part/1", "part/", "part/../1", "picture/%2e%2e/x", "//etc/passwd", "?x"],
)  # fmt: skip
def test_all_other_paths_are_not_found(address, path):
    status, _, content = get(address, path)
    assert (status, content) == (404, b"Not Found")


def test_other_methods_are_refused(address):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(address, method=method)[0] == 501


def test_the_port_is_on_the_loopback_device_alone(address):
    port = urlsplit(address).port
    own = {facts[4][0] for facts in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for other in own:
        with pytest.raises(OSError), socket.create_connection((other, port), timeout=5):
            pass
    done = gan_bench("watch", "anything", "--port", port, cwd=".", code=2)
    assert f"port {port} can't be had" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_watching_and_its_end_change_no_file(tmp_path):
    store = write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50)
    (store / ".lock").touch()
    before = contents(store)
    with watching("store", cwd=tmp_path) as (address, process):
        assert get(address)[0] == get(address, "update?since=0")[0] == 200
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=SECONDS)[1]
        assert (process.returncode, errors) == (0, "Nothing is watched any more. What trains goes on.\n")
    assert contents(store) == before


@pytest.mark.slow
def test_only_what_changed_is_sent_again(tmp_path):
    store = write_store(tmp_path / "store", seeds=2, snapshots=2, steps=100)
    live = Live([store], lambda: True)
    whole = json.loads(live.update(0))
    assert json.loads(live.update(whole["version"])) == {"version": whole["version"], "parts": {}}
    folder = next(f for f in (store / "runs").iterdir() if not (f / "result.json").exists())
    row = json.loads((folder / "curves.jsonl").read_text().splitlines()[-1])
    with (folder / "curves.jsonl").open("a") as file:
        file.write(json.dumps({**row, "step": row["step"] + 25, "loss_g": 77.0}) + '\n{"step": 9')
    update = until(lambda: json.loads(live.update(whole["version"]))["parts"], "no update")
    assert set(update["runs"]) == {folder.name}
    assert update["runs"][folder.name]["curves"]["loss_g"][1][-1] == 77.0
    assert "styles" not in update


@pytest.mark.slow
def test_damaged_files_are_said_and_the_rest_is_shown(tmp_path):
    store = write_store(tmp_path / "store", seeds=2, snapshots=2, steps=100, trouble=False)
    live = Live([store], lambda: True)
    version = json.loads(live.update(0))["version"]
    damaged, other = sorted((store / "runs").iterdir())[:2]
    (damaged / "curves.jsonl").write_text("nonsense\n")
    body = until(lambda: json.loads(live.update(version))["parts"].get("page", {}).get("body"), "no update")
    assert "curves.jsonl is damaged" in body
    assert f"{other.name}" in body
    grid = (store / "grid.json").read_text()
    (store / "grid.json").write_text("{")
    body = until(lambda: json.loads(live.update(0))["parts"]["page"]["body"], "no update")
    until(
        lambda: "grid.json is damaged" in json.loads(live.update(0))["parts"]["page"]["body"], "the damage is not said"
    )
    (store / "grid.json").write_text(grid)
    until(lambda: "grid.json" not in json.loads(live.update(0))["parts"]["page"]["body"], "the cure is not seen")


def test_a_picture_behind_a_link_is_not_served(tmp_path):
    store = write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50)
    live = Live([store], lambda: True)
    key = re.search(r"picture/([0-9a-f]{64})", live.page())[1]
    assert live.picture(key)
    for file in store.rglob("samples.png"):
        outside = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        shutil.move(file, outside)
        file.symlink_to(outside)
    assert live.picture(key) is None


LONG = {"steps": "steps = 100_000", "snapshots": "snapshots = 1000", "samples": "samples = 16", "seeds": "seeds = [0]"}


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_the_page_follows_a_run_in_the_browser(tmp_path, browser):
    grid = write_grid(tmp_path, **LONG)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints, loads = [], []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("load", lambda: loads.append(1))
    with watching("runs/toy", cwd=tmp_path) as (address, watcher):
        page.goto(address)
        assert "There is no store here yet" in page.locator(".live").inner_text()
        with started("run", grid, "--slots", 1, cwd=tmp_path) as run:
            page.locator(".strip").wait_for(timeout=1000 * SECONDS)
            before = len(loads)
            assert "Training" in page.locator(".live").inner_text()
            plot = page.locator(".plot[data-curves*=loss_g]").first
            plot.scroll_into_view_if_needed()
            page.wait_for_function("plot => plot.data?.[0]?.x.length > 0", arg=plot.element_handle())
            points = plot.evaluate("plot => plot.data[0].x.length")
            page.locator("details.run summary").first.evaluate("it => it.click()")
            page.locator(".log").nth(1).evaluate("it => it.click()")
            page.locator(".legend button").nth(1).evaluate("it => it.click()")
            page.locator(".seed").first.evaluate("it => it.focus({ preventScroll: true })")
            height, caption = page.evaluate("scrollY"), page.locator(".strip .at").first.inner_text()
            page.wait_for_function(
                "([plot, n]) => plot.data[0].x.length > n + 2",
                arg=[plot.element_handle(), points],
                timeout=1000 * SECONDS,
            )
            page.wait_for_function(
                "caption => document.querySelector('.strip .at').textContent !== caption", arg=caption,
                timeout=1000 * SECONDS,
            )  # fmt: skip
            picture = page.locator("[data-cell] .picture").first.evaluate("it => getComputedStyle(it).backgroundImage")
            assert picture.startswith(f'url("{address}picture/')
            assert page.evaluate("document.activeElement.className") == "seed"
            assert abs(page.evaluate("scrollY") - height) <= 1  # which is rounded
            assert page.locator("details.run").first.evaluate("it => it.open")
            assert page.locator(".log").nth(1).is_checked()
            assert page.locator(".legend button").nth(1).get_attribute("aria-pressed") == "false"
            assert page.locator(".controls").first.is_visible()
            os.killpg(run.pid, signal.SIGKILL)
        said = "it => it.innerText.includes('Nothing trains here now')"
        page.wait_for_function(said, arg=page.locator(".live").element_handle(), timeout=1000 * SECONDS)
        assert "2 unfinished" in page.locator(".live").inner_text()
        assert watcher.poll() is None
        assert len(loads) == before
        files = contents(tmp_path / "runs")
        watcher.kill()
        page.locator("#connection").wait_for(timeout=1000 * SECONDS)
        assert contents(tmp_path / "runs") == files
    assert complaints == []
    context.close()


@pytest.mark.slow
def test_run_watch_serves_until_the_run_ends(tmp_path):
    grid = write_grid(tmp_path)
    with started("run", grid, "--watch", cwd=tmp_path) as run:
        first = run.stderr.readline()
        address = re.fullmatch(r"Watch it at (http://127\.0\.0\.1:\d+/[\w-]+/)\n", first)[1]

        def body():
            return json.loads(get(address, "update?since=0")[2])["parts"]["page"]["body"]

        last = until(
            lambda: next((now for now in [body()] if "The report is complete" in now), ""), "the end is not told"
        )
        run.communicate(timeout=SECONDS)
        assert run.returncode == 0
        assert "2 of 2 runs finished" in last
        assert "All runs have ended" in last


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_stopped_or_killed_takes_its_page_along(tmp_path, sign, code):
    grid = write_grid(tmp_path, **LONG)
    with started("run", grid, "--watch", cwd=tmp_path) as run:
        address = run.stderr.readline().split()[-1]
        until(lambda: list(tmp_path.glob("runs/toy/runs/*/checkpoint.pt")), "nothing trains")
        os.killpg(run.pid, sign)
        run.communicate(timeout=SECONDS)
        assert run.returncode == code

    def refused():
        try:
            get(address)
        except ConnectionError:
            return True
        return False

    until(refused, "it is served still")
