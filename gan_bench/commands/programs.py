"""A generator as a program that runs without gan-bench: torch.export's (.pt2) and ONNX's."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gan_bench.api.randomness import make_stream
from gan_bench.commands.generators import NEAR, Generator, difference
from gan_bench.errors import GanBenchError, message
from gan_bench.scoring.samples import BATCH
from gan_bench.training.layers import unquicken

INPUTS = ("z", "y")  # of every generator: latents, and labels if it takes them
DRAWS = 10 * BATCH  # of one latent, where a generator draws noise of its own
SIGMAS, SPREAD = 6, 0.25  # by which means of draws may differ, and by what share the draws' variances
Program = Callable[[Sequence[Tensor]], Tensor]


class _Called(nn.Module):
    """The network with a name for what it is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> Tensor:
        samples: Tensor = self.network(z)
        return samples


class _CalledWithLabels(_Called):
    def forward(self, z: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        samples: Tensor = self.network(z, y)
        return samples


def trace(generator: Generator, inputs: Sequence[Tensor]) -> ExportedProgram:
    """What the generator does, for batches of any size. GanBenchError: it does what can't be traced."""
    network = copy.deepcopy(generator.network)
    unquicken(network)
    called = (_CalledWithLabels if generator.labelled else _Called)(network).eval()
    batch = Dim("batch")
    shapes = {name: {0: batch} for name in INPUTS[: len(inputs)]}
    with _quiet("the generator can't be traced by torch.export"), torch.no_grad():
        # strict: by the code's meaning, in which len(z) is a size that varies; the other way takes it for a number.
        return torch.export.export(called, tuple(inputs), dynamic_shapes=shapes, strict=True)


def save_pt2(program: ExportedProgram, file: Path) -> None:
    """Write the program for `torch.export.load`."""
    with _quiet("torch.export can't save the generator"):
        torch.export.save(program, file)


def save_onnx(program: ExportedProgram, file: Path) -> None:
    """Write the program as an ONNX model, of inputs `z` (and `y`) and the output `samples`.

    GanBenchError: ONNX has no like of something that it does.
    """
    names = [name for name in INPUTS if name in program.graph_signature.user_inputs]
    with _quiet("the generator can't be written as an ONNX model"):
        torch.onnx.export(
            program, f=file, input_names=names, output_names=["samples"], external_data=False, verbose=False
        )


def compared(generator: Generator, file: Path, inputs: Sequence[Tensor]) -> str:
    """How near a program comes to the generator when it is loaded again, in words.

    Noise that the network draws for itself is the same in both where PyTorch draws it; of an ONNX model its effect is compared.
    GanBenchError: they don't make the same.
    """
    with _quiet(f"{file.name} can't be run"):
        return _compared(generator, _load_pt2(file) if file.suffix == ".pt2" else _load_onnx(file), file, inputs)


def _load_pt2(file: Path) -> Program:
    """The program, as whoever has no gan-bench runs it."""
    module = torch.export.load(file).module()

    def run(inputs: Sequence[Tensor]) -> Tensor:
        with torch.no_grad(), make_stream(0, "export", torch.device("cpu")):
            samples: Tensor = module(*inputs)
        return samples.float()

    return run


def _load_onnx(file: Path) -> Program:
    import onnxruntime

    onnxruntime.set_seed(0)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    wanted = [given.name for given in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> Tensor:
        named = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=False) if name in wanted}
        return torch.from_numpy(session.run(None, named)[0]).float()

    return run


def _compared(generator: Generator, program: Program, file: Path, inputs: Sequence[Tensor]) -> str:
    wrong = f"{file.name}, loaded again, makes other samples"
    whole, single = tuple(inputs), tuple(value[:1] for value in inputs)
    if file.suffix == ".pt2" or torch.equal(generator.repeat(whole), generator.repeat(whole, 1)):
        apart = max(difference(program(some), generator.repeat(some)) for some in (whole, single))
        if apart > NEAR:
            raise GanBenchError(f"{wrong}: they differ by {apart:.2g}")
        return f"the same samples, to {apart:.1g}"
    many = tuple(value[:1].expand(BATCH, *value.shape[1:]).contiguous() for value in inputs)
    ours = torch.cat([generator.repeat(many, seed) for seed in range(DRAWS // BATCH)])
    theirs = torch.cat([program(many) for _ in range(DRAWS // BATCH)])
    allowed = SIGMAS * ((ours.var(0) + theirs.var(0)) / DRAWS).sqrt() + NEAR * max(1.0, float(ours.abs().max()))
    if not bool(((ours.mean(0) - theirs.mean(0)).abs() <= allowed).all()):
        raise GanBenchError(f"{wrong}: of one latent, they have another mean")
    spread, other = float(ours.var(0).mean()), float(theirs.var(0).mean())
    if abs(spread - other) > SPREAD * spread + NEAR**2:
        raise GanBenchError(f"{wrong}: of one latent, they have another variance ({other:.2g}, not {spread:.2g})")
    return f"noise of its own, whose effect has the same mean and variance over {DRAWS:,} draws"


@contextmanager
def _quiet(what: str) -> Iterator[None]:
    """Without the tools' own warnings. GanBenchError: whatever they raise, in a line."""
    level = logging.root.manager.disable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.ERROR)
            yield
    except GanBenchError:
        raise
    except Exception as error:
        raise GanBenchError(f"{what}: {_cause(error)}") from error
    finally:
        logging.disable(level)


def _cause(error: BaseException) -> str:
    """The first line of what lies at the bottom of it: layers of exporters wrap each other's errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return message(error).partition("\n")[0]
