"""What stands between the executor and a Ray cluster, each without one: the host, a node's probe, a worker's seat."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from stand_in import job_of, setup_in
from stores import write_grid

from gan_bench.cli import main
from gan_bench.commands.on_ray import prepare_there
from gan_bench.commands.prepared import Prepared
from gan_bench.errors import GanBenchError
from gan_bench.workers.carried import carry
from gan_bench.workers.events import Finished, Want
from gan_bench.workers.hosts import bridge as bridge_module
from gan_bench.workers.hosts import ray as ray_host
from gan_bench.workers.hosts import ray_seat
from gan_bench.workers.hosts.base import Cause, Ending
from gan_bench.workers.hosts.bridge import Asked, Bridge, Node
from gan_bench.workers.hosts.ray import RayHost
from gan_bench.workers.hosts.ray_seat import Seat, Terms, probe, sign


class Bridged(RayHost):
    """A host whose bridge is the test."""

    def _launch(self):
        ours, self.bridge = Pipe()
        self._process = subprocess.Popen(["true"])
        self.bridge.send(("see", {"n": Node("cpu", 2, (Path("on-n.py"),)), "m": Node("cuda:0", 1, ())}))
        return ours

    def heard(self) -> list[Any]:
        """What the bridge was told."""
        found = []
        while self.bridge.poll():
            found.append(self.bridge.recv())
        return found


@pytest.fixture
def terms(tmp_path) -> Terms:
    for name in ("folder", "shared"):
        (tmp_path / name).mkdir()
    return Terms(tmp_path / "folder", (tmp_path / "shared",), (), tmp_path / "copies", {})


@pytest.fixture
def host(tmp_path, terms):
    with Bridged(Asked("auto", "auto", None, terms), 2, tmp_path / "ray.log", print) as host:
        assert host.heard() == [(host.asked,)]
        yield host


def test_a_node_has_a_place_for_each_core_and_no_more_are_taken_than_asked_for(host, tmp_path):
    assert (list(host.free()), host.room, host.workers) == (["n", "n", "m"], 2, 2)
    first = host.start("n", setup_in(tmp_path))
    assert (list(host.free()), host.room) == (["n", "m"], 1)
    first.cause = Cause("exit code 0")
    first.bury()
    assert (list(host.free()), host.room) == (["n", "n", "m"], 2)


def test_workers_that_nodes_had_once_are_counted(host):
    """Of what they could do a share is told at the end, which is none above all of it."""
    host.most = 100
    for nodes in ({"n": Node("cpu", 8, ())}, {"m": Node("cpu", 1, ())}):
        host.bridge.send(("see", nodes))
        host.wait([], 0.1)
    assert host.workers == 8


def test_that_a_line_can_not_be_printed_is_no_end_of_the_bridge(host):
    def full(line: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    host.say_line = full
    host.bridge.send(("say", "a line"))
    with pytest.raises(OSError, match="No space"):
        host.wait([], 5)
    assert not host.lost


def test_a_bridge_that_closes_its_end_and_hangs_is_killed(host, monkeypatch):
    monkeypatch.setattr(ray_host, "LEAVE_SECONDS", 0.1)
    host._process = subprocess.Popen(["sleep", "60"])
    host.bridge.close()
    host.wait([], 5)
    assert host.lost
    assert host._process.returncode == -signal.SIGKILL


def test_workers_are_told_what_is_so_on_their_node(host, tmp_path, monkeypatch):
    """Which GPUs this machine sees is none of it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("GAN_BENCH_SOMETHING", "here")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    host.start("m", setup_in(tmp_path))
    host.start("n", setup_in(tmp_path))
    (_, number, node, device, entry, task), second = host.heard()
    assert (number, node, device, entry) == (1, "m", "cuda:0", "gan_bench.workers.worker:main")
    setup = pickle.loads(task)
    assert (setup.device, setup.environment["GAN_BENCH_SOMETHING"]) == ("cuda:0", "here")
    assert not {"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HOME"} & setup.environment.keys()
    assert pickle.loads(second[-1]).plugin_files == (Path("on-n.py"),)
    assert ray_host.carried_environment()["OMP_NUM_THREADS"] is None  # which Ray has set to 1 on every node


def test_what_is_said_of_a_worker_comes_in_order_and_then_its_end(host, tmp_path):
    handle = host.start("n", setup_in(tmp_path))
    assert handle.send(job_of("r"))
    host.bridge.send(("told", 1, [pickle.dumps(Want()), pickle.dumps(Finished("r"))]))
    host.bridge.send(("ended", 1, Cause("its node n was lost", place=True)))
    assert host.wait([handle], 5) == [handle]
    assert handle.receive() == [Want(), Finished("r")]
    with pytest.raises(Ending):
        handle.receive()
    assert not handle.send(None)
    assert handle.bury() == Cause("its node n was lost", place=True)
    assert [message[0] for message in host.heard()] == ["begin", "give"]


def test_a_worker_that_does_not_answer_is_given_up(host, tmp_path, monkeypatch):
    """Such as one of a node that is frozen, when the command is stopped."""
    monkeypatch.setattr(ray_host, "KILLED_SECONDS", 0.0)
    handle = host.start("n", setup_in(tmp_path))
    assert host.wait([handle], 0.01) == []
    handle.kill()
    assert host.wait([handle], 0.01) == [handle]
    assert handle.bury() == Cause("it no longer answered", place=True)


def test_the_end_of_the_bridge_is_the_end_of_the_cluster(host, tmp_path):
    handle = host.start("n", setup_in(tmp_path))
    host.bridge.close()
    assert host.wait([handle], 5) == [handle]
    assert "Ray's cluster is gone" in host.lost
    assert host.free() == []
    assert handle.bury().place


def test_a_node_leaves_its_sign_where_it_sees_ours(terms):
    (shared,) = terms.shared
    with pytest.raises(GanBenchError, match=f"does not see {shared}"):
        probe(terms, "secret", "n")
    sign(shared, "secret").write_text("secret")
    assert probe(terms, "secret", "n") == ()
    assert sign(shared, "secret", "n").read_text() == "secret"


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda terms: replace(terms, version="0"), "has gan-bench .*, and the command was typed with 0"),
        (lambda terms: replace(terms, folder=terms.folder / "elsewhere"), "does not see .*elsewhere"),
        (
            lambda terms: terms.carried[0].path.write_text("# edited here"),
            "the plugin file .*mine.py on .* is not the one",
        ),
    ],
)
def test_a_node_that_differs_can_not_train(terms, tmp_path, spoil: Callable[[Terms], Any], fault):
    (tmp_path / "mine.py").write_text("# mine")
    terms = replace(terms, carried=carry([tmp_path / "mine.py"], terms.copies))
    sign(terms.shared[0], "secret").write_text("secret")
    assert probe(terms, "secret", "n") == (tmp_path / "mine.py",)
    spoilt = spoil(terms)
    with pytest.raises(GanBenchError, match=fault):
        probe(spoilt if isinstance(spoilt, Terms) else terms, "secret", "n")


class Talker:
    """A worker of a seat, as the test plays it."""

    def __init__(self) -> None:
        self.connection, self.pipe = Pipe()
        alive, self.end = Pipe()
        self.process = SimpleNamespace(sentinel=alive)
        self.passed: list[bytes] = []
        self.done: list[str] = []
        self.pass_on, self.kill = self.passed.append, lambda: self.done.append("killed")

    def hear(self) -> list[bytes]:
        if self.connection.poll():
            return [self.connection.recv_bytes()]
        if self.process.sentinel.poll():
            raise Ending
        return []

    def bury(self) -> Cause:
        self.connection.close()
        self.done.append("buried")
        return Cause("exit code 3")


def test_answers_that_are_lost_are_given_again_and_messages_that_come_twice_are_not(terms):
    seat, worker = Seat(terms), Talker()
    seat._worker, seat._number = worker, 7
    for index in (0, 1, 1, 0):
        seat.give(7, index, b"%d" % index)
    seat.give(6, 2, b"of another one")
    assert worker.passed == [b"0", b"1"]
    worker.pipe.send_bytes(b"a")
    assert seat.listen(7, 0) == ([b"a"], None)
    worker.pipe.send_bytes(b"b")
    assert seat.listen(7, 0) == ([b"a", b"b"], None)
    worker.pipe.send_bytes(b"c")
    (told, _) = seat.listen(7, 1)
    assert told == [b"b", b"c"]
    worker.pipe.send_bytes(b"d")
    assert seat.listen(7, 0) == ([b"b", b"c", b"d"], None), "a call that comes late lost something"
    assert told == [b"b", b"c"], "an answer changed under way"
    worker.end.send("dead")
    assert seat.listen(7, 4) == ([], Cause("exit code 3"))
    assert seat.listen(7, 4) == ([], Cause("exit code 3"))
    assert seat.listen(6, 0) == ([], Cause("it was given up"))


def test_a_seat_has_one_worker(terms, monkeypatch):
    """Of one whose listeners had an error nobody knows whether it has ended."""
    seat, worker = Seat(terms), Talker()
    seat._worker, seat._number = worker, 7
    monkeypatch.setattr(ray_seat, "begin", lambda *_: None)
    seat.begin(8, "module:function", b"a task")
    assert worker.done == ["killed", "buried"]


def test_a_worker_begins_where_the_command_was_typed_and_once(terms, tmp_path, monkeypatch):
    """Ray sets OMP_NUM_THREADS to 1 before each call. A call whose answer is lost is made again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_BENCH_SOMETHING", "else")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    begun: list[tuple[object, ...]] = []

    def begin(place: str, entry: str, task: bytes) -> None:
        begun.append((entry, task, Path.cwd(), os.environ["GAN_BENCH_SOMETHING"], os.environ.get("OMP_NUM_THREADS")))

    monkeypatch.setattr(ray_seat, "begin", begin)
    seat = Seat(replace(terms, environment={"GAN_BENCH_SOMETHING": "here", "OMP_NUM_THREADS": None}))
    seat.begin(3, "module:function", b"a task")
    seat.begin(3, "module:function", b"a task")
    assert begun == [("module:function", b"a task", terms.folder, "here", None)]


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["run", str(write_grid(tmp_path)), "--out", str(tmp_path / "s"), "--on", "ray"])
    assert done.exit_code == 2
    assert "pip install 'gan-bench[ray]'" in done.output
    assert not (tmp_path / "s").exists()


def test_on_ray_devices_are_kinds(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    options = ["--out", str(tmp_path / "s"), "--on", "ray", "--devices", "cuda:1"]
    done = CliRunner().invoke(main, ["run", str(write_grid(tmp_path)), *options])
    assert done.exit_code == 2
    assert "on Ray --devices is auto, cpu, cuda (found: 'cuda:1')" in done.output


def test_what_stands_between_imports_neither_torch_nor_ray():
    """An actor at each core would have it in memory as often; and this process knows nothing of Ray."""
    code = "import sys, gan_bench.workers.hosts.bridge, gan_bench.workers.hosts.ray\n"
    code += "print(sorted({'torch', 'numpy', 'ray'} & {name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout == "[]\n"


def run_alone(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """As `asyncio.run`, also where a browser's tests have left a loop running in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class RayError(Exception):
    """As all of Ray's are."""


class RayTaskError(RayError):
    """One of what was called."""


class Actor:
    """A seat that answers in some way whether it has come into being."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.__ray_ready__ = SimpleNamespace(remote=answer)


@pytest.fixture
def bridge(terms, monkeypatch) -> Bridge:
    """One without a cluster; what it says is read from `parent`."""
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, ActorUnavailableError=type(None))
    exceptions.ActorUnavailableError = exceptions.OutOfMemoryError = type("Other", (RayError,), {})
    ray = SimpleNamespace(remote=lambda **_: lambda what: what, exceptions=exceptions, killed=[])
    ray.kill = ray.killed.append
    monkeypatch.setitem(sys.modules, "ray", ray)
    parent, own = Pipe()
    bridge = Bridge(own, Asked("auto", "auto", None, terms))
    bridge.parent, bridge.names = parent, {"n": "node7"}
    threading.Thread(target=bridge._say_all, daemon=True).start()
    return bridge


def test_a_bridge_reads_however_much_it_has_to_say(bridge):
    """The parent may read nothing while it writes, and say much meanwhile: neither waits for the other one."""
    said = threading.Thread(target=lambda: [bridge._say("say", "x" * 100_000) for _ in range(50)], daemon=True)
    said.start()
    said.join(20)
    assert not said.is_alive()
    assert [bridge.parent.recv()[0] for _ in range(50)] == ["say"] * 50


@pytest.mark.parametrize("left", [False, True])
def test_a_parent_that_is_gone_is_heard_once(bridge, left):
    if left:
        bridge.parent.send(("leave",))
    bridge.parent.close()
    reads: list[int] = []

    async def run() -> None:
        bridge._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(bridge.connection.fileno(), lambda: (reads.append(1), bridge._read()))
        await bridge._ended.wait()
        await asyncio.sleep(0.05)

    run_alone(run())
    assert len(reads) == 1
    assert bridge._orphan is not left


def begun(bridge: Bridge, seat: Any) -> Any:
    """Begin a worker on a seat; what is said of its end."""

    async def run() -> None:
        bridge._seat = lambda working: seat
        bridge.begin(1, "n", "cpu", "module:function", b"a task")
        while bridge.workers:
            await asyncio.sleep(0.01)

    run_alone(run())
    assert bridge.parent.poll(5)
    return bridge.parent.recv()


def test_an_actor_for_which_there_is_no_room_is_given_up(bridge, monkeypatch):
    monkeypatch.setattr(bridge_module, "SEAT_SECONDS", 0.01)
    seat = Actor(lambda: asyncio.sleep(60))
    said = begun(bridge, seat)
    assert said == ("ended", 1, Cause("it could not begin on its node node7", place=True))
    assert bridge.ray.killed == [seat]


def test_that_the_head_does_not_answer_is_no_worker_s_fault(bridge):
    async def lost() -> None:
        raise RayError("no answer")

    bridge._alive = lost
    said = begun(bridge, Actor(lost))
    assert said == ("ended", 1, Cause("its node node7 was lost", place=True))


@pytest.mark.parametrize(
    "error", [RayError("no room"), OSError(errno.ENOSPC, "No space left on device"), TimeoutError()]
)
def test_a_node_that_can_not_be_asked_is_asked_later_and_that_is_said_once(bridge, error):
    async def probed(key: str) -> None:
        raise error

    bridge._probed = probed
    for _ in range(2):
        assert run_alone(bridge._meet("n")) == ""
    assert bridge.ask_again["n"] > time.monotonic() + bridge_module.PROBE_SECONDS - 10
    assert bridge.parent.poll(5)
    name, line = bridge.parent.recv()
    assert (name, line.startswith("Ray's node node7 can't be asked (")) == ("say", True)
    assert not bridge.parent.poll(0.1)


def test_the_disk_of_this_machine_is_not_taken_for_a_node_s(bridge, terms):
    terms.shared[0].rmdir()
    with pytest.raises(OSError, match=f"this machine can't write {terms.shared[0]}.*: No such file"):
        run_alone(bridge._probed("n"))


def test_what_is_prepared_waits_for_a_free_node_and_says_so(host, tmp_path):
    """And is prepared on another one where the first is lost."""
    host.bridge.send(("see", {}))
    host.wait([], 0.1)
    said: list[str] = []
    prepared = Prepared(tmp_path / "features")

    def free(line: str) -> None:
        said.append(line)
        host.bridge.send(("see", {"n": Node("cpu", 1, ()), "m": Node("cpu", 1, ())}))

    begun: list[str] = []
    begin = host.begin

    def noted(place: str, *task: Any) -> Any:
        begun.append(place)
        handle = begin(place, *task)
        if len(begun) == 2:
            host.bridge.send(("told", handle.number, [pickle.dumps(prepared)]))
        host.bridge.send(("ended", handle.number, Cause("its node was lost", place=True)))
        return handle

    host.begin = noted
    assert prepare_there(host, tmp_path, free) == prepared
    assert said == ["No node of Ray's cluster has a free core or GPU that gan-bench may use; waiting for one."]
    assert begun == ["n", "m"]
