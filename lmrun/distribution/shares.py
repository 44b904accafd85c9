"""Which rows a worker holds: a block of every part of the data, in their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.base import Dataset, Split
from lmrun.distribution.reducer import Reducer
from lmrun.errors import DataError


def bounds(rows: int, index: int, workers: int, unit: int = 1) -> tuple[int, int]:
    """Return the first row of a worker and the first one of the next; shares differ by one unit at most."""
    units = -(-rows // unit)
    return min(rows, units * index // workers * unit), min(rows, units * (index + 1) // workers * unit)


def share_of(dataset: Dataset, reducer: Reducer, unit: int = 1) -> Dataset:
    """Return a worker's share of a dataset, which it has where the table's files were shared out already.

    Args:
        dataset: The dataset.
        reducer: The workers.
        unit: Rows that stay together; the first row of a share is a multiple of it.

    Raises:
        DataError: There are fewer training rows than workers, or fewer units of them, or files have other
            edges.
    """
    if reducer.workers == 1:
        return dataset
    if dataset.rows is not None:
        if unit > 1:
            raise DataError(
                "training.summation: reproducible shares out blocks of rows, but of a table in many files "
                "each worker reads whole ones. Put the table into one file, or use summation: plain."
            )
        require_rows(dataset.rows, reducer.workers)
        return dataset
    rows = dataset.train.rows
    require_rows(rows, reducer.workers, unit)
    begin, _ = bounds(rows, reducer.index, reducer.workers, unit)

    def part(split: Split) -> Split:
        return cut(split, *bounds(split.rows, reducer.index, reducer.workers, unit))

    return replace(
        dataset,
        train=part(dataset.train),
        validation=None if dataset.validation is None else part(dataset.validation),
        test=None if dataset.test is None else part(dataset.test),
        begin=begin,
        rows=rows,
    )


def require_rows(rows: int, workers: int, unit: int = 1) -> None:
    """Raise where a worker would have no training row.

    Raises:
        DataError: See above.
    """
    if workers <= rows and -(-rows // unit) < workers:
        raise DataError(
            f"There are {workers} workers for {-(-rows // unit)} blocks of {unit} training rows, which "
            "training.summation: reproducible keeps together; use fewer workers, or summation: plain."
        )
    if rows < workers:
        raise DataError(
            f"There are {workers} workers for {rows} training row{'s' * (rows != 1)}; use fewer workers."
        )


def cut(split: Split, start: int, stop: int) -> Split:
    """Return some rows of a split as copies, so that the others can be let go of.

    Where there are none, it is the first row without any weight: sums over it are zero.
    """
    if start == stop:
        none = (1,) if split.weights is None else (1, *split.weights.shape[1:])
        nothing = np.zeros_like(split.inputs, shape=none)
        return Split(split.inputs[:1].copy(), split.targets[:1].copy(), nothing)
    rows = slice(start, stop)
    weights = None if split.weights is None else split.weights[rows].copy()
    return Split(split.inputs[rows].copy(), split.targets[rows].copy(), weights)


def own(dataset: Dataset, rows: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return which of some training rows, counted over all workers, this one holds, counted among its own."""
    places = rows - dataset.begin
    return places[(places >= 0) & (places < dataset.train.rows)]
