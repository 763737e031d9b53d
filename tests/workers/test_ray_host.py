"""What stands between the executor and a Ray cluster, each without one: the host, a node's probe, a worker's seat."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
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
from gan_bench.errors import GanBenchError
from gan_bench.workers.carried import carry
from gan_bench.workers.events import Finished, Want
from gan_bench.workers.hosts import ray as ray_host
from gan_bench.workers.hosts import ray_seat
from gan_bench.workers.hosts.base import Cause, Ending
from gan_bench.workers.hosts.bridge import Asked, Node
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
    assert (list(host.free()), host.workers) == (["n", "n"], 2)
    first = host.start("n", setup_in(tmp_path))
    assert list(host.free()) == ["n"]
    first.cause = Cause("exit code 0")
    first.bury()
    assert list(host.free()) == ["n", "n"]


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
    host.bridge.send(("told", 1, [Want(), Finished("r")]))
    host.bridge.send(("ended", 1, "its node n was lost", True))
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


def test_answers_that_are_lost_are_given_again_and_messages_that_come_twice_are_not(terms):
    seat = Seat(terms)
    ours, theirs = Pipe()
    alive, end = Pipe()
    passed: list[bytes] = []

    def receive() -> list[Any]:
        if ours.poll():
            return [ours.recv()]
        if alive.poll():
            raise Ending
        return []

    process = SimpleNamespace(sentinel=alive)
    worker = SimpleNamespace(connection=ours, process=process, receive=receive, pass_on=passed.append)
    worker.bury = lambda: ours.close() or Cause("exit code 3")
    seat._worker, seat._number = worker, 7
    for index in (0, 1, 1, 0):
        seat.give(7, index, b"%d" % index)
    seat.give(6, 2, b"of another one")
    assert passed == [b"0", b"1"]
    theirs.send("a")
    assert seat.listen(7, 0) == (["a"], None)
    theirs.send("b")
    assert seat.listen(7, 0) == (["a", "b"], None)
    end.send("dead")
    assert seat.listen(7, 2) == ([], "exit code 3")
    assert seat.listen(7, 2) == ([], "exit code 3")
    assert seat.listen(6, 0) == ([], "it was given up")


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
