"""The layers in NumPy by the rules of `curvature.layers` whose numbers they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lmrun.curvature.graph import Call
from lmrun.curvature.host.activations import ACTIVATIONS, IDENTITY, Activation
from lmrun.curvature.host.layers.base import Layer
from lmrun.curvature.host.layers.convolution import Convolution
from lmrun.curvature.host.layers.dense import Dense
from lmrun.curvature.host.layers.pooling import AveragePooling, MaxPooling
from lmrun.curvature.host.layers.shapes import Flatten
from lmrun.curvature.host.layers.strips import Strips
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.native.convolution import native_convolution
from lmrun.curvature.layers import convolution, dense, pooling, shapes
from lmrun.curvature.layers.activation import is_elementwise
from lmrun.curvature.layers.base import Rule
from lmrun.linalg.threads import each

Make = Callable[[Call, int, Activation], Layer | None]
"""From a call, the end of the parameters before it and its activation to its layer; None where it has an
argument that is not known here."""


def _dense(call: Call, start: int, activation: Activation) -> Layer | None:
    layer = call.part.layer
    if len(layer.output.shape) != 2:
        return None
    inputs, units = call.part.shapes[0]
    return Dense(call.part.start, inputs, units, layer.use_bias, activation)


def _convolution(call: Call, start: int, activation: Activation) -> Layer:
    layer = call.part.layer
    lengths = (layer.kernel_size, layer.strides, layer.dilation_rate)
    windows = Windows.over(layer.input.shape[1:], *lengths, layer.padding)
    place = (call.part.start, len(windows.elements) * windows.channels, layer.filters)
    native = native_convolution(
        place, activation, windows, lengths, layer.variable_dtype, bias=layer.use_bias
    )
    return native or Convolution(*place, layer.use_bias, activation, Strips.over(windows, *lengths))


def _flatten(call: Call, start: int, activation: Activation) -> Layer:
    return Flatten(start, activation, tuple(call.part.layer.input.shape[1:]))


def _pooled(call: Call) -> Windows:
    layer = call.part.layer
    size = layer.pool_size
    return Windows.over(layer.input.shape[1:], size, layer.strides, [1] * len(size), layer.padding)


def _max_pooling(call: Call, start: int, activation: Activation) -> Layer:
    return MaxPooling(start, activation, _pooled(call))


def _average_pooling(call: Call, start: int, activation: Activation) -> Layer:
    return AveragePooling.over(start, activation, _pooled(call), call.part.layer.compute_dtype)


LAYERS: dict[type[Rule], Make] = {
    dense.Dense: _dense,
    convolution.Convolution: _convolution,
    shapes.Flatten: _flatten,
    pooling.MaxPooling: _max_pooling,
    pooling.AveragePooling: _average_pooling,
}
"""A network with a layer of any other rule goes to the compiler."""


def compile_all(calls: Sequence[Call]) -> None:
    """Compile what some calls need in C, side by side; `layer_of` finds it then."""
    convolutions = [call for call in calls if isinstance(call.rule, convolution.Convolution)]
    each(lambda call: _convolution(call, 0, IDENTITY), convolutions)


def layer_of(call: Call, start: int, activation: Activation) -> Layer | None:
    """Return the layer of a call; None where there is none here.

    Args:
        call: One use of a layer.
        start: Where the parameters of the calls before it end.
        activation: What follows it.
    """
    make = LAYERS.get(type(call.rule))
    return None if make is None else make(call, start, activation)


def activation_of(call: Call) -> Activation | None:
    """Return the activation behind a call; None for one that is not known here."""
    function = call.activation
    if function is None:
        return IDENTITY
    return ACTIVATIONS.get(function.__name__) if is_elementwise(function) else None
