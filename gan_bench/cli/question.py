"""What `gan-bench new grid` writes: a grid that asks whether plugins help."""

from __future__ import annotations

import json
from pathlib import Path

from gan_bench.api.registry import Found
from gan_bench.checks.subjects import subjects
from gan_bench.errors import GanBenchError

PICTURES, POINTS = '{ name = "dcgan", depth = 2, width = 16 }', '{ name = "fcgan", depth = 2, width = 64 }'
BASELINE = """\
{head}dataset = {dataset}  # `gan-bench plugins` lists all that can stand here
architecture = {architecture}
tricks = []
seeds = "0-7"  # one run each of every level; a verdict needs six at least
steps = 1200
batch_size = 64

[optimizer]
name = "adam"
lr = 2e-4
betas = [0.5, 0.999]

[evaluate]
{evaluate}samples = 2000

# A question: the settings that it varies, and their levels. Everything else is as above.
{compares}"""


def question(name: str, plugins: tuple[Path, ...]) -> str:
    """A grid file that asks about the plugins of these files; without an architecture or trick, about depth and tricks.

    GanBenchError: a file can't be loaded, or brings no plugin.
    """
    found: list[Found] = []
    for subject in subjects([str(file) for file in plugins]):
        if subject.broken:
            raise GanBenchError(f"the plugin {subject.broken[0]}")
        found += subject.found
    own = {kind: [json.dumps(one.name) for one in found if one.kind == kind] for kind in {one.kind for one in found}}
    head = f'name = "{name}"\n'
    if plugins:
        head += f"plugins = {json.dumps([str(file) for file in plugins], ensure_ascii=False)}\n"
    of_points = any(one.kind == "dataset" and getattr(one.cls, "kind", "") == "points" for one in found)
    architecture = POINTS if of_points else PICTURES
    compares = []
    if "architecture" in own:
        compares.append(_compare("Which architecture?", "architecture", [architecture, *own["architecture"]]))
    if "trick" in own:
        compares.append(_compare("Which tricks help?", "tricks", ["[]", *(f"[{trick}]" for trick in own["trick"])]))
    if not compares:
        some = ["[]", '["label_smoothing"]', '[{ name = "input_noise", sigma = 0.2 }]']
        compares = [
            _compare("How deep?", '"architecture.depth"', ["1", "2"]),
            _compare("Which tricks help?", "tricks", some),
        ]
    evaluate = ""
    if "metric" in own:
        evaluate += f'metrics = ["kid", "precision_recall", {", ".join(own["metric"])}]\n'
    if "features" in own:
        evaluate += f"features = {own['features'][0]}\n"
    return BASELINE.format(
        head=head,
        dataset=own.get("dataset", ['"digits"'])[0],
        architecture=architecture,
        evaluate=evaluate,
        compares="\n".join(compares),
    )


def _compare(title: str, key: str, levels: list[str]) -> str:
    return f'[[compare]]\ntitle = "{title}"\n{key} = [{", ".join(levels)}]\n'
