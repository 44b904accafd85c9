"""Forward-mode derivatives in NumPy: a value with its first derivatives, or with two along a direction.

The arithmetic is that of truncated Taylor polynomials: with z = f(u, v),

    z_i = f_u u_i + f_v v_i,
    z_tt = f_u u_tt + f_v v_tt + f_uu u_t^2 + 2 f_uv u_t v_t + f_vv v_t^2.

A formula has few parameters, and most of its parts depend on one or two of them: only derivatives that are
not zero are there. Source: Griewank and Walther 2008, Evaluating Derivatives, chapters 3 and 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

Array = NDArray[np.floating]
Number = Any
"""A float, or an array that broadcasts to [rows]."""


class Jet:
    """A value and its derivatives.

    Args:
        value: [rows], or what broadcasts to that.
        first: The derivatives that are not zero, by the number of the parameter; along a direction, number 0.
        second: That along the direction; None where only first derivatives are asked for.
    """

    __array_ufunc__ = None
    """An array on the left of an operator leaves the operation to the jet."""

    def __init__(self, value: Number, first: Mapping[int, Number], second: Number | None = None) -> None:
        self.value = value
        self.first = first
        self.second = second

    def __neg__(self) -> Jet:
        second = None if self.second is None else -self.second
        return Jet(-self.value, {key: -slope for key, slope in self.first.items()}, second)

    def __add__(self, other: Value) -> Jet:
        return _combined(np.add, self, other, _sum_partials)

    def __radd__(self, other: Value) -> Jet:
        return _combined(np.add, other, self, _sum_partials)

    def __sub__(self, other: Value) -> Jet:
        return _combined(np.subtract, self, other, _difference_partials)

    def __rsub__(self, other: Value) -> Jet:
        return _combined(np.subtract, other, self, _difference_partials)

    def __mul__(self, other: Value) -> Jet:
        return _combined(np.multiply, self, other, _product_partials)

    def __rmul__(self, other: Value) -> Jet:
        return _combined(np.multiply, other, self, _product_partials)

    def __truediv__(self, other: Value) -> Jet:
        return _combined(np.divide, self, other, _quotient_partials)

    def __rtruediv__(self, other: Value) -> Jet:
        return _combined(np.divide, other, self, _quotient_partials)

    def __pow__(self, other: Value) -> Jet:
        return _combined(np.power, self, other, _power_partials)

    def __rpow__(self, other: Value) -> Jet:
        return _combined(np.power, other, self, _power_partials)


Value = Number | Jet


class Partials(NamedTuple):
    """Derivatives of z = f(u, v); second ones are functions, since not every jet asks for them."""

    by_left: Callable[[], Number]
    by_right: Callable[[], Number]
    twice: Callable[[], tuple[Number, Number, Number]]
    """f_uu, f_uv and f_vv."""


def _sum_partials(u: Number, v: Number, z: Number) -> Partials:
    return Partials(lambda: 1.0, lambda: 1.0, lambda: (0.0, 0.0, 0.0))


def _difference_partials(u: Number, v: Number, z: Number) -> Partials:
    return Partials(lambda: 1.0, lambda: -1.0, lambda: (0.0, 0.0, 0.0))


def _product_partials(u: Number, v: Number, z: Number) -> Partials:
    return Partials(lambda: v, lambda: u, lambda: (0.0, 1.0, 0.0))


def _quotient_partials(u: Number, v: Number, z: Number) -> Partials:
    def twice() -> tuple[Number, Number, Number]:
        square = v * v
        return 0.0, _ratio(-1.0, square), 2 * z / square

    return Partials(lambda: _ratio(1.0, v), lambda: -z / v, twice)


def _ratio(above: float, below: Number) -> Number:
    """A quotient; infinite for a constant of 0, as it is for arrays, where Python would raise."""
    return float(np.divide(above, below)) if isinstance(below, float) else above / below


def _power_partials(u: Number, v: Number, z: Number) -> Partials:
    """The derivatives by the exponent exist for a positive base only; elsewhere they count as zero."""

    def log() -> Number:
        return np.log(np.where(np.greater(u, 0), u, 1.0))

    def twice() -> tuple[Number, Number, Number]:
        return v * (v - 1) * u ** (v - 2.0), u ** (v - 1.0) * (1 + v * log()), z * log() ** 2

    return Partials(lambda: v * u ** (v - 1.0), lambda: z * log(), twice)


def _arctan2_partials(u: Number, v: Number, z: Number) -> Partials:
    square = u * u + v * v

    def twice() -> tuple[Number, Number, Number]:
        cross = 2 * u * v / square**2
        return -cross, (u * u - v * v) / square**2, cross

    return Partials(lambda: v / square, lambda: -u / square, twice)


def _combined(
    function: Callable[[Number, Number], Number],
    left: Value,
    right: Value,
    partials: Callable[[Number, Number, Number], Partials],
) -> Jet:
    """Z = f(u, v) of jets and constants, one of which at least is a jet."""
    u, v = (side.value if isinstance(side, Jet) else side for side in (left, right))
    z = function(u, v)
    by = partials(u, v, z)
    sides = [(side, slope()) for side, slope in ((left, by[0]), (right, by[1])) if isinstance(side, Jet)]
    first: dict[int, Number] = {}
    for side, slope in sides:
        for key, inner in side.first.items():
            own = slope * inner
            first[key] = first[key] + own if key in first else own
    if any(side.second is None for side, _ in sides):
        return Jet(z, first)
    second: Number = sum(slope * side.second for side, slope in sides)
    along = [side.first.get(0, 0.0) if isinstance(side, Jet) else 0.0 for side in (left, right)]
    squared = (along[0] * along[0], 2 * along[0] * along[1], along[1] * along[1])
    moving = (isinstance(left, Jet), len(sides) == len(along), isinstance(right, Jet))
    for factor, product, moves in zip(by.twice(), squared, moving, strict=True):
        # A constant does not move; its factor may be infinite (1e-200 squared is 0), and 0 times that NaN.
        if moves:
            second = second + factor * product
    return Jet(z, first, second)


class Function(NamedTuple):
    """y = f(x) with f'(x, y) and f''(x, y, f')."""

    value: Callable[[Number], Number]
    slope: Callable[[Number, Number], Number]
    bend: Callable[[Number, Number, Number], Number]


def _logarithm(value: Callable[[Number], Number], base: float) -> Function:
    scale = math.log(base)
    return Function(value, lambda x, y: 1 / (scale * x), lambda x, y, d: -d / x)


def _erf(x: Number) -> Number:
    """SciPy has none in extended precision."""
    extended = isinstance(x, np.ndarray) and x.dtype == np.longdouble
    return scipy.special.erf(x.astype(np.float64) if extended else x)


SIMPLE: dict[str, Function] = {
    "exp": Function(np.exp, lambda x, y: y, lambda x, y, d: y),
    "expm1": Function(np.expm1, lambda x, y: y + 1, lambda x, y, d: d),
    "log": _logarithm(np.log, math.e),
    "log1p": Function(np.log1p, lambda x, y: 1 / (1 + x), lambda x, y, d: -d * d),
    "log2": _logarithm(np.log2, 2.0),
    "log10": _logarithm(np.log10, 10.0),
    "sqrt": Function(np.sqrt, lambda x, y: 0.5 / y, lambda x, y, d: -0.5 * d / x),
    "abs": Function(np.abs, lambda x, y: np.sign(x), lambda x, y, d: 0.0),
    "sin": Function(np.sin, lambda x, y: np.cos(x), lambda x, y, d: -y),
    "cos": Function(np.cos, lambda x, y: -np.sin(x), lambda x, y, d: -y),
    "tan": Function(np.tan, lambda x, y: 1 + y * y, lambda x, y, d: 2 * y * d),
    "arcsin": Function(np.arcsin, lambda x, y: 1 / np.sqrt((1 - x) * (1 + x)), lambda x, y, d: x * d**3),
    "arccos": Function(np.arccos, lambda x, y: -1 / np.sqrt((1 - x) * (1 + x)), lambda x, y, d: x * d**3),
    "arctan": Function(np.arctan, lambda x, y: 1 / (1 + x * x), lambda x, y, d: -2 * x * d * d),
    "sinh": Function(np.sinh, lambda x, y: np.cosh(x), lambda x, y, d: y),
    "cosh": Function(np.cosh, lambda x, y: np.sinh(x), lambda x, y, d: y),
    "tanh": Function(np.tanh, lambda x, y: 1 - y * y, lambda x, y, d: -2 * y * d),
    "arcsinh": Function(np.arcsinh, lambda x, y: 1 / np.sqrt(1 + x * x), lambda x, y, d: -x * d**3),
    "arccosh": Function(np.arccosh, lambda x, y: 1 / np.sqrt((x - 1) * (x + 1)), lambda x, y, d: -x * d**3),
    "arctanh": Function(np.arctanh, lambda x, y: 1 / ((1 - x) * (1 + x)), lambda x, y, d: 2 * x * d * d),
    "erf": Function(
        _erf,
        lambda x, y: 2 / math.sqrt(math.pi) * np.exp(-x * x),
        lambda x, y, d: -2 * x * d,
    ),
}
"""The functions of one argument by their canonical names."""


def call(name: str, *arguments: Value) -> Value:
    """Call a function of the grammar, by its canonical name, on jets, arrays and floats."""
    if name == "arctan2":
        left, right = arguments
        if not isinstance(left, Jet) and not isinstance(right, Jet):
            return np.arctan2(left, right)
        return _combined(np.arctan2, left, right, _arctan2_partials)
    function, x = SIMPLE[name], arguments[0]
    if not isinstance(x, Jet):
        return function.value(x)
    y = function.value(x.value)
    slope = function.slope(x.value, y)
    first = {key: slope * inner for key, inner in x.first.items()}
    if x.second is None:
        return Jet(y, first)
    along = x.first.get(0, 0.0)
    return Jet(y, first, slope * x.second + function.bend(x.value, y, slope) * along * along)


def along(values: Array, direction: Array) -> list[Jet]:
    """Parameters that move along a direction, with two derivatives."""
    return [Jet(np.atleast_1d(value), {0: rate}, 0.0) for value, rate in zip(values, direction, strict=True)]


def variables(values: Array) -> list[Jet]:
    """Parameters with their first derivatives, those by themselves."""
    return [Jet(np.atleast_1d(value), {place: 1.0}) for place, value in enumerate(values)]
