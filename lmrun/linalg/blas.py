"""The one product that all threads compute at the same time."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas

from lmrun.linalg.foreign import NAMES, SCALARS, foreign, integer

Array = NDArray[np.floating]


def add_product(total: Array, rows: Array) -> None:
    """Add A A^T to the lower triangle of a matrix (BLAS syrk).

    Args:
        total: [n, n], Fortran order; overwritten in its lower triangle.
        rows: A [n, m], C order, of the same floating-point type.

    Raises:
        ValueError: Shapes, order or types do not fit; BLAS would read beyond them.
    """
    size, count = rows.shape
    name = NAMES.get(rows.dtype.char, "")
    if total.shape != (size, size) or total.dtype != rows.dtype or name not in SCALARS:
        raise ValueError(f"{total.shape} {total.dtype} cannot hold the product of {rows.shape} {rows.dtype}")
    if not (total.flags.f_contiguous and rows.flags.c_contiguous and total.flags.writeable):
        raise ValueError("the total is to be in Fortran order and writeable, the rows in C order")
    one = SCALARS[name](1.0)
    # In Fortran's eyes the C-ordered A is A^T [m, n] with a leading dimension of m, which is at least 1.
    foreign(cython_blas, "syrk", name, 10)(
        b"L",
        b"T",
        integer(size),
        integer(count),
        ctypes.byref(one),
        rows.ctypes.data,
        integer(max(count, 1)),
        ctypes.byref(one),
        total.ctypes.data,
        integer(max(size, 1)),
    )
