"""Medians and quartiles of a few runs, some of which did not get there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Of several runs.

    Attributes:
        low: First quartile.
        middle: Median.
        high: Third quartile; these three are infinite where too few runs got there.
        reached: Runs that got there.
        runs: All runs.
    """

    low: float
    middle: float
    high: float
    reached: int
    runs: int

    @property
    def known(self) -> bool:
        """Whether at least half of the runs got there."""
        return math.isfinite(self.middle)

    def text(self, form: Callable[[float], str], limit: float | None, best: float | None) -> str:
        """Write the median, the quartiles, and the factor relative to the best peer.

        Args:
            form: How a value is written.
            limit: What the runs that did not get there exceeded.
            best: The best peer's median, or None.
        """
        count = "" if self.reached == self.runs else f", {self.reached} of {self.runs}"
        if not self.known:
            return "–" if limit is None else f"> {limit:g} ({count.removeprefix(', ')})"
        high = form(self.high) if math.isfinite(self.high) else f"> {limit:g}"
        quartiles = f" ({form(self.low)}–{high}{count})" if self.runs > 1 else ""
        factor = f" {_factor(self.middle / best)}" if best else ""
        return f"{form(self.middle)}{quartiles}{factor}"


def _factor(ratio: float) -> str:
    if ratio < 9.95:
        return f"×{ratio:.2f}" if ratio >= 0.0995 else f"×{ratio:.2g}"
    return f"×{float(f'{ratio:.2g}'):,.0f}" if ratio < 1e6 else f"×{ratio:.0e}"


def spread(values: Sequence[float | None]) -> Spread:
    """Return the quartiles; None counts as infinite. Only values that occur, nothing in between."""
    known = [value for value in values if value is not None]
    filled = np.sort([*known, *[math.inf] * (len(values) - len(known))])
    low, middle, high = np.quantile(filled, (0.25, 0.5, 0.75), method="inverted_cdf")
    return Spread(float(low), float(middle), float(high), len(known), len(values))
