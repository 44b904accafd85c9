"""What a layer in NumPy offers, and what those with a matrix share.

Values are [numbers of a sample, rows]: channels before positions, samples last, as in `curvature.layers.base`
but flat, so that every activation and every slope is one operation over one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.host.activations import Activation
from lmrun.curvature.host.scratch import Scratch

Array = NDArray[np.floating]


class Layer(Protocol):
    """y = f(z), z linear in the layer's parameters.

    `read` is what `read` returned for the layer's inputs; a part of it along its last axis is what it returns
    for these rows.
    """

    @property
    def start(self) -> int:
        """Where the layer's parameters begin in the flat vector."""
        ...

    @property
    def end(self) -> int:
        """Where they end."""
        ...

    @property
    def room(self) -> int:
        """Rows of ones that the layer needs below its inputs: one, where it reads a bias there."""
        ...

    @property
    def outputs(self) -> int:
        """Numbers that it makes of a sample."""
        ...

    @property
    def activation(self) -> Activation:
        """The function f."""
        ...

    @property
    def held(self) -> int:
        """Numbers per sample that it holds besides its values, their slopes and cotangents."""
        ...

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """Return what is multiplied with the parameters, [..., rows], of inputs [features + room, rows]."""
        ...

    def product(self, params: Array, read: Array, out: Array) -> None:
        """Write z [outputs, rows]; params are the whole flat vector [n], a point or a direction."""
        ...

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """Return the derivative of z along a direction of the inputs, both [..., rows]."""
        ...

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """Return the cotangents of the inputs [features, rows] for those of z."""
        ...

    def table(self, read: Array, cotangents: Array, out: Array) -> None:
        """Write every sample's derivative of cotangents . z by the parameters, [end - start, rows]."""
        ...

    def gradient(self, read: Array, cotangents: Array, out: Array) -> None:
        """Write the sum of these over the samples, [end - start]."""
        ...


@dataclass(frozen=True, slots=True)
class Matrix:
    """z = [W; b]^T [x; 1], b standing right behind W in the flat parameters.

    Attributes:
        start: Where W stands.
        inputs: Rows of W.
        units: Columns of W.
        bias: Whether there is a b.
        activation: f.
    """

    start: int
    inputs: int
    units: int
    bias: bool
    activation: Activation

    @property
    def height(self) -> int:
        """Rows of [W; b], and of [x; 1]."""
        return self.inputs + self.bias

    @property
    def end(self) -> int:
        """Where the parameters of the layer end."""
        return self.start + self.height * self.units

    def matrix(self, params: Array) -> Array:
        """[W; b] [inputs + 1, units], a view."""
        return params[self.start : self.end].reshape(self.height, self.units)

    def kernel(self, params: Array) -> Array:
        """W [inputs, units], a view."""
        return self.matrix(params)[: self.inputs]


@dataclass(frozen=True, slots=True)
class Parameterless:
    """What layers without parameters share.

    Attributes:
        start: Where the parameters of the layers before it end.
        activation: f.
    """

    start: int
    activation: Activation

    @property
    def end(self) -> int:
        """None."""
        return self.start

    @property
    def room(self) -> int:
        """None."""
        return 0

    def table(self, read: Array, cotangents: Array, out: Array) -> None:
        """Nothing."""

    def gradient(self, read: Array, cotangents: Array, out: Array) -> None:
        """Nothing."""
