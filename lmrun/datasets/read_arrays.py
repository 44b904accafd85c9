"""Named arrays as columns, a column or several each; NPZ files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import open_npz
from lmrun.errors import DataError

Samples = Literal["rows", "columns"]
"""Where the samples of a matrix lie: one per row, or, as in MATLAB's toolbox, one per column."""


def read_npz(path: str, samples: Samples = "rows") -> Columns:
    """Read an NPZ file: 1-D arrays and 2-D ones of a single column are columns, X [rows, k] is X1 to Xk.

    Args:
        path: The file.
        samples: `columns`: a 2-D array is [k, rows].

    Raises:
        DataError: The file is missing or damaged, or two arrays make the same column.
    """
    with open_npz(Path(path), path) as archive:
        arrays: dict[str, NDArray[Any]] = {}
        unusable: dict[str, str] = {}
        for name in archive.files:
            try:
                found = archive[name]
            except ValueError:  # needs unpickling, which could run code
                unusable[name] = "it holds Python objects"
                continue
            if isinstance(found, np.ndarray):
                arrays[name] = found
            else:
                unusable[name] = "it is no array"
    return columns_of_arrays(path, arrays, unusable, samples)


def columns_of_arrays(
    path: str, arrays: Mapping[str, NDArray[Any]], unusable: Mapping[str, str], samples: Samples
) -> Columns:
    """Take arrays apart into columns: 1-D ones, and the columns (or rows, see `samples`) of 2-D ones.

    Args:
        path: The file; messages begin with it.
        arrays: By their names in the file.
        unusable: What else the file holds, with the reason why it is no column.
        samples: Where the samples of 2-D arrays lie.

    Raises:
        DataError: Two arrays make the same column.
    """
    values: dict[str, NDArray[Any]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    useless = dict(unusable)
    for name, array in arrays.items():
        matrix = array.T if samples == "columns" else array  # [rows, k]; of 1-D arrays, themselves
        if matrix.ndim == 1:
            made = {name: matrix}
        elif matrix.ndim == 2 and matrix.shape[1] == 1:
            made = {name: matrix[:, 0]}
        elif matrix.ndim == 2 and matrix.shape[1] > 1:
            made = {f"{name}{i + 1}": column for i, column in enumerate(matrix.T)}
            groups[name] = tuple(made)
        else:
            useless[name] = f"its shape is {list(array.shape)}"
            continue
        twice = values.keys() & made.keys()
        if twice:
            raise DataError(f"{path}: two arrays make the column '{min(twice)}'; rename one of them.")
        values.update(made)
    shapes = {name: tuple(map(int, np.shape(array))) for name, array in arrays.items()}
    return Columns(path, values, groups, useless, shapes=shapes)
