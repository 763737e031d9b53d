"""`gan-bench new`: a plugin file, a grid or a package to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import click

from gan_bench.cli.options import plugin_option

PLUGINS = ("architecture", "trick", "dataset", "metric", "features")
NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")


@click.command("new")
@click.argument("kind", type=click.Choice([*PLUGINS, "grid", "package"]))
@click.argument("name")
@plugin_option
def command(kind: str, name: str, plugins: tuple[Path, ...]) -> None:
    """Write a plugin that trains, a grid or a package to begin with.

    It is NAME.py, NAME.toml or the folder NAME. A grid asks whether the plugins of --plugin help. What is there already is
    never overwritten.
    """
    from gan_bench.console import say
    from gan_bench.errors import GanBenchError

    if not NAME.fullmatch(name):
        raise GanBenchError(
            f"a name has letters, digits, '_' and '-', begins with a letter and does not end with a sign (found: {name!r})"
        )
    if plugins and kind != "grid":
        raise click.UsageError("--plugin is what a new grid asks about; a new plugin needs none")
    if kind == "grid":
        files, more = grid(name, plugins)
    elif kind == "package":
        files, more = package(name)
    else:
        files, more = plugin(kind, name)
    write(files)
    for file in files:
        say(file)
    for line in more:
        say(line, err=True)


Files = dict[Path, str]


def write(files: Files) -> None:
    """Write new files. GanBenchError: one of them is there already."""
    from gan_bench.errors import GanBenchError
    from gan_bench.files import write_text

    for file in files:
        if file.exists() or file.is_symlink():
            raise GanBenchError(f"{file} is there already. Take another name, or move it away")
    for file, text in files.items():
        write_text(file, text)


def plugin(kind: str, name: str) -> tuple[Files, list[str]]:
    """A plugin file, and what to do with it. GanBenchError: Python could not do with such a file."""
    check_module(name, "plugin")
    file = f"{name}.py"
    more = [
        f"Change it, check it:  gan-bench check {file}",
        f"and ask about it:     gan-bench new grid NAME --plugin {file}",
    ]
    return {Path(file): starter(kind, name)}, more


def starter(kind: str, name: str) -> str:
    """The text of a plugin file. GanBenchError: its class would have the name of something else in it."""
    import ast
    from keyword import iskeyword

    from gan_bench.errors import GanBenchError

    text = (Path(__file__).parent / "starters" / f"{kind}.py").read_text(encoding="utf-8")
    cls = "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", name))
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} - {"Mine"}
    if iskeyword(cls) or cls in used:
        raise GanBenchError(
            f"{name!r} would make a class {cls}, which means something in the file already. Take another name"
        )
    return re.sub(r"\bMine\b", cls, text).replace('"mine"', f'"{name}"')


def grid(name: str, plugins: tuple[Path, ...]) -> tuple[Files, list[str]]:
    """A grid file that asks about plugins, beside the schema by which editors complete it."""
    from gan_bench.cli.question import question
    from gan_bench.cli.schema import schema_text

    file, schema = Path(f"{name}.toml"), Path(f"{name}.schema.json")
    files = {file: f"#:schema ./{schema}\n\n{question(name, plugins)}", schema: schema_text(plugins)}
    return files, [
        f"See what it would train:  gan-bench plan {file}",
        f"and train it:             gan-bench run {file}",
    ]


def package(name: str) -> tuple[Files, list[str]]:
    """A package with a plugin of its own, found wherever it is installed."""
    module = name.lower().replace("-", "_")
    check_module(module, "package")
    folder, source = Path(name), Path(name, "src", module)
    files = {
        folder / "pyproject.toml": PYPROJECT,
        folder / "README.md": README,
        source / "__init__.py": '"""Plugins for gan-bench."""\n',
        source
        / "plugins"
        / "__init__.py": '"""Each module here is a plugin file, unless its name begins with `_`."""\n',
        source / "plugins" / f"{module}.py": starter("architecture", module),
    }
    files = {file: text.replace("@NAME@", name).replace("@MODULE@", module) for file, text in files.items()}
    more = [f"Install it:  pip install -e {folder}", f"check it:    gan-bench check {name}", "or, in it:   pytest"]
    return files, more


def check_module(module: str, what: str) -> None:
    """GanBenchError: to import a module of this name is something else, or nothing."""
    from importlib.util import find_spec
    from keyword import iskeyword

    from gan_bench.errors import GanBenchError

    if iskeyword(module) or find_spec(module):
        raise GanBenchError(f"a {what} can't be called {module!r}, which means something to Python. Take another name")


PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "@NAME@"
version = "0.1.0"
description = "Plugins for gan-bench"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["gan-bench"]

[project.optional-dependencies]
test = ["pytest"]

# Each module of this package is a plugin file.
[project.entry-points.gan_bench]
@MODULE@ = "@MODULE@.plugins"

[tool.setuptools.packages.find]
where = ["src"]

[tool.pytest.ini_options]
addopts = "--gan-bench @NAME@"  # what gan-bench's own plugins must pass
"""
README = """\
# @NAME@

Plugins for gan-bench.

    pip install -e '.[test]'
    gan-bench plugins @MODULE@     # what it is, layer by layer
    gan-bench check @NAME@         # what every plugin must pass; so does pytest
    gan-bench new grid question    # then name it there: architecture = "@MODULE@"

A new plugin is a new file in `src/@MODULE@/plugins`: `gan-bench new trick NAME` writes one.
"""
