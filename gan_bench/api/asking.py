"""What plugins answer to a hook, whatever one of them does."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pluggy

from gan_bench.api.faults import cause, place_of


def ask(manager: pluggy.PluginManager, hook: str, tell: Callable[[str], object], **facts: Any) -> list[Any]:
    """What plugins return to a hook, in pluggy's order, None left out; only the first where the hook takes one alone.

    What a stranger's code raises is told in a line, with its file and line, and the next plugin is asked. Our own
    package's exceptions come through: a full disk, say. Wrappers of hooks are not called.
    """
    caller = getattr(manager.hook, hook)
    answers: list[Any] = []
    for one in reversed(caller.get_hookimpls()):
        if one.wrapper or one.hookwrapper or (answers and caller.spec.opts["firstresult"]):
            continue
        try:
            answer = one.function(*(facts[name] for name in one.argnames))
        except (Exception, SystemExit) as error:
            if _ours(one.plugin_name):
                raise
            tell(f"Warning: {hook} at {place_of(one.function)} failed: {cause(error)}")
        else:
            answers += [] if answer is None else [answer]
    return answers


def _ours(module: str) -> bool:
    """Whether a module came through an entry point of this package's own."""
    entries = (entry for entry in entry_points(group="gan_bench") if entry.dist and entry.dist.name == "gan-bench")
    return any(f"{module}.".startswith(f"{entry.module}.") for entry in entries)
