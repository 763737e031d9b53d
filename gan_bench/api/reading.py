"""What was found as a dataset was read, kept beside the decoded samples and told by every command that uses them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class LeftOut(_Told):
    """Things that are no samples, for one reason."""

    reason: str  # completes "so many were left out, ...": "unreadable", "hidden", "with an unknown ending (.heic)"
    count: int
    examples: tuple[str, ...] = ()  # a few of their names, with what is wrong where that differs: "a.jpg: truncated"


class Equal(_Told):
    """Samples that decode to equal bits."""

    training: int  # those that are equal to an earlier sample of their own part
    held_out: int
    across: int  # held-out samples that are equal to a training sample


class Near(_Told):
    """Held-out samples that are nearly a training sample."""

    count: int
    looked_at: int  # held-out samples that were compared with all training samples
    correlation: float  # of the values of two samples, from which on they count


class Reading(_Told):
    """What a dataset was found to be."""

    found: int  # samples that were listed, of which the unreadable are left out
    treatment: str = ""  # what was done to each sample, in words: "upright, centre square, bicubic with antialiasing"
    notes: tuple[str, ...] = ()  # sentences on how the source was taken: which folders are the parts, what gave labels
    counts: dict[str, dict[str, int]] = {}  # by kind, such as "mode": its most frequent values, with their counts
    different: dict[str, int] = {}  # by kind: how many values there are
    ranges: dict[str, tuple[float, float]] = {}  # by kind, such as "width": the smallest and the largest number
    left_out: tuple[LeftOut, ...] = ()
    equal: Equal | None = None
    near: Near | None = None  # None: not looked for
