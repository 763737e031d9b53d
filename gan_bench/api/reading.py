"""What was found as a dataset was read, kept beside the decoded samples and told by every command that uses them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _writable(text: str) -> str:
    """A text that can be written, whatever bytes the file name in it has."""
    return text.encode("utf-8", "backslashreplace").decode()


Text = Annotated[str, AfterValidator(_writable)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class LeftOut(_Told):
    """Things that are no samples, for one reason."""

    reason: Text  # completes "so many were left out, ...": "unreadable", "hidden", "with an unknown ending (.heic)"
    count: int
    examples: tuple[Text, ...] = ()  # a few of their names, with what is wrong where that differs: "a.jpg: truncated"


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
    treatment: Text = ""  # what was done to each sample, in words: "upright, centre square, bicubic with antialiasing"
    notes: tuple[Text, ...] = ()  # sentences on how the source was taken: which folders are the parts, what gave labels
    counts: dict[Text, dict[Text, int]] = {}  # by kind, such as "mode": its most frequent values, with their counts
    different: dict[Text, int] = {}  # by kind: how many values there are
    ranges: dict[Text, tuple[float, float]] = {}  # by kind, such as "width": the smallest and the largest number
    left_out: tuple[LeftOut, ...] = ()
    equal: Equal | None = None
    near: Near | None = None  # None: not looked for
