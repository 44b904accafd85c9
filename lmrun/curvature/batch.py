"""The rows that a step works on, cut into chunks of equal size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.curvature.layers.base import samples_last
from lmrun.datasets.base import Split
from lmrun.linalg.host import WORKERS

Tensor = Any

CHUNK_BYTES = 2**22
"""Bytes of a chunk of the Jacobian: about twice a core's own cache. On 2 cores chunks of 2 to 8 MiB were the
fastest (docs/benchmarks.md)."""


FEWEST_ROWS = 1024
"""Below this many rows per worker a thread costs more than it saves."""


class Rows(NamedTuple):
    """Some rows of a split, on the device.

    Attributes:
        inputs: [rows, ..., channels] for a whole split, samples last [channels, ..., rows] for what a kernel
            works on (`layers.base`): only rows that are contiguous can be drawn quickly.
        targets: [rows, ...].
        weights: [rows].
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Batch:
    """Chunks of equal size, the last filled up with rows of weight zero: one compiled function serves all.

    Attributes:
        chunks: The rows.
        weight: Sum of the weights of the samples.
        samples: Number of rows without the filling.
    """

    chunks: tuple[Rows, ...]
    weight: float
    samples: int


def chunk_rows(samples: int, row_bytes: int) -> int:
    """Return the rows of a chunk: as many as fit into CHUNK_BYTES, spread evenly over the chunks.

    From FEWEST_ROWS per worker on, every worker has the same number of chunks.
    """
    most = max(1, CHUNK_BYTES // row_bytes)
    chunks = -(-samples // most)
    if samples >= FEWEST_ROWS * WORKERS:
        chunks = WORKERS * -(-chunks // WORKERS)
    return -(-samples // chunks)


def make_rows(split: Split, dtype: str) -> Rows:
    """Put a split on the device; rows without weights weigh one each."""
    weights = np.ones(split.rows, dtype) if split.weights is None else split.weights
    return Rows(*(tf.constant(array) for array in (split.inputs, split.targets, weights)))


def for_kernels(rows: Rows) -> Rows:
    """Lay rows out with samples last."""
    return rows._replace(inputs=samples_last(rows.inputs))


def make_batch(rows: Rows, indices: NDArray[np.integer] | None, chunk: int, emphasis: float = 1.0) -> Batch:
    """Take some rows.

    Args:
        rows: Where from, a whole split.
        indices: Which, or None for all.
        chunk: Rows per chunk.
        emphasis: Multiplies the weights.
    """
    order = np.arange(len(rows.weights)) if indices is None else indices
    samples = len(order)
    # Filled up with the first row again.
    padded = tf.constant(np.concatenate([order, np.repeat(order[:1], -samples % chunk)]).astype(np.int32))
    there = tf.constant(np.arange(len(padded)) < samples)
    weights = tf.where(there, emphasis * tf.gather(rows.weights, padded), tf.zeros([], rows.weights.dtype))
    chunks = []
    for start in range(0, len(padded), chunk):
        piece = padded[start : start + chunk]
        inputs, targets = tf.gather(rows.inputs, piece), tf.gather(rows.targets, piece)
        taken = Rows(inputs, targets, weights[start : start + chunk])
        chunks.append(for_kernels(taken))
    return Batch(tuple(chunks), float(tf.reduce_sum(tf.cast(weights, tf.float64))), samples)
