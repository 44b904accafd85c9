"""Some of the parameters, for a step that leaves the others as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.curvature.compiled import Compiled

Tensor = Any
Table = tuple[Tensor, Tensor]
"""Rows of a table [J, r]^T and the gradient by all parameters [n]."""


def _own_gradient(table: Tensor, rows: Tensor) -> Table:
    return tf.gather(table, rows), tf.linalg.matvec(table[:-1], table[-1])


own_gradient = Compiled(_own_gradient, fuse=False)
"""XLA copies rows one number at a time."""


@dataclass(frozen=True)
class Selection:
    """Parameters by their places.

    Attributes:
        places: int32 [k], ascending.
        size: Number n of all parameters.
    """

    places: Tensor
    size: int

    @property
    def count(self) -> int:
        """Number k of selected parameters."""
        return int(self.places.shape[0])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which parameters are selected [n]."""
        chosen = np.zeros(self.size, bool)
        chosen[np.asarray(self.places)] = True
        return chosen

    @cached_property
    def rows(self) -> Tensor:
        """The rows of a table that stay: the parameters' and the residual."""
        return tf.concat([self.places, [self.size]], axis=0)

    @cached_property
    def _indices(self) -> Tensor:
        return self.places[:, None]

    def of_table(self, table: Tensor, gradient: Tensor | None) -> Table:
        """Cut rows out of the table [n + 1, m] of a chunk before it is multiplied.

        Args:
            table: [J, r]^T.
            gradient: [n], where it is not J^T r.

        Returns:
            [k + 1, m], and the gradient by all parameters [n].
        """
        if gradient is None:
            return own_gradient(table, self.rows)
        return tf.gather(table, self.rows), gradient

    def take(self, vector: Any) -> Tensor:
        """The selected elements [k] of [n]."""
        return tf.gather(vector, self.places)

    def put(self, vector: Any, values: Any) -> Tensor:
        """A vector [n] with other values [k] at the selected places."""
        return tf.tensor_scatter_nd_update(vector, self._indices, values)

    def spread(self, values: Any) -> Tensor:
        """Zeros [n] but for the values [k]."""
        return tf.scatter_nd(self._indices, values, [self.size])
