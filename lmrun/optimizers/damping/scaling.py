"""The diagonal D of the damped matrix J^T J + damping D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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


SCALINGS: dict[str, Scaling] = {"identity": Identity(), "marquardt": Marquardt(), "more": More()}


def build_scaling(config: ScalingConfig) -> Scaling:
    """Return the scaling that a config names."""
    if isinstance(config, UserStrategy):
        scaling: Scaling = load_strategy(config.name, config.arguments, Scaling, "optimizer.damping.scaling")
        return scaling
    return SCALINGS[config.name]
