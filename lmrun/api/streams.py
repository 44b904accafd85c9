"""Batches that a program streams, gathered into arrays: Levenberg-Marquardt sees all rows again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import keras
import numpy as np
import psutil
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
    return isinstance(x, tf.data.Dataset | keras.utils.PyDataset | Iterator)


def gather(stream: Any, what: str = "x", steps: int | None = None) -> Given:
    """Read a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator once.

    Args:
        stream: Of batches (x,), (x, y) or (x, y, weights), or of x alone.
        what: Its name, for messages.
        steps: Batches to read of a stream whose end is not known; any other is read whole.

    Raises:
        DataError: It never ends, or has no batches.
    """
    endless = isinstance(stream, tf.data.Dataset) and stream.cardinality() == tf.data.INFINITE_CARDINALITY
    if endless and steps is None:
        raise DataError(
            f"{what}: the tf.data.Dataset repeats for ever; leave its repeat() out, or say in "
            "steps_per_epoch how many batches are the data."
        )
    limit = steps if endless or isinstance(stream, Iterator) else None
    parts = _read(islice(_batches(stream), limit), what)
    if not parts:
        raise DataError(f"{what}: the stream has no batches.")
    if _is_rows(parts[0]):
        raise DataError(f"{what}: the stream has single rows; add .batch(N).")
    sizes = [len(keras.tree.flatten(part[0])[0]) for part in parts]
    whole = [
        keras.tree.map_structure(lambda *pieces: np.concatenate([np.asarray(one) for one in pieces]), *column)
        for column in zip(*parts, strict=True)
    ]
    x, y, weights = [*whole, None, None][:3]
    return Given(x, y, weights, max(sizes))


def _read(batches: Iterator[Any], what: str) -> list[tuple[Any, ...]]:
    """Read batches while they fit into half of the memory that was free."""
    parts: list[tuple[Any, ...]] = []
    room, count = psutil.virtual_memory().available // 2, 0
    for batch in batches:
        part = batch if isinstance(batch, tuple) else (batch,)
        part = keras.tree.map_structure(np.asarray, part)
        count += sum(array.nbytes for array in keras.tree.flatten(part))
        if count > room:
            raise DataError(
                f"{what}: {len(parts)} batches fill half of the free memory. One without an end needs "
                "steps_per_epoch, the batches that are the data; all rows are held in memory."
            )
        parts.append(part)
    return parts


def _is_rows(part: tuple[Any, ...]) -> bool:
    """Whether a part of a stream is a row, not a batch: its arrays have no length in common."""
    shapes = [np.shape(one) for one in keras.tree.flatten(part)]
    return any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) > 1


def first_rows(data: Given, count: int) -> Given:
    """Return the first rows of what was given."""

    def cut(values: Any) -> Any:
        if values is None:
            return None
        if isinstance(values, Mapping):
            return {name: np.asarray(one)[:count] for name, one in values.items()}
        if isinstance(values, list | tuple) and any(hasattr(one, "shape") for one in values):
            return [np.asarray(one)[:count] for one in values]
        return values.iloc[:count] if hasattr(values, "iloc") else np.asarray(values)[:count]

    return Given(cut(data.x), cut(data.y), cut(data.weights), data.batch_size)


def _batches(stream: Any) -> Iterator[Any]:
    if not isinstance(stream, keras.utils.PyDataset):
        yield from stream
        return
    for number in range(len(stream)):
        yield stream[number]
