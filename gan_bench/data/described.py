"""A decoded dataset as JSON: what run.json keeps of it, and whoever tells of it reads."""

from __future__ import annotations

from gan_bench.api.samples import PreparedData
from gan_bench.data.label_draw import class_counts
from gan_bench.store.documents import ClassCounts, Dataset


def described(data: PreparedData) -> Dataset:
    """All that is known of a dataset but the samples themselves."""
    classes, whole = data.spec.classes, data.whole
    facts = Dataset(
        name=data.name,
        fingerprint=data.fingerprint,
        shape=list(data.spec.shape),
        kind=data.spec.kind,
        classes=list(classes) if classes else None,
        training=len(data.training),
        held_out=len(data.held_out),
    )
    if classes:
        training, held_out = (class_counts(part, len(classes)) for part in (data.training, data.held_out))
        facts.class_counts = ClassCounts(training=training, held_out=held_out)
    if whole is not data:
        facts.chosen, facts.chosen_of = list(data.chosen), len(whole.training)
    if data.reading:
        facts.reading = data.reading
    return facts
