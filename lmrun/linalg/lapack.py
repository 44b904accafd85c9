"""An orthogonal factorization that grows row by row, and what is solved with it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_lapack, get_lapack_funcs

from lmrun.linalg.foreign import NAMES, SCALARS, foreign, integer

Array = NDArray[np.floating]

BLOCK = 32
"""Columns that are reduced at a time. On one core 4,000 x 312 took 23 ms with 16 or 32 and 29 ms with 8 or
64; 1,022 x 1,027 56 ms with 16, 50 with 32 or 64."""


def lapack(*names: str, matrix: Array) -> Any:
    """Return LAPACK routines of the matrix' type, by SciPy's wrappers."""
    return _routines(names, matrix.dtype.char)


@cache
def _routines(names: tuple[str, ...], letter: str) -> Any:
    return get_lapack_funcs(names, dtype=np.dtype(letter))


def append_rows(triangle: Array, rows: Array, trapezoid: int = 0) -> None:
    """R <- the triangle of the QR factorization of [R; B], so that its R^T R is R^T R + B^T B.

    LAPACK tpqrt leaves the zeros of R and of a trapezoidal B alone. From R = 0 it makes the triangle of a
    matrix that is never whole: Golub and Van Loan 2013, Matrix Computations, section 6.5.3; in parallel parts
    Demmel, Grigori, Hoemmen and Langou 2012 (TSQR).

    Args:
        triangle: R [k, k], Fortran order; overwritten in its upper triangle.
        rows: B [m, k], Fortran order, of the same type; overwritten.
        trapezoid: Number of the last rows of B that form an upper trapezoid.

    Raises:
        ValueError: Shapes, order or types do not fit; LAPACK would read beyond them.
    """
    count, size = rows.shape
    name = NAMES.get(rows.dtype.char, "")
    if triangle.shape != (size, size) or triangle.dtype != rows.dtype or name not in SCALARS:
        raise ValueError(f"{triangle.shape} {triangle.dtype} cannot take in {rows.shape} {rows.dtype}")
    if not 0 <= trapezoid <= min(count, size):
        raise ValueError(f"{trapezoid} rows of {rows.shape} cannot be a trapezoid")
    if not all(array.flags.f_contiguous and array.flags.writeable for array in (triangle, rows)):
        raise ValueError("both are to be in Fortran order and writeable")
    if not count or not size:
        return
    block = min(BLOCK, size)
    reflectors, workspace = np.empty(block * size, rows.dtype), np.empty(block * size, rows.dtype)
    info = ctypes.c_int(0)
    foreign(cython_lapack, "tpqrt", name, 12)(
        integer(count),
        integer(size),
        integer(trapezoid),
        integer(block),
        triangle.ctypes.data,
        integer(size),
        rows.ctypes.data,
        integer(count),
        reflectors.ctypes.data,
        integer(block),
        workspace.ctypes.data,
        ctypes.byref(info),
    )
    assert info.value == 0, f"argument {-info.value} of tpqrt"


def solve_triangle(triangle: Array, right: Array, *, transposed: bool = False) -> Array | None:
    """Solve R x = b or R^T x = b; x [n], or None where R is singular or x is not finite.

    Args:
        triangle: R [n, n], Fortran order; only the upper triangle is read.
        right: b [n].
        transposed: Whether R^T stands on the left.
    """
    trtrs = lapack("trtrs", matrix=triangle)[0]
    solution, info = trtrs(triangle, right, lower=0, trans=int(transposed))
    return solution if info == 0 and np.isfinite(solution).all() else None


def is_singular(triangle: Array) -> bool:
    """Whether 1 / condition number < n epsilon in the 1-norm (LAPACK trcon).

    The factorization itself leaves about n epsilon where an exact zero would stand.

    Args:
        triangle: R [n, n], Fortran order; only the upper triangle is read.
    """
    trcon = lapack("trcon", matrix=triangle)[0]
    reciprocal, info = trcon(triangle, norm="1", uplo="U")
    return info != 0 or not reciprocal >= len(triangle) * np.finfo(triangle.dtype).eps
