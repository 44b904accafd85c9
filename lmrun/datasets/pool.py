"""What rows say together that several workers hold; a single worker holds them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def alone(document: Any) -> list[Any]:
    """Exchange nothing: there is one worker."""
    return [document]


@dataclass(frozen=True)
class Pool:
    """Statistics over the rows of all workers, which all make the same calls in the same order.

    Attributes:
        exchange: From a document that JSON can say to the documents of all workers, in their order.
        index: Which worker this is.
        workers: Their number.
    """

    exchange: Callable[[Any], list[Any]] = alone
    index: int = 0
    workers: int = 1

    def counts(self, rows: int) -> list[int]:
        """Return every worker's number of rows."""
        return [int(each) for each in self.exchange(rows)]

    def total(self, sums: Float64) -> Float64:
        """Return sums over all rows from those over one's own, added in the workers' order."""
        parts = [np.asarray(each, np.float64) for each in self.exchange(sums.tolist())]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole + part
        return whole

    def highest(self, values: Float64) -> Float64:
        """Return the largest of each column of values [rows, columns] over all rows."""
        own: Float64 = values.max(axis=0, initial=-np.inf)
        return np.asarray(np.max(self.exchange(own.tolist()), axis=0), np.float64)

    def lowest(self, values: Float64) -> Float64:
        """Return the smallest of each column of values [rows, columns] over all rows."""
        own: Float64 = values.min(axis=0, initial=np.inf)
        return np.asarray(np.min(self.exchange(own.tolist()), axis=0), np.float64)

    def union(self, items: Iterable[Any]) -> list[Any]:
        """Return all items, numbers or texts, that some worker has, each once."""
        return list(dict.fromkeys(item for each in self.exchange(list(items)) for item in each))


ALONE = Pool()
