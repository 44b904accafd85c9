"""What kernels in NumPy share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.batch import draw_on_host, host_rows
from lmrun.curvature.kernels import Kernels

Array = NDArray[np.floating]
Float64 = NDArray[np.float64]

silent = np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")
"""A step may lead anywhere: what is not finite there is seen by its loss."""


def polarized(size: int, bent: Callable[[Float64], float]) -> Float64:
    """Return the symmetric matrix H [n, n] whose values v^T H v along directions v [n] are known.

    (e_i + e_j)^T H (e_i + e_j) = H_ii + 2 H_ij + H_jj, so that n (n + 1) / 2 directions are enough.
    """
    axes = np.eye(size)
    own = np.array([bent(axis) for axis in axes])
    matrix = np.diag(own)
    for i in range(size):
        for j in range(i):
            both = bent(axes[i] + axes[j])
            matrix[i, j] = matrix[j, i] = (both - own[i] - own[j]) / 2
    return matrix


class NumpyKernels(Kernels):
    """Kernels that need no compiler for losses, Jacobians and derivatives along a line.

    What is not here, such as the Hessian, is compiled as for any network.
    """

    compiles = False
    hold = staticmethod(host_rows)
    draw = staticmethod(draw_on_host)

    def point(self, vector: Any) -> Array:
        """[n]."""
        array: Array = np.asarray(vector)
        return array
