"""How long runs are and when their snapshots are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_bench.grid.source import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gan_bench.grid import Cell, Grid
    from gan_bench.training.dry import DryPass


class Lengths:
    """How many G steps the runs of each cell take, and when their snapshots are.

    Epochs are converted at the baseline, so that all cells have equal G steps; a comparison with `budget = "images"` gives
    its cells equal numbers of real images seen instead. `samples` is the length of the baseline's training part; `dry`
    has every cell's dry pass, and the baseline's.
    """

    def __init__(self, grid: Grid, samples: int, dry: Mapping[Cell, DryPass]) -> None:
        self.grid, self.dry = grid, dry
        images_a_step = self._images_a_step(grid.baseline)
        self.steps_an_epoch = samples / images_a_step
        self.baseline_steps = grid.steps or max(1, round((grid.epochs or 0) * self.steps_an_epoch))
        self.baseline_images = self.baseline_steps * images_a_step
        self._budgets: dict[Cell, dict[str, int]] = {}  # of each cell: budget -> place of a comparison
        for place, comparison in enumerate(grid.comparisons):
            for level in comparison.levels:
                self._budgets.setdefault(level.cell, {})[comparison.budget] = place

    def total(self, cell: Cell) -> int:
        """G steps of a cell's runs. GridError: two comparisons ask for different lengths of the same cell."""
        budgets = self._budgets.get(cell, {})
        lengths = {self.baseline_steps if budget == "steps" else self._at_equal_images(cell) for budget in budgets}
        if len(lengths) > 1:
            rule = f"the runs of {cell.label!r} would need {' and '.join(map(str, sorted(lengths)))} steps"
            cure = "Give all comparisons that share these runs the same budget, or put one into a grid of its own."
            raise self.grid.source.error(
                Fault(rule, ("compare", budgets["images"], "budget"), value="images", cure=cure)
            )
        return lengths.pop() if lengths else self.baseline_steps

    def snapshots(self, cell: Cell) -> tuple[tuple[int, ...], frozenset[int]]:
        """Steps of a cell's snapshots, and which of them must not be missing in a run that was trained before."""
        total, evaluate = self.total(cell), self.grid.evaluate
        asked = evaluate.at_steps or [epoch * self.steps_an_epoch for epoch in evaluate.at_epochs or ()]
        if asked:
            steps = {max(1, round(step * total / self.baseline_steps)) for step in asked}
            required = frozenset({step for step in steps if step <= total} | {total})
            return tuple(sorted(required)), required
        count = min(evaluate.snapshots, total)
        return tuple(sorted({round(total * (i + 1) / count) for i in range(count)})), frozenset({total})

    def _images_a_step(self, cell: Cell) -> float:
        return cell.batch_size * self.dry[cell].schedule.d_per_g

    def _at_equal_images(self, cell: Cell) -> int:
        return max(1, round(self.baseline_images / self._images_a_step(cell)))
