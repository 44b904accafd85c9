"""A model as a chain of stages, each from one array to the next: what can be written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import UsageError
from lmrun.models.expressions import Expressions

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Scale:
    """y = scale x + offset, element by element.

    Attributes:
        scale: [width], or a single number [1].
        offset: The same.
    """

    scale: Array
    offset: Array


@dataclass(frozen=True)
class Affine:
    """y = f(W^T x + b).

    Attributes:
        kernel: W [inputs, outputs].
        bias: b [outputs], or None.
        activation: Its name.
    """

    kernel: Array
    bias: Array | None
    activation: str


@dataclass(frozen=True)
class Formula:
    """y = expressions of the inputs and of parameters.

    Attributes:
        expressions: What is computed.
        values: Of the free parameters, in their order.
    """

    expressions: Expressions
    values: tuple[float, ...]


@dataclass(frozen=True)
class Activation:
    """y = f(x), element by element.

    Attributes:
        name: Of f.
    """

    name: str


Stage = Scale | Affine | Formula


@dataclass(frozen=True)
class Chain:
    """A model.

    Attributes:
        inputs: Number of numbers that it reads.
        outputs: Number of numbers that it makes.
        dtype: Of its arithmetic.
        stages: In their order.
    """

    inputs: int
    outputs: int
    dtype: np.dtype[Any]
    stages: tuple[Stage, ...]


def _scale(layer: Any) -> Scale:
    return Scale(np.atleast_1d(np.asarray(layer.scale)), np.atleast_1d(np.asarray(layer.offset)))


def _dense(layer: Any) -> Affine:
    bias = None if layer.bias is None else np.asarray(layer.bias)
    return Affine(np.asarray(layer.kernel), bias, layer.activation.__name__)


def formula_of(layer: Any) -> Formula:
    """What a formula computes, with its parameters as numbers."""
    return Formula(layer.expressions, tuple(float(np.asarray(scalar)) for scalar in layer.scalars))


def _activation(layer: Any) -> Activation:
    return Activation(layer.activation.__name__)


STAGES: Mapping[str, Callable[[Any], Stage | Activation]] = MappingProxyType(
    {"Rescaling": _scale, "Dense": _dense, "Activation": _activation, "Formula": formula_of}
)
"""By the name of the Keras layer."""


def check_layers(model: Any, known: Collection[str]) -> None:
    """Refuse a model with a layer that a format does not know.

    Raises:
        UsageError: It has one.
    """
    other = [kind for layer in model.layers if (kind := type(layer).__name__) not in known]
    if other:
        raise UsageError(
            f"A layer {other[0]} cannot be written in this format, which knows {', '.join(known)}. "
            "Try --format savedmodel."
        )


def chain_of(model: Any) -> Chain:
    """Take a model apart.

    Raises:
        UsageError: It has a layer of another kind.
    """
    check_layers(model, STAGES)
    kinds = [type(layer).__name__ for layer in model.layers]
    stages: list[Stage] = []
    for kind, layer in zip(kinds, model.layers, strict=True):
        made = STAGES[kind](layer)
        if not isinstance(made, Activation):
            stages.append(made)
        elif stages and isinstance(stages[-1], Affine) and stages[-1].activation == "linear":
            stages[-1] = replace(stages[-1], activation=made.name)
        else:
            raise UsageError("An activation stands behind no dense layer. Try --format savedmodel.")
    dtype = np.dtype(model.inputs[0].dtype)
    return Chain(int(model.input_shape[-1]), int(model.output_shape[-1]), dtype, tuple(stages))
