"""From what a program hands over to the rows of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.api.streams import Given, gather, is_stream
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Split
from lmrun.errors import DataError

Array = NDArray[Any]


def given(x: Any, y: Any = None, weights: Any = None, what: str = "x", steps: int | None = None) -> Given:
    """Take arrays as they are and read streams, of endless ones `steps` batches.

    Raises:
        DataError: Targets or weights beside a stream, which has its own.
    """
    if not is_stream(x):
        return Given(x, y, weights)
    if y is not None or weights is not None:
        raise DataError(
            f"{what}: a stream brings its own targets and weights; leave y and sample_weight out."
        )
    return gather(x, what, steps)


def given_validation(data: Any, steps: int | None = None) -> Given | None:
    """Read `validation_data`: a stream, (x, y), (x, y, weights), or a table with the targets of a formula.

    Args:
        data: What was given.
        steps: Batches to read of a stream whose end is not known.

    Raises:
        DataError: It is none of these.
    """
    if data is None:
        return None
    if is_stream(data):
        return gather(data, "validation_data", steps)
    if isinstance(data, Mapping) or hasattr(data, "columns"):
        # A table whose columns a formula finds by their names, its targets among them.
        return Given(data)
    if isinstance(data, tuple | list) and len(data) in {2, 3}:
        return Given(*data)
    raise DataError("validation_data: should be (x, y), (x, y, sample_weight) or a stream of batches.")


def several(x: Any) -> dict[str, Array]:
    """Return inputs by their names, or by their numbers where they have none; a single one has the name 0."""
    if isinstance(x, Mapping):
        return {str(name): np.asarray(values) for name, values in x.items()}
    if isinstance(x, list | tuple) and x and all(np.ndim(one) >= 1 for one in x) and not _is_table(x):
        return {str(number): np.asarray(values) for number, values in enumerate(x)}
    return {"0": np.asarray(x)}


def _is_table(x: Sequence[Any]) -> bool:
    """Whether a list is one array, row by row, and not a list of arrays."""
    return not any(hasattr(one, "shape") for one in x)


def in_order(
    x: Mapping[str, Array],
    names: Sequence[str],
    what: str = "x",
    verb: str = "reads",
    nouns: str = "inputs",
) -> list[Array]:
    """Return inputs, or the targets of outputs, in the order of a model's.

    Args:
        x: By name, or by number.
        names: The model's own.
        what: `x` or `y`, for messages.
        verb: The same.
        nouns: The same.

    Raises:
        DataError: They are others, or not as many.
    """
    if len(x) == 1 == len(names):
        return list(x.values())
    if set(x) >= set(names):
        return [x[name] for name in names]
    numbered = all(name.isdecimal() for name in x)
    if len(x) == len(names) and (numbered or not any(name in x for name in names)):
        return list(x.values()) if numbered else [x[name] for name in sorted(x)]
    found = f"{len(x)}" if numbered else ", ".join(x)
    told = f"{len(names)} {nouns}, {', '.join(names)}"
    raise DataError(f"{what}: the model {verb} {told}, and {what} has {found}.")


def numbers(values: Any, what: str) -> Array:
    """Return values as an array of numbers [rows, ...].

    Raises:
        DataError: They are not numbers, or have no rows.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{what}: holds {type(array.flat[0]).__name__} values; give numbers.") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what}: holds {array.dtype} values; give real numbers.")
    if not array.ndim or not len(array):
        raise DataError(f"{what}: has no rows.")
    return array


def floats(values: Any, what: str, precision: str) -> Array:
    """Return values as finite floating-point numbers in the training's precision.

    Raises:
        DataError: See `numbers`; or one is not finite in that precision.
    """
    array = numbers(values, what)
    with np.errstate(over="ignore"):
        rounded = np.ascontiguousarray(array, precision)
    if not np.isfinite([rounded.min(), rounded.max()]).all():
        row = int(np.argwhere(~np.isfinite(rounded))[0][0])
        raise DataError(f"{what}: a value in row {row} (counted from 0) is not finite in {precision}.")
    return rounded


def samples(array: Array, shape: tuple[int | None, ...] | None, what: str) -> Array:
    """Return an input [rows, ...] with samples of a shape; [rows] is one column.

    Raises:
        DataError: The samples have another shape.
    """
    if array.ndim == 1 and shape != ():
        array = array[:, None]
    own = array.shape[1:]
    fits = shape is None or (
        len(own) == len(shape) and all(b in {None, a} for a, b in zip(own, shape, strict=True))
    )
    if not fits:
        raise DataError(f"{what}: its samples have the shape {own}, and the model reads {shape}.")
    return array


def same_rows(parts: Mapping[str, Array]) -> None:
    """Refuse arrays of different numbers of rows with a DataError."""
    rows = {name: len(array) for name, array in parts.items()}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise DataError(f"The arrays have different numbers of rows: {told}.")


def weights_of(values: Any, precision: str, what: str = "sample_weight") -> Array | None:
    """Return the weights of the rows [rows].

    Raises:
        DataError: One is negative, or all are zero.
    """
    if values is None:
        return None
    weights = floats(values, what, precision)
    weights = weights[:, 0] if weights.shape[1:] == (1,) else weights
    if weights.ndim != 1:
        raise DataError(f"{what}: should be [rows], not of the shape {weights.shape}.")
    if (weights < 0).any() or not weights.any():
        raise DataError(f"{what}: weights are zero or more, and some above zero.")
    return weights


def targets_of(
    y: Any, kind: TargetKind, width: int, precision: str, *, any_width: bool = False, what: str = "y"
) -> Array:
    """Return the targets as the loss expects them.

    Args:
        y: [rows, ...], or a list or mapping of them, for several outputs.
        kind: What the loss expects.
        width: Outputs of the model per row.
        precision: Of the training.
        any_width: Whether a loss of the user's own decides what the targets are.
        what: The name of the targets, for messages.

    Raises:
        DataError: They do not fit the loss or the model.
    """
    if y is None:
        raise DataError(f"{what}: the targets are missing.")
    parts = list(several(y).values())
    if kind == "labels":
        return _labels(numbers(parts[0], what), width, what)
    flat = [np.reshape(one, (len(one), -1)) for one in (floats(part, what, precision) for part in parts)]
    same_rows({f"{what}[{number}]": part for number, part in enumerate(flat)})
    whole = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
    if whole.shape[1] != width and not any_width:
        raise DataError(f"{what}: has {whole.shape[1]} values per row, and the model predicts {width}.")
    if kind in {"binary", "one_hot"} and not ((whole >= 0) & (whole <= 1)).all():
        raise DataError(f"{what}: this loss wants 0 or 1, or shares between them.")
    return np.ascontiguousarray(whole)


def _labels(labels: Array, classes: int, what: str) -> Array:
    flat = np.reshape(labels, (len(labels), -1))
    if flat.shape[1] != 1:
        raise DataError(
            f"{what}: labels are one integer per row, not {flat.shape[1]} values; for one-hot targets use "
            "loss: categorical_crossentropy."
        )
    column = flat[:, 0]
    if (column != np.floor(column)).any() or column.min() < 0 or column.max() >= classes:
        raise DataError(
            f"{what}: labels are integers from 0 to {classes - 1}, as many as the model has outputs."
        )
    return column.astype(np.int64)


def split_of(inputs: Array, targets: Array, weights: Array | None) -> Split:
    """Put rows together.

    Raises:
        DataError: The numbers of rows differ.
    """
    parts = {"x": inputs, "y": targets, **({} if weights is None else {"sample_weight": weights})}
    same_rows(parts)
    return Split(inputs, targets, weights)


def cut_off(data: Given, share: float) -> tuple[Given, Given]:
    """Cut the last rows off for validation, as Keras does.

    Args:
        data: All rows.
        share: Of the rows, above 0 and below 1.

    Raises:
        DataError: The share leaves no rows on one side.
    """
    arrays = [*several(data.x).values()]
    rows = len(arrays[0])
    count = rows - int(rows * (1.0 - share))
    if not 0 < share < 1 or not 0 < count < rows:
        raise DataError(f"validation_split: {share:g} of {rows} rows leaves none on one side.")

    def part(values: Any, piece: slice) -> Any:
        if values is None:
            return None
        if hasattr(values, "iloc"):
            return values.iloc[piece]
        if isinstance(values, Mapping):
            return {name: np.asarray(one)[piece] for name, one in values.items()}
        if len(several(values)) > 1:
            return [one[piece] for one in several(values).values()]
        return np.asarray(values)[piece]

    first, last = slice(None, rows - count), slice(rows - count, None)
    x, y, weights, size = data
    return (
        Given(part(x, first), part(y, first), part(weights, first), size),
        Given(part(x, last), part(y, last), part(weights, last), size),
    )
