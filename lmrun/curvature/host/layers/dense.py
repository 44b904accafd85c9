"""Dense layers: one product, with the bias inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmrun.curvature.host.layers.base import Array, Matrix
from lmrun.curvature.host.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Dense(Matrix):
    """z = [W; b]^T [x; 1]; what it reads is [x; 1] itself."""

    held = 0

    @property
    def room(self) -> int:
        """For the bias."""
        return int(self.bias)

    @property
    def outputs(self) -> int:
        """One per unit."""
        return self.units

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """[x; 1]."""
        return inputs

    def product(self, params: Array, read: Array, out: Array) -> None:
        """[W; b]^T [x; 1]."""
        np.matmul(self.matrix(params).T, read, out=out)

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """W^T x'."""
        product: Array = self.kernel(params).T @ direction
        return product

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """W c."""
        # BLAS takes five times as long for a single column.
        times = np.multiply if self.units == 1 else np.matmul
        return times(self.kernel(params), cotangents, out=scratch.like(self.inputs, cotangents))

    def table(self, read: Array, cotangents: Array, out: Array) -> None:
        """[x; 1] outer c."""
        np.multiply(read[:, None], cotangents[None], out=out.reshape(self.height, self.units, -1))

    def gradient(self, read: Array, cotangents: Array, out: Array) -> None:
        """[x; 1] c^T."""
        np.matmul(read, cotangents.T, out=out.reshape(self.height, self.units))
