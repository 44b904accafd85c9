"""The Cholesky factorization of a large matrix by two threads."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas, cython_lapack

from lmrun.linalg.foreign import NAMES, SCALARS, foreign, integer
from lmrun.linalg.threads import each

Array = NDArray[np.floating]

BLOCK = 256
"""Columns that are factored at a time. Of 1,026 x 1,026 in float32 blocks of 128 take 4.1 ms, of 192 to 512
3.4 to 3.7, LAPACK potrf in one thread 4.9; in float64 5.8 to 6.5 and 9.7."""
FEWEST = 600
"""Rows from which two threads are faster than one: 600 take as long either way, 800 0.8 of the time in
float32 and 0.7 in float64, 2,000 0.57 and 0.54."""


def factorize_in_blocks(matrix: Array, block: int = BLOCK) -> bool:
    """Overwrite the lower triangle of A with its Cholesky factor L, A = L L^T; say whether it has one.

    A block of columns after the other, L_11 L_11^T = A_11, L_21 = A_21 L_11^-T, A_22 <- A_22 - L_21 L_21^T:
    Golub and Van Loan 2013, Matrix Computations, section 4.2.9. The second and the third are halves for
    two threads, cut in the same places on every machine: the bits do not depend on its cores.

    Args:
        matrix: A [n, n], Fortran order; only the lower triangle is read.
        block: Columns of a block.

    Raises:
        ValueError: Shape, order or type do not fit; BLAS would read beyond the matrix.
    """
    size = len(matrix)
    if matrix.shape != (size, size) or matrix.dtype.char not in NAMES:
        raise ValueError(f"a matrix of {matrix.shape} {matrix.dtype} has no Cholesky factor")
    if not (matrix.flags.f_contiguous and matrix.flags.writeable):
        raise ValueError("the matrix is to be in Fortran order and writeable")
    for start in range(0, size, block):
        columns = _Columns(matrix, start, min(start + block, size))
        if not columns.factorize():
            return False
        if columns.stop < size:
            columns.eliminate()
    return True


@dataclass(frozen=True)
class _Columns:
    """The columns from `start` to `stop`, and what they do to the rest of the matrix."""

    matrix: Array
    start: int
    stop: int

    def factorize(self) -> bool:
        """L_11 (LAPACK potrf)."""
        info = ctypes.c_int(0)
        self._call(
            cython_lapack, "potrf", b"L", self._width, self._at(self.start), self._height, ctypes.byref(info)
        )
        return info.value == 0

    def eliminate(self) -> None:
        """L_21, and A_22 - L_21 L_21^T."""
        size = len(self.matrix)
        middle = (self.stop + size) // 2
        each(self.solve, [(self.stop, middle), (middle, size)])
        # Left and right of 1 - 1 / sqrt(2) of its columns a triangle is as large.
        cut = self.stop + int((1 - 0.5**0.5) * (size - self.stop))
        each(self.subtract, [(self.stop, cut), (cut, size)])

    def solve(self, rows: tuple[int, int]) -> None:
        """Rows of L_21 (BLAS trsm)."""
        first, last = rows
        sizes = integer(last - first), self._width
        held = self._at(self.start), self._height, self._at(first), self._height
        self._call(cython_blas, "trsm", b"R", b"L", b"T", b"N", *sizes, self._scalar(1), *held)

    def subtract(self, columns: tuple[int, int]) -> None:
        """L_21 L_21^T from some columns of A_22 (BLAS syrk, gemm)."""
        first, last = columns
        minus, one, size = self._scalar(-1), self._scalar(1), len(self.matrix)
        rows = self._at(first), self._height
        own = self._at(first, first), self._height
        self._call(
            cython_blas, "syrk", b"L", b"N", integer(last - first), self._width, minus, *rows, one, *own
        )
        if last < size:
            sizes = integer(size - last), integer(last - first), self._width
            below, target = (self._at(last), self._height), (self._at(last, first), self._height)
            self._call(cython_blas, "gemm", b"N", b"T", *sizes, minus, *below, *rows, one, *target)

    def _call(self, module: ModuleType, name: str, *arguments: object) -> None:
        foreign(module, name, NAMES[self.matrix.dtype.char], len(arguments))(*arguments)

    def _at(self, row: int, column: int | None = None) -> int:
        """The address of an element, in the first of the columns if none is given."""
        down, right = self.matrix.strides
        return self.matrix.ctypes.data + row * down + (self.start if column is None else column) * right

    @property
    def _height(self) -> object:
        return integer(len(self.matrix))

    @property
    def _width(self) -> object:
        return integer(self.stop - self.start)

    def _scalar(self, value: float) -> object:
        return ctypes.byref(SCALARS[NAMES[self.matrix.dtype.char]](value))
