"""MAT files: up to version 7 by SciPy, and 7.3, which is HDF5, by h5py."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import readable
from lmrun.datasets.read_arrays import Samples, columns_of_arrays

NO_NUMBERS = "it is no array of numbers or text"

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "cell": "it is a cell array; save cell2mat({name}) or its parts",
        "struct": "it is a structure; save its fields as variables, save(..., '-struct', '{name}')",
        "table": "it is a table; save its variables, or writetable({name}, 'data.csv')",
        "string": "it holds strings; save char({name})",
        "sparse": "it is sparse; save full({name})",
    }
)
"""What a variable of a class that is no array of numbers can be saved as instead."""


def read_mat(path: str, samples: Samples = "rows") -> Columns:
    """Read a MATLAB file: column vectors are columns, a matrix X [rows, k] is X1 to Xk.

    Nothing of the file is ever executed or unpickled: cells, structures and objects are no columns.

    Args:
        path: The file.
        samples: `columns`: row vectors are columns, and a matrix is [k, rows], as the toolbox has them.

    Raises:
        DataError: The file is missing or damaged, or two variables make the same column.
    """
    found = _version_7_3(path) if is_version_7_3(path) else _up_to_version_7(path)
    arrays: dict[str, NDArray[Any]] = {}
    unusable: dict[str, str] = {}
    for name, value in found.items():
        words = value if isinstance(value, str) else lies_across(name, value.shape, samples)
        if words is not None:
            unusable[name] = words
        else:
            arrays[name] = np.asarray(value)
    return columns_of_arrays(path, arrays, unusable, samples)


def is_version_7_3(path: str) -> bool:
    """Whether a MAT file is HDF5.

    Raises:
        DataError: The file is missing or cannot be opened.
    """
    import h5py

    with readable(path, "MAT"), open(path, "rb"):  # h5py alone would not say what is wrong with a path
        return bool(h5py.is_hdf5(path))


def lies_across(name: str, shape: tuple[int, ...], samples: Samples) -> str | None:
    """Say what is wrong with a vector that has the direction in which samples do not go."""
    if len(shape) != 2 or min(shape) != 1 or max(shape) == 1:
        return None
    if samples == "rows" and shape[0] == 1:
        return (
            f"it is a row of {shape[1]} values; save it as a column, {name}(:), or say that samples lie"
            " in columns, samples: columns"
        )
    if samples == "columns" and shape[1] == 1:
        return (
            f"it is a column of {shape[0]} values, and samples: columns needs rows; save {name}.' or"
            " remove samples"
        )
    return None


def _up_to_version_7(path: str) -> dict[str, NDArray[Any] | str]:
    """The variables, or in words why they are no columns."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    # NotImplementedError: the header says 7.3, and what follows is no HDF5.
    damages = (MatReadError, TypeError, KeyError, NotImplementedError)
    with readable(path, "MAT", *damages), open(path, "rb") as file:
        variables = loadmat(file)  # type: ignore[arg-type]  # the stubs know paths only
    return {name: _usable(name, value) for name, value in variables.items() if not name.startswith("__")}


def _usable(name: str, value: Any) -> NDArray[Any] | str:
    if hasattr(value, "toarray"):
        return CLASSES["sparse"].format(name=name)
    if not isinstance(value, np.ndarray):
        return NO_NUMBERS
    if value.dtype.kind in "biufcU":
        return value
    # SciPy gives a structure fields, and a cell array none.
    kind = "cell" if value.dtype.kind == "O" and not value.dtype.names else "struct"
    opaque = value.dtype.names is not None and "s0" in value.dtype.names
    return NO_NUMBERS if opaque else CLASSES[kind].format(name=name)


def _version_7_3(path: str) -> dict[str, NDArray[Any] | str]:
    """The variables, or in words why they are no columns."""
    import h5py

    with readable(path, "MAT", KeyError, RuntimeError), h5py.File(path, "r") as file:
        # `#refs#` and `#subsystem#` hold what cells and objects refer to.
        return {name: variable(name, file[name]) for name in file if not name.startswith("#")}


def streams_as_it_is(node: Any) -> bool:
    """Whether a variable of an HDF5 file is an array of numbers that can be read slice by slice."""
    import h5py

    others = {*CLASSES, "char"}
    return (
        isinstance(node, h5py.Dataset)
        and _text(node.attrs.get("MATLAB_class", "")) not in others
        and not {"MATLAB_sparse", "MATLAB_empty"} & set(node.attrs)
        and (node.dtype.kind in "biufc" or node.dtype.names == ("real", "imag"))
    )


def numbers_of(value: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in MATLAB's order of the dimensions."""
    if value.dtype.names == ("real", "imag"):
        value = value["real"] + 1j * value["imag"]
    return value.T


def variable(name: str, node: Any) -> NDArray[Any] | str:
    """One variable of an HDF5 file; MATLAB writes its dimensions in reverse order."""
    import h5py

    kind = _text(node.attrs.get("MATLAB_class", ""))
    if "MATLAB_sparse" in node.attrs:
        kind = "sparse"
    elif isinstance(node, h5py.Group):
        kind = kind if kind in CLASSES else "struct"
    if kind in CLASSES:
        return CLASSES[kind].format(name=name)
    if "MATLAB_empty" in node.attrs:  # the data are the dimensions
        return np.empty(tuple(int(size) for size in node[()]))
    value = numbers_of(np.asarray(node[()]))
    if value.dtype.kind not in "biufc":
        return NO_NUMBERS
    return _texts(value) if kind == "char" else value


def _texts(codes: NDArray[Any]) -> NDArray[Any]:
    """Rows of UTF-16 code units [rows, characters] as texts [rows, 1]."""
    rows = np.atleast_2d(codes).astype("<u2")
    return np.array([[row.tobytes().decode("utf-16-le", "replace").rstrip()] for row in rows])


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
