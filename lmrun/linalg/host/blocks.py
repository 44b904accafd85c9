"""J^T J whose bits do not depend on who adds which rows up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.linalg.blas import add_product
from lmrun.linalg.compensated import CompensatedSum, Pair
from lmrun.linalg.host.gram import HostGram
from lmrun.linalg.lapack import lapack

Array = NDArray[np.floating]


class BlockGram:
    """A thread's sum of [J, r]^T [J, r] over blocks of rows.

    BLAS adds up within a block, in the one order that it has for a block of that shape. Blocks add up by
    `linalg.compensated`, in float64 whatever their own type.

    Args:
        size: n + 1.
        dtype: Of the tables.
    """

    def __init__(self, size: int, dtype: np.dtype[Any]) -> None:
        self._block: Array = np.zeros((size, size), dtype, order="F")
        self.sum = CompensatedSum(size * (size + 1) // 2)

    def add(self, table: Any) -> None:
        """Add some rows of the present block, [n + 1, rows]."""
        add_product(self._block, np.asarray(table))

    def close(self) -> None:
        """End the block."""
        trttp = lapack("trttp", matrix=self._block)[0]
        packed, _ = trttp(self._block, uplo="L")
        self.sum.add(packed.astype(np.float64, copy=False))
        self._block.fill(0)


def joined(grams: Sequence[BlockGram]) -> Pair:
    """Return the packed triangle of all threads."""
    first, *others = grams
    for other in others:
        first.sum.take_in(other.sum)
    return first.sum.pair


def gram_of(packed: Array, size: int, gradient: Any = None) -> HostGram:
    """Return J^T J with its gradient.

    Args:
        packed: Lower triangle of [J, r]^T [J, r], [size (size + 1) / 2].
        size: n + 1.
        gradient: [n], where it is not J^T r.
    """
    tpttr = lapack("tpttr", matrix=packed)[0]
    whole, _ = tpttr(size, packed, uplo="L")
    return HostGram(whole[:-1, :-1], whole[-1, :-1].copy() if gradient is None else np.asarray(gradient))
