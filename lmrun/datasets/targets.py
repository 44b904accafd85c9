"""What a loss expects the targets to be, and how a table's target columns become that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.config.losses import TargetKind
from lmrun.datasets.columns import Columns
from lmrun.datasets.pool import ALONE, Pool
from lmrun.errors import DataError

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """Targets of all rows before the split, and the number of exclusive classes (0: none)."""

    values: NDArray[Any]
    classes: int = 0


def require_values(dataset: str, targets: TargetKind) -> None:
    """Refuse, with a DataError, a loss for classes on a dataset whose target is a real number."""
    if targets != "values":
        raise DataError(
            f"the dataset '{dataset}' has a real-valued target and the loss wants classes;"
            " choose loss: mse, mae or huber."
        )


def encode(
    kind: TargetKind, columns: Columns, names: Sequence[str], values: Float64, pool: Pool = ALONE
) -> Targets:
    """Make the targets of a table.

    Args:
        kind: What the loss expects.
        columns: The file, for messages.
        names: The target columns.
        values: Their numbers, float64 [rows, names].
        pool: Who has further rows.

    Raises:
        DataError: The columns do not hold what the loss expects.
    """
    return _ENCODERS[kind](columns, names, values, pool)


def _values(columns: Columns, names: Sequence[str], values: Float64, pool: Pool) -> Targets:
    return Targets(values)


def _binary(columns: Columns, names: Sequence[str], values: Float64, pool: Pool) -> Targets:
    _require(columns, names, values, (values == 0) | (values == 1), "this loss wants 0 or 1")
    return Targets(values)


def _one_hot(columns: Columns, names: Sequence[str], values: Float64, pool: Pool) -> Targets:
    if len(names) < 2:
        raise DataError(
            f"{columns.path}: one-hot classes need a target column each, and '{names[0]}' is the only one;"
            " for a column of labels choose loss: sparse_categorical_crossentropy."
        )
    _binary(columns, names, values, pool)
    bad = np.flatnonzero(values.sum(axis=1) != 1)
    if bad.size:
        more = f", the first of {bad.size} such rows" if bad.size > 1 else ""
        raise DataError(
            f"{columns.path}: the target columns {', '.join(names)} add up to {values[bad[0]].sum():g}"
            f" at {columns.place(int(bad[0]))}{more}; one-hot classes have a single 1 per row."
        )
    return Targets(values, classes=len(names))


def _labels(columns: Columns, names: Sequence[str], values: Float64, pool: Pool) -> Targets:
    if len(names) > 1:
        raise DataError(
            f"{columns.path}: class labels stand in one target column, and there are {len(names)};"
            " for a column per class choose loss: categorical_crossentropy."
        )
    valid = (values == np.floor(values)) & (values >= 0) & (values < 2.0**53)
    _require(columns, names, values, valid, "class labels are integers from 0")
    labels = values[:, 0].astype(np.int64)
    present = np.unique(np.array(pool.union(np.unique(labels).tolist()), np.int64))
    if present.size != present[-1] + 1:
        gap = next(i for i, label in enumerate(present) if i != label)
        raise DataError(
            f"{columns.path}: the column '{names[0]}' has labels up to {present[-1]} but none is {gap};"
            " number the classes from 0 without gaps."
        )
    return Targets(labels, classes=present.size)


def _require(
    columns: Columns, names: Sequence[str], values: Float64, valid: NDArray[np.bool_], advice: str
) -> None:
    bad = np.argwhere(~valid)
    if bad.size:
        row, position = bad[0]
        value = f"the value {values[row, position]:g}"
        raise columns.cell_error(value, names[position], int(row), len(bad), advice)


_ENCODERS: Mapping[TargetKind, Callable[[Columns, Sequence[str], Float64, Pool], Targets]] = MappingProxyType(
    {"values": _values, "binary": _binary, "one_hot": _one_hot, "labels": _labels}
)
