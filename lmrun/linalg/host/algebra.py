"""Dense algebra on the CPU through BLAS and LAPACK.

BLAS syrk builds J^T J in half the time of a full product, and LAPACK's Cholesky factors it many times faster
than XLA's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.linalg.algebra import (
    INVALID,
    MOST_BENT,
    WHOLE,
    Assembly,
    Bend,
    Curvature,
    Damping,
    LossAt,
    Motion,
    Product,
    StepScalars,
)
from lmrun.linalg.host.dual import DualAssembly
from lmrun.linalg.host.gram import GramAssembly, HostGram, blended
from lmrun.linalg.host.matrix_free import HostProducts
from lmrun.linalg.host.modified import HostModified
from lmrun.linalg.host.system import HostPenalizable
from lmrun.linalg.host.triangle import TriangleAssembly
from lmrun.linalg.threads import WORKERS
from lmrun.linalg.truncation import TRUNCATION, Truncation

Array = NDArray[np.floating]

ASSEMBLIES: dict[str, Callable[[np.dtype[Any]], Assembly]] = {
    "gram": GramAssembly,
    "dual": DualAssembly,
    "qr": TriangleAssembly,
}


class HostAlgebra:
    """`linalg.algebra.Algebra` with NumPy arrays, BLAS and LAPACK.

    Args:
        dtype: `float32` or `float64`.
        truncation: Where conjugate gradients end.
    """

    def __init__(self, dtype: str, truncation: Truncation = TRUNCATION) -> None:
        self.dtype = np.dtype(dtype)
        self.workers = WORKERS
        self.places: tuple[str, ...] = ()
        self.truncation = truncation

    def assembly(self, form: str) -> Assembly:
        """See `ASSEMBLIES`."""
        return ASSEMBLIES[form](self.dtype)

    def matrix_free(self, product: Product, gradient: Any, diagonal: Any) -> Curvature:
        """Conjugate gradients in NumPy around the product's compiled functions."""
        return HostProducts(product.apply, np.asarray(gradient), np.asarray(diagonal), self.truncation)

    def matrix(self, matrix: Any, gradient: Any, *, modified: bool = False) -> Curvature:
        """A full symmetric matrix in C order is the same matrix in Fortran order."""
        kind = HostModified if modified else HostGram
        return kind(np.asarray(matrix).T, np.asarray(gradient))

    def blend(self, curvature: Curvature, kept: Array, share: float, scale: float) -> Curvature:
        """See `host.gram`."""
        assert isinstance(curvature, HostGram), "only a matrix can be kept"
        return blended(curvature, kept, share, scale)

    def kept(self, curvature: Curvature) -> Array:
        """[n, n], of which the lower triangle counts."""
        assert isinstance(curvature, HostGram), "only a matrix can be kept"
        return curvature.matrix

    def penalized(self, curvature: Curvature, strength: float, params: Any) -> Curvature:
        """See `host.gram` and `host.triangle`."""
        assert isinstance(curvature, HostPenalizable), "only a matrix or a triangle can be penalized"
        return curvature.penalized(strength, np.asarray(params))

    def eigenvalues(self, curvature: Curvature) -> NDArray[np.float64]:
        """In the working precision."""
        assert isinstance(curvature, HostPenalizable), "only a matrix or a triangle has eigenvalues here"
        return curvature.eigenvalues()

    def square(self, vector: Any) -> float:
        """In float64."""
        array = np.asarray(vector, np.float64)
        return float(array @ array)

    def adopt(self, tensor: Any) -> Array:
        """A view."""
        array: Array = np.asarray(tensor)
        return array

    def total(self, parts: Sequence[Any]) -> float:
        """In float64."""
        return sum(float(np.asarray(part)) for part in parts)

    def ones_like(self, vector: Array) -> Array:
        """[n]."""
        return np.ones_like(vector)

    def clip(self, vector: Array, low: float, high: float) -> Array:
        """[n]."""
        return np.clip(vector, low, high)

    def maximum(self, one: Array, other: Array) -> Array:
        """[n]."""
        return np.maximum(one, other)

    def added(self, params: Any, start: int, columns: Sequence[Array]) -> Array:
        """A copy."""
        moved, more = np.array(params), np.stack(columns, axis=1).ravel()
        moved[start : start + len(more)] += more
        return moved

    def joined(self, parts: Sequence[Any]) -> Array:
        """A copy."""
        return np.concatenate([np.asarray(part) for part in parts])

    def largest(self, vector: Array) -> float:
        """The maximum norm."""
        return float(np.max(np.abs(vector)))

    def damped_step(  # noqa: PLR0917 - the parts of one step
        self,
        curvature: Curvature,
        damping: Damping,
        params: Any,
        loss: LossAt,
        bend: Bend | None = None,
        motion: Motion = WHOLE,
    ) -> tuple[Any, float, StepScalars]:
        """See the protocol."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            damped = curvature.damped(damping)
            if damped is None:
                return params, math.nan, INVALID
            value, step, system = damped
            rate, drift = motion
            weighted = damping.scaling * step
            slope, square = float(step @ curvature.gradient), float(step @ weighted)
            predicted = rate * (0.5 * rate * (slope + value * square) - slope)
            if drift is not None:
                predicted += _drifting(curvature, value, weighted, (rate, drift))
            if bend is not None:
                turn = system.turn(self.adopt(bend(step)))
                if turn is not None and 2 * rate * _length(turn, damping) <= MOST_BENT * math.sqrt(square):
                    step = step + 0.5 * rate * turn
            if rate != 1:
                step = rate * step
            if drift is not None:
                step = step + drift
            return _moved(params, step, loss, (predicted, value, math.sqrt(square)))

    def newton_step(
        self, curvature: Curvature, params: Any, loss: LossAt, length: float = 1.0
    ) -> tuple[Any, float, StepScalars]:
        """See the protocol."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            step = curvature.whole()
            if step is None:
                return params, math.nan, INVALID
            predicted = length * (0.5 * length - 1) * float(step @ curvature.gradient)
            return _moved(params, length * step, loss, (predicted, 0.0, 0.0))


def _norm(vector: Array) -> float:
    """|v|_2; NumPy's own function asks more questions than a short vector has numbers."""
    return math.sqrt(float(vector @ vector))


def _length(step: Array, damping: Damping) -> float:
    """|D^(1/2) step|_2."""
    return math.sqrt(float(step @ (damping.scaling * step)))


def _drifting(curvature: Curvature, damping: float, weighted: Array, motion: tuple[float, Array]) -> float:
    """What a drift d adds to the reduction that is predicted for rate v; `weighted` is D v.

    -g^T d - rate v^T J^T J d - 1/2 d^T J^T J d, where v^T J^T J d = -g^T d - damping v^T D d.
    """
    rate, drift = motion
    slope, curved = float(curvature.gradient @ drift), float(curvature.squared(drift))
    along = slope + damping * float(weighted @ drift)
    return -slope + rate * along - 0.5 * curved


def _moved(
    params: Any, step: Array, loss: LossAt, known: tuple[float, float, float]
) -> tuple[Any, float, StepScalars]:
    """Evaluate the loss after a step of which predicted reduction, damping and scaled norm are known."""
    before = np.asarray(params)
    size, params_norm = _norm(step), _norm(before)
    if not math.isfinite(size):
        return params, math.nan, INVALID
    predicted, damping, scaled = known
    moved = before + step
    return moved, float(loss(moved)), StepScalars(True, predicted, size, params_norm, damping, scaled)
