"""docs/colab.ipynb in real kernels: interrupted, lost in the middle, and the same cells again."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown import ROOT
from stores import assert_equal_stores, gan_bench

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

NOTEBOOK = ROOT / "docs" / "colab.ipynb"
SHORT = {  # what makes it short, and still long enough to be interrupted
    'seeds="0-5"': 'seeds="0-1"',
    "steps=600": "steps=100",
    "samples=1000": 'samples=64, metrics=["kid"], features="random"',
}
RUNS = 6


def short_notebook() -> Any:
    text = NOTEBOOK.read_text(encoding="utf-8")
    for long, short in SHORT.items():
        assert long.replace('"', '\\"') in text
        text = text.replace(long.replace('"', '\\"'), short.replace('"', '\\"'))
    return nbformat.reads(text, as_version=4)


def test_it_is_a_sound_notebook_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith("%"):
            compile(cell.source, str(NOTEBOOK), "exec")


def when(true: Callable[[], bool], then: Callable[[], object]) -> threading.Thread:
    """Do something once something is so, beside what goes on."""

    def wait() -> None:
        while not true():
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


class Session:
    """A kernel, and the cells of the notebook."""

    def __init__(self, folder: Path) -> None:
        self.notebook = short_notebook()
        self.store = folder / "runs" / "first-questions"
        self.client = nbclient.NotebookClient(
            self.notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        self.code = [i for i, cell in enumerate(self.notebook.cells) if cell.cell_type == "code"]
        self.training = next(i for i in self.code if "gan_bench.run(" in self.notebook.cells[i].source)

    def execute(self, *cells: int) -> None:
        for i in cells:
            self.client.execute_cell(self.notebook.cells[i], i)

    def signal(self, number: int) -> None:
        """As Jupyter's "interrupt" does: to all processes of the kernel's group; but a kill, to the kernel alone."""
        kernel = self.client.km.provisioner.pid
        (os.kill if number == signal.SIGKILL else os.killpg)(kernel, number)

    def shown(self, cell: int, kind: str) -> str:
        """All that a cell has shown of a kind of output."""
        outputs = self.notebook.cells[cell].outputs
        return "".join(str(one.get("data", {}).get(kind, "")) for one in outputs)

    def finished(self) -> int:
        return len([*self.store.glob("runs/[!.]*/result.json")])


@pytest.mark.slow
def test_a_session_is_interrupted_and_lost_and_its_cells_go_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # what is installed is installed
    first = Session(tmp_path)
    before = [i for i in first.code if i < first.training]
    with first.client.setup_kernel():
        first.execute(*before)
        interrupted = when(lambda: any(first.store.glob("runs/*/checkpoint.pt")), lambda: first.signal(signal.SIGINT))
        with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"Stopped: every run is saved"):
            first.execute(first.training)
        interrupted.join()
        [error] = [one for one in first.notebook.cells[first.training].outputs if one.output_type == "error"]
        assert "Traceback" not in "".join(error.traceback)
        done = first.finished()
        assert done < RUNS

        lost = when(lambda: first.finished() > done, lambda: first.signal(signal.SIGKILL))
        with pytest.raises(nbclient.exceptions.DeadKernelError):
            first.execute(first.training)  # in the same kernel: the interrupt has left it whole
        lost.join()
    assert first.finished() < RUNS

    again = Session(tmp_path)
    with again.client.setup_kernel():
        again.execute(*again.code)
    assert again.finished() == RUNS
    answer = again.shown(again.training, "text/html")
    assert "Do more layers help?" in answer
    assert "6 finished runs" in answer
    assert answer.count("data:image/png") == 3  # cells
    assert re.search(
        r"grid .*(\d) of \1 runs", again.shown(again.training, "text/plain")
    )  # what was left, drawn at its end
    report = next(i for i in again.code if "results.report(" in again.notebook.cells[i].source)
    assert "<iframe" in again.shown(report, "text/html")
    assert again.shown(again.code[-1], "image/png")

    # The store's own grid file asks for the same runs, and they have the bits of runs that nothing has interrupted.
    gan_bench("run", again.store / "grid.toml", "--out", "whole", cwd=tmp_path)
    assert_equal_stores(again.store, tmp_path / "whole")
