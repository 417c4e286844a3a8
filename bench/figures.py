"""Percentiles and medians of what was measured, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence

NOTHING = "-"


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` (0 to 1) of all are not above, by the nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-round(share * 1000) * len(ordered) // 1000)  # rounded up, on whole numbers
    return ordered[max(0, rank - 1)]


def median(values: Sequence[float]) -> float | None:
    """The middle one; the mean of the two middle ones where the number is even."""
    if not values:
        return None
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def shown(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def spread(values: Sequence[float], digits: int = 1) -> str:
    """`p50 / p99`."""
    return (
        f"{shown(percentile(values, 0.5), digits)} / {shown(percentile(values, 0.99), digits)}" if values else NOTHING
    )
