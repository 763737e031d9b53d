"""What one axis of a product of axes does: main effects and two-way interactions, with seeds as clusters.

In a product of axes let d_{r,s} be the paired difference between a level of one axis and its reference level, at seed s and
at a combination r of the other axes' levels. Differences of one seed share that seed's runs, so they are no independent
observations: their mean over r is one observation a seed, and the t test is over seeds (pooling cells and seeds covers 54 %
instead of 95). An interaction is the same of differences of differences:
(log) scores of (a, b) - (a0, b) - (a, b0) + (a0, b0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gan_bench.stats.paired import Better, Finding, Scale, finding_of

Values = tuple[str, ...]  # a cell's level of each axis
Scores = Mapping[Values, Mapping[int, float]]  # a cell's scores by seed


@dataclass(frozen=True)
class Effect:
    """A level's effect, averaged over all levels of the other axes; or how it depends on a second axis' level."""

    changed: tuple[tuple[int, str], ...]  # axis and its level: one for a main effect, two for an interaction
    finding: Finding
    cells: tuple[Values, ...]  # whose scores are in it
    by_cell: Mapping[
        Values, float
    ]  # mean difference in each combination of the other axes' levels, by the changed cell

    def at(self, axis: int, level: str) -> float:
        """The mean difference within a level of another axis."""
        return float(np.mean([mean for cell, mean in self.by_cell.items() if cell[axis] == level]))


def effects(scores: Scores, reference: Values, scale: Scale, better: Better) -> list[Effect]:
    """Main effects, then two-way interactions, of every level that is not the reference's.

    Only combinations whose counterparts at the reference levels are there as well are averaged; a seed counts where all of
    them have a score.
    """
    every = [value for cell in scores.values() for value in cell.values() if math.isfinite(value)]
    without_log = scale == "log" and not all(value > 0 for value in every)
    if without_log:
        scale = "raw"
    axes = range(len(reference))
    levels = [[(axis, level) for level in _levels(scores, axis) if level != reference[axis]] for axis in axes]
    changes: list[tuple[tuple[int, str], ...]] = [(change,) for own in levels for change in own]
    changes += [(one, two) for a in axes for b in axes if a < b for one in levels[a] for two in levels[b]]
    found = [_effect(scores, reference, change, scale, better) for change in changes]
    return [replace(e, finding=replace(e.finding, without_log=without_log)) for e in found if e is not None]


def turns(effect: Effect, interaction: Effect, reference: Values) -> tuple[int, str] | None:
    """The other axis and level at which a main effect has another sign than at that axis' reference level.

    None: its sign is the same, or this is no interaction of it. Of signs alone nothing follows, for an effect that is the same
    everywhere has both in more than half of cases where it is small: whoever asks has an interaction that is told.
    """
    if len(effect.changed) != 1 or len(interaction.changed) != 2 or effect.changed[0] not in interaction.changed:
        return None
    ((axis, level),) = set(interaction.changed) - set(effect.changed)
    return (axis, level) if effect.at(axis, level) * effect.at(axis, reference[axis]) < 0 else None


def _levels(scores: Scores, axis: int) -> list[str]:
    return list(dict.fromkeys(values[axis] for values in scores))


def _effect(
    scores: Scores, reference: Values, change: tuple[tuple[int, str], ...], scale: Scale, better: Better
) -> Effect | None:
    """None where no combination has all of its counterparts."""
    contrasts = []  # for each combination of the other axes: cells with their signs
    for values in scores:
        if all(values[axis] == level for axis, level in change):
            contrast = _contrast(values, reference, [axis for axis, _ in change])
            if all(cell in scores for cell, _ in contrast):
                contrasts.append(contrast)
    if not contrasts:
        return None
    seeds = sorted(set.intersection(*(_scored(scores[cell]) for contrast in contrasts for cell, _ in contrast)))
    told = math.log if scale == "log" else float
    d = np.array(
        [[sum(sign * told(scores[cell][s]) for cell, sign in contrast) for s in seeds] for contrast in contrasts]
    ).reshape(len(contrasts), len(seeds))
    means = d.mean(1).tolist() if seeds else [math.nan] * len(contrasts)
    by_cell = {contrast[0][0]: mean for contrast, mean in zip(contrasts, means, strict=True)}
    cells = tuple(dict.fromkeys(cell for contrast in contrasts for cell, _ in contrast))
    return Effect(change, finding_of(tuple(seeds), d.mean(0), scale, better), cells, by_cell)


def _scored(cell: Mapping[int, float]) -> set[int]:
    return {seed for seed, value in cell.items() if math.isfinite(value)}


def _contrast(values: Values, reference: Values, axes: Sequence[int]) -> list[tuple[Values, int]]:
    """The cell itself and those with one or more of the axes at the reference level: signs by their number."""
    cells = [(values, 1)]
    for axis in axes:
        cells += [((*cell[:axis], reference[axis], *cell[axis + 1 :]), -sign) for cell, sign in cells]
    return cells
