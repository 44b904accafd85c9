"""A graph of ONNX operators, put together by Python's operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from lmrun.export.functions import Functions, Value

FARTHEST = 1e30
"""Beyond it an angle is a right one in every type."""


class Graph:
    """The nodes and constants of a model.

    Args:
        dtype: Of its arithmetic.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._scalars: dict[str, Number] = {}
        self.functions = Functions(_functions(self), self.number)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> Number:
        """Append a node and return its output."""
        # No input has a name that begins like this.
        name = f"/{operator.lower()}_{len(self.nodes) + 1}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return Number(self, name)

    def take(self, name: str, dtype: Any) -> Number:
        """Return an input of some type in the graph's."""
        if np.dtype(str(dtype)) == self.dtype:
            return Number(self, name)
        return self.add("Cast", name, to=onnx.helper.np_dtype_to_tensor_dtype(self.dtype))

    def array(self, values: NDArray[Any], dtype: Any = None) -> Number:
        """Append a constant of the graph's type, or of another."""
        name = f"/constant_{len(self.initializers) + 1}"
        made = np.asarray(values, dtype or self.dtype)
        self.initializers.append(onnx.numpy_helper.from_array(made, name))
        return Number(self, name)

    def number(self, value: Any) -> Number:
        """Return a Python number as a constant, once for each value; what is in the graph stays."""
        if isinstance(value, Number):
            return value
        # Not the number itself, by which 0.0 and -0.0 are the same key.
        key = repr(float(value))
        if key not in self._scalars:
            self._scalars[key] = self.array(np.array(value))
        return self._scalars[key]


@dataclass(frozen=True, eq=False)
class Number:
    """A value in a graph.

    Attributes:
        graph: Where it is.
        name: The output of a node, a constant, or the input.
    """

    graph: Graph
    name: str

    def _with(self, operator: str, other: Any, reverse: bool = False) -> Number:
        names = self.name, self.graph.number(other).name
        return self.graph.add(operator, *(reversed(names) if reverse else names))

    def __add__(self, other: Any) -> Number:
        return self._with("Add", other)

    def __radd__(self, other: Any) -> Number:
        return self._with("Add", other, reverse=True)

    def __sub__(self, other: Any) -> Number:
        return self._with("Sub", other)

    def __rsub__(self, other: Any) -> Number:
        return self._with("Sub", other, reverse=True)

    def __mul__(self, other: Any) -> Number:
        return self._with("Mul", other)

    def __rmul__(self, other: Any) -> Number:
        # `interpret` makes a power by products from 1.0 on.
        one = isinstance(other, float) and other == 1.0
        return self if one else self._with("Mul", other, reverse=True)

    def __truediv__(self, other: Any) -> Number:
        return self._with("Div", other)

    def __rtruediv__(self, other: Any) -> Number:
        return self._with("Div", other, reverse=True)

    def __pow__(self, other: Any) -> Number:
        return self._with("Pow", other)

    def __rpow__(self, other: Any) -> Number:
        return self._with("Pow", other, reverse=True)

    def __neg__(self) -> Number:
        return self.graph.add("Neg", self.name)

    def __lt__(self, other: Any) -> Number:
        return self._with("Less", other)

    def __gt__(self, other: Any) -> Number:
        return self._with("Greater", other)


EVERYWHERE = {
    **{
        name: name.capitalize()
        for name in ("exp", "log", "sqrt", "abs", "sign", "sin", "cos", "tanh", "relu")
    },
    "where": "Where",
}
"""Operators that ONNX Runtime has in both types."""

SINGLE = {
    **{name: name.capitalize() for name in ("sigmoid", "tan", "erf", "sinh", "cosh")},
    **{f"arc{name}": f"A{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
"""Operators that it has in float32 alone."""


def _functions(graph: Graph) -> dict[str, Callable[..., Value]]:
    def operator(name: str) -> Callable[..., Number]:
        return lambda *arguments: graph.add(name, *(argument.name for argument in arguments))

    single = graph.dtype == np.float32
    angles: dict[str, Callable[..., Value]] = (
        {"arctan2": _arctan2} if single else {"arctan2": _arctan2, "arctan": _arctan}
    )
    names = {**EVERYWHERE, **SINGLE} if single else EVERYWHERE
    shares = {"softmax": lambda x: graph.add("Softmax", x.name, axis=-1)}
    return {**{name: operator(known) for name, known in names.items()}, **angles, **shares}


def _arctan2(y: Number, x: Number) -> Number:
    """The angle of a point: a rough one, then what is left of it once the point is turned back by that.

    ONNX has no such operator, and the runtime an arctangent in float32 only. The rest is below 1e-6, where
    the arctangent is its argument in float64.
    """
    graph = x.graph
    f = graph.functions
    single = graph.add("Cast", (y / x).name, to=onnx.TensorProto.FLOAT)
    kind = onnx.helper.np_dtype_to_tensor_dtype(graph.dtype)
    half = graph.add("Cast", graph.add("Atan", single.name).name, to=kind)
    rough = half + f("where", x < 0.0, f("where", y < 0.0, -math.pi, math.pi), 0.0)
    cosine, sine = f("cos", rough), f("sin", rough)
    size = f("abs", x) + f("abs", y)
    # At the origin the angle is 0; what is not a number stays so.
    angle: Number = f("where", size > 0.0, rough + (y * cosine - x * sine) / (x * cosine + y * sine), size)
    return angle


def _arctan(x: Number) -> Value:
    f = x.graph.functions
    return _arctan2(f("where", f("abs", x) < FARTHEST, x, FARTHEST * f("sign", x)), x.graph.number(1.0))
