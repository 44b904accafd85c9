"""What a loss offers in NumPy: the same as in `losses.base`, with outputs [width, rows]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Targets = NDArray[Any]
"""[rows, ...], as the loss expects them."""
Key = NDArray[np.integer] | None
"""[2]; decides what a random loss draws."""


class HostLoss(Protocol):
    """A loss over outputs z [width, rows] and targets."""

    def values(self, outputs: Array, targets: Targets) -> Array:
        """Return l [rows]."""
        ...

    def slope(self, outputs: Array, targets: Targets) -> Array:
        """Return the derivative of each sample's cost by its outputs, 1/2 scale dl/dz [width, rows]."""
        ...

    def residual(self, outputs: Array, targets: Targets) -> Array | None:
        """Return r [q, rows], or None where the gradient is computed by itself."""
        ...

    def columns(self, outputs: Array, targets: Targets, key: Key) -> Iterable[Array]:
        """Yield the q columns of F, each [width, rows] in memory of its own."""
        ...

    def bent(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """Return r_vv [q, rows] for the first and second derivative of the outputs along a curve."""
        ...

    def turned(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """Return F r_vv [width, rows]."""
        ...


class Metric:
    """What losses share whose factor is no derivative of residuals: r_vv = F^T z_vv."""

    def columns(self, outputs: Array, targets: Targets, key: Key) -> Iterable[Array]:
        """See `HostLoss`."""
        raise NotImplementedError

    def bent(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """F^T z_vv."""
        return np.stack([np.sum(column * second, axis=0) for column in self.columns(outputs, targets, key)])

    def turned(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """F r_vv, column by column."""
        bent = self.bent(outputs, targets, key, first, second)
        total = np.zeros_like(outputs)
        for column, part in zip(self.columns(outputs, targets, key), bent, strict=True):
            total += column * part
        return total
