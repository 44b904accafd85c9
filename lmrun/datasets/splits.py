"""Which rows train, validate and test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.config.datasets import BlockSplit, ColumnSplit, RandomSplit
from lmrun.datasets.checks import require_training_rows
from lmrun.datasets.columns import Columns
from lmrun.datasets.pool import ALONE, Pool
from lmrun.datasets.sampling import choose_seed
from lmrun.errors import DataError
from lmrun.seeding import Stream, generator

Indices = NDArray[np.intp]
ABSENT = -2
"""The code of a value that no row here has."""


@dataclass(frozen=True)
class Rows:
    """Rows, counted from 0 and ascending, of each part; together every row once."""

    train: Indices
    validation: Indices
    test: Indices


def split_rows(
    config: RandomSplit | BlockSplit | ColumnSplit | None,
    columns: Columns,
    rows: int,
    seed: int,
    pool: Pool = ALONE,
) -> Rows:
    """Split a table's rows as its config says; without one, every row trains.

    Args:
        config: The section.
        columns: The table.
        rows: Of the table.
        seed: The config's.
        pool: Who has the rows before and after these. What is drawn is drawn of all; only these are returned,
            counted among themselves.

    Raises:
        DataError: Too few training rows, or a split column or value that the file does not have.
    """
    counts = pool.counts(rows)
    whole, before = sum(counts), sum(counts[: pool.index])
    match config:
        case RandomSplit():
            own = choose_seed(config.seed, seed)
            found = random_rows(whole, config.validation, config.test, own, columns.path)
        case BlockSplit():
            found = block_rows(whole, config.validation, config.test, columns.path)
        case ColumnSplit():
            return column_rows(config, columns, rows, pool)
        case None:
            found = block_rows(whole, 0.0, 0.0, columns.path)
    return Rows(
        *(_between(part, before, before + rows) for part in (found.train, found.validation, found.test))
    )


def _between(part: Indices, begin: int, end: int) -> Indices:
    """The rows from `begin` on and before `end`, of ascending ones, counted from `begin`."""
    first, last = np.searchsorted(part, (begin, end))
    return part[first:last] - begin


def random_rows(rows: int, validation: float, test: float, seed: int, where: str) -> Rows:
    """Draw validation and test rows from the split stream; each part keeps the order of the file."""
    order = generator(seed, Stream.SPLIT).permutation(rows)
    parts = _cut(order, *_sizes(rows, validation, test, where))
    return Rows(*(np.sort(part) for part in parts))


def block_rows(rows: int, validation: float, test: float, where: str) -> Rows:
    """Training rows first, then validation, then test."""
    return Rows(*_cut(np.arange(rows), *_sizes(rows, validation, test, where)))


def column_rows(config: ColumnSplit, columns: Columns, rows: int, pool: Pool = ALONE) -> Rows:
    """Rows by the values of a column; a row in neither list, or without a value, trains.

    1, 1.0, '1' and true are the same value, and so are 0, '0' and false: files tell them apart differently.
    """
    name = columns.single(config.column)
    present, codes = _distinct(columns.values[name])
    if len(codes) != rows:
        raise DataError(
            f"{columns.path}: the split column '{name}' has {len(codes)} rows and the others"
            f" {rows}; all columns need the same number."
        )
    everywhere = pool.union(present)
    wanted: dict[Hashable, int] = {}
    part = np.zeros(rows, np.intp)
    for number, values in enumerate((config.validation, config.test), start=1):
        for value in values:
            key = canonical(value)
            if wanted.setdefault(key, number) != number:
                raise DataError(f"{columns.path}: the split value '{value}' is in both validation and test.")
            if key not in everywhere:
                hint = _nearest(value, everywhere)
                raise DataError(f"{columns.path}: the split column '{name}' has no value '{value}'. {hint}")
            part[codes == present.get(key, ABSENT)] = number
    train, validation, test = (np.flatnonzero(part == number) for number in range(3))
    require_training_rows(sum(pool.counts(train.size)), columns.path)
    return Rows(train, validation, test)


def canonical(value: Any) -> Hashable:
    """What values of config and file are compared by: their number where they have one, else their text."""
    text = str(value).strip()
    lowered = text.lower()
    if lowered in ("true", "false"):
        return float(lowered == "true")
    try:
        return float(text)
    except ValueError:
        return text


def _distinct(cells: NDArray[Any]) -> tuple[dict[Hashable, int], Indices]:
    """Each distinct value's code, and the code of each row; -1 for a missing value."""
    import pandas as pd

    raw, uniques = pd.factorize(cells)
    present: dict[Hashable, int] = {}
    merged = [present.setdefault(canonical(value), len(present)) for value in uniques]
    return present, np.array([*merged, -1], np.intp)[raw]  # the code -1 picks the last entry


def _nearest(value: Any, present: Sequence[Hashable]) -> str:
    texts = [f"{key:g}" if isinstance(key, float) else str(key) for key in present]
    near = get_close_matches(str(value), texts, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"It has: {', '.join(texts[:10])}{', …' if len(texts) > 10 else ''}."


def _sizes(rows: int, validation: float, test: float, where: str) -> tuple[int, int]:
    """Rows of validation and test: the nearest to the share, at least one where there is a share."""
    sizes = [max(1, floor(share * rows + 0.5)) if share > 0 else 0 for share in (validation, test)]
    require_training_rows(max(0, rows - sum(sizes)), where)
    return sizes[0], sizes[1]


def _cut(order: Indices, validation: int, test: int) -> Sequence[Indices]:
    train = len(order) - validation - test
    return np.split(order, [train, train + validation])
