"""Models with several outputs: the loss is the weighted sum of the outputs' losses, as Keras adds them up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import tensorflow as tf

from lmrun.api.keras_losses import AsKeras
from lmrun.api.losses import Chosen
from lmrun.errors import UsageError
from lmrun.losses.custom import CustomResidual
from lmrun.user_code import load

Tensor = Any
Function = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Part:
    """An output and its loss.

    Attributes:
        name: Of the output.
        loss: Its loss; None for an output that is not trained.
        weight: Of its loss in the sum.
        width: Values per row.
        targets: Columns of its targets, 0 without a loss.
    """

    name: str
    loss: Chosen | None
    weight: float
    width: int
    targets: int


def by_output(given: Any, names: Sequence[str], what: str, default: Any) -> list[Any]:
    """Return what is given for each output.

    Args:
        given: One for all; a list; or a mapping by the outputs' names.
        names: Of the outputs.
        what: `loss` or `loss_weights`, for messages.
        default: Of outputs that a mapping leaves out.

    Raises:
        UsageError: They are not as many, or named otherwise.
    """
    told = f"the model has the outputs {', '.join(names)}"
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise UsageError(f"{what}: {len(given)} are given, and {told}.")
        return list(given)
    if isinstance(given, Mapping) and not ("name" in given and "name" not in names):
        strange = [name for name in given if name not in names]
        if strange:
            raise UsageError(f"{what}: '{strange[0]}' is no output; {told}.")
        return [given.get(name, default) for name in names]
    return [given] * len(names)


def weights_by_output(given: Any, names: Sequence[str]) -> list[float]:
    """Return `loss_weights` as numbers.

    Raises:
        UsageError: One is negative or no number; see `by_output`.
    """
    weights = [1.0] * len(names) if given is None else by_output(given, names, "loss_weights", 1.0)
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise UsageError(f"loss_weights: should be numbers of at least 0, not {weight!r}.")
    return [float(weight) for weight in weights]


def joint(parts: Sequence[Part], pack: Callable[[Sequence[Any]], Any]) -> Chosen:
    """Return the loss of all outputs, side by side, and of their targets, side by side as floats.

    Where every part is a sum of squares, so is the whole, and its residuals are theirs; else it has the
    curvature of the sum, block by block.

    Args:
        parts: In the order of the outputs.
        pack: Puts something for each output into the structure of the model's outputs, for Keras.

    Raises:
        UsageError: No output has a loss, or one has a curvature that draws.
    """
    if not any(part.loss is not None and part.weight for part in parts):
        raise UsageError("loss: no output of the model has one.")
    ends = list(accumulate(part.width for part in parts))
    behind = list(accumulate(part.targets for part in parts))
    places = [
        (part, (end - part.width, end), (last - part.targets, last))
        for part, end, last in zip(parts, ends, behind, strict=True)
        if part.loss is not None and part.weight
    ]
    pieces = [Piece.of(part, *place) for part, *place in places]
    if all(piece.residual is not None for piece in pieces):
        section: dict[str, Any] = {"name": "custom", "residual": residuals_of(pieces)}
    else:
        section = {"name": "custom", "value": value_of(pieces), "factor": factor_of(pieces, ends[-1])}
    evaluated = [part.loss and (part.loss.keras or AsKeras(part.loss.section)) for part in parts]
    return Chosen(section, "values", pack(evaluated), own=True, weights=pack([part.weight for part in parts]))


@dataclass(frozen=True)
class Piece:
    """The loss of an output as functions of all outputs and targets.

    Attributes:
        weight: In the sum.
        start: The output's first value.
        end: Behind its last one.
        value: The loss of each row [rows].
        factor: F [rows, width, q], where F F^T is the value's second derivative by the output.
        residual: [rows, q], where the value is the mean of their squares.
    """

    weight: float
    start: int
    end: int
    value: Function
    factor: Function
    residual: Function | None

    @classmethod
    def of(cls, part: Part, outputs: tuple[int, int], targets: tuple[int, int]) -> Piece:
        """Build the loss of a part that stands at some places of all outputs and targets."""
        assert part.loss is not None, "an output without a loss is left out"
        value, factor, residual = functions_of(part)
        labels = part.loss.kind == "labels"

        def cut(function: Function) -> Function:
            def of_all(z: Tensor, t: Tensor) -> Tensor:
                own = t[:, slice(*targets)]
                own = tf.cast(own[:, 0], tf.int64) if labels else own
                return function(z[:, slice(*outputs)], own)

            return of_all

        own = None if residual is None else cut(residual)
        return cls(part.weight, *outputs, cut(value), cut(factor), own)


def functions_of(part: Part) -> tuple[Function, Function, Function | None]:
    """Return value, factor and, for sums of squares, residuals of a part's loss."""
    assert part.loss is not None, "an output without a loss is left out"
    section = part.loss.section
    if section.get("residual") is not None:
        return of_residuals(_loaded(section["residual"], "loss.residual"))
    if section["name"] == "mse":
        return of_residuals(lambda z, t: z - t)
    if section["name"] == "custom":
        value = _loaded(section["value"], "loss.value")
        return value, _loaded(section["factor"], "loss.factor"), None
    loss = AsKeras(section).loss
    if loss.random:
        raise UsageError(f"loss: the curvature of {part.name} draws; for several outputs use another one.")

    def factor(z: Tensor, t: Tensor) -> Tensor:
        # The cost is 1/2 scale times the loss, and F of the cost.
        return math.sqrt(2 / loss.scale(part.width)) * tf.stack(loss.columns(z, t, None), axis=-1)

    return loss.values, factor, None


def of_residuals(residual: Function) -> tuple[Function, Function, Function]:
    """Return value, factor and residuals of the mean of squares."""

    def value(z: Tensor, t: Tensor) -> Tensor:
        return tf.reduce_mean(tf.square(residual(z, t)), axis=-1)

    def factor(z: Tensor, t: Tensor) -> Tensor:
        width = int(residual(z, t).shape[-1])
        columns = CustomResidual(residual, width).columns(z, t, None)
        return math.sqrt(2 / width) * tf.stack(columns, axis=-1)

    return value, factor, residual


def residuals_of(pieces: Sequence[Piece]) -> Function:
    """Return all residuals side by side, scaled so that the mean of their squares is the weighted sum."""

    def residual(z: Tensor, t: Tensor) -> Tensor:
        parts = [piece.residual(z, t) for piece in pieces if piece.residual is not None]
        count = sum(int(part.shape[-1]) for part in parts)
        scales = [
            math.sqrt(piece.weight * count / int(part.shape[-1]))
            for piece, part in zip(pieces, parts, strict=True)
        ]
        return tf.concat([scale * part for scale, part in zip(scales, parts, strict=True)], axis=-1)

    return residual


def value_of(pieces: Sequence[Piece]) -> Function:
    """Return the weighted sum of the losses [rows]."""

    def value(z: Tensor, t: Tensor) -> Tensor:
        return tf.add_n([piece.weight * piece.value(z, t) for piece in pieces])

    return value


def factor_of(pieces: Sequence[Piece], width: int) -> Function:
    """Return the factor of the sum's curvature, one block for each output."""

    def factor(z: Tensor, t: Tensor) -> Tensor:
        blocks = [
            tf.pad(
                math.sqrt(piece.weight) * piece.factor(z, t),
                [[0, 0], [piece.start, width - piece.end], [0, 0]],
            )
            for piece in pieces
        ]
        return tf.concat(blocks, axis=-1)

    return factor


def _loaded(function: Any, key: str) -> Function:
    found: Function = load(function, key) if isinstance(function, str) else function
    return found
