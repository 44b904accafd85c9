"""The last step of every loader: the config's precision, contiguous arrays, and the checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.base import Dataset, Split
from lmrun.errors import DataError

PARTS = ("train", "validation", "test")


def finish(dataset: Dataset, precision: Literal["float32", "float64"]) -> Dataset:
    """Return the dataset in `precision`, C-contiguous, with its checksum where it has none.

    Raises:
        DataError: A value lies beyond the range of `precision`.
    """

    def cast(split: Split, part: str) -> Split:
        where = f"the dataset '{dataset.name}' has {part}"
        weights = split.weights
        return Split(
            _cast(split.inputs, precision, f"{where} inputs"),
            _cast(split.targets, precision, f"{where} targets"),
            None if weights is None else _cast(weights, precision, f"{where} weights"),
        )

    done = replace(
        dataset,
        train=cast(dataset.train, "training"),
        validation=cast(dataset.validation, "validation") if dataset.validation else None,
        test=cast(dataset.test, "test") if dataset.test else None,
    )
    return replace(done, checksum=dataset.checksum or checksum(done))


def checksum(dataset: Dataset) -> str:
    """SHA-256 over the columns' names and every array's name, type, shape and bytes, in a fixed order."""
    digest = hashlib.sha256(json.dumps([dataset.input_names, dataset.target_names]).encode())
    for name, array in _arrays(dataset):
        header = [name, None, None] if array is None else [name, array.dtype.str, array.shape]
        digest.update(json.dumps(header).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _arrays(dataset: Dataset) -> Iterator[tuple[str, NDArray[Any] | None]]:
    for part in PARTS:
        split = getattr(dataset, part)
        for name in ("inputs", "targets", "weights"):
            yield f"{part}.{name}", None if split is None else getattr(split, name)
    for name in ("input_map", "target_map"):
        affine = getattr(dataset, name)
        yield f"{name}.shift", None if affine is None else affine.shift
        yield f"{name}.scale", None if affine is None else affine.scale


def _cast(array: NDArray[Any], precision: str, what: str) -> NDArray[Any]:
    if not np.issubdtype(array.dtype, np.floating):
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):  # reported below, in the user's words
        rounded = np.ascontiguousarray(array, precision)
    # the extremes are NaN or infinite when any value is, and need no mask as large as the data
    if not np.isfinite([rounded.min(), rounded.max()]).all():
        raise DataError(f"{what} beyond the range of {precision}; scale the data or use a wider precision.")
    return rounded
