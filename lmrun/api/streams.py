"""Batches that a program streams, gathered into arrays: Levenberg-Marquardt sees all rows again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lmrun.errors import DataError


class Given(NamedTuple):
    """What a program hands over, in the structures in which it does.

    Attributes:
        x: Inputs: an array, or a list or mapping of several.
        y: Targets: the same.
        weights: Of the rows [rows]; None for equal ones.
        batch_size: Rows of a batch of a stream; None for arrays.
    """

    x: Any
    y: Any = None
    weights: Any = None
    batch_size: int | None = None


def is_stream(x: Any) -> bool:
    """Whether data come in batches."""
    return isinstance(x, tf.data.Dataset | keras.utils.PyDataset)


def gather(stream: Any, what: str = "x") -> Given:
    """Read a `tf.data.Dataset` or `keras.utils.PyDataset` once.

    Args:
        stream: Of batches (x,), (x, y) or (x, y, weights), or of x alone.
        what: Its name, for messages.

    Raises:
        DataError: It never ends, or has no batches.
    """
    if isinstance(stream, tf.data.Dataset) and stream.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise DataError(f"{what}: the tf.data.Dataset repeats for ever; leave its repeat() out.")
    parts = [batch if isinstance(batch, tuple) else (batch,) for batch in _batches(stream)]
    if not parts:
        raise DataError(f"{what}: the stream has no batches.")
    sizes = [len(keras.tree.flatten(part[0])[0]) for part in parts]
    if len(parts) > 1 and not np.shape(keras.tree.flatten(parts[0][0])[0]):
        raise DataError(f"{what}: the stream has single rows; add .batch(N).")
    whole = [
        keras.tree.map_structure(lambda *pieces: np.concatenate([np.asarray(one) for one in pieces]), *column)
        for column in zip(*parts, strict=True)
    ]
    x, y, weights = [*whole, None, None][:3]
    return Given(x, y, weights, max(sizes))


def _batches(stream: Any) -> Iterator[Any]:
    if isinstance(stream, tf.data.Dataset):
        yield from stream
        return
    for number in range(len(stream)):
        yield stream[number]
