"""Sums that keep what rounding takes, so that the order of their terms does not show.

Each addition is error-free: TwoSum gives s = fl(a + b) and the e with s + e = a + b exactly, and the errors
add up beside the sum. With u = 2^-53, the high and the low part of a sum of k terms are off by at most about
(k u)^2 times the sum of their absolute values, whatever the order: Sum2 of Ogita, Rump and Oishi 2005,
Accurate sum and dot product; TwoSum is by Knuth 1969.

Where the terms are of like size nothing is lost at all: let q be a power of two of which all terms are
multiples. So are all errors, and as long as k u times the sum of the absolute values stays below 2^53 q, they
add up exactly. For k = 64 that holds unless some term, not zero, is below 2^-47 of that sum. Beyond, two
orders lead to different bits only where the sum is within their error of the middle between two numbers of
float64: a probability of about k^2 u, times the sum of the absolute values over the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Float64 = NDArray[np.float64]

SLICE = 4096
"""Numbers that are added at a time: all that TwoSum touches of them stays in a core's own cache."""

silent = np.errstate(over="ignore", invalid="ignore")
"""A sum that is not finite says so itself."""


class Pair(NamedTuple):
    """The unevaluated sum of two arrays of one shape, the second one much smaller."""

    high: Float64
    low: Float64

    @silent
    def rounded(self) -> Float64:
        """Return the sum, rounded once; infinities and NaN are those of the plain sum."""
        total: Float64 = self.high + self.low
        return total if np.isfinite(total).all() else np.where(np.isfinite(self.high), total, self.high)


class CompensatedSum:
    """A sum of vectors that come one by one.

    Args:
        size: Their length.
    """

    def __init__(self, size: int) -> None:
        self.high, self.low = np.zeros(size), np.zeros(size)
        self._scratch = np.empty((3, min(size, SLICE)))

    @property
    def pair(self) -> Pair:
        """The sum so far, in the memory of this object."""
        return Pair(self.high, self.low)

    @silent
    def add(self, more: Float64) -> None:
        """Add a vector [size]."""
        for start in range(0, len(more), SLICE):
            part = slice(start, start + SLICE)
            self._add(more[part], self.high[part], self.low[part])

    def _add(self, more: Float64, high: Float64, low: Float64) -> None:
        """TwoSum in six operations: with b' = s - a, e = (a - (s - b')) + (b - b')."""
        total, other, rest = self._scratch[:, : len(more)]
        np.add(high, more, out=total)
        np.subtract(total, high, out=other)
        np.subtract(more, other, out=rest)
        np.subtract(total, other, out=other)
        np.subtract(high, other, out=other)
        other += rest
        low += other
        high[...] = total

    @silent
    def take_in(self, other: CompensatedSum) -> None:
        """Add another sum."""
        self.add(other.high)
        self.low += other.low


@silent
def sum_of(parts: Sequence[Any], lows: Sequence[Any] | None = None) -> Pair:
    """Return the sum of arrays of one shape, two by two.

    Args:
        parts: At least one.
        lows: What belongs to each of them as the low part of a pair.
    """
    high = np.array(parts, np.float64)
    low = np.zeros_like(high) if lows is None else np.array(lows, np.float64)
    while len(high) > 1:
        half = len(high) // 2
        one, two = high[:half], high[half : 2 * half]
        total = one + two
        other = total - one
        error = (one - (total - other)) + (two - other)
        low = np.concatenate([low[:half] + low[half : 2 * half] + error, low[2 * half :]])
        high = np.concatenate([total, high[2 * half :]])
    return Pair(high[0], low[0])


def number_of(parts: Sequence[float]) -> tuple[float, float]:
    """Return the sum of numbers as a pair: rounded once, and what that leaves, rounded once.

    A sum that is not finite is the plain one, and leaves nothing.
    """
    plain = sum(parts)
    if not math.isfinite(plain):
        return plain, 0.0
    high = math.fsum(parts)
    return high, math.fsum([*parts, -high])
