"""Medians, quartiles and bootstrap intervals over a handful of seeds, infinities included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 4000
COVERED = 95.0
"""Per cent of the bootstrap interval."""


class Spread(NamedTuple):
    """Median and quartiles; infinite where that many runs never got there, NaN where nothing is known."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles, each a value or the mean of two (no interpolation with infinities)."""
    known = np.sort(np.asarray([value for value in values if not np.isnan(value)], np.float64))
    if not len(known):
        return Spread(np.nan, np.nan, np.nan)
    return Spread(*(_quantile(known, share) for share in (0.5, 0.25, 0.75)))


def _quantile(ordered: np.ndarray, share: float) -> float:
    """Linear interpolation between order statistics (Hyndman and Fan 1996, type 7)."""
    place = share * (len(ordered) - 1)
    below, above = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
    weight = place - np.floor(place)
    if weight == 0 or below == above:
        return float(below)
    return float("inf") if np.isinf(above) else float((1 - weight) * below + weight * above)


def ratio_interval(
    slow: Sequence[float], fast: Sequence[float], *, paired: bool = True, seed: int = 0
) -> tuple[float, float, float]:
    """Return how many times the median of `slow` is that of `fast`, with its bootstrap interval.

    The values are drawn with replacement, pairs (the same seed on both sides) together; the interval holds
    the middle 95 % of the ratios of the medians. Draws in which neither side has a finite median say nothing
    and are left out. With fewer than two values on a side the interval is NaN: nothing is known of the
    spread. Of three to five values it is about their whole range, and covers less than it says.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile interval).

    Args:
        slow: One value per seed.
        fast: One value per seed, in the same order where `paired`.
        paired: Whether the two belong together one by one.
        seed: Of the draws.
    """
    one, other = np.asarray(slow, np.float64), np.asarray(fast, np.float64)
    center = _ratio(spread(list(one)).median, spread(list(other)).median)
    if min(len(one), len(other)) < 2:
        return center, float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    first = rng.integers(len(one), size=(DRAWS, len(one)))
    second = first if paired else rng.integers(len(other), size=(DRAWS, len(other)))
    medians = zip(np.median(one[first], axis=1), np.median(other[second], axis=1), strict=True)
    ratios = np.asarray([_ratio(float(above), float(below)) for above, below in medians])
    known = np.sort(ratios[~np.isnan(ratios)])
    if not len(known):
        return center, float("nan"), float("nan")
    edge = (100 - COVERED) / 200
    return center, _quantile(known, edge), _quantile(known, 1 - edge)


def _ratio(slow: float, fast: float) -> float:
    if np.isinf(slow):
        return float("nan") if np.isinf(fast) else float("inf")
    return 0.0 if np.isinf(fast) else slow / fast if fast > 0 else float("nan")
