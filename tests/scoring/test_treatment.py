"""What was done to real samples stands beside a score, and makes no other score of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from small_runs import CPU

from gan_bench.api.reading import Reading
from gan_bench.data.prepare import prepare
from gan_bench.findings.score_columns import Named, score_columns
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.documents import Score
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.kid import KernelDistance
from gan_bench_plugins.metrics.pixels import Pixels


def test_the_treatment_of_real_samples_leaves_protocols_and_columns_as_they_are(tmp_path):
    data = prepare(Digits(size=8))
    told, untold = (
        replace(data, reading=Reading(found=1797, treatment=words)) for words in ("bicubic with antialiasing", "")
    )
    ((first,), (second,)) = (
        Evaluator(one, [KernelDistance()], Pixels(), 64, CPU, tmp_path).score(data.training.batch(torch.arange(64)))
        for one in (told, untold)
    )
    assert first == {**second, "treatment": "bicubic with antialiasing"}
    (column,) = score_columns(Named("digits", Score.model_validate(one)) for one in (first, second))
    assert column.treatment == "bicubic with antialiasing"
