"""What a regularization asks of the dense algebra: a price for the parameters, and eigenvalues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lmrun.linalg.algebra import Curvature, Vector


class Penalizing(Protocol):
    """A part of `linalg.algebra.Algebra`."""

    def penalized(self, curvature: Curvature, strength: float, params: Vector) -> Curvature:
        """Return J^T J + strength 1 with J^T r + strength params.

        That is the model of the cost 1/2 |r|^2 + 1/2 strength |params|^2: its rows are those of J and r, and
        below them sqrt(strength) 1 and sqrt(strength) params.

        Args:
            curvature: Of the form `gram` or `qr`, n parameters.
            strength: At least 0.
            params: Where it was linearized [n].
        """
        ...

    def eigenvalues(self, curvature: Curvature) -> NDArray[np.float64]:
        """Return those of J^T J [n], ascending, on the host; NaN where it is not finite.

        Args:
            curvature: Of the form `gram` or `qr`.
        """
        ...

    def square(self, vector: Vector) -> Any:
        """Return |v|^2 in float64: a number on the host, a scalar tensor on a device."""
        ...
