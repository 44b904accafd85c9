"""Convolutions in C: no patches are cut, and every sample's derivative is summed up in registers.

NumPy adds products up at 6 thousand millions of multiplications a second and core, where a tile of sums in
registers allows 15 to 50 (docs/benchmarks.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.c_compiler import library
from lmrun.curvature.host.activations import Activation
from lmrun.curvature.host.layers.base import Array, Matrix
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.scratch import Scratch

SOURCE = Path(__file__).with_name("convolution.c")
REALS = {"float32": "float", "float64": "double"}
LARGEST = 2**14
"""Weights of a layer: of more, BLAS is as fast, whose products go through the cache in blocks."""
AXES = 2


@dataclass(frozen=True, slots=True)
class NativeConvolution(Matrix):
    """z = K^T windows + b; what it reads is the padded image [numbers, rows].

    Attributes:
        windows: Where the windows stand.
        dtype: Of the weights.
        compiled: The functions of `convolution.c` for these windows.
    """

    windows: Windows
    dtype: str
    compiled: ctypes.CDLL

    room = 0

    @property
    def outputs(self) -> int:
        """One per filter and position."""
        return self.units * self.windows.count

    @property
    def held(self) -> int:
        """The padded image, where that is another one, and that of its cotangents."""
        padded = self.windows.padded != self.windows.spatial
        return self.windows.padded_size * (1 + padded)

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """The padded image."""
        return self.windows.image(inputs, scratch).reshape(self.windows.padded_size, -1)

    def product(self, params: Array, read: Array, out: Array) -> None:
        """K^T windows + b."""
        bias = np.ascontiguousarray(self.matrix(params)[-1]) if self.bias else None
        self._forward(params, read, bias, out)

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """K^T windows'."""
        turned = scratch.like(self.outputs, direction)
        self._forward(params, self.read(direction, scratch), None, turned)
        return turned

    def _forward(self, params: Array, read: Array, bias: Array | None, out: Array) -> None:
        kernel = np.ascontiguousarray(self.kernel(params))
        self.compiled.forward(*steps(read), start_of(kernel), start_of(bias), *steps(out), _count(out))

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """K c, added up over the windows that see a number."""
        kernel = np.ascontiguousarray(self.kernel(params))
        image = scratch.like(self.windows.padded_size, cotangents)
        self.compiled.pull(*steps(cotangents), start_of(kernel), *steps(image), _count(image))
        return self.windows.real(image.reshape(self.windows.channels, *self.windows.padded, -1), scratch)

    def table(self, read: Array, cotangents: Array, out: Array) -> None:
        """Sum over the positions p of windows_p outer c_p."""
        self.compiled.table(*steps(read), *steps(cotangents), *steps(out), int(self.bias), _count(out))

    def gradient(self, read: Array, cotangents: Array, out: Array) -> None:
        """The sum of the table over the samples, in float64."""
        total = np.zeros(len(out))
        self.compiled.gradient(
            *steps(read), *steps(cotangents), start_of(total), int(self.bias), _count(cotangents)
        )
        out[...] = total


def native_convolution(
    place: tuple[int, int, int],
    activation: Activation,
    windows: Windows,
    lengths: Sequence[Sequence[int]],
    dtype: str,
    *,
    bias: bool,
) -> NativeConvolution | None:
    """Return a convolution in C; None where it is too large, has three axes, or C cannot be compiled.

    Args:
        place: Where its weights start, the inputs of a window and the filters.
        activation: f.
        windows: Where they stand.
        lengths: Of the windows, their strides and their dilation, each by axis.
        dtype: Of its weights.
        bias: Whether there is a b.
    """
    start, inputs, units = place
    if len(windows.spatial) > AXES or inputs * units > LARGEST or dtype not in REALS:
        return None
    missing = (1,) * (AXES - len(windows.spatial))
    named = zip(
        (("KH", "KW"), ("SH", "SW"), ("DH", "DW"), ("H", "W"), ("OH", "OW")),
        (*lengths, windows.padded, windows.positions),
        strict=True,
    )
    constants: dict[str, int | str] = {"REAL": REALS[dtype], "C": windows.channels, "F": units}
    for names, numbers in named:
        constants.update(zip(names, map(int, (*missing, *numbers)), strict=True))
    compiled = library(SOURCE, **constants)
    if compiled is None:
        return None
    return NativeConvolution(start, inputs, units, bias, activation, windows, dtype, compiled)


def start_of(array: NDArray[Any] | None) -> ctypes.c_void_p:
    """Where an array starts; None for none."""
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def steps(array: Array) -> tuple[Any, Any]:
    """Where an array [numbers, rows] starts, and how many numbers lie from one row of it to the next.

    Raises:
        ValueError: Samples are not side by side; C would read something else.
    """
    step, beside = array.strides
    if array.shape[1] > 1 and beside != array.itemsize:
        raise ValueError(f"samples lie {beside} bytes apart instead of {array.itemsize}")
    return start_of(array), ctypes.c_ssize_t(step // array.itemsize)


def _count(array: Array) -> ctypes.c_ssize_t:
    return ctypes.c_ssize_t(array.shape[1])
