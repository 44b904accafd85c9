"""Pieces of the Jacobian, filled one after the other in the same memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class Pieces:
    """A table [height, columns], of which one piece at a time is there, in C order.

    Args:
        memory: Of a piece, [height * length].
        height: Rows.
        columns: Of all pieces together; the last one may be shorter than the others.
    """

    def __init__(self, memory: Array, height: int, columns: int) -> None:
        self.memory = memory
        self.height = height
        self.left = columns
        self.length = len(memory) // height
        self._begin()

    def _begin(self) -> None:
        size = min(self.length, self.left)
        self.table = self.memory[: self.height * size].reshape(self.height, size)
        self.filled = 0

    def fill(self, count: int) -> Iterator[tuple[slice, Array, Array | None]]:
        """Hand out places for some columns.

        Args:
            count: Of the columns.

        Yields:
            Which of them, their place [height, some of them], which is to be filled then, and the whole
            piece, if it is full with that.
        """
        start = 0
        while start < count:
            size = min(count - start, self.table.shape[1] - self.filled)
            self.filled += size
            full = self.table if self.filled == self.table.shape[1] else None
            yield slice(start, start + size), self.table[:, self.filled - size : self.filled], full
            start += size
            if full is not None:
                self.left -= self.filled
                self._begin()
