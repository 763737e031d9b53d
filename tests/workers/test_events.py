"""Events are plain data: they survive a pipe between processes, and a journal of JSON lines."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict

import pytest

from gan_bench.workers import events

EVENTS = [
    events.Ready("CPU x86_64 AVX2, torch 2.9.1"),
    events.Want(),
    events.Started("a-0", 50, 800),
    events.Advanced("a-0", 100, 1600, {"loss_g": 0.5, "loss_d": None}, {"D wins": "since step 50"}),
    events.Warned("a-0", "a file is damaged"),
    events.Finished("a-0", images=1600, seconds={"training": 2.5}),
    events.Failed("a-0", "ValueError: no"),
    events.Returned("a-0", "the worker process ended", images=800),
    events.Busy("a-0", "it is being trained on 'node7'", images=800),
    events.Foreign("a-0", begun="NVIDIA H200, torch 2.9.1, cuDNN 91002"),
    events.Stopped("a-0"),
]


def test_every_kind_is_tried():
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and kind.__module__ == events.__name__}
    assert kinds - {events.Ended} == {type(event) for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_the_same_after_pickle_and_json(event):
    assert pickle.loads(pickle.dumps(event)) == event
    assert type(event)(**json.loads(json.dumps(asdict(event)))) == event
