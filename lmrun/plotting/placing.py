"""Where points, markers and labels of a figure go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_MARKS = 8


def thin(x: Values, y: Values, *, log: bool, bins: int = 1200) -> tuple[Values, Values]:
    """Drop points that no figure can show: each bin of x keeps its ends and the extremes of y.

    Args:
        x: [n], not decreasing; positive where `log`.
        y: [n], NaN for gaps.
        log: Whether the bins are even in log x instead of x.
        bins: Number of bins, about one per pixel; up to four points per bin, all points stay.
    """
    if len(x) <= 4 * bins:
        return x, y
    place = np.log(x) if log else x
    cuts = np.searchsorted(place, np.linspace(place[0], place[-1], bins + 1)[1:-1])
    kept = [np.zeros(0, np.intp)]
    for part in np.split(np.arange(len(x)), cuts):
        finite = part[~np.isnan(y[part])]
        kept += [part[:1], part[-1:]]
        if len(finite):
            kept.append(finite[[np.argmin(y[finite]), np.argmax(y[finite])]])
    index = np.unique(np.concatenate(kept))
    return x[index], y[index]


def mark_places(x: Values, shift: float, *, log: bool) -> list[int]:
    """Return the indices of a few points at even distances along the axis.

    Args:
        x: [n], not decreasing; positive where `log`.
        shift: In [0, 1), of a distance: equal curves with different shifts show all their markers.
        log: Whether the axis is logarithmic.
    """
    place = np.log(x) if log else x
    wanted = place[0] + (place[-1] - place[0]) * (np.arange(_MARKS) + shift) / _MARKS
    return sorted({int(index) for index in np.searchsorted(place, wanted)})


def spread(heights: Sequence[float], gap: float, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Move heights apart to a distance of `gap`, within [low, high] as far as there is room, in their order.

    The sum of the squared moves is the least possible: isotonic regression, by pooling adjacent violators
    (Barlow et al. 1972), of the heights less their rank's share of gaps.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, count = heights[index] - rank * gap, 1
        while pools and pools[-1][0] >= mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    room = max(low, high - (len(heights) - 1) * gap)
    flat = [min(max(mean, low), room) for mean, count in pools for _ in range(count)]
    placed = [0.0] * len(heights)
    for rank, index in enumerate(order):
        placed[index] = flat[rank] + rank * gap
    return placed
