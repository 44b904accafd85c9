"""Convolutions: a product with what all windows see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmrun.curvature.host.layers.base import Array, Matrix
from lmrun.curvature.host.layers.strips import Strips
from lmrun.curvature.host.products import multiply, multiply_transposed
from lmrun.curvature.host.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Convolution(Matrix):
    """z = K^T windows + b; what it reads are the strips of the windows [numbers, rows].

    Attributes:
        strips: What the windows see.
    """

    strips: Strips

    room = 0

    @property
    def outputs(self) -> int:
        """One per filter and position."""
        return self.units * self.strips.windows.count

    @property
    def held(self) -> int:
        """The strips, and the image that the cotangents of its inputs add up in."""
        return self.strips.numbers + 2 * self.strips.windows.padded_size

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """The strips."""
        return self.strips.cut(inputs, scratch)

    def product(self, params: Array, read: Array, out: Array) -> None:
        """K^T windows + b."""
        self._filter(params, read, out)
        if self.bias:
            out.reshape(self.units, -1)[...] += self.matrix(params)[-1][:, None]

    def _filter(self, params: Array, read: Array, out: Array) -> None:
        """Write K^T windows."""
        multiply(self.kernel(params).T, self.strips.matrices(read), self._places(out))

    def _places(self, numbers: Array) -> Array:
        """Numbers [outputs, rows] as a matrix [units, the rest] for every place along the first axis."""
        return numbers.reshape(self.units, self.strips.count, -1).transpose(1, 0, 2)

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """K^T windows'."""
        turned = scratch.like(self.outputs, direction)
        self._filter(params, self.strips.cut(direction, scratch), turned)
        return turned

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """Every element of a window gives K_e c back to where it was cut out.

        One element at a time: its part stays in the cache.
        """
        windows, flat = self.strips.windows, cotangents.reshape(self.units, -1)
        image = windows.blank(cotangents, scratch)
        used = scratch.used
        part = scratch.like(windows.channels * windows.count, cotangents)
        back = part.reshape(windows.channels, *windows.positions, -1)
        kernels = self.kernel(params).reshape(len(windows.elements), windows.channels, self.units)
        for element, kernel in zip(windows.elements, kernels, strict=True):
            np.matmul(kernel, flat, out=part.reshape(windows.channels, -1))
            image[element] += back
        scratch.release(used)
        return windows.real(image, scratch)

    def table(self, read: Array, cotangents: Array, out: Array) -> None:
        """Sum over the positions p of windows_p outer c_p, in NumPy's one loop that adds products up."""
        seen, table = self.strips.all(read), out.reshape(self.height, self.units, -1)
        pulled = cotangents.reshape(self.units, self.strips.count, self.strips.positions, -1)
        np.einsum("ikpr,fipr->kfr", seen, pulled, out=table[: self.inputs])
        if self.bias:
            np.sum(pulled, axis=(1, 2), out=table[-1])

    def gradient(self, read: Array, cotangents: Array, out: Array) -> None:
        """The sum of windows c^T over positions and samples."""
        table, pulled = out.reshape(self.height, self.units), self._places(cotangents)
        multiply_transposed(self.strips.matrices(read), pulled, table[: self.inputs])
        if self.bias:
            np.sum(pulled, axis=(0, 2), out=table[-1])
