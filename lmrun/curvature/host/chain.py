"""A chain of dense layers: forward pass, pull-back, Jacobian and second derivative, samples last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.host.activations import ACTIVATIONS, IDENTITY, Activation
from lmrun.curvature.host.scratch import Scratch
from lmrun.curvature.layers.activation import Activation as ActivationLayer
from lmrun.curvature.layers.activation import is_elementwise
from lmrun.curvature.layers.dense import Dense

Array = NDArray[np.floating]


class Layer(NamedTuple):
    """y = f(W^T x + b), b standing right behind W in the flat parameters: y = f([W; b]^T [x; 1]).

    Attributes:
        start: Where W stands.
        inputs: Features.
        outputs: Units.
        bias: Whether there is a b.
        activation: f.
    """

    start: int
    inputs: int
    outputs: int
    bias: bool
    activation: Activation

    @property
    def height(self) -> int:
        """Rows of [W; b], and of [x; 1]."""
        return self.inputs + self.bias

    @property
    def end(self) -> int:
        """Where the parameters of the layer end."""
        return self.start + self.height * self.outputs

    def matrix(self, params: Array) -> Array:
        """[W; b] [inputs + 1, outputs], a view."""
        return params[self.start : self.end].reshape(self.height, self.outputs)

    def kernel(self, params: Array) -> Array:
        """W [inputs, outputs], a view."""
        return self.matrix(params)[: self.inputs]


class Point(NamedTuple):
    """A forward pass.

    Attributes:
        reads: What every layer reads, [x; 1] where it has a bias.
        outputs: Of the network [width, rows].
        slopes: Every layer's f' [units, rows].
    """

    reads: list[Array]
    outputs: Array
    slopes: list[Array]


@dataclass(frozen=True)
class Chain:
    """Layers, one behind the other, `size` parameters in all; its values live in `scratch`."""

    layers: tuple[Layer, ...]
    size: int
    scratch: Scratch = field(default_factory=Scratch)

    def forward(self, params: Array, inputs: Array) -> tuple[list[Array], Array]:
        """Return what every layer reads, and the outputs [width, rows], for inputs [features, rows]."""
        reads = [self._extended(0, len(inputs), inputs)]
        reads[0][: len(inputs)] = inputs
        for place, layer in enumerate(self.layers):
            made = self._extended(place + 1, layer.outputs, inputs)
            values = made[: layer.outputs]
            np.matmul(layer.matrix(params).T, reads[-1], out=values)
            layer.activation.apply(values)
            reads.append(made)
        return reads[:-1], reads[-1]

    def _extended(self, place: int, features: int, like: Array) -> Array:
        """Take memory for what a layer reads, with a row of ones where it has a bias."""
        bias = place < len(self.layers) and self.layers[place].bias
        made = self._take(features + bias, like)
        if bias:
            made[-1] = 1
        return made

    def _take(self, height: int, like: Array) -> Array:
        return self.scratch.take(height, like.shape[1], like.dtype)

    def at(self, params: Array, inputs: Array) -> Point:
        """Return the forward pass with its slopes."""
        reads, outputs = self.forward(params, inputs)
        slopes = []
        for layer, made in zip(self.layers, [*reads[1:], outputs], strict=True):
            slopes.append(self._take(layer.outputs, made))
            layer.activation.slope(made[: layer.outputs], slopes[-1])
        return Point(reads, outputs, slopes)

    def cotangents(self, params: Array, point: Point, seed: Array) -> list[Array]:
        """Pull a seed [width, rows] back to every layer's W^T x + b, in the layers' order; it is used up.

        c_l = f'_l * (W_{l+1} c_{l+1}).
        """
        pulled: list[Array] = []
        for place in range(len(self.layers) - 1, -1, -1):
            if self.layers[place].activation is not IDENTITY:
                seed *= point.slopes[place]
            pulled.append(seed)
            if place:
                layer = self.layers[place]
                # BLAS takes five times as long for a single column.
                times = np.multiply if layer.outputs == 1 else np.matmul
                seed = times(layer.kernel(params), seed, out=self._take(layer.inputs, seed))
        return pulled[::-1]

    def table(self, reads: Sequence[Array], cotangents: Sequence[Array], out: Array) -> None:
        """Write every sample's derivative into `out` [n, rows]: [x; 1] outer c per layer."""
        for layer, read, pulled in zip(self.layers, reads, cotangents, strict=True):
            block = out[layer.start : layer.end].reshape(layer.height, layer.outputs, -1)
            np.multiply(read[:, None], pulled[None], out=block)

    def gradient(self, reads: Sequence[Array], cotangents: Sequence[Array]) -> Array:
        """Add every sample's derivative by the parameters up: [n]."""
        total = np.empty(self.size, reads[0].dtype)
        for layer, read, pulled in zip(self.layers, reads, cotangents, strict=True):
            np.matmul(read, pulled.T, out=layer.matrix(total))
        return total

    def bent(self, params: Array, direction: Array, point: Point) -> Array:
        """Return the second derivative of outputs(params + t direction) in t at t = 0, [width, rows].

        Leibniz' rule z'' = 2 V^T x' + W^T x'' and the chain rule y' = f' z', y'' = f'' / f' z' y' + f' z'',
        as in `curvature.taylor`.
        """
        first: Array | None = None
        second: Array | None = None
        made = [*point.reads[1:], point.outputs]
        for layer, slope, read, value in zip(self.layers, point.slopes, point.reads, made, strict=True):
            turned = np.matmul(layer.matrix(direction).T, read, out=self._take(layer.outputs, read))
            bent: Array | None = None
            if first is not None:
                turned += layer.kernel(params).T @ first
                bent = (2 * layer.kernel(direction)).T @ first
            if bent is not None and second is not None:
                bent += layer.kernel(params).T @ second
            if layer.activation is IDENTITY:
                first, second = turned, bent
                continue
            first, second = np.multiply(slope, turned, out=self._take(layer.outputs, read)), bent
            if second is not None:
                second *= slope
            if layer.activation.ratio is not None:
                curved = self._take(layer.outputs, read)
                layer.activation.ratio(value[: layer.outputs], turned, curved)
                curved *= first
                second = curved if second is None else np.add(second, curved, out=second)
        return np.zeros_like(point.outputs) if second is None else second


def chain_of(graph: Graph) -> Chain | None:
    """Return a network as a chain of dense layers; None where it is something else."""
    layers: list[Layer] = []
    for number, call in enumerate(graph.calls):
        activation = _activation(call)
        if activation is None or call.sources != (number,) or call.target != number + 1:
            return None
        if isinstance(call.rule, ActivationLayer) and layers and layers[-1].activation is IDENTITY:
            layers[-1] = layers[-1]._replace(activation=activation)
        elif isinstance(call.rule, Dense) and len(call.part.layer.output.shape) == 2:
            start, (inputs, outputs) = call.part.start, call.part.shapes[0]
            layers.append(Layer(start, inputs, outputs, call.part.layer.use_bias, activation))
        else:
            return None
    ends = [0, *(layer.end for layer in layers)]
    in_order = [layer.start for layer in layers] == ends[:-1] and ends[-1] == graph.size
    return Chain(tuple(layers), graph.size) if in_order and graph.results == (len(graph.calls),) else None


def _activation(call: Call) -> Activation | None:
    """The activation behind a call; None for one that is not known here."""
    function = call.activation
    if function is None:
        return IDENTITY
    return ACTIVATIONS.get(function.__name__) if is_elementwise(function) else None
