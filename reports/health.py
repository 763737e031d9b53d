"""What the page says of health: how many of a level's runs have which diagnosis, and each run's evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gan_bench.findings.comparisons import Level
from gan_bench.findings.tables import Results


@dataclass(frozen=True)
class Complaint:
    """One diagnosis among the runs of a level."""

    name: str
    seeds: list[int]
    evidence: str  # a line for each seed


class Health:
    """Looks up the health of levels and runs."""

    def __init__(self, results: Results) -> None:
        self._healthy = set(results.runs.loc[results.runs["health"] == "healthy", "run"])
        self._diagnoses: dict[str, list[dict[str, Any]]] = {}
        for found in results.diagnoses.to_dict("records"):
            self._diagnoses.setdefault(found["run"], []).append(found)

    def of_run(self, run: str) -> list[dict[str, Any]]:
        """A run's diagnoses: name, step and evidence."""
        return self._diagnoses.get(run, [])

    def healthy(self, level: Level) -> int:
        """How many of a level's runs are healthy."""
        return len(self._healthy & set(level.runs.values()))

    def complaints(self, level: Level) -> list[Complaint]:
        """A level's diagnoses, those of most runs first."""
        lines: dict[str, dict[int, str]] = {}
        for seed, run in level.runs.items():
            for found in self.of_run(run):
                lines.setdefault(found["name"], {})[seed] = f"seed {seed}: {found['evidence']}"
        complaints = [Complaint(name, list(seeds), "\n".join(seeds.values())) for name, seeds in lines.items()]
        return sorted(complaints, key=lambda complaint: -len(complaint.seeds))
