"""Keras layers as nodes of an ONNX graph.

In float64 ONNX Runtime has neither convolutions nor averages over windows; there they are made of shifted
images, one per place in a window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.export.following import (
    ACTIVATIONS,
    AFFINE,
    PASSING,
    Vocabulary,
    activation_of,
    affine_maps,
    arguments_of,
)
from lmrun.export.functions import ACTIVATIONS as FUNCTIONS
from lmrun.export.joining import JOINING
from lmrun.export.onnx_graph import Graph, Number
from lmrun.export.stages import formula_of
from lmrun.export.windows import Windows, windows_of
from lmrun.models.calls import Use

Shape = tuple[Any, ...]
"""Of the values that a layer reads, [rows, ...]."""
CHANNELS_FIRST = (0, 3, 1, 2)
CHANNELS_LAST = (0, 2, 3, 1)


class Given(NamedTuple):
    """A call and what it reads.

    Attributes:
        use: The call.
        values: What it reads.
        shapes: Those of the values.
    """

    use: Use
    values: Sequence[Number]
    shapes: Sequence[Shape]


def affine(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """Scale, then offset; each left out where it does nothing."""
    for scale, offset in affine_maps(layer, graph.dtype):
        x = x if np.all(scale == 1) else x * graph.array(scale)
        x = x if not np.any(offset) else x + graph.array(offset)
    return x


def dense(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """A product and a bias."""
    product = graph.add("MatMul", x.name, graph.array(np.asarray(layer.kernel)).name)
    return _finished(graph, layer, product)


def convolution(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """Images with their channels last."""
    kernel = np.asarray(layer.kernel)
    windows = windows_of(layer, kernel.shape[:2], shape)
    if graph.dtype == np.float32:
        weights = graph.array(kernel.transpose(3, 2, 0, 1))
        return _finished(graph, layer, _native("Conv", graph, x, windows, weights))
    patches = graph.add("Concat", *(part.name for part in _shifted(graph, x, windows)), axis=3)
    product = graph.add("MatMul", patches.name, graph.array(kernel.reshape(-1, kernel.shape[-1])).name)
    return _finished(graph, layer, product)


def max_pooling(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """The largest of each window; padding does not count."""
    return _native("MaxPool", graph, x, windows_of(layer, tuple(layer.pool_size), shape))


def average_pooling(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """The mean of each window; padding does not count."""
    windows = windows_of(layer, tuple(layer.pool_size), shape)
    if graph.dtype == np.float32:
        return _native("AveragePool", graph, x, windows, count_include_pad=0)
    total = graph.add("Sum", *(part.name for part in _shifted(graph, x, windows)))
    return total / graph.array(_members(windows, shape))


def flatten(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """One axis per sample, channels fastest."""
    return graph.add("Flatten", x.name, axis=1)


def activation(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """A function of each number."""
    return graph.functions(activation_of(layer), x)  # type: ignore[no-any-return]


def passing(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """The same."""
    return x


def reshape(graph: Graph, given: Given) -> Number:
    """Another shape of the samples, in Keras' order."""
    (x,) = given.values
    return graph.add("Reshape", x.name, _whole(graph, [-1, *given.use.shape[1:]]))


def concatenate(graph: Graph, given: Given) -> Number:
    """One behind the other along an axis."""
    axis = given.use.layer.axis % len(given.use.shape)
    return graph.add("Concat", *(value.name for value in given.values), axis=axis)


def joined(kind: str) -> Callable[[Graph, Given], Number]:
    """Values and numbers, element by element."""

    def join(graph: Graph, given: Given) -> Number:
        arguments = arguments_of(given.use, given.values)
        return JOINING[kind](graph.functions, *arguments)  # type: ignore[no-any-return]

    return join


def formula(graph: Graph, layer: Any, x: Number, shape: Shape) -> Number:
    """One column per response."""
    made = formula_of(layer)
    places = range(len(made.expressions.columns))
    inputs = [graph.add("Gather", x.name, _whole(graph, [place]), axis=1) for place in places]
    outputs = made.expressions.outputs(made.values, inputs, graph.functions)
    rows = graph.add("Shape", inputs[0].name).name
    # A response without a column is the same for every row.
    columns = [graph.add("Expand", graph.number(output).name, rows).name for output in outputs]
    return graph.add("Concat", *columns, axis=1)


def alone(write: Callable[[Graph, Any, Number, Shape], Number]) -> Callable[[Graph, Given], Number]:
    """What reads one value."""
    return lambda graph, given: write(graph, given.use.layer, given.values[0], given.shapes[0])


ALONE: Mapping[str, Callable[[Graph, Any, Number, Shape], Number]] = {
    "Dense": dense,
    "Conv2D": convolution,
    "MaxPooling2D": max_pooling,
    "AveragePooling2D": average_pooling,
    "Flatten": flatten,
    "Formula": formula,
    **dict.fromkeys(AFFINE, affine),
    **dict.fromkeys(ACTIVATIONS, activation),
    **dict.fromkeys(PASSING, passing),
}

LAYERS: Mapping[str, Callable[[Graph, Given], Number]] = MappingProxyType(
    {
        **{kind: alone(write) for kind, write in ALONE.items()},
        "Reshape": reshape,
        **dict.fromkeys(("Concatenate", "ops.Concatenate"), concatenate),
        **{kind: joined(kind) for kind in JOINING},
    }
)
"""By the name of what is called, see `following.kind_of`."""


KNOWN = Vocabulary(LAYERS, FUNCTIONS)


def _finished(graph: Graph, layer: Any, product: Number) -> Number:
    """Add the bias and apply the layer's own activation."""
    biased = product if layer.bias is None else product + graph.array(np.asarray(layer.bias))
    return graph.functions(activation_of(layer), biased)  # type: ignore[no-any-return]


def _native(
    operator: str, graph: Graph, x: Number, windows: Windows, *weights: Number, **attributes: Any
) -> Number:
    """An operator of ONNX on windows, which reads and makes images with their channels first."""
    turned = graph.add("Transpose", x.name, perm=CHANNELS_FIRST)
    made = graph.add(
        operator,
        turned.name,
        *(weight.name for weight in weights),
        kernel_shape=windows.size,
        strides=windows.strides,
        pads=(*windows.before, *windows.after),
        **attributes,
    )
    return graph.add("Transpose", made.name, perm=CHANNELS_LAST)


def _shifted(graph: Graph, x: Number, windows: Windows) -> Iterator[Number]:
    """For each place in a window, row by row, what all windows have there: [rows, down, across, channels]."""
    pads = [0, *windows.before, 0, 0, *windows.after, 0]
    padded = graph.add("Pad", x.name, _whole(graph, pads)) if any(pads) else x
    axes, steps = _whole(graph, [1, 2]), _whole(graph, windows.strides)
    for start in np.ndindex(windows.size):
        last = [
            at + (count - 1) * step
            for at, count, step in zip(start, windows.count, windows.strides, strict=True)
        ]
        ends = _whole(graph, [place + 1 for place in last])
        yield graph.add("Slice", padded.name, _whole(graph, start), ends, axes, steps)


def _members(windows: Windows, shape: Shape) -> NDArray[np.integer]:
    """How many pixels of the image each window holds, [down, across, 1]."""
    down, across = (
        np.array(
            [
                sum(0 <= number * stride - before + place < length for place in range(size))
                for number in range(count)
            ]
        )
        for size, stride, before, count, length in zip(
            windows.size, windows.strides, windows.before, windows.count, shape[1:3], strict=True
        )
    )
    members: NDArray[np.integer] = down[:, None] * across
    return members[:, :, None]


def _whole(graph: Graph, values: Any) -> str:
    """A constant of whole numbers."""
    return graph.array(np.array(values), np.int64).name
