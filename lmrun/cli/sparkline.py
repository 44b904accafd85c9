"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """Draw positive values by the logarithm, one block for each of `width` stretches of equal length.

    A stretch shows its last value; one without a positive finite value is a gap.
    """
    if not values:
        return ""
    width = min(width, len(values))
    cuts = [round(number * len(values) / width) for number in range(width + 1)]
    stretches = [values[start:end] for start, end in pairwise(cuts)]
    logs = [_last_log(stretch) for stretch in stretches]
    known = [log for log in logs if log is not None]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if log is None else BLOCKS[round((log - low) * scale)] for log in logs)


def _last_log(values: Sequence[float]) -> float | None:
    for value in reversed(values):
        if math.isfinite(value) and value > 0:
            return math.log10(value)
    return None
