"""A model as stages, each from one array or several to the next: what can be written out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.export.following import (
    ACTIVATIONS,
    AFFINE,
    PASSING,
    UnknownLayerError,
    Vocabulary,
    activation_of,
    affine_maps,
    arguments_of,
    follow,
    kind_of,
    precision_of,
)
from lmrun.export.joining import JOINING
from lmrun.models.calls import Recording, Use
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
    """y = f(x).

    Attributes:
        name: Of f.
    """

    name: str


@dataclass(frozen=True)
class Joined:
    """y = f(x1, x2, ...), element by element; an x of one element is the same for all.

    Attributes:
        kind: Of f, see `joining`.
        numbers: The arguments that are numbers, None for the others.
    """

    kind: str
    numbers: tuple[float | None, ...]


@dataclass(frozen=True)
class Concatenated:
    """y = x1, x2, ... one behind the other."""


Stage = Scale | Affine | Formula | Activation | Joined | Concatenated


@dataclass(frozen=True)
class Placed:
    """A stage and what it reads.

    Attributes:
        stage: What it computes.
        reads: The numbers of values.
        width: Of the value that it makes.
    """

    stage: Stage
    reads: tuple[int, ...]
    width: int


@dataclass(frozen=True)
class Staged:
    """A model. Its inputs are the values 0, 1, ...; each stage makes the next one.

    Attributes:
        inputs: The width of each input.
        dtype: Of the arithmetic.
        stages: In their order.
        results: The numbers of the outputs.
    """

    inputs: tuple[int, ...]
    dtype: np.dtype[Any]
    stages: tuple[Placed, ...]
    results: tuple[int, ...]

    @property
    def widths(self) -> list[int]:
        """Of every value."""
        return [*self.inputs, *(placed.width for placed in self.stages)]


def formula_of(layer: Any) -> Formula:
    """What a formula computes, with its parameters as numbers."""
    return Formula(layer.expressions, tuple(float(np.asarray(scalar)) for scalar in layer.scalars))


def _affine_maps(use: Use, dtype: np.dtype[Any]) -> list[Stage]:
    sample = tuple(size or 1 for size in use.shape[1:])

    def spread(part: Array) -> Array:
        return part.reshape(1) if part.size == 1 else np.broadcast_to(part, sample).ravel()

    return [Scale(spread(scale), spread(offset)) for scale, offset in affine_maps(use.layer, dtype)]


def _dense(use: Use, dtype: np.dtype[Any]) -> list[Stage]:
    layer: Any = use.layer
    if len(use.shape) != 2:
        raise UnknownLayerError(f"A layer Dense of values of the shape {use.shape}")
    bias = None if layer.bias is None else np.asarray(layer.bias)
    return [Affine(np.asarray(layer.kernel), bias, activation_of(layer))]


def _activation(use: Use, dtype: np.dtype[Any]) -> list[Stage]:
    name = activation_of(use.layer)
    if name == "softmax" and len(use.shape) != 2:
        raise UnknownLayerError(f"A softmax of values of the shape {use.shape}")
    return [Activation(name)]


def _joined(use: Use, dtype: np.dtype[Any]) -> list[Stage]:
    if len(use.shape) != 2:
        raise UnknownLayerError(f"{kind_of(use)} of values of the shape {use.shape}")
    arguments = arguments_of(use, [None] * len(use.sources))
    return [Joined(kind_of(use), tuple(arguments))]


def _concatenated(use: Use, dtype: np.dtype[Any]) -> list[Stage]:
    if len(use.shape) != 2:
        raise UnknownLayerError(f"{kind_of(use)} of values of the shape {use.shape}")
    return [Concatenated()]


def _nothing(use: Use, dtype: np.dtype[Any]) -> list[Stage]:
    """The same numbers in the same order."""
    return []


STAGES: Mapping[str, Callable[[Use, np.dtype[Any]], Sequence[Stage]]] = MappingProxyType(
    {
        **dict.fromkeys(AFFINE, _affine_maps),
        "Dense": _dense,
        "Formula": lambda use, dtype: [formula_of(use.layer)],
        **dict.fromkeys(ACTIVATIONS, _activation),
        **dict.fromkeys((*PASSING, "Flatten", "Reshape"), _nothing),
        **dict.fromkeys(JOINING, _joined),
        **dict.fromkeys(("Concatenate", "ops.Concatenate"), _concatenated),
    }
)
"""By the name of what is called, see `following.kind_of`."""


def stages_of(model: Any, functions: Collection[str] | None = None) -> Staged:
    """Take a model apart.

    Args:
        model: A Sequential or functional Keras model.
        functions: The activations that are known; None for any.

    Raises:
        UnknownLayerError: It has a layer of another kind.
    """
    recording, dtype = follow(model, Vocabulary(STAGES, functions)), precision_of(model)
    inputs = tuple(math.prod(value.shape[1:]) for value in model.inputs)
    where = dict(enumerate(range(len(inputs))))
    stages: list[Placed] = []
    for use in recording.uses:
        reads = tuple(where[number] for number in use.sources)
        made = STAGES[kind_of(use)](use, dtype)
        width = math.prod(size or 1 for size in use.shape[1:])
        last = stages[-1] if stages and reads == (len(inputs) + len(stages) - 1,) else None
        if made and last is not None and _ends(made[0], last.stage) and _alone(recording, use):
            stages[-1] = replace(last, stage=replace(last.stage, activation=made[0].name))  # type: ignore
        else:
            for stage in made:
                stages.append(Placed(stage, reads, width))
                reads = (len(inputs) + len(stages) - 1,)
        where[use.target] = reads[0]
    return Staged(inputs, dtype, tuple(stages), tuple(where[number] for number in recording.results))


def _ends(stage: Stage, before: Stage) -> bool:
    """Whether a stage is the activation of the layer before it."""
    linear = isinstance(before, Affine) and before.activation == "linear"
    return linear and isinstance(stage, Activation)


def _alone(recording: Recording, use: Use) -> bool:
    """Whether nothing else reads what a call reads."""
    (source,) = use.sources
    readers = sum(other.sources.count(source) for other in recording.uses)
    return readers + recording.results.count(source) == 1
