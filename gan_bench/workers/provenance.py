"""What run.json says: of what and how a run was trained."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from gan_bench import __version__
from gan_bench.api.registry import Found
from gan_bench.api.samples import PreparedData
from gan_bench.data.described import described
from gan_bench.store.documents import RunDocument
from gan_bench.training.training import Training
from gan_bench.workers.device import hardware, kind

if TYPE_CHECKING:
    from gan_bench.workers.jobs import Job


def provenance(
    job: Job,
    plugins: Sequence[Found],
    data: PreparedData,
    before: RunDocument | None,
    training: Training,
) -> dict[str, Any]:
    """All of run.json; `before` is what it held, whose sessions are kept."""
    dry = job.dry
    session = {
        "from_step": training.loop.steps,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": str(training.device),
        "kind": "" if training.ended else kind(training.device),
        "threads": torch.get_num_threads(),
        "versions": {"gan_bench": __version__, "python": platform.python_version(), "torch": torch.__version__},
        "hardware": hardware(training.device),
    }
    return {
        "run": job.run,
        "identity": job.identity,
        "seed": job.seed,
        "settings": job.settings,
        "total_steps": training.total_steps,
        "snapshot_steps": sorted(training.snapshot_steps),
        "dataset": described(data).as_json(),
        "plugins": [found.facts() for found in plugins],
        "networks": dry.networks,
        "execution": {
            "memory_format": dry.memory_format,
            "joined_pass": dry.joined,
            "log_odds": training.log_odds,
        },
        "sessions": [*([past.as_json() for past in before.sessions] if before else ()), session],
    }
