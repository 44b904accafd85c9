"""A number, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Undefined:
    """A number that does not exist.

    Attributes:
        reason: Why, in words that end a sentence and have no full stop.
    """

    reason: str


Answer = float | Undefined
Interval = tuple[float, float]
"""Lower and upper end."""
