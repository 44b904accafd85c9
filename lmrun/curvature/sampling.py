"""A random sample of a batch's rows, whose J^T J stands for that of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Batch, Rows

Tensor = Any


def sample(batch: Batch, share: float, workers: int, generator: np.random.Generator) -> Batch:
    """Draw rows, uniformly and without replacement, the same number from every chunk.

    Every row is drawn with the probability share' = drawn / rows of a chunk and then weighs 1 / share' times
    as much, so that the sum over the sample is that over the batch on average. Its J^T J is one of the
    approximate matrix products of Drineas, Kannan and Mahoney 2006, Fast Monte Carlo algorithms for
    matrices I, section 4, with uniform probabilities and strata.

    Args:
        batch: The population, the filling of its last chunk included: it weighs nothing.
        share: From 0 to 1; at least one row is drawn from every chunk.
        workers: Threads; the sample is put together to no fewer chunks, if the batch has that many.
        generator: Draws.
    """
    length = int(batch.chunks[0].weights.shape[0])
    count = max(1, round(share * length))
    drawn = [_drawn(chunk, count, generator) for chunk in batch.chunks]
    together = _together(len(drawn), length // count, workers)
    groups = (drawn[start : start + together] for start in range(0, len(drawn), together))
    return Batch(tuple(_joined(group) for group in groups), batch.weight, count * len(drawn))


def _drawn(chunk: Rows, count: int, generator: np.random.Generator) -> Rows:
    length = int(chunk.weights.shape[0])
    places = tf.constant(np.sort(generator.choice(length, count, replace=False)).astype(np.int32))
    return Rows(
        tf.gather(chunk.inputs, places, axis=-1),
        tf.gather(chunk.targets, places),
        tf.gather(chunk.weights, places) * (length / count),
    )


def _together(chunks: int, most: int, workers: int) -> int:
    """How many small chunks make one: all of the same size, or each size would be compiled for."""
    sizes = [size for size in range(1, most + 1) if chunks % size == 0 and chunks // size >= workers]
    return max(sizes, default=1)


def _joined(group: Sequence[Rows]) -> Rows:
    if len(group) == 1:
        return group[0]
    inputs, targets, weights = zip(*group, strict=True)
    return Rows(tf.concat(inputs, axis=-1), tf.concat(targets, axis=0), tf.concat(weights, axis=0))
