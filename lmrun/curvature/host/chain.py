"""A chain of layers: forward pass, pull-back, Jacobian and derivatives along a line, samples last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.host.activations import IDENTITY, Activation
from lmrun.curvature.host.layers.base import Layer
from lmrun.curvature.host.layers.registry import activation_of, compile_all, layer_of
from lmrun.curvature.host.propagation import Line
from lmrun.curvature.host.scratch import Scratch
from lmrun.curvature.layers.activation import Activation as ActivationLayer

Array = NDArray[np.floating]


class Point(NamedTuple):
    """A forward pass.

    Attributes:
        reads: What every layer multiplies with its parameters [..., rows].
        values: What every layer makes [outputs, rows].
        slopes: Every layer's f' [outputs, rows].
    """

    reads: list[Array]
    values: list[Array]
    slopes: list[Array]

    @property
    def outputs(self) -> Array:
        """Of the network [width, rows]."""
        return self.values[-1]


@dataclass(frozen=True)
class Chain:
    """Layers, one behind the other, see `Propagation`; its values live in `scratch`.

    Attributes:
        layers: All of them.
        size: Parameters n.
        inputs: Numbers of a sample.
        numbers: Of a sample: its inputs, values, slopes and cotangents, and what layers hold besides.
    """

    any_order = False
    band_bytes = 20 * 2**20
    """A step on 6,000 images, layer by layer, takes 143 ms with bands of 64 rows, 97 with 128, 82 with 224,
    78 with 336 to 368, 83 with 512. Shorter calls spend more of their time in Python, where one thread at a
    time is; longer ones leave the cache."""

    layers: tuple[Layer, ...]
    size: int
    inputs: int
    numbers: int
    scratch: Scratch = field(default_factory=Scratch)

    def outputs(self, params: Array, inputs: Array) -> Array:
        """See `Propagation`."""
        return self.forward(params, inputs)[1][-1]

    def last(self, params: Array, inputs: Array) -> tuple[Array, Array]:
        """See `Propagation`."""
        reads, values = self.forward(params, inputs)
        return reads[-1], values[-1]

    def forward(self, params: Array, inputs: Array) -> tuple[list[Array], list[Array]]:
        """Return what every layer reads and makes, for inputs [..., rows]."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        made = flat
        # A part of longer rows is copied, too: its numbers would lie on as many pages of memory.
        if self.layers[0].room or not flat.flags.c_contiguous:
            made = self._roomy(0, len(flat), flat)
            made[: len(flat)] = flat
        reads, values = [], []
        for place, layer in enumerate(self.layers):
            reads.append(layer.read(made, self.scratch))
            made = self._roomy(place + 1, layer.outputs, made)
            values.append(made[: layer.outputs])
            layer.product(params, reads[-1], values[-1])
            layer.activation.apply(values[-1])
        return reads, values

    def _roomy(self, place: int, features: int, like: Array) -> Array:
        """Take memory for what a layer takes for its inputs, with a row of ones where it has a bias."""
        room = self.layers[place].room if place < len(self.layers) else 0
        made = self.scratch.like(features + room, like)
        if room:
            made[-1] = 1
        return made

    def at(self, params: Array, inputs: Array) -> Point:
        """Return the forward pass with its slopes."""
        reads, values = self.forward(params, inputs)
        slopes = []
        for layer, made in zip(self.layers, values, strict=True):
            slopes.append(self.scratch.like(layer.outputs, made))
            layer.activation.slope(made, slopes[-1])
        return Point(reads, values, slopes)

    def cotangents(self, params: Array, point: Point, seed: Array) -> list[Array]:
        """Pull a seed [width, rows] back to every layer's z, in the layers' order; it is used up.

        c_l = f'_l * (dz_{l+1} / dy_l)^T c_{l+1}.
        """
        pulled: list[Array] = []
        for place in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[place]
            if layer.activation is not IDENTITY:
                seed *= point.slopes[place]
            pulled.append(seed)
            if layer.start == 0:
                # No layer before has parameters.
                break
            seed = layer.pull(params, point.reads[place], seed, self.scratch)
        return pulled[::-1]

    def table(self, point: Point, pulled: Sequence[Array], piece: slice, out: Array) -> None:
        """See `Propagation`."""
        for layer, read, cotangents in self._pulled(point, pulled):
            layer.table(read[..., piece], cotangents[:, piece], out[layer.start : layer.end])

    def gradient(self, point: Point, pulled: Sequence[Array]) -> Array:
        """See `Propagation`."""
        total = np.empty(self.size, point.reads[0].dtype)
        for layer, read, cotangents in self._pulled(point, pulled):
            layer.gradient(read, cotangents, total[layer.start : layer.end])
        return total

    def _pulled(self, point: Point, pulled: Sequence[Array]) -> zip[tuple[Layer, Array, Array]]:
        """The layers to which cotangents were pulled back."""
        first = len(self.layers) - len(pulled)
        return zip(self.layers[first:], point.reads[first:], pulled, strict=True)

    def along(self, params: Array, direction: Array, point: Point) -> Line:
        """Return the derivatives of outputs(params + t direction) in t at t = 0.

        Leibniz' rule z'' = 2 V^T x' + W^T x'' and the chain rule y' = f' z', y'' = f'' / f' z' y' + f' z'',
        as in `curvature.taylor`.
        """
        scratch, twice = self.scratch, 2 * direction
        first: Array | None = None
        second: Array | None = None
        for layer, read, value, slope in zip(self.layers, *point, strict=True):
            turned: Array | None = None
            bent: Array | None = None
            if layer.end > layer.start:
                turned = scratch.like(layer.outputs, read)
                layer.product(direction, read, turned)
                bent = None if first is None else layer.along(twice, read, first, scratch)
            turned = _sum(turned, None if first is None else layer.along(params, read, first, scratch))
            bent = _sum(bent, None if second is None else layer.along(params, read, second, scratch))
            if layer.activation is IDENTITY or turned is None:
                first, second = turned, bent
                continue
            first, second = np.multiply(slope, turned, out=scratch.like(layer.outputs, read)), bent
            if second is not None:
                second *= slope
            if layer.activation.ratio is not None:
                curved = scratch.like(layer.outputs, read)
                layer.activation.ratio(value, turned, curved)
                curved *= first
                second = _sum(second, curved)
        return Line(first, second)


def _sum(one: Array | None, other: Array | None) -> Array | None:
    """The sum, in the memory of the first; None is zero."""
    if one is None or other is None:
        return other if one is None else one
    return np.add(one, other, out=one)


def chain_of(graph: Graph, inputs: int) -> Chain | None:
    """Return a network as a chain of layers; None where it is something else.

    Args:
        graph: Its calls.
        inputs: Numbers of a sample.
    """
    uses: list[tuple[Call, Activation]] = []
    for number, call in enumerate(graph.calls):
        activation = activation_of(call)
        if activation is None or call.sources != (number,) or call.target != number + 1:
            return None
        if isinstance(call.rule, ActivationLayer) and uses and uses[-1][1] is IDENTITY:
            uses[-1] = (uses[-1][0], activation)
        else:
            uses.append((call, activation))
    own = {id(call.part.layer) for call, _ in uses}
    if len(own) < len(uses) or graph.results != (len(graph.calls),):
        return None
    compile_all([call for call, _ in uses])
    layers: list[Layer] = []
    for call, activation in uses:
        layer = layer_of(call, layers[-1].end if layers else 0, activation)
        if layer is None:
            return None
        layers.append(layer)
    ends = [0, *(layer.end for layer in layers)]
    in_order = [layer.start for layer in layers] == ends[:-1] and ends[-1] == graph.size
    numbers = inputs + 3 * graph.value_size + sum(layer.held for layer in layers)
    return Chain(tuple(layers), graph.size, inputs, numbers) if in_order else None
