"""J^T J as a function: conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.linalg.host.system import HostCurvature, HostSystem
from lmrun.linalg.truncation import Truncation

Array = NDArray[np.floating]


def conjugate_gradients(
    product: Callable[[Array], Array], right: Array, diagonal: Array, truncation: Truncation
) -> Array | None:
    """Solve A x = b for a positive semidefinite A, preconditioned by its diagonal M.

    It ends when |M^(-1/2) (b - A x)|_2 <= tolerance |M^(-1/2) b|_2, when i (q_i - q_(i-1)) <= progress q_i
    with q_i = b^T x - x^T A x / 2 the fall of the quadratic model after i products, after as many products as
    are allowed, or along a direction without curvature. Wherever it ends, x minimizes the model over the
    directions so far, so that q = b^T x / 2 as for the solution.
    Source: Hestenes and Stiefel 1952; Nocedal and Wright 2006, algorithm 5.3.

    Args:
        product: From v [n] to A v [n].
        right: b [n].
        diagonal: M [n], positive.
        truncation: See there.

    Returns:
        x [n], or None where it is not finite.
    """
    # In place: fresh arrays of megabytes cost more than the arithmetic.
    solution, residual, spare = np.zeros_like(right), right.copy(), np.empty_like(right)
    scaled = residual / diagonal
    direction, size = scaled.copy(), float(residual @ scaled)
    target, fall = truncation.tolerance**2 * size, 0.0
    for number in range(1, truncation.most(len(right)) + 1):
        if not size > target:
            break
        image = product(direction)
        curved = float(direction @ image)
        if math.isnan(curved):
            return None
        if curved <= 0:
            # Rounding can do that near the solution, and a singular matrix.
            break
        length = size / curved
        solution += np.multiply(direction, length, out=spare)
        residual -= np.multiply(image, length, out=spare)
        np.divide(residual, diagonal, out=scaled)
        gain = 0.5 * length * size
        fall += gain
        before, size = size, float(residual @ scaled)
        if number * gain <= truncation.progress * fall:
            break
        direction *= size / before
        direction += scaled
    return solution if math.isfinite(size) and np.isfinite(solution).all() else None


@dataclass(frozen=True)
class HostProductSystem(HostSystem):
    """v -> J^T J v + damping D v."""

    product: Callable[[Array], Array]
    diagonal: Array
    gradient: Array
    truncation: Truncation

    def step(self) -> Array | None:
        """For the gradient."""
        return self.solve(-self.gradient)

    def solve(self, right: Array) -> Array | None:
        """By conjugate gradients."""
        return conjugate_gradients(self.product, right, self.diagonal, self.truncation)


@dataclass(frozen=True)
class HostProducts(HostCurvature):
    """The product v -> J^T J v of tensors, with J^T r [n] and the diagonal [n]."""

    product: Callable[[Any], Any]
    gradient: Array
    diagonal: Array
    truncation: Truncation

    def system(self, damping: float, scaling: Array) -> HostSystem | None:
        """Nothing is factored; a parameter that neither rows nor damping hold is preconditioned by 1."""
        added = damping * scaling
        diagonal = self.diagonal + added
        return HostProductSystem(
            lambda vector: np.asarray(self.product(tf.convert_to_tensor(vector))) + added * vector,
            np.where(diagonal == 0, np.ones_like(diagonal), diagonal),
            self.gradient,
            self.truncation,
        )

    def squared(self, vector: Array) -> float:
        """By one product."""
        return float(vector @ np.asarray(self.product(tf.convert_to_tensor(vector))))

    def whole(self) -> Array | None:
        """Where J^T J is singular, the shortest step in the norm of the diagonal."""
        system = self.system(0.0, np.ones_like(self.gradient))
        return None if system is None else system.step()
