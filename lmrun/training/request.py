"""What a user may ask of a fit beyond its standard errors."""

from __future__ import annotations

from typing import NamedTuple


class Request(NamedTuple):
    """What to answer.

    Attributes:
        level: Of all intervals.
        known_sigma: Whether the weights are 1 / sigma^2 of known standard deviations.
        profile: Whether profile-likelihood intervals are wanted.
        draws: Of a bootstrap; 0 for none.
        kind: What it draws, see `inference.bootstrap.KINDS`.
    """

    level: float = 0.95
    known_sigma: bool = False
    profile: bool = False
    draws: int = 0
    kind: str = "residual"


PLAIN = Request()
