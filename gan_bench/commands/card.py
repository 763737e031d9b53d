"""The card of an exported generator, a README.md as the Hugging Face Hub reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gan_bench.commands.generators import Generator
from gan_bench.console import one_line
from gan_bench.findings.settings_text import text
from gan_bench.store.documents import ResultDocument, ScoresDocument
from gan_bench.store.exported import CONFIG, SAMPLES, WEIGHTS

TASK = "unconditional-image-generation"  # the Hub's name for it, of classes too
PT2, ONNX = "generator.pt2", "generator.onnx"  # programs that run without gan-bench
LISTED = 20  # classes that are named


def card(
    generator: Generator,
    scores: ScoresDocument,
    real: Mapping[tuple[str, str], float | None],
    result: ResultDocument | None,
    programs: Mapping[str, str],
) -> str:
    """The card of an export, whose generator this is as it was loaded from there.

    `real` are scores of real training data by label and protocol, `programs` the files that others can run, with what comparing
    them has said.
    """
    parts = (
        _head(generator, scores, programs),
        _what(generator),
        _loading(generator, programs),
        _scores(generator, scores, real),
        _training(generator, scores, result),
        _origin(generator, programs),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def title(generator: Generator) -> str:
    """Architecture and data."""
    return f"{architecture_of(generator)} on {_dataset(generator)}"


def architecture_of(generator: Generator) -> str:
    """The architecture's name."""
    settings = generator.document.settings["architecture"]
    return str(settings["name"] if isinstance(settings, Mapping) else settings)


def _head(generator: Generator, scores: ScoresDocument, programs: Mapping[str, str]) -> Iterator[str]:
    """YAML, whose strings are written as JSON has them."""
    task = TASK if generator.data.kind == "image" else "other"
    architecture, dataset = architecture_of(generator), _dataset(generator)
    yield from ("---", "library_name: gan-bench")
    if generator.data.kind == "image":
        yield f"pipeline_tag: {task}"
    tags = ["gan", "gan-bench", architecture, dataset, *(["class-conditional"] if generator.labelled else [])]
    yield f"tags: {_quoted([*tags, *(['onnx'] if ONNX in programs else [])])}"
    metrics = [
        {"type": score.metric, "name": f"{score.label} (protocol {score.protocol_id})", "value": score.value}
        for score in scores.scores
        if score.value is not None
    ]
    if metrics:
        yield from ("model-index:", f"- name: {_quoted(title(generator))}", "  results:")
        yield from ("  - task:", f"      type: {task}", "    dataset:")
        yield from (f"      type: {_quoted(dataset)}", f"      name: {_quoted(dataset)}", "    metrics:")
        yield from (f"    - {_quoted(metric)}" for metric in metrics)
    yield "---"


def _what(generator: Generator) -> Iterator[str]:
    data, classes = generator.data, [_plain(name) for name in (generator.data.classes or ())[:LISTED]]
    shape = "x".join(map(str, data.shape))
    if data.kind == "image":
        what = f"a generator of pictures of {shape} (channels, height, width), values in [-1, 1]"
    else:
        what = f"a generator of points of {shape} numbers"
    yield f"# {_plain(title(generator))}"
    yield ""
    yield f"This is {what}, made from latents of {generator.latent} numbers from N(0, 1)."
    if generator.labelled:
        more = len(data.classes or ()) - len(classes)
        yield f"It is asked for a class, by its place from 0: {', '.join(classes)}{f' and {more:,} more' if more else ''}."
    yield ""
    yield "![Samples](samples.png)"
    yield ""
    yield "These are samples as they came, of the run's own seed: none was chosen."


def _loading(generator: Generator, programs: Mapping[str, str]) -> Iterator[str]:
    given = "z, y" if generator.labelled else "z"
    latents = [f"z = torch.randn(8, {generator.latent})"]
    latents += ["y = torch.zeros(8, dtype=torch.int64)  # classes"] if generator.labelled else []
    files = sorted({plugin.file for plugin in generator.document.plugins if plugin.file})
    yield from ("## Loading it", "")
    yield "With gan-bench (`pip install 'gan-bench[export]'`), where this folder is:"
    if files:
        named = ", ".join(_code(file) for file in files)
        yield f"(It needs {named}, which is not part of this folder: put it here, or name it in `plugins=[...]`.)"
    more = ", allow_plugins=True" if files else ""
    load = f'generator = gan_bench.load_generator("."{more})'
    yield from _python("import gan_bench", "import torch", "", load, *latents, f"samples = generator({given})")
    if PT2 in programs:
        yield "Without gan-bench, in PyTorch (a .pt2 file can run code: load it if you trust whoever made it):"
        load = f'generator = torch.export.load("{PT2}").module()'
        yield from _python("import torch", "", load, *latents, f"samples = generator({given})")
    if ONNX in programs:
        yield "Without PyTorch, by onnxruntime:"
        arrays = [f"z = numpy.random.randn(8, {generator.latent}).astype(numpy.float32)"]
        arrays += ["y = numpy.zeros(8, dtype=numpy.int64)  # classes"] if generator.labelled else []
        feed = ", ".join(f'"{name}": {name}' for name in given.split(", "))
        load = f'session = onnxruntime.InferenceSession("{ONNX}")'
        run = f"samples = session.run(None, {{{feed}}})[0]"
        yield from _python("import numpy", "import onnxruntime", "", load, *arrays, run)
    if not programs:
        yield "`gan-bench export` with `--pt2` or `--onnx` adds what runs without gan-bench."
    yield f"{_code(WEIGHTS)} is the state dict of its torch module, {_code(CONFIG)} has everything that the module is built by."
    yield f"{_code(SAMPLES)} has latents and the samples made of them, to check any way of loading it."


def _scores(
    generator: Generator, scores: ScoresDocument, real: Mapping[tuple[str, str], float | None]
) -> Iterator[str]:
    yield from ("## Scores", "")
    if not scores.scores:
        yield "There are none of this moment of the run."
        return
    again = {(score.label, score.protocol_id): score.value for score in scores.again}
    yield "| score | better | value | on other samples | of real training data | protocol |"
    yield "|---|---|---|---|---|---|"
    for score in scores.scores:
        column = score.label, score.protocol_id
        error = f" ± {score.standard_error:.1g}" if score.standard_error is not None else ""
        numbers = _number(score.value) + error, _number(again.get(column)), _number(real.get(column))
        yield f"| {_plain(score.label)} | {score.better} | {' | '.join(numbers)} | {_plain(score.protocol_id)} |"
    yield ""
    yield (
        "Numbers can be compared where their protocols are equal, and nowhere else; behind ± stands the standard error "
        f"over samples, where there is one. They are one run's, of seed {generator.document.seed}; another seed's differ. "
        "Where this moment was the run's best by a score, that flatters it, and its value on other samples says by how "
        "much. No generator can be expected to beat real training data."
    )
    yield ""
    protocols = {score.protocol_id: score.protocol for score in scores.scores}
    yield from (f"- {_plain(key)}: {_plain(text(protocol))}" for key, protocol in protocols.items())


def _training(generator: Generator, scores: ScoresDocument, result: ResultDocument | None) -> Iterator[str]:
    document = generator.document
    yield from ("## How it was trained", "")
    facts = [f"seed {document.seed}", f"{generator.step:,} updates of the generator"]
    facts += [f"{scores.d_steps:,} of the discriminator"] if scores.d_steps is not None else []
    facts += [f"{scores.images:,} real samples seen"] if scores.images is not None else []
    facts += [f"of a run that {result.status}" if result else "of a run that has not ended"]
    facts += [f"which was found: {result.health}"] if result and result.health else []
    yield f"{_plain(', '.join(facts))}. All settings:"
    yield from ("", "```json", *_json(document.settings), "```")


def _origin(generator: Generator, programs: Mapping[str, str]) -> Iterator[str]:
    document = generator.document
    yield from ("## Where it is from", "")
    yield f"- run: {_plain(document.run)}, identity {_code(document.identity)}"
    if dataset := document.dataset:
        parts = f"{dataset.training or 0:,} training samples, {dataset.held_out or 0:,} held out"
        yield f"- data: {_plain(dataset.name)}, {parts}, fingerprint {_code(dataset.fingerprint)}"
    for plugin in document.plugins:
        named = _plain(f"{plugin.kind} {plugin.name}: {plugin.file or plugin.origin}")
        yield f"- {named}, source {_code(plugin.source)}"
    for session in document.sessions:
        versions = ", ".join(f"{name} {version}" for name, version in session.versions.items())
        yield f"- from step {session.from_step:,} on: {_plain(f'{session.kind or session.device}; {versions}')}"
    for file, said in {WEIGHTS: "the same samples, to the bit", **programs}.items():
        yield f"- {_code(file)}, loaded again after it was written: {said}"


def _python(*lines: str) -> Iterator[str]:
    yield from ("", "```python", *lines, "```", "")


def _json(value: Any) -> Sequence[str]:
    return json.dumps(value, indent=1).replace("`", r"\u0060").split("\n")


def _quoted(value: Any) -> str:
    """A value in YAML, which JSON is: in one line, without what YAML refuses in one."""
    return one_line(json.dumps(value, ensure_ascii=False))


def _plain(value: str) -> str:
    """Text that Markdown and HTML leave as it is, in one line: a name in a stranger's file may be anything."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", one_line(value))


def _code(value: str) -> str:
    return f"`{one_line(value).replace('`', chr(39))}`"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _dataset(generator: Generator) -> str:
    return generator.document.dataset.name if generator.document.dataset else "unknown data"
