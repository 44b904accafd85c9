"""Convolutions: one product with all patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmrun.curvature.host.layers.base import Array, Matrix
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.products import multiply, multiply_transposed
from lmrun.curvature.host.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Convolution(Matrix):
    """z = [K; b]^T [patches; 1]; what it reads is [patches; 1] [height, positions, rows].

    Attributes:
        windows: What the patches are cut by.
    """

    windows: Windows

    room = 0

    @property
    def outputs(self) -> int:
        """One per filter and position."""
        return self.units * self.windows.count

    @property
    def held(self) -> int:
        """The patches, and the image that the cotangents of its inputs add up in."""
        return self.height * self.windows.count + 2 * self.windows.padded_size

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """[patches; 1]: contiguous rows, gathered."""
        count = self.windows.count
        seen = scratch.like(self.height * count, inputs)
        self.windows.cut(inputs, seen[: self.inputs * count], scratch)
        seen[self.inputs * count :] = 1
        return seen.reshape(self.height, count, -1)

    def product(self, params: Array, read: Array, out: Array) -> None:
        """[K; b]^T [patches; 1], all positions alike."""
        multiply(self.matrix(params).T, read.reshape(self.height, -1), out.reshape(self.units, -1))

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """K^T patches'."""
        seen = scratch.like(self.inputs * self.windows.count, direction)
        self.windows.cut(direction, seen, scratch)
        product: Array = self.kernel(params).T @ seen.reshape(self.inputs, -1)
        return product.reshape(self.outputs, -1)

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """Every element of a window gives K_e c back to where it was cut out.

        One element at a time: its part stays in the cache.
        """
        windows, flat = self.windows, cotangents.reshape(self.units, -1)
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
        """Sum over the positions p of [patches; 1]_p outer c_p, in NumPy's one loop that adds products up."""
        count = self.windows.count
        np.einsum(
            "kpr,fpr->kfr",
            read,
            cotangents.reshape(self.units, count, -1),
            out=out.reshape(self.height, self.units, -1),
        )

    def gradient(self, read: Array, cotangents: Array, out: Array) -> None:
        """[patches; 1] c^T, summed over positions and samples."""
        multiply_transposed(
            read.reshape(self.height, -1),
            cotangents.reshape(self.units, -1),
            out.reshape(self.height, self.units),
        )
