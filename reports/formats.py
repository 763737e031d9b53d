"""Numbers as they are printed in the report."""

from __future__ import annotations

import math

THIN = "\u202f"  # narrow no-break space, between groups of digits


def count(value: float | None) -> str:
    """A whole number, digits in groups of three: `1 234 567`."""
    return "–" if value is None or not math.isfinite(value) else f"{round(value):,}".replace(",", THIN)


def number(value: float | None, digits: int = 3) -> str:
    """A measured number with so many significant digits, in ordinary notation where that is readable."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
        return minus(f"{value:,.{min(decimals, 7)}f}".replace(",", THIN))
    return minus(f"{value:.{digits - 1}e}")


def bare(value: float | None) -> str:
    """A number for machines, whole ones without a point; empty where there is none."""
    if value is None or math.isnan(value):
        return ""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(float(value))


def scaled(value: float | None, unit: str = "", digits: int = 3) -> str:
    """A large number with a decimal prefix: `7.99 M`, `412 MB`."""
    if value is None or not math.isfinite(value):
        return "–"
    power = min(max(math.floor(math.log10(abs(value)) / 3), 0), 5) if value else 0
    if round(abs(value) / 1000**power, digits - 3) >= 1000 and power < 5:
        power += 1
    prefix = ("", "k", "M", "G", "T", "P")[power]
    return f"{number(value / 1000**power, digits)} {prefix}{unit}".rstrip()


def spread(mean: float | None, deviation: float | None) -> str:
    """`12.35 ± 0.41`: as many decimals as two digits of the deviation need; without one, the mean alone."""
    if mean is None or math.isnan(mean):
        return "–"
    if deviation is None or math.isnan(deviation) or deviation == 0:
        return number(mean)
    decimals = max(0, 1 - math.floor(math.log10(deviation)))
    if decimals > 6 or abs(mean) >= 1e6:
        return f"{number(mean)} ± {number(deviation, 2)}"
    return minus(f"{mean:,.{decimals}f}".replace(",", THIN)) + f" ± {deviation:,.{decimals}f}".replace(",", THIN)


def duration(seconds: float | None) -> str:
    """`31 s`, `12 min`, `3.4 h`."""
    if seconds is None or math.isnan(seconds):
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def minus(text: str) -> str:
    """A number's text with a true minus sign."""
    return text.replace("-", "−")


def brief(verdict: str) -> str:
    """A verdict where there is little room."""
    return {"no difference can be told": "can’t be told", "not tested": "no verdict yet"}.get(verdict, verdict)
