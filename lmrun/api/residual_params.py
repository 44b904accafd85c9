"""Parameters in the structure that a user gives them in, and as one vector [n]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.errors import DataError

Array = NDArray[np.float64]
Tensor = Any
Leaf = Any
"""An array, a tensor, a variable or a number."""


@dataclass(frozen=True)
class Params:
    """Arrays in a structure, one after the other in a vector [n].

    Attributes:
        start: Their values [n].
        structure: The structure, with anything in the places of the arrays.
        shapes: Of the arrays.
        types: Floating-point types in which tensors are handed to a function.
        names: Of the n numbers.
        tensors: Whether they were given as tensors or variables.
        model: The Keras model whose trainable variables they are, if any.
    """

    start: Array
    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    types: tuple[Any, ...]
    names: tuple[str, ...]
    tensors: bool
    model: Any = None

    @property
    def size(self) -> int:
        """Number n of parameters."""
        return len(self.start)

    def arrays(self, vector: Array) -> Any:
        """Return float64 arrays, or numbers, in the user's structure; a list of them for a Keras model."""
        parts = self._parts(vector)
        return parts if self.model is not None else tf.nest.pack_sequence_as(self.structure, parts)

    def call(self, function: Callable[[Any], Any], vector: Tensor) -> Any:
        """Call a function of tensors in the user's structure, or of the model with such weights."""
        # Forward mode differentiates the derivative of a split, but within XLA not that of a slice.
        parts = zip(tf.split(vector, self._sizes), self.shapes, self.types, strict=True)
        typed = [tf.cast(tf.reshape(part, shape), kind) for part, shape, kind in parts]
        if self.model is None:
            return function(tf.nest.pack_sequence_as(self.structure, typed))
        variables = self.model.trainable_variables
        with keras.StatelessScope(state_mapping=list(zip(variables, typed, strict=True))):
            return function(self.model)

    def assign(self, vector: Array) -> None:
        """Write the values into the variables of the model, where there is one."""
        if self.model is None:
            return
        for variable, part in zip(self.model.trainable_variables, self._parts(vector), strict=True):
            variable.assign(part)

    def flat_like(self, values: Any) -> Array:
        """Return numbers for all parameters [n]: one for all, a vector, or in the user's structure.

        Raises:
            ValueError: They are none of that.
        """
        if self.model is None and isinstance(values, Mapping):
            tf.nest.assert_same_structure(self.structure, values)
            leaves = [np.asarray(leaf, np.float64) for leaf in tf.nest.flatten(values)]
            parts = [np.broadcast_to(*each) for each in zip(leaves, self.shapes, strict=True)]
            return np.concatenate([np.ravel(part) for part in parts])
        return np.array(np.broadcast_to(np.asarray(values, np.float64), (self.size,)))

    @property
    def _sizes(self) -> list[int]:
        return [int(np.prod(shape, dtype=np.int64)) for shape in self.shapes]

    def _parts(self, vector: Array) -> list[Any]:
        pieces = np.split(vector, np.cumsum(self._sizes)[:-1])
        # A scalar is a number, not an array without dimensions.
        return [piece.reshape(shape).copy()[()] for piece, shape in zip(pieces, self.shapes, strict=True)]


def params_of(given: Any) -> Params:
    """Read parameters.

    Args:
        given: A number or a list of numbers (a vector, as in SciPy), an array, tensor or variable, a list,
            tuple or dictionary of those, or a Keras model that is built.

    Raises:
        DataError: They are no real, finite numbers, or there are none.
    """
    model = given if isinstance(given, keras.Layer) else None
    if model is not None:
        if not model.built:
            raise DataError("params0: the Keras model is not built and has no weights yet; call it once.")
        structure: Any = list(model.trainable_variables)
        labels = [variable.path for variable in structure]
    else:
        structure = np.atleast_1d(_array(given, "params0")) if _is_vector(given) else given
        labels = list(_labels(structure))
    leaves = tf.nest.flatten(structure)
    values = [_array(leaf, label) for leaf, label in zip(leaves, labels, strict=True)]
    names = [
        f"{label}{list(place) if place else ''}"
        for label, value in zip(labels, values, strict=True)
        for place in np.ndindex(value.shape)
    ]
    start = np.concatenate([np.zeros(0), *map(np.ravel, values)])
    if not start.size:
        raise DataError("params0: there are no parameters to fit; give at least one number.")
    if not np.isfinite(start).all():
        place = int(np.flatnonzero(~np.isfinite(start))[0])
        raise DataError(f"params0: {names[place]} is {start[place]}; every parameter needs a finite start.")
    return Params(
        start=start,
        structure=structure,
        shapes=tuple(value.shape for value in values),
        types=tuple(_type(leaf) for leaf in leaves),
        names=tuple(names),
        tensors=model is not None or any(map(_is_tensor, leaves)),
        model=model,
    )


def _is_vector(given: Any) -> bool:
    """Whether these are plain numbers."""
    if isinstance(given, list | tuple):
        return all(np.ndim(leaf) == 0 and not _is_tensor(leaf) for leaf in given)
    return not isinstance(given, Mapping) and not _is_tensor(given) and np.ndim(given) == 0


def _labels(structure: Any) -> Iterator[str]:
    """Name the leaves as Python would reach them, in the order of `tf.nest`."""
    if isinstance(structure, Mapping):
        # `tf.nest` sorts the keys.
        for key in sorted(structure):
            yield from (_below(str(key), label) for label in _labels(structure[key]))
    elif isinstance(structure, list | tuple):
        for place, item in enumerate(structure):
            yield from (_below(f"params[{place}]", label) for label in _labels(item))
    else:
        yield "params"


def _below(outer: str, inner: str) -> str:
    return outer + inner.removeprefix("params") if inner.startswith("params") else f"{outer}.{inner}"


def _is_tensor(leaf: Leaf) -> bool:
    return bool(tf.is_tensor(leaf)) or isinstance(leaf, keras.Variable)


def _type(leaf: Leaf) -> Any:
    kind = tf.as_dtype(leaf.dtype) if _is_tensor(leaf) else tf.float64
    return kind if kind.is_floating else tf.float64


def _array(leaf: Leaf, label: str) -> Array:
    plain = tf.convert_to_tensor(leaf).numpy() if isinstance(leaf, keras.Variable) else leaf
    try:
        made = np.asarray(plain)
        if made.dtype.kind in "biuf":
            return made.astype(np.float64)
        # What Keras calls bfloat16 is none of NumPy's own types.
        if made.dtype.kind == "V":
            return np.asarray(tf.cast(plain, tf.float64))
    except (TypeError, ValueError):
        pass
    raise DataError(f"params0: {label} should be real numbers, not {_shown(leaf)}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def flattened(made: Any) -> Sequence[Any]:
    """Return the arrays or tensors of what a residual function returned."""
    leaves: Sequence[Any] = tf.nest.flatten(made)
    return leaves
