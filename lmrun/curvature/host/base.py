"""What kernels in NumPy share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.batch import draw_on_host, host_rows
from lmrun.curvature.kernels import Kernels

Array = NDArray[np.floating]

silent = np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")
"""A step may lead anywhere: what is not finite there is seen by its loss."""


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
