"""Types of the parameters that every dataset has: numbers that could be meant as two things are refused."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gan_bench.api.tables import fault, with_features
from gan_bench.errors import did_you_mean


def _share(value: Any, rule: str, *at: str) -> float:
    """A share as a float. PydanticCustomError: it is none."""
    if type(value) not in (int, float) or not 0 < value <= 1:
        raise fault(rule, *at)
    return float(value)


def _share_or_number(of: str, number: str) -> BeforeValidator:
    """Passes on a share, more than 0 and at most 1.0, or a whole number from 2; 1 could be meant as either."""

    def check(value: Any) -> Any:
        if not (type(value) is int and value >= 2) and not (type(value) is float and 0 < value <= 1):
            raise ValueError(f"must be a share of {of}, more than 0 and at most 1.0, or {number}, a whole one from 2")
        return value

    return BeforeValidator(check)


_ShareOrNumber = Annotated[float, Field(gt=0, le=1)] | Annotated[int, Field(ge=2)]
Subset = Annotated[_ShareOrNumber, _share_or_number("the training samples", "their number")]
Crop = Annotated[_ShareOrNumber, _share_or_number("a picture's height and width", "the number of pixels of both")]


def _selection(value: Any) -> float | dict[str, Any]:
    """The share to keep, or a table of it and the features to judge by. PydanticCustomError: it is neither."""
    rule = "must be the share of the training samples to keep, more than 0 and at most 1.0"
    if not isinstance(value, dict):
        return _share(value, f"{rule}, or a table such as {{ keep = 0.5, features = ... }}")
    for key in sorted(value.keys() - {"keep", "features"}):
        raise fault("is no part of select", key, cure=did_you_mean(key, ("keep", "features")))
    if "keep" not in value:
        rule = "needs keep, the share of the training samples to keep"
        raise fault(rule, cure="Write { keep = 0.5, features = ... }.")
    keep = _share(value["keep"], rule, "keep")
    return {**with_features(value), "keep": keep} if "features" in value else keep


Selection = Annotated[Annotated[float, Field(gt=0, le=1)] | dict[str, Any], BeforeValidator(_selection)]
