"""The rows that a step works on, cut into chunks of equal size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.datasets.base import Split
from lmrun.linalg.host import WORKERS

Tensor = Any

CHUNK_BYTES = 2**23
"""Bytes of a chunk of the Jacobian: about the size of a core's share of the last-level cache. On 2 cores
chunks of 4 to 16 MiB were the fastest (docs/benchmarks.md)."""


FEWEST_ROWS = 256
"""Below this many rows per worker a thread costs more than it saves."""


@dataclass(frozen=True)
class Chunk:
    """Some rows: inputs [rows, ...], targets [rows, ...], weights [rows]."""

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

    chunks: tuple[Chunk, ...]
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


def make_batch(split: Split, rows: NDArray[np.integer] | None, chunk: int, dtype: str) -> Batch:
    """Take rows of a split.

    Args:
        split: The data.
        rows: Indices of the rows, or None for all.
        chunk: Rows per chunk.
        dtype: Floating-point type of the weights.
    """
    weights = np.ones(split.rows, dtype) if split.weights is None else split.weights
    arrays = (split.inputs, split.targets, weights)
    if rows is not None:
        arrays = (arrays[0][rows], arrays[1][rows], arrays[2][rows])
    samples = len(arrays[2])
    total = float(np.sum(arrays[2], dtype=np.float64))
    filling = -samples % chunk
    if filling:
        inputs, targets, weights = (
            np.concatenate([array, np.repeat(array[:1], filling, axis=0)]) for array in arrays
        )
        weights[samples:] = 0
        arrays = (inputs, targets, weights)
    chunks = tuple(
        Chunk(*(tf.convert_to_tensor(array[start : start + chunk]) for array in arrays))
        for start in range(0, samples + filling, chunk)
    )
    return Batch(chunks, total, samples)
