"""J^T J of the same bits, however many workers and threads add it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.chunks import Arguments, Chunks, Linearized
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.selection import Selection
from lmrun.curvature.summation import shared
from lmrun.linalg.algebra import Algebra, Vector
from lmrun.linalg.compensated import Pair, number_of, sum_of
from lmrun.linalg.fixed_point import diagonal_places, exponents_of, packed_exponents
from lmrun.linalg.host.blocks import BlockGram, gram_of, joined

Tensor = Any
Array = NDArray[np.floating]


class Blocks(NamedTuple):
    """What a thread made of its chunks.

    Attributes:
        gram: The sum of their [J, r]^T [J, r].
        values: Sum of w_i l_i of each chunk.
        gradients: Of each chunk [n], where the last row of its table is not enough.
        foreign: Whether the gradient is not J^T r.
    """

    gram: BlockGram
    values: list[float]
    gradients: list[Array]
    foreign: bool


class BlockTables:
    """J^T J as a matrix, chunk by chunk, each of which is a block of a `Reproducible` sum.

    Args:
        algebra: On the host.
    """

    by_rows = False

    def __init__(self, algebra: Algebra) -> None:
        self.algebra = algebra

    def row_bytes(self, kernels: Kernels, itemsize: int) -> int:
        """See `Kernels.row_bytes`."""
        return kernels.row_bytes(itemsize)

    def linearize(
        self,
        chunks: Chunks,
        params: Tensor,
        selection: Selection | None = None,
        gradient: Tensor | None = None,
    ) -> Linearized:
        """The bounds of all entries travel first: diagonal, loss, and a gradient where there is one."""
        count = chunks.kernels.network.size if selection is None else selection.count
        done = chunks.each(
            lambda share: self._assemble(chunks.kernels, params, share, selection), chunks.shares
        )
        triangle = joined([blocks.gram for blocks in done])
        values = number_of([value for blocks in done for value in blocks.values])
        parts = [triangle, Pair(*(np.array([part]) for part in values))]
        foreign = gradient is not None or done[0].foreign
        own = [one for blocks in done for one in blocks.gradients] if gradient is None else []
        if own:
            parts.append(sum_of(own))
        whole = self._total(chunks, Pair(*(np.concatenate(each) for each in zip(*parts, strict=True))), count)
        size = len(triangle.high)
        packed = whole[:size].astype(self.algebra.dtype, copy=False)
        if own:
            gradient = whole[size + 1 :].astype(self.algebra.dtype, copy=False)
        by_some = gradient if selection is None else selection.take(gradient)
        curvature = gram_of(packed, count + 1, by_some if foreign else None)
        return Linearized(curvature, curvature.gradient if gradient is None else gradient, whole[size])

    def _total(self, chunks: Chunks, pair: Pair, count: int) -> NDArray[np.float64]:
        """Over all workers [(n + 1) (n + 2) / 2 and the further numbers]."""
        if chunks.reducer.workers == 1:
            return pair.rounded()
        places = diagonal_places(count + 1)
        beyond = np.abs(pair.high[(count + 1) * (count + 2) // 2 :])
        bounds = np.concatenate([pair.high[places], beyond])

        def exponents(known: NDArray[np.float64]) -> Any:
            diagonal, others = known[: count + 1], known[count + 1 :]
            return np.concatenate([packed_exponents(diagonal), exponents_of(others)])

        return shared(pair, bounds, chunks.reducer, exponents)

    def _assemble(
        self, kernels: Kernels, params: Tensor, share: Sequence[Arguments], selection: Selection | None
    ) -> Blocks:
        count = kernels.network.size if selection is None else selection.count
        chosen = None if selection is None else np.asarray(selection.rows)
        done = Blocks(BlockGram(count + 1, np.dtype(self.algebra.dtype)), [], [], False)
        for arguments in share:
            values, gradients = [], []
            for table, more, value in kernels.tables(params, *arguments):
                values.append(float(value))
                rows = np.asarray(table)
                if more is not None:
                    gradients.append(np.asarray(more))
                    done = done._replace(foreign=True)
                elif chosen is not None:
                    gradients.append(rows[:-1] @ rows[-1])
                done.gram.add(rows if chosen is None else rows[chosen])
            done.gram.close()
            done.values.append(sum(values))
            if gradients:
                done.gradients.append(np.sum(gradients, axis=0))
        return done

    def bend(self, chunks: Chunks, params: Tensor, direction: Tensor) -> Vector:
        """J^T r_vv [n]."""
        along = chunks.kernels.point(direction)
        return chunks.summed(
            chunks.each(lambda rows: chunks.kernels.bend(params, along, *rows), chunks.keyed)
        )
