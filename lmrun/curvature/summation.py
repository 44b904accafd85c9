"""How sums over the rows of all workers are made."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.batch import Batch, chunk_rows
from lmrun.curvature.kernels import Kernels
from lmrun.distribution.reducer import Reducer
from lmrun.linalg import fixed_point
from lmrun.linalg.algebra import Algebra
from lmrun.linalg.compensated import Pair, number_of, sum_of
from lmrun.linalg.threads import WORKERS

Work = Callable[[Any], Any]
Each = Callable[[Callable[[Sequence[Any]], Any]], list[Any]]

STACKED = 2**8
"""Numbers that each worker may give to a sum in which all parts travel beside each other; where there are
more, bounds travel first, and then the sum: a call more, but 5/2 times the numbers of a part instead of twice
those of all parts."""


FEW_BLOCKS, MOST_BLOCKS, ROWS = 16, 64, 8192
"""Rows are cut into 16 blocks, or as many as have 8,192 rows each, up to 64: shares are then nearly equal,
and what a block takes besides its rows, some tenths of a millisecond, is little beside them."""
STEP = 16
"""Rows of a block are a multiple of it: numbers of float32 in two lines of the cache."""


def block_rows(rows: int) -> int:
    """Return how many rows of a part of the data always stay together: a number of five bits times 2^k.

    So they can be cut in halves again and again, and are hardly more than the rows by the number of blocks.

    Args:
        rows: Of all workers.
    """
    least = -(-rows // min(max(rows // ROWS, FEW_BLOCKS), MOST_BLOCKS))
    step = max(STEP, 1 << max(0, least.bit_length() - 5))
    return step * -(-least // step)


def added(parts: Sequence[Any]) -> Any:
    """Add tensors or arrays of one shape up, in their order."""
    return reduce(operator.add, parts)


def shared(
    pair: Pair,
    bounds: NDArray[np.float64],
    reducer: Reducer,
    exponents: Callable[[NDArray[np.float64]], Any] = fixed_point.exponents_of,
) -> NDArray[np.float64]:
    """Return a sum over all workers, or NaN where it is not finite [k].

    Args:
        pair: This worker's part [k].
        bounds: What bounds it, such that sums of bounds bound the sum.
        reducer: The workers.
        exponents: From the sums of the bounds to the exponents of 2 for every entry [k].
    """
    (known,) = reducer.total(bounds)
    if not np.isfinite(known).all():
        # The same on all workers, none of which goes on to the sum.
        return np.full(len(pair.high), np.nan)
    return fixed_point.total(pair, exponents(known), reducer, reducer.workers)


class Summation(Protocol):
    """How chunks are cut and what they give is added up."""

    @property
    def unit(self) -> int:
        """What the first row of a worker is a multiple of."""
        ...

    @property
    def fixed(self) -> bool:
        """Whether chunks have a size of their own, however many rows a worker has."""
        ...

    def chunk_rows(self, samples: int, row_bytes: int, kernels: Kernels) -> int:
        """Return the rows of a chunk of a worker's samples, see `batch.chunk_rows`."""
        ...

    def threads(self, batch: Batch, algebra: Algebra, kernels: Kernels) -> int:
        """Return how many threads work through a batch."""
        ...

    def weight(self, batch: Batch, reducer: Reducer) -> float:
        """Return the sum of the weights of all rows."""
        ...

    def number(self, parts: Sequence[Any], reducer: Reducer, add: Callable[[Sequence[Any]], Any]) -> Any:
        """Add up numbers, one per chunk, over all workers; `add` is how one worker would."""
        ...

    def array(self, parts: Sequence[Any], reducer: Reducer) -> Any:
        """Add up arrays or tensors of one shape, one per chunk, over all workers."""
        ...

    def folded(self, work: Work, each: Each, reducer: Reducer) -> list[Any]:
        """Add up each of the arrays that `work` makes of a chunk, over all workers.

        Args:
            work: From a chunk to several arrays or tensors.
            each: Calls a function with every thread's chunks, and returns what it made of them.
            reducer: The workers.
        """
        ...

    def mean(self, values: Sequence[float], batch: Batch, reducer: Reducer) -> float:
        """Return the sum of numbers, one per chunk, over all workers by that of the rows' weights."""
        ...

    def rows(self, tables: Sequence[NDArray[Any]], reducer: Reducer) -> list[Any]:
        """Add up the rows of arrays [rows, ...] over all workers, in float64."""
        ...


@dataclass(frozen=True)
class Plain:
    """Sums as they come: their last digits depend on how rows are shared out and chunks are cut."""

    unit: int = 1
    fixed: bool = False

    def chunk_rows(self, samples: int, row_bytes: int, kernels: Kernels) -> int:
        """As many as fit into a chunk's memory, spread evenly over threads."""
        return chunk_rows(samples, row_bytes, kernels.fewest_rows, kernels.multiple, kernels.chunk_bytes)

    def threads(self, batch: Batch, algebra: Algebra, kernels: Kernels) -> int:
        """As many as there are."""
        return min(algebra.workers, len(batch.chunks))

    def weight(self, batch: Batch, reducer: Reducer) -> float:
        """As the batch knows it."""
        return float(reducer.total(batch.weight)[0])

    def number(self, parts: Sequence[Any], reducer: Reducer, add: Callable[[Sequence[Any]], Any]) -> Any:
        """One after the other."""
        (total,) = reducer.total(add(parts))
        return total

    def array(self, parts: Sequence[Any], reducer: Reducer) -> Any:
        """One after the other."""
        return reducer.total(added(parts))[0]

    def folded(self, work: Work, each: Each, reducer: Reducer) -> list[Any]:
        """A thread holds one sum, however many chunks there are."""

        def fold(share: Sequence[Any]) -> Sequence[Any]:
            sums: Sequence[Any] = work(share[0])
            for chunk in share[1:]:
                sums = [one + more for one, more in zip(sums, work(chunk), strict=True)]
            return sums

        return reducer.total(*(added(parts) for parts in zip(*each(fold), strict=True)))

    def mean(self, values: Sequence[float], batch: Batch, reducer: Reducer) -> float:
        """Both sums at once."""
        total, weight = reducer.total(sum(values), batch.weight)
        return float(total / weight)

    def rows(self, tables: Sequence[NDArray[Any]], reducer: Reducer) -> list[Any]:
        """In NumPy's order."""
        return reducer.total(*(np.sum(table, axis=0, dtype=np.float64) for table in tables))


PLAIN = Plain()


@dataclass(frozen=True)
class Reproducible:
    """Sums of the same bits, whatever the numbers of workers and threads.

    The rows are cut into blocks whose edges depend on the rows of all workers and on the model only; a worker
    holds whole blocks. What a block gives is added up inside in one order. Sums over blocks have twice the
    digits, and are rounded once (`linalg.compensated`), so that their order does not show.

    Attributes:
        unit: Rows of the blocks that are shared out, see `block_rows`; a chunk is such a block, or 1/2, 1/4,
            ... of it.
    """

    unit: int
    fixed: bool = True

    def chunk_rows(self, samples: int, row_bytes: int, kernels: Kernels) -> int:
        """The unit by a power of two."""
        rows = self.unit
        while rows * row_bytes > kernels.chunk_bytes and rows % 2 == 0:
            rows //= 2
        return rows

    def threads(self, batch: Batch, algebra: Algebra, kernels: Kernels) -> int:
        """One where there are few rows, into however many blocks they are cut."""
        few = batch.samples < kernels.fewest_rows * WORKERS
        return 1 if few else min(algebra.workers, len(batch.chunks))

    def weight(self, batch: Batch, reducer: Reducer) -> float:
        """Chunk by chunk; the weight of a sample is the mean over its targets where each has one."""
        weights = (np.asarray(chunk.weights, np.float64) for chunk in batch.chunks)
        return self.number([float(np.sum(own)) / (own.size // len(own)) for own in weights], reducer)

    def number(
        self, parts: Sequence[Any], reducer: Reducer, add: Callable[[Sequence[Any]], Any] = sum
    ) -> float:
        """Exactly, and then by pairs of all workers."""
        numbers = [float(np.asarray(part)) for part in parts]
        if reducer.workers == 1:
            return number_of(numbers)[0]
        pairs = np.array(reducer.stack(np.array(number_of(numbers))))
        return number_of(pairs.ravel().tolist())[0]

    def array(self, parts: Sequence[Any], reducer: Reducer) -> NDArray[np.floating]:
        """Pairs of all workers are few numbers, or a sum of integers."""
        own = [np.asarray(part) for part in parts]
        pair = sum_of(own)
        if reducer.workers > 1 and 2 * reducer.workers * own[0].size > STACKED:
            bounds = np.abs(pair.high).ravel()
            whole = shared(Pair(pair.high.ravel(), pair.low.ravel()), bounds, reducer)
            return whole.reshape(own[0].shape).astype(own[0].dtype, copy=False)
        if reducer.workers > 1:
            pairs = np.array(reducer.stack(np.stack(pair)))
            pair = sum_of(list(pairs[:, 0]), list(pairs[:, 1]))
        return pair.rounded().astype(own[0].dtype, copy=False)

    def folded(self, work: Work, each: Each, reducer: Reducer) -> list[Any]:
        """As arrays, all of which are there at a time."""
        done = [made for share in each(lambda chunks: [work(chunk) for chunk in chunks]) for made in share]
        return [self.array(parts, reducer) for parts in zip(*done, strict=True)]

    def mean(self, values: Sequence[float], batch: Batch, reducer: Reducer) -> float:
        """One sum after the other."""
        return self.number(values, reducer) / self.weight(batch, reducer)

    def rows(self, tables: Sequence[NDArray[Any]], reducer: Reducer) -> list[Any]:
        """Block by block."""
        return [self.array(list(self._blocks(table)), reducer) for table in tables]

    def _blocks(self, table: NDArray[Any]) -> list[NDArray[np.float64]]:
        starts = range(0, len(table), self.unit)
        return [np.sum(table[start : start + self.unit], axis=0, dtype=np.float64) for start in starts]
