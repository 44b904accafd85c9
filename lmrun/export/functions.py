"""The functions of formulas and the activations of networks, put together from the few that a format has.

ONNX Runtime calculates few functions in float64, LiteRT few at all. What is missing is composed here of
Python's operators, `where`, and functions that are there; no composition loses digits near zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from lmrun.export.following import UnknownLayerError

Value = Any
"""A tensor, or a node of a graph, that has Python's operators: + - * / ** < >."""

NEAR = 0.25
"""Below it, log1p is a series."""
TERMS = 10
"""Of that series; the next is below 1e-18 of the first."""
SERIES = 24
"""Terms of the series of erf; the next is below 1e-18."""
LARGEST = 6.0
"""From here on erf is 1 in float64."""


@dataclass(frozen=True)
class Functions:
    """Calls a function or an activation by its name.

    Attributes:
        native: What the format has: at least exp, log, sqrt, abs, sign, sin, cos, tanh, relu, arctan2 and
            `where(condition, one, other)`; the softmax, where layers may have one.
        number: Turns a Python number into a value, and leaves values as they are.
    """

    native: Mapping[str, Callable[..., Value]]
    number: Callable[[Any], Value]

    def __call__(self, name: str, *arguments: Any) -> Value:
        """Return the value of a function.

        Raises:
            UsageError: Nobody knows it.
        """
        known = self.native.get(name)
        if known is None:
            composed = COMPOSED.get(name)
            if composed is None:
                raise UnknownLayerError(f"The activation {name}")
            known = partial(composed, self)
        return known(*map(self.number, arguments))


def _expm1(f: Functions, x: Value) -> Value:
    # e^x - 1 = 2 t / (1 - t) with t = tanh(x/2): nothing cancels near zero.
    half = f("tanh", 0.5 * x)
    return f("where", f("abs", x) < 1.0, 2.0 * half / (1.0 - half), f("exp", x) - 1.0)


def _log1p(f: Functions, x: Value) -> Value:
    # log(1 + x) = 2 artanh(z), z = x / (2 + x), by its series near zero. (The correction by what 1 + x rounds
    # off is shorter, but the converter to TFLite simplifies (1 + x) - 1.)
    z = x / (2.0 + x)
    series: Value = 0.0
    for n in reversed(range(TERMS)):
        series = 1.0 / (2 * n + 1) + z * z * series
    return f("where", f("abs", x) < NEAR, 2.0 * z * series, f("log", 1.0 + x))


def _erf(f: Functions, x: Value) -> Value:
    # The Fourier series of the Gaussian repeated with period 4 pi, integrated: A. J. Strecok, Mathematics of
    # Computation 22 (1968) 144, with another period. Below 6 the neighbours contribute less than 1e-19.
    total = 0.25 * x
    for n in range(1, SERIES + 1):
        total = total + math.exp(-(n**2) / 16.0) / n * f("sin", 0.5 * n * x)
    return f("where", f("abs", x) < LARGEST, 2.0 / math.pi * total, f("sign", x))


def _sinh(f: Functions, x: Value) -> Value:
    grown = f("expm1", f("abs", x))
    return f("sign", x) * 0.5 * (grown + grown / (grown + 1.0))


def _cosh(f: Functions, x: Value) -> Value:
    grown = f("exp", f("abs", x))
    return 0.5 * grown + 0.5 / grown


def _arcsinh(f: Functions, x: Value) -> Value:
    size = f("abs", x)
    return f("sign", x) * f("log1p", size + size * size / (1.0 + f("sqrt", size * size + 1.0)))


def _arccosh(f: Functions, x: Value) -> Value:
    above = x - 1.0
    return f("log1p", above + f("sqrt", above * (above + 2.0)))


def _arctanh(f: Functions, x: Value) -> Value:
    size = f("abs", x)
    return f("sign", x) * 0.5 * f("log1p", 2.0 * size / (1.0 - size))


def _other_leg(f: Functions, x: Value) -> Value:
    """The root of 1 - x^2."""
    return f("sqrt", (1.0 - x) * (1.0 + x))


def _softplus(f: Functions, x: Value) -> Value:
    return f("relu", x) + f("log1p", f("exp", -f("abs", x)))


COMPOSED: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "expm1": _expm1,
        "log1p": _log1p,
        "log2": lambda f, x: f("log", x) / math.log(2.0),
        "log10": lambda f, x: f("log", x) / math.log(10.0),
        "tan": lambda f, x: f("sin", x) / f("cos", x),
        "erf": _erf,
        "sinh": _sinh,
        "cosh": _cosh,
        "arcsin": lambda f, x: f("arctan2", x, _other_leg(f, x)),
        "arccos": lambda f, x: f("arctan2", _other_leg(f, x), x),
        "arctan": lambda f, x: f("arctan2", x, 1.0),
        "arcsinh": _arcsinh,
        "arccosh": _arccosh,
        "arctanh": _arctanh,
        "linear": lambda f, x: x,
        "sigmoid": lambda f, x: 1.0 / (1.0 + f("exp", -x)),
        "elu": lambda f, x: f("where", x > 0.0, x, f("expm1", x)),
        "selu": lambda f, x: 1.0507009873554805 * f("where", x > 0.0, x, 1.6732632423543772 * f("expm1", x)),
        # TensorFlow rounds the root of 1/2 to float32, in float64 too.
        "gelu": lambda f, x: 0.5 * x * (1.0 + f("erf", 0.7071067690849304 * x)),
        "silu": lambda f, x: x * f("sigmoid", x),
        "softplus": _softplus,
        "softsign": lambda f, x: x / (1.0 + f("abs", x)),
        "exponential": lambda f, x: f("exp", x),
    }
)
"""Each from functions that a format has, and from one another."""

ACTIVATIONS = ("relu", "tanh", "softmax", *COMPOSED)
"""What a format can compute once it has what `Functions` asks for, and the softmax."""
