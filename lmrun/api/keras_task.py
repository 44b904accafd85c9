"""A Keras model and its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from lmrun.api.arrays import (
    Array,
    floats,
    in_order,
    numbers,
    same_rows,
    samples,
    several,
    split_of,
    targets_of,
    weights_of,
)
from lmrun.api.losses import choose
from lmrun.api.streams import Given
from lmrun.config.schema import Config
from lmrun.datasets.base import Split
from lmrun.errors import DataError
from lmrun.models.adopted import AdoptedNetwork, adopt

MOST_NAMES = 1_000
"""Columns that have a name each; images have one for all."""


class KerasTask:
    """A Keras model; see `tasks.Task`.

    Args:
        model: The user's.
        data: The training rows, which say what inputs and targets look like.
        loss: See `losses.choose`.
        precision: Of the training; None for that of the model's weights.

    Raises:
        DataError: The model cannot be fitted to such data.
    """

    def __init__(self, model: keras.Model, data: Given, loss: Any, precision: str | None) -> None:
        self.section: Mapping[str, Any] = {"name": "keras"}
        self.samples = sample_shapes(model, data.x)
        self.adopted = adopt(model, self.samples, precision)
        self.precision = str(self.adopted.model.trainable_variables[0].dtype)
        self.shapes = output_shapes(self.adopted)
        self.width = sum(math.prod(shape) for shape in self.shapes)
        targets = [] if data.y is None else list(several(data.y).values())
        single = len(targets) == len(self.shapes) == 1
        of_targets = targets[0].shape[1:] or (1,) if single else None
        self.loss = choose(loss, model, (of_targets, self.shapes[0] if single else None))
        self.input_names = column_names(self.samples, data.x)
        count = 1 if self.loss.kind == "labels" else sum(math.prod(one.shape[1:]) for one in targets)
        self.target_names = target_names(count, self.input_names)

    def network(self, config: Config) -> AdoptedNetwork:
        """The model as a network."""
        return self.adopted

    def inputs(self, x: Any, precision: str, what: str = "x") -> Array:
        """Several inputs stand side by side, [rows, columns]."""
        arrays = in_order(several(x), list(self.samples))
        parts = {
            f"{what}['{name}']": samples(floats(one, what, precision), shape, what)
            for one, (name, shape) in zip(arrays, self.samples.items(), strict=True)
        }
        same_rows(parts)
        flat = list(parts.values())
        return flat[0] if len(flat) == 1 else np.concatenate([one.reshape(len(one), -1) for one in flat], 1)

    def split(self, data: Given, precision: str, what: str = "") -> Split:
        """See `Task`."""
        targets = targets_of(data.y, self.loss.kind, self.width, precision, any_width=self.loss.own)
        inputs = self.inputs(data.x, precision, f"{what}x")
        return split_of(inputs, targets, weights_of(data.weights, precision, f"{what}sample_weight"))

    def outputs(self, outputs: NDArray[np.floating]) -> Any:
        """One array, or a list of them for several outputs."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = np.split(outputs, ends, axis=1)
        made = [part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return made[0] if len(made) == 1 else made


def sample_shapes(model: keras.Model, x: Any) -> dict[str, tuple[int, ...]]:
    """Return the name of every input of a model and the shape of its samples, in the model's order.

    Raises:
        DataError: The data have other inputs.
    """
    parts = {name: numbers(values, "x") for name, values in several(x).items()}
    functional = isinstance(model, keras.Sequential | keras.Function) and model.built
    if not functional:
        return {name: samples(one, None, "x").shape[1:] for name, one in parts.items()}
    names = [str(one.name) for one in model.inputs]
    arrays = zip(in_order(parts, names), model.inputs, strict=True)
    return {str(one.name): samples(array, tuple(one.shape[1:]), "x").shape[1:] for array, one in arrays}


def output_shapes(network: AdoptedNetwork) -> list[tuple[int, ...]]:
    """Return the shapes of a sample of every output.

    Raises:
        DataError: A length depends on the inputs.
    """
    shapes = [tuple(one.shape[1:]) for one in network.model.outputs]
    if any(size is None for shape in shapes for size in shape):
        raise DataError(f"model: its outputs have the shapes {shapes}; lmrun needs shapes without None.")
    return shapes


def column_names(shapes: Mapping[str, tuple[int, ...]], x: Any) -> tuple[str, ...]:
    """Return a name for every column that a network reads; one for an only image."""
    if hasattr(x, "columns"):
        return tuple(str(name) for name in x.columns)
    found: list[str] = []
    for name, shape in shapes.items():
        label = "x" if len(shapes) == 1 else f"x{name}" if name.isdecimal() else name
        width = math.prod(shape)
        one = width == 1 or width > MOST_NAMES or (len(shape) != 1 and len(shapes) == 1)
        found += [label] if one else [f"{label}{number + 1}" for number in range(width)]
    return tuple(found)


def target_names(count: int, taken: Sequence[str]) -> tuple[str, ...]:
    """Return names for targets that no input has."""
    stem = "y" if not any(name.startswith("y") for name in taken) else "target"
    return (stem,) if count <= 1 else tuple(f"{stem}{number + 1}" for number in range(count))
