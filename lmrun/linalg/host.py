"""Dense algebra on the CPU through BLAS and LAPACK.

On 2 cores BLAS syrk builds J^T J in half the time of a full product, and LAPACK's Cholesky factors it many
times faster than XLA's.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from lmrun.linalg.algebra import INVALID, MOST_BENT, Bend, StepScalars

WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Threads that work through the chunks on a CPU: one per core, each with a single BLAS thread.

Threads of BLAS's own would spin while TensorFlow computes and starve it, and stall when another process takes
a core: on 2 busy cores a step of the 6-D Rosenbrock problem took 370 ms with them and 54 ms without."""

Array = NDArray[np.floating]


def _lapack(*names: str, matrix: Array) -> Any:
    return get_lapack_funcs(names, (matrix,))


def add_gram(matrix: Array, jacobian: Array) -> Array:
    """Return `matrix + J^T J`, lower triangle only.

    Args:
        matrix: [n, n], Fortran order, of the Jacobian's dtype; overwritten.
        jacobian: The transposed J [n, m], C order.
    """
    syrk = get_blas_funcs("syrk", (jacobian,))
    total: Array = syrk(1.0, jacobian.T, beta=1.0, c=matrix, trans=1, lower=1, overwrite_c=1)
    return total


def factorize(matrix: Array) -> Array | None:
    """Return the Cholesky factor of A, or None where A is not numerically positive definite.

    Args:
        matrix: [n, n], Fortran order; only the lower triangle is read, and both stay as they are.
    """
    potrf = _lapack("potrf", matrix=matrix)[0]
    factor, info = potrf(matrix, lower=1, clean=0)
    return None if info != 0 else factor


def solve_factorized(factor: Array, right: Array) -> Array | None:
    """Solve A x = b with the factor of A; x [n], or None where it is not finite."""
    potrs = _lapack("potrs", matrix=factor)[0]
    solution, info = potrs(factor, right, lower=1)
    return solution if info == 0 and np.all(np.isfinite(solution)) else None


def add_to_diagonal(gram: Array, added: Array) -> Array:
    """Return J^T J + diag(added) as a new matrix [n, n], Fortran order, lower triangle."""
    damped = gram.copy(order="F")
    diagonal = np.einsum("ii->i", damped)
    diagonal += np.asarray(added, gram.dtype)
    return damped


def solve_symmetric(matrix: Array, right: Array) -> Array | None:
    """Solve A x = b for a symmetric, possibly indefinite A (LAPACK sysv, Bunch-Kaufman pivoting).

    Args:
        matrix: [n, n]; only the lower triangle is read.
        right: [n].

    Returns:
        x [n], or None where A is singular to working precision (1 / condition number < epsilon, LAPACK
        sycon).
    """
    sytrf, sytrs, sycon = _lapack("sytrf", "sytrs", "sycon", matrix=matrix)
    factor, pivots, info = sytrf(matrix, lower=1)
    if info != 0:
        return None
    norm = float(np.max(np.sum(np.abs(symmetrized(matrix)), axis=0)))
    reciprocal, info = sycon(factor, pivots, norm, lower=1)
    if info != 0 or not reciprocal >= np.finfo(matrix.dtype).eps:
        return None
    solution, info = sytrs(factor, pivots, right, lower=1)
    return solution if info == 0 and np.all(np.isfinite(solution)) else None


def symmetrized(lower: Array) -> Array:
    """Fill the upper triangle [n, n] from the lower one."""
    return np.tril(lower) + np.tril(lower, -1).T


class HostAlgebra:
    """`linalg.algebra.Algebra` with NumPy arrays, BLAS and LAPACK.

    Args:
        dtype: `float32` or `float64`.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.workers = WORKERS

    def zeros(self, size: int) -> tuple[Array, Array]:
        """[n, n] in Fortran order, [n]."""
        return np.zeros((size, size), self.dtype, order="F"), np.zeros(size, self.dtype)

    def add_rows(self, gram: Array, gradient: Array, jacobian: Any, residual: Any) -> tuple[Array, Array]:
        """A view of a CPU tensor shares its memory, where `.numpy()` would copy it."""
        rows = np.asarray(jacobian)
        with np.errstate(over="ignore", invalid="ignore"):
            return add_gram(gram, rows), gradient + rows @ np.asarray(residual)

    def adopt(self, tensor: Any) -> Array:
        """A full symmetric matrix in C order is the same matrix in Fortran order."""
        array: Array = tensor.numpy()
        return array.T

    def diagonal(self, gram: Array) -> Array:
        """[n]."""
        return np.diagonal(gram).copy()

    def ones_like(self, vector: Array) -> Array:
        """[n]."""
        return np.ones_like(vector)

    def clip(self, vector: Array, low: float, high: float) -> Array:
        """[n]."""
        return np.clip(vector, low, high)

    def largest(self, vector: Array) -> float:
        """The maximum norm."""
        return float(np.max(np.abs(vector)))

    def damped_step(
        self,
        gram: Array,
        gradient: Array,
        damping: float,
        scaling: Array,
        params: Any,
        *,
        bend: Bend | None = None,
    ) -> tuple[Any, StepScalars]:
        """Cholesky of the damped matrix."""
        with np.errstate(over="ignore", invalid="ignore"):
            added = damping * scaling
            factor = factorize(add_to_diagonal(gram, added))
            step = None if factor is None else solve_factorized(factor, -gradient)
            if factor is None or step is None:
                return params, INVALID
            predicted = 0.5 * float(step @ (added * step - gradient))
            if bend is not None:
                turn = solve_factorized(factor, -bend(tf.convert_to_tensor(step)))
                if turn is not None and 2 * np.linalg.norm(turn) <= MOST_BENT * np.linalg.norm(step):
                    step = step + 0.5 * turn
            return self._moved(params, step, predicted)

    def newton_step(self, hessian: Array, gradient: Array, params: Any) -> tuple[Any, StepScalars]:
        """Bunch-Kaufman factorization."""
        with np.errstate(over="ignore", invalid="ignore"):
            step = solve_symmetric(hessian, -gradient)
            if step is None:
                return params, INVALID
            return self._moved(params, step, -0.5 * float(step @ gradient))

    def _moved(self, params: Any, step: Array, predicted_reduction: float) -> tuple[Any, StepScalars]:
        before = params.numpy()
        scalars = StepScalars(
            True, predicted_reduction, float(np.linalg.norm(step)), float(np.linalg.norm(before))
        )
        return tf.convert_to_tensor(before + step), scalars
