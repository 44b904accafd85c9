"""A Keras model and its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
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
from lmrun.api.endings import is_share
from lmrun.api.ignored import refuse_ignored
from lmrun.api.losses import Chosen, choose
from lmrun.api.outputs import output_shapes, structure_of
from lmrun.api.several_losses import Part, by_output, joint, weights_by_output
from lmrun.api.streams import Given
from lmrun.config.schema import Config
from lmrun.datasets.base import Split
from lmrun.errors import DataError
from lmrun.models.adopted import AdoptedNetwork, adopt

MOST_NAMES = 1_000
"""Columns that have a name each; images have one for all."""
ROW, SOME_ROWS = 1, 64
"""Rows that are looked at before the training."""


class KerasTask:
    """A Keras model; see `tasks.Task`.

    Args:
        model: The user's.
        data: The training rows, which say what inputs and targets look like.
        loss: See `losses.choose`; for several outputs also a list, or a mapping by their names.
        precision: Of the training; None for that of the model's weights.
        loss_weights: Of several outputs.
        restarts: Further starts, from other initial weights.

    Raises:
        DataError: The model cannot be fitted to such data.
    """

    def __init__(  # noqa: PLR0917 - what a model is trained with
        self,
        model: keras.Model,
        data: Given,
        loss: Any,
        precision: str | None,
        loss_weights: Any = None,
        restarts: int = 0,
    ) -> None:
        self.section: Mapping[str, Any] = {"name": "keras", **({"restarts": restarts} if restarts else {})}
        self.samples = sample_shapes(model, data.x)
        self.adopted = adopt(model, self.samples, precision)
        self.precision = str(self.adopted.model.trainable_variables[0].dtype)
        self.shapes = output_shapes(self.adopted)
        self.width = sum(math.prod(shape) for shape in self.shapes)
        refuse_ignored(self.adopted, self._first(data.x, ROW))
        self.output_names, self.pack = structure_of(self.adopted.traced)
        targets = [None] * len(self.shapes) if data.y is None else self.targets(data.y)
        self.parts = self._parts(data, targets, loss, loss_weights)
        alone = self.parts[0]
        single = len(self.parts) == 1 and alone.loss is not None and alone.weight == 1
        self.loss: Chosen = alone.loss if single and alone.loss else joint(self.parts, self.pack)
        self.single = single
        self.input_names = column_names(self.samples, data.x)
        self.target_names = target_names(sum(part.targets for part in self.parts), self.input_names)

    def _parts(self, data: Given, targets: Sequence[Any], loss: Any, loss_weights: Any) -> list[Part]:
        """Choose the loss of every output."""
        names = self.output_names
        losses, weights = by_output(loss, names, "loss", None), weights_by_output(loss_weights, names)
        several = (
            len(names) > 1 and isinstance(loss, list | tuple | Mapping) and losses != [loss] * len(names)
        )
        values = cache(lambda: self.outputs_flat(self._first(data.x, SOME_ROWS)))
        parts = []
        for place, (name, shape) in enumerate(zip(names, self.shapes, strict=True)):
            start = sum(math.prod(one) for one in self.shapes[:place])
            width, own, weight = math.prod(shape), losses[place], weights[place]
            if several and own is None:
                # Keras trains no output without a loss of its own.
                parts.append(Part(name, None, weight, width, 0))
                continue
            given = targets[place]
            of_targets = None if given is None else np.shape(given)[1:] or (1,)

            def share(activation: str, place: int = place, start: int = start, width: int = width) -> bool:
                found, shape = self.adopted.traced.outputs[place], self.shapes[place]
                return is_share(
                    activation, found, lambda: values()[:, start : start + width].reshape(-1, *shape)
                )

            chosen = choose(own, (of_targets, shape), share)
            count = 1 if chosen.kind == "labels" or of_targets is None else math.prod(of_targets)
            parts.append(Part(name, chosen, weight, width, count))
        return parts

    def _first(self, x: Any, rows: int) -> Array:
        """Some rows as the network reads them."""
        named = {name: values[:rows] for name, values in several(x).items()}
        return self.inputs(named, self.precision)

    def outputs_flat(self, inputs: Array) -> NDArray[np.floating]:
        """Outputs of the present weights, side by side [rows, outputs]."""
        return self.adopted.outputs_of(self.adopted.params(), inputs)

    def targets(self, y: Any) -> list[Array]:
        """Return the targets of every output.

        Raises:
            DataError: They are not as many, or named otherwise.
        """
        names = self.output_names
        if len(names) == 1:
            return list(several(y).values())[:1]
        return in_order(several(y), names, "y", "predicts", "outputs")

    def keras_rows(self, data: Given) -> Given:
        """Return rows whose targets have the structure of the model's outputs."""
        several_outputs = len(self.output_names) > 1 and data.y is not None
        return data._replace(y=self.pack(self.targets(data.y))) if several_outputs else data

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
        if self.single:
            targets = targets_of(data.y, self.loss.kind, self.width, precision, any_width=self.loss.own)
        else:
            targets = self._side_by_side(data.y, precision)
        inputs = self.inputs(data.x, precision, f"{what}x")
        return split_of(inputs, targets, weights_of(data.weights, precision, f"{what}sample_weight"))

    def _side_by_side(self, y: Any, precision: str) -> Array:
        if y is None:
            raise DataError("y: the targets are missing.")
        found = [
            targets_of(
                [one], part.loss.kind, part.width, precision, any_width=part.loss.own, what=f"y '{part.name}'"
            )
            for one, part in zip(self.targets(y), self.parts, strict=True)
            if part.loss is not None
        ]
        same_rows({f"y[{number}]": part for number, part in enumerate(found)})
        return np.concatenate([part.reshape(len(part), -1).astype(precision) for part in found], axis=1)

    def outputs(self, outputs: NDArray[np.floating]) -> Any:
        """One array, or several in the structure of the model's outputs."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = np.split(outputs, ends, axis=1)
        return self.pack([part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)])


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
