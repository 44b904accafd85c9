"""Columns of a file as a matrix, in the user's units."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.checks import numbers
from lmrun.datasets.read_arrays import Samples
from lmrun.datasets.table_files import read_columns


def read_matrix(path: str, names: Iterable[str], samples: Samples = "rows") -> NDArray[np.float64]:
    """Read columns of a CSV, Parquet, NPZ or MAT file as numbers, such as the inputs of a prediction.

    Args:
        path: The file.
        names: The columns, or arrays that stand for several.
        samples: Where the samples of NPZ and MAT files lie.

    Returns:
        [rows, columns], float64, in the user's units.

    Raises:
        DataError: The file cannot be read, or a cell is missing, infinite or not a number.
    """
    columns = read_columns(path, samples)
    return numbers(columns, columns.expand(names))
