"""Residual functions of NumPy arrays: what they return is checked, remembered and counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.api.residual_differences import Differences
from lmrun.api.residual_params import Params, flattened
from lmrun.errors import DataError

Array = NDArray[np.float64]

REMEMBERED = 4
"""Points of which residuals are kept: a trial that is accepted is where the next step begins."""


class Remembered:
    """A function of params [n] that keeps its last values, and counts how often it was computed.

    Args:
        function: Any function of a vector.
        most: Values that are kept.
    """

    def __init__(self, function: Callable[[Array], Array], most: int) -> None:
        self.function = function
        self.most = most
        self.calls = 0
        self._known: OrderedDict[bytes, Array] = OrderedDict()

    def __call__(self, params: Array) -> Array:
        """Return the value, anew or from memory; nobody writes to it."""
        key = params.tobytes()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        made = self.function(params)
        self.calls += 1
        made.setflags(write=False)
        self._known[key] = made
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return made


def residual_vector(made: Any, *, allow_complex: bool = False) -> Any:
    """Put what a function returned into one vector [m]: a number, an array, or several in a list.

    Raises:
        DataError: It is nothing of that.
    """
    kinds = "biufc" if allow_complex else "biuf"
    parts = []
    for leaf in flattened(made):
        try:
            part = np.asarray(leaf)
        except (TypeError, ValueError):
            part = np.asarray(None)
        if part.dtype.kind not in kinds:
            what = "complex numbers" if part.dtype.kind == "c" else f"{type(leaf).__name__}"
            raise DataError(
                f"residuals: the function should return real numbers, an array [m] or a list of arrays, but "
                f"there is {what} in what it returned."
            )
        parts.append(np.ravel(part))
    if not parts:
        raise DataError("residuals: the function returned an empty list; there is nothing to minimize.")
    return np.concatenate(parts).astype(np.complex128 if allow_complex else np.float64)


def same_count(made: Array, rows: int) -> Array:
    """Return residuals that are as many as at the start.

    Raises:
        DataError: They are not.
    """
    if len(made) != rows:
        raise DataError(
            f"residuals: the function returned {rows} residuals for params0 and {len(made)} later on. Their "
            "number may not depend on the parameters: return 0 for those that do not count."
        )
    return made


def checked_start(residual: Array) -> Array:
    """Return the residuals of the start, which are finite and at least one.

    Raises:
        DataError: They are not.
    """
    if not residual.size:
        raise DataError("residuals: the function returned no residuals for params0.")
    bad = np.flatnonzero(~np.isfinite(residual))
    if bad.size:
        raise DataError(
            f"residuals: {bad.size} of the {residual.size} residuals of params0 are not finite (the first "
            f"is number {bad[0]}, {residual[bad[0]]}). Begin elsewhere, or check the function's domain."
        )
    return residual


def checked_jacobian(made: Any, rows: int, params: Params) -> Array:
    """Return a user's Jacobian [m, n], dense.

    Raises:
        DataError: It has another shape.
    """
    dense = made.toarray() if hasattr(made, "toarray") else made
    table = np.atleast_1d(np.asarray(dense, np.float64))
    if table.ndim == 1 and 1 in (rows, params.size):
        table = table.reshape(rows if params.size == 1 else 1, -1)
    if table.shape != (rows, params.size):
        hint = " It is transposed: return jac.T." if table.shape == (params.size, rows) else ""
        raise DataError(
            f"jac: the function returned an array {list(table.shape)}; with {rows} residuals and "
            f"{params.size} parameters it should be [{rows}, {params.size}], row i the derivatives of "
            f"residual i.{hint}"
        )
    # A copy: the function may write into the same memory next time.
    return np.array(table)


class ArrayFunction:
    """A user's function of arrays in the user's structure, as one of vectors.

    Args:
        function: From the parameters to residuals.
        params: Their structure.

    Attributes:
        makes_tensors: Whether the last call returned tensors though it was handed arrays.
    """

    def __init__(self, function: Callable[[Any], Any], params: Params) -> None:
        self.function = function
        self.params = params
        self.rows: int | None = None
        self.makes_tensors = False

    def __call__(self, vector: Array) -> Array:
        """Return r [m] at params [n], or the complex one of complex params."""
        complex_too = bool(np.iscomplexobj(vector))
        given = self.function(self.params.arrays(vector))
        self.makes_tensors = any(map(tf.is_tensor, flattened(given)))
        made = residual_vector(given, allow_complex=complex_too)
        if self.rows is None:
            self.rows = len(made)
        return np.asarray(same_count(made, self.rows))


def jacobian_by(
    jac: Callable[[Any], Any] | Differences, function: ArrayFunction, values: Remembered
) -> Callable[[Array], Array]:
    """Return the Jacobian as a function of params [n], by a user's function or by differences.

    Args:
        jac: Which of them.
        function: The residuals, of which nothing is remembered.
        values: The same, remembered.
    """
    if isinstance(jac, Differences):
        return lambda vector: jac.jacobian(function, vector, values(vector))
    params = function.params
    return lambda vector: checked_jacobian(jac(params.arrays(vector)), len(values(vector)), params)
