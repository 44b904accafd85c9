"""Which rows a step sees: epochs, batches and their order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmrun.config.training import TrainingConfig
from lmrun.seeding import Stream, generator


@dataclass(frozen=True)
class Schedule:
    """The rows of every step. The position in the data is the number of steps made, nothing else.

    Args:
        rows: Number of training rows.
        batch_size: Rows of a batch; the last batch of an epoch may be smaller. `growing` rows
            (`training.growing`) stand for the whole data.
        shuffle: Whether each epoch has an order of its own.
        seed: Decides the orders.
    """

    rows: int
    batch_size: int | Literal["full", "growing"]
    shuffle: bool
    seed: int

    @cached_property
    def full_batch(self) -> bool:
        """Whether a batch is the whole data, in its own order."""
        return isinstance(self.batch_size, str) or self.batch_size >= self.rows

    @cached_property
    def size(self) -> int:
        """Rows of a whole batch."""
        return self.rows if self.full_batch else int(self.batch_size)

    @cached_property
    def whole_batches(self) -> int:
        """Batches of an epoch that are not cut short."""
        return self.rows // self.size

    @cached_property
    def batches(self) -> int:
        """Batches of an epoch."""
        return -(-self.rows // self.size)

    def epoch(self, step: int) -> int:
        """Return the number of epochs finished after `step` steps."""
        return step // self.batches

    def batch(self, step: int) -> int:
        """Return which batch of its epoch the step after `step` steps works on."""
        return step % self.batches

    def order(self, epoch: int) -> NDArray[np.int32]:
        """Return the order of the rows [rows] in an epoch."""
        if not self.shuffle:
            return np.arange(self.rows, dtype=np.int32)
        return generator(self.seed, Stream.ORDER, epoch).permutation(self.rows).astype(np.int32)

    def weights(self, epoch: int, sample_weights: NDArray[np.floating] | None) -> NDArray[np.float64]:
        """Return the sum of the sample weights of each batch of an epoch [batches]; equal ones are 1."""
        starts = np.arange(0, self.rows, self.size)
        if sample_weights is None:
            return np.diff(np.append(starts, self.rows)).astype(np.float64)
        return np.add.reduceat(sample_weights[self.order(epoch)].astype(np.float64), starts)


def planned_steps(training: TrainingConfig, schedule: Schedule) -> float:
    """Return after how many steps a run ends at the latest; infinity where only its seconds are limited."""
    steps = math.inf if training.max_steps is None else training.max_steps
    epochs = math.inf if training.max_epochs is None else training.max_epochs
    return min(steps, epochs * schedule.batches)
