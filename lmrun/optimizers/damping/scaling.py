"""The diagonal D of the damped matrix J^T J + damping D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lmrun.config.damping import ScalingConfig, UserStrategy
from lmrun.linalg.algebra import LEAST, MOST, Algebra, Vector
from lmrun.optimizers.user import load_strategy


class Scaling(Protocol):
    """A rule for D."""

    def update(self, algebra: Algebra, diagonal: Vector, kept: Vector | None) -> tuple[Vector, Vector | None]:
        """Return D of this step and what the next one needs to know of it.

        Args:
            algebra: Where vectors live; it clips them and takes the larger of two.
            diagonal: diag(J^T J) [n].
            kept: What the step before returned as second; None at the start.

        Returns:
            D [n], positive, and a vector [n] to keep, or None.
        """
        ...


@dataclass(frozen=True)
class Identity:
    """D = 1 (Levenberg 1944)."""

    def update(self, algebra: Algebra, diagonal: Vector, kept: Vector | None) -> tuple[Vector, None]:
        """Always the same."""
        return algebra.ones_like(diagonal), None


@dataclass(frozen=True)
class Marquardt:
    """D = diag(J^T J), bounded: the step does not depend on the parameters' units (Marquardt 1963)."""

    def update(self, algebra: Algebra, diagonal: Vector, kept: Vector | None) -> tuple[Vector, None]:
        """A column of zeros has the least D."""
        return algebra.clip(diagonal, LEAST, MOST), None


@dataclass(frozen=True)
class More:
    """D = max(D of the step before, diag(J^T J)), bounded as Marquardt's.

    A parameter that the outputs stop depending on is not set free.
    Source: Moré 1978, The Levenberg-Marquardt algorithm: implementation and theory, section 6; D here is the
    square of D there.
    """

    def update(self, algebra: Algebra, diagonal: Vector, kept: Vector | None) -> tuple[Vector, Vector]:
        """D itself is kept."""
        bounded = algebra.clip(diagonal, LEAST, MOST)
        largest = bounded if kept is None else algebra.maximum(kept, bounded)
        return largest, largest


@dataclass(frozen=True)
class Typical:
    """D = max(D of the step before, diag(J^T J)), beginning with |r|^2 / params^2 of the start.

    Moré's scaling lets a parameter go as far as it likes that changes the outputs but little. Far from the
    solution that may be one which only seems not to matter: a decay rate so large that its term has vanished
    takes off for infinity, and no later step brings it back. Here such a parameter is held as if a change by
    its own size changed the outputs by as much as the residuals; what matters more than that is scaled as by
    Moré. The scaling has the parameters' and outputs' units, so that no step depends on them.

    Source: Moré 1978, section 6; the typical size of a parameter as its scale is that of Dennis and Schnabel
    1983, Numerical methods for unconstrained optimization and nonlinear equations, section 7.1. Of 36 runs on
    18 NIST problems `more` loses 2 to such flights, this one none (docs/accuracy.md).
    """

    def first(self, algebra: Algebra, params: Vector, diagonal: Vector, square: float) -> Vector:
        """Return what D begins with [n].

        Args:
            algebra: Where vectors live.
            params: Where the first step begins [n].
            diagonal: diag(J^T J) there [n].
            square: |r|^2 there.
        """
        size = np.abs(np.asarray(params))
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            floor = np.where(size > 0, square / np.square(size), 0.0)
        # A column of zeros, of a parameter that starts at 0 or without residuals, has the scale 1 (MINPACK).
        unscaled = ~(np.maximum(floor, np.asarray(diagonal)) > 0)
        return algebra.adopt(np.minimum(np.where(unscaled, 1.0, floor), MOST).astype(algebra.dtype))

    def update(self, algebra: Algebra, diagonal: Vector, kept: Vector | None) -> tuple[Vector, Vector]:
        """D itself is kept."""
        bounded = algebra.clip(diagonal, 0.0, MOST)
        largest = bounded if kept is None else algebra.maximum(kept, bounded)
        return largest, largest


SCALINGS: dict[str, Scaling] = {
    "identity": Identity(),
    "marquardt": Marquardt(),
    "more": More(),
    "typical": Typical(),
}


def build_scaling(config: ScalingConfig) -> Scaling:
    """Return the scaling that a config names."""
    if isinstance(config, UserStrategy):
        scaling: Scaling = load_strategy(config.name, config.arguments, Scaling, "optimizer.damping.scaling")
        return scaling
    return SCALINGS[config.name]
