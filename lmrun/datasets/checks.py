"""From cells to numbers, and what a table has to fulfil before anything is trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.columns import Columns
from lmrun.datasets.pool import ALONE, Pool
from lmrun.errors import DataError

Float64 = NDArray[np.float64]

MIN_TRAINING_ROWS = 2

# what pandas infers of a column -> what is said about it; any other kind is judged cell by cell
NOT_NUMERIC: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "holds true and false; write 1 and 0",
        "datetime": "holds dates; write them as numbers, such as seconds since the first one",
        "datetime64": "holds dates; write them as numbers, such as seconds since the first one",
        "date": "holds dates; write them as numbers, such as days since the first one",
        "time": "holds times; write them as numbers, such as seconds",
        "timedelta": "holds durations; write them as numbers, such as seconds",
        "timedelta64": "holds durations; write them as numbers, such as seconds",
        "complex": "holds complex numbers; write real and imaginary part as two columns",
    }
)


class Fault(NamedTuple):
    """The first bad cell of a column, and how many bad cells it has; sorts by row, then by column."""

    row: int
    position: int
    problem: str
    cells: int


def numbers(columns: Columns, names: Sequence[str]) -> Float64:
    """The named columns as finite numbers, [rows, names], float64.

    Raises:
        DataError: A column is not numeric, or a cell is missing, infinite or text.
    """
    result = np.empty((columns.rows(names), len(names)))
    faults: list[Fault] = []
    for position, name in enumerate(names):
        cells = columns.values[name]
        result[:, position] = _parse(columns.path, name, cells)
        bad = np.flatnonzero(~np.isfinite(result[:, position]))
        if bad.size:
            problem = _problem(cells[bad[0]], result[bad[0], position])
            faults.append(Fault(int(bad[0]), position, problem, bad.size))
    if faults:
        first = min(faults)
        raise columns.cell_error(
            first.problem,
            names[first.position],
            first.row,
            sum(fault.cells for fault in faults),
            "every cell needs a finite number",
        )
    return result


def _parse(path: str, name: str, cells: NDArray[Any]) -> Float64:
    """[rows] float64, NaN where a cell is no number."""
    import pandas as pd

    if cells.dtype.kind in "iuf":
        return cells.astype(np.float64)
    texts = pd.Series(cells.astype(object))
    kind = pd.api.types.infer_dtype(texts, skipna=True)
    if kind in NOT_NUMERIC:
        raise DataError(f"{path}: the column '{name}' {NOT_NUMERIC[kind]}.")
    return np.asarray(pd.to_numeric(texts, errors="coerce"), np.float64)


def _problem(cell: Any, number: float) -> str:
    import pandas as pd

    if np.isinf(number):
        return "an infinite value"
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return "a missing value"
    return f"the text '{cell}'" if str(cell).strip() else "a missing value"


def require_weights(columns: Columns, name: str, weights: Float64) -> None:
    """Refuse negative weights [rows] with a DataError."""
    bad = np.flatnonzero(weights < 0)
    if bad.size:
        problem = f"the negative weight {weights[bad[0]]:g}"
        raise columns.cell_error(problem, name, int(bad[0]), bad.size, "weights are zero or more")


def require_deviations(columns: Columns, name: str, sigma: Float64) -> None:
    """Refuse, with a DataError, standard deviations [rows] of which 1/sigma^2 is no positive number."""
    with np.errstate(divide="ignore", over="ignore"):
        usable = (sigma > 0) & np.isfinite(1 / np.square(sigma)) & (1 / np.square(sigma) > 0)
    bad = np.flatnonzero(~usable)
    if bad.size:
        problem = f"the standard deviation {sigma[bad[0]]:g}"
        words = "standard deviations are positive, from 1e-150 to 1e150"
        raise columns.cell_error(problem, name, int(bad[0]), bad.size, words)


def require_training_rows(rows: int, where: str) -> None:
    """Refuse, with a DataError, a training part too small to fit or to normalize anything."""
    if rows < MIN_TRAINING_ROWS:
        raise DataError(
            f"{where}: there {'is 1 row' if rows == 1 else f'are {rows} rows'} to train on, at least"
            f" {MIN_TRAINING_ROWS} are needed; add rows or make validation and test smaller."
        )


def require_some_weight(path: str, name: str, part: str, weights: Float64, pool: Pool = ALONE) -> None:
    """Refuse, with a DataError, a part of the split whose weights [rows] are all zero, on all workers."""
    if not any(pool.exchange(bool(weights.any()))):
        raise DataError(f"{path}: the column '{name}' is zero in every {part} row; nothing would count.")


def require_variation(
    path: str, names: Sequence[str], targets: NDArray[Any], classes: int, pool: Pool = ALONE
) -> None:
    """Refuse, with a DataError, training targets that say nothing: a constant column, or a single class.

    Nor can a constant be normalized.

    Args:
        path: The file.
        names: The target columns.
        targets: [rows, targets], or class labels [rows].
        classes: Number of exclusive classes, or 0.
        pool: Who has further rows.
    """
    by_column = np.asarray(targets if targets.ndim > 1 else targets[:, None], np.float64)
    low, high = pool.lowest(by_column), pool.highest(by_column)
    if classes:
        if (low == high).all():
            quoted = ", ".join(f"'{name}'" for name in names)
            raise DataError(f"{path}: the training rows have a single class in {quoted}; two are needed.")
        return
    for name, least, most in zip(names, low, high, strict=True):
        if least == most:
            raise DataError(
                f"{path}: the target column '{name}' is {least:g} in every training row;"
                " leave it out, or change the split."
            )
