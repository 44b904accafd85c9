"""NPZ and MAT files: named arrays, a column or several each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import open_npz, readable
from lmrun.errors import DataError


def read_npz(path: str) -> Columns:
    """Read an NPZ file: 1-D arrays and 2-D ones of a single column are columns, X [rows, k] is X1 to Xk.

    Raises:
        DataError: The file is missing or damaged, or two arrays make the same column.
    """
    with open_npz(Path(path), path) as archive:
        arrays: dict[str, NDArray[Any]] = {}
        unusable: dict[str, str] = {}
        for name in archive.files:
            try:
                arrays[name] = archive[name]
            except ValueError:  # needs unpickling, which could run code
                unusable[name] = "it holds Python objects"
    return _columns(path, arrays, unusable)


def read_mat(path: str) -> Columns:
    """Read a MATLAB file up to version 7: column vectors are columns, a matrix X [rows, k] is X1 to Xk.

    Raises:
        DataError: The file is missing, damaged or of version 7.3, or two variables make the same column.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        with readable(path, "MAT", MatReadError, TypeError, KeyError), open(path, "rb") as file:
            variables = loadmat(file)  # type: ignore[arg-type]  # the stubs know paths only
    except NotImplementedError:
        raise DataError(f"{path}: the file is MAT version 7.3; save it with save(..., '-v7').") from None
    arrays: dict[str, NDArray[Any]] = {}
    unusable: dict[str, str] = {}
    for name, value in variables.items():
        if name.startswith("__"):
            continue
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufcU":
            unusable[name] = "it is no array of numbers or text"
        elif value.ndim == 2 and value.shape[0] == 1 and value.shape[1] > 1:
            unusable[name] = f"it is a row of {value.shape[1]} values; save it as a column, {name}(:)"
        else:
            arrays[name] = value
    return _columns(path, arrays, unusable)


def _columns(path: str, arrays: dict[str, NDArray[Any]], unusable: dict[str, str]) -> Columns:
    values: dict[str, NDArray[Any]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            made = {name: array}
        elif array.ndim == 2 and array.shape[1] == 1:
            made = {name: array[:, 0]}
        elif array.ndim == 2 and array.shape[1] > 1:
            made = {f"{name}{i + 1}": column for i, column in enumerate(array.T)}
            groups[name] = tuple(made)
        else:
            unusable[name] = f"its shape is {list(array.shape)}"
            continue
        twice = values.keys() & made.keys()
        if twice:
            raise DataError(f"{path}: two arrays make the column '{min(twice)}'; rename one of them.")
        values.update(made)
    return Columns(path, values, groups, unusable)
