"""The chunks of a batch, and the threads that work through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Batch, OnDemand
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.summation import PLAIN, Summation
from lmrun.distribution.reducer import Alone, Reducer
from lmrun.linalg.algebra import Algebra, Curvature, Vector
from lmrun.linalg.threads import each
from lmrun.seeding import Stream, generator

Tensor = Any
Arguments = tuple[Any, ...]
"""What a kernel takes of a chunk: inputs, targets, weights, and the key of a loss that draws."""
Item = TypeVar("Item")
Result = TypeVar("Result")


class Linearized(NamedTuple):
    """What a form makes of the chunks.

    Attributes:
        curvature: J^T J with J^T r, by the selected parameters.
        gradient: By all parameters [n].
        value: Sum of w_i l_i over the rows, where that is known.
    """

    curvature: Curvature
    gradient: Vector
    value: Any = None


class Chunks:
    """A batch as the arguments of kernels.

    Args:
        kernels: The compiled functions.
        batch: The rows.
        algebra: Says how many threads may work at a time.
        seed: The config's; decides, with the step, what a random loss draws.
        reducer: The workers whose rows the batch is of; this one holds a share of them.
        summation: How what the chunks give is added up.
    """

    def __init__(
        self,
        kernels: Kernels,
        batch: Batch,
        algebra: Algebra,
        seed: int = 0,
        reducer: Reducer | None = None,
        *,
        summation: Summation = PLAIN,
    ) -> None:
        self.reducer: Reducer = reducer or Alone()
        self.kernels = kernels
        self.batch = batch
        self.algebra = algebra
        self.summation = summation
        self.workers = summation.threads(batch, algebra, kernels)
        self.seed = seed
        self.step = 0
        """Steps made before the present one; all linearizations of a step draw the same."""

    @property
    def plain(self) -> Sequence[Arguments]:
        """Inputs, targets and weights."""
        return self.batch.chunks

    @property
    def keyed(self) -> Sequence[Arguments]:
        """The same with what a random loss draws from in this step and chunk, int32 [2]."""
        if not self.kernels.loss.random:
            return self.batch.chunks
        chunks = self.batch.chunks
        return OnDemand(lambda number: (*chunks[number], self._key(number)), range(len(chunks)))

    def _key(self, number: int) -> Tensor:
        words = generator(self.seed, Stream.PROJECTIONS, self.step, number, *self.place)
        return tf.constant(words.integers(2**31, size=2, dtype=np.int32))

    @property
    def place(self) -> tuple[int, ...]:
        """What sets the random numbers of one of several workers apart from those of the others."""
        return (self.reducer.index,) if self.reducer.workers > 1 else ()

    @property
    def shares(self) -> list[Sequence[Arguments]]:
        """The chunks, dealt out to the workers in turn."""
        keyed = self.keyed
        return [keyed[worker :: self.workers] for worker in range(self.workers)]

    @property
    def stacked(self) -> Arguments:
        """The chunks one behind the other along a first axis."""
        if not self.kernels.loss.random:
            return self._rows
        return (*self._rows, tf.stack([self._key(number) for number in range(len(self.batch.chunks))]))

    @cached_property
    def _rows(self) -> Arguments:
        return tuple(tf.stack(parts) for parts in zip(*self.batch.chunks, strict=True))

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Work on all items at once, one thread each; the results in the items' order."""
        if self.workers == 1:
            return list(map(work, items))
        if self.algebra.places:
            # A device works on while Python goes on to the next.
            return [self._on(number, work, item) for number, item in enumerate(items)]
        return each(work, items)

    def _on(self, number: int, work: Callable[[Item], Result], item: Item) -> Result:
        """Work where the chunk or the share of that number lies."""
        with tf.device(self.algebra.places[number % self.workers]):
            return work(item)

    def summed(self, parts: Sequence[Any]) -> Any:
        """Add up tensors or arrays of one shape, one per chunk, over all rows of all workers."""
        return self.summation.array(parts, self.reducer)

    def folded(self, work: Callable[[Arguments], Any]) -> list[Any]:
        """Add up each of the arrays that `work` makes of a chunk without its key, over all workers."""
        shares = [self.plain[worker :: self.workers] for worker in range(self.workers)]
        return self.summation.folded(work, lambda one: self.each(one, shares), self.reducer)

    def total(self, parts: Sequence[Any], add: Callable[[Sequence[Any]], Any]) -> Any:
        """Add up numbers, one per chunk, over all rows of all workers; `add` does it for a worker's own."""
        return self.summation.number(parts, self.reducer, add)
