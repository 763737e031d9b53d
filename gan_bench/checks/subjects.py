"""What is to be checked: the plugins of a file, or of an installed package."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from gan_bench.api.registry import Broken, Found, Registry
from gan_bench.checks.check import Check, Failed, Skipped
from gan_bench.checks.plugins import check_pair, checks_of
from gan_bench.errors import GanBenchError, did_you_mean


@dataclass(frozen=True)
class Subject:
    """The plugins of a file or package, and what of it could not be loaded."""

    name: str
    found: Sequence[Found]
    broken: Sequence[Broken]
    registry: Registry

    def checks(self) -> Iterator[Check]:
        """All checks of its plugins, plugin by plugin."""
        for one in self.broken:
            yield Check(one, "can be loaded", partial(_fail, one))
        for found in self.found:
            yield from checks_of(found, self.registry)
            if found.kind == "trick":
                rule = "goes with every other trick, or is refused by name"
                yield Check(found, rule, partial(_pairs, found, self.registry), slow=True)


def subjects(names: Sequence[str]) -> list[Subject]:
    """What is meant by paths of files and names of installed packages, or the folders that they are made from.

    GanBenchError: there is no such file or package, or it brings nothing to check.
    """
    files = {name: Path(name).resolve() for name in names if name.endswith(".py") or Path(name).is_file()}
    for name, file in files.items():
        if not file.is_file():
            raise GanBenchError(f"there is no file {name}")
    registry = Registry.load(list(files.values()))
    return [_of_file(name, files[name], registry) if name in files else _of_package(name, registry) for name in names]


def _of_file(name: str, file: Path, registry: Registry) -> Subject:
    found = [one for one in registry.found if one.of_file and one.source == file]
    broken = [one for one in registry.broken if one.source == file]
    return _something(Subject(name, found, broken, registry))


def _of_package(name: str, registry: Registry) -> Subject:
    package = _project(name) or name
    origins = [f"package {one} " for one in _packages() if _plain(one) == _plain(package)]
    if not origins:
        cure = f"Install it first: pip install -e {name}" if package != name else did_you_mean(package, _packages())
        raise GanBenchError(f"no package with plugins is installed that is called {package!r}. {cure}")
    found = [one for one in registry.found if one.origin.startswith(origins[0])]
    broken = [one for one in registry.broken if one.origin.startswith(origins[0])]
    return _something(Subject(package, found, broken, registry))


def _something(subject: Subject) -> Subject:
    """GanBenchError: there is nothing to check."""
    if not (subject.found or subject.broken):
        raise GanBenchError(f"{subject.name} brings no plugin that could be checked: it has hooks for events alone")
    return subject


def _packages() -> set[str]:
    return {entry.dist.name for entry in entry_points(group="gan_bench") if entry.dist}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _project(folder: str) -> str | None:
    """The name of the package that a folder is the source of."""
    with suppress(OSError, tomllib.TOMLDecodeError):
        project = tomllib.loads((Path(folder) / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        return str(project["name"]) if "name" in project else None
    return None


def _fail(broken: Broken) -> None:
    place = re.match(r"(\S+\.py(?::\d+)?): (.*)", broken.cause, re.DOTALL)
    raise Failed(place[1], place[2]) if place else Failed(broken.origin, broken.cause)


def _pairs(found: Found, registry: Registry) -> None:
    """With every other trick that is sound by itself, in either order. Skipped: there is none that it can be tried with."""
    tried, why = False, "there is no other trick that is sound by itself"
    for other in registry.found:
        if other.kind != "trick" or other.cls is found.cls:
            continue
        for pair in ((found, other), (other, found)):
            try:
                check_pair(*pair)
                tried = True
            except Skipped as reason:  # one has no defaults
                why = str(reason)
            except Failed as failure:
                if not _trains(other, registry):
                    break
                raise Failed(failure.place, f"beside {other.name} ({other.origin}): {failure.rule}") from failure
    if not tried:
        raise Skipped(why)


def _trains(trick: Found, registry: Registry) -> bool:
    """Whether a trick trains by itself."""
    try:
        next(check for check in checks_of(trick, registry) if check.name == "trains").run()
    except (Failed, StopIteration):
        return False
    return True
