"""A network as a sequence of layer calls, evaluated with samples last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.curvature.layers.activation import activate
from lmrun.curvature.layers.base import Rule, keras_order
from lmrun.curvature.layers.generic import Generic, Whole
from lmrun.curvature.layers.registry import rule_of, tell
from lmrun.errors import DataError
from lmrun.models.calls import NotFollowedError, Recording, elements
from lmrun.models.network import LayerSlice, Network, covers

Tensor = Any


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        part: The layer and where its parameters stand.
        rule: How it computes.
        sources: The numbers of the values that it reads.
        target: The number of the value that it makes.
    """

    part: LayerSlice
    rule: Rule
    sources: tuple[int, ...]
    target: int

    @property
    def activation(self) -> Any:
        """The layer's own activation, which its rule leaves out; None where there is none."""
        return None if isinstance(self.rule, Generic) else getattr(self.part.layer, "activation", None)


@dataclass(frozen=True)
class Traced:
    """What one call did: weights, inputs and the output before the activation, all with samples last."""

    call: Call
    weights: Sequence[Tensor]
    inputs: Sequence[Tensor]
    before: Tensor


class Graph:
    """The calls of a network in the order of their evaluation.

    A network that cannot be taken apart is one single call, by the generic rule.

    Args:
        network: Of any kind.

    Raises:
        DataError: The number of outputs depends on the inputs.
    """

    def __init__(self, network: Network) -> None:
        self.size = network.size
        self.input = 0
        try:
            recording = Recording(network.model)
            self.calls = taken_apart(network, recording)
            self.results = recording.results
            self.value_size = sum(use.size for use in recording.uses)
            """Elements of the outputs of all calls per sample."""
        except NotFollowedError as reason:
            tell(
                f"The layers of this model cannot be followed, because {reason}: lmrun takes the generic "
                "path for the whole model, which gives the same numbers and is slower."
            )
            self.calls = whole(network)
            self.results = (1,)
            self.value_size = sum(
                elements(keras.tree.flatten(layer.output)) for layer in network.model.layers
            )
        shapes = [output.shape[1:] for output in network.model.outputs]
        if None in [size for shape in shapes for size in shape]:
            raise DataError(f"model: its outputs have the shapes {shapes}; lmrun needs shapes without None.")
        self.width = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)
        """Outputs per sample."""

    @property
    def has_loops(self) -> bool:
        """Whether a layer may hold a loop, of which XLA compiles no third derivative."""
        generic = [call.part.layer for call in self.calls if isinstance(call.rule, Generic)]
        return any(isinstance(layer, keras.Layer) for layer in generic)

    def run(
        self, params: Tensor, inputs: Tensor, known: Sequence[Tensor] | None = None
    ) -> Iterator[tuple[Traced | None, Tensor]]:
        """Evaluate call by call.

        Args:
            params: [n].
            inputs: [channels, ..., rows].
            known: What each call made at these parameters before its activation, see `linear_in`.

        Yields:
            What each call did, with None for the outputs; last, (None, outputs [width, rows]).
        """
        values = {self.input: inputs}
        for place, call in enumerate(self.calls):
            weights = call.part.weights(params)
            sources = [values[number] for number in call.sources]
            before = call.rule.forward(call.part.layer, weights, sources)
            if known is not None:
                before = linear_in(before, known[place])
            yield Traced(call, weights, sources, before), before
            values[call.target] = before if call.activation is None else activate(call.activation, before)
        yield None, self.gather(values)

    def gather(self, values: dict[int, Tensor]) -> Tensor:
        """Stack all outputs, each in Keras' order, [width, rows]."""
        results = [keras_order(values[number]) for number in self.results]
        flat = [tf.reshape(result, [-1, result.shape[-1]]) for result in results]
        return flat[0] if len(flat) == 1 else tf.concat(flat, axis=0)

    def outputs(self, params: Tensor, inputs: Tensor, known: Sequence[Tensor] | None = None) -> Tensor:
        """Predict; params [n], inputs [channels, ..., rows] to [width, rows]."""
        *_, (_, outputs) = self.run(params, inputs, known)
        return outputs


def _linear_in(computed: Tensor, known: Tensor) -> tuple[Tensor, Any]:
    return tf.identity(known), lambda cotangent: (cotangent, None)


linear_in = tf.custom_gradient(_linear_in)
"""From what would be computed and its known value to that value, with the derivatives of the former.

The compiler leaves the computation out wherever its derivative does not read it: of a product of weights and
inputs the derivative by either is a product with the other."""


def taken_apart(network: Network, recording: Recording) -> tuple[Call, ...]:
    """Return the calls of a network.

    Raises:
        NotFollowedError: It has to be evaluated as a whole.
    """
    calls = []
    for use in recording.uses:
        part = network.part(use.layer)
        if part is None:
            raise NotFollowedError(f"{type(use.layer).__name__} shares some of its weights")
        calls.append(Call(part, rule_of(use.layer, use.arguments), use.sources, use.target))
    if not covers([call.part for call in calls], network.size):
        raise NotFollowedError("some of its weights belong to no layer, or to several")
    return tuple(calls)


def whole(network: Network) -> tuple[Call, ...]:
    """Return the one call of a network that is evaluated as a whole."""
    shapes = tuple(shape for part in network.layers for shape in part.shapes)
    return (Call(LayerSlice(network.model, 0, shapes), Whole(), (0,), 1),)
