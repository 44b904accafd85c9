"""What joins values, element by element: layers such as `Add`, and the operations of `keras.ops`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any

Value = Any
"""A tensor, a node of a graph or a piece of code, that has Python's operators: + - * / ** < >."""
Call = Callable[..., Value]
"""Calls a function by its name; `where(condition, one, other)` is one of them."""

FUNCTIONS = (
    *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"),
    *("arcsin", "arccos", "arctan", "arctan2", "arcsinh", "arccosh", "arctanh", "erf"),
)
"""Functions of `keras.ops` whose classes have their names."""


def _largest(f: Call, *values: Value) -> Value:
    return reduce(lambda one, other: f("where", one > other, one, other), values)


def _smallest(f: Call, *values: Value) -> Value:
    return reduce(lambda one, other: f("where", one < other, one, other), values)


def _named(name: str) -> Callable[..., Value]:
    return lambda f, *values: f(name, *values)


JOINING: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "Add": lambda f, *values: reduce(operator.add, values),
        "Subtract": lambda f, one, other: one - other,
        "Multiply": lambda f, *values: reduce(operator.mul, values),
        "Average": lambda f, *values: reduce(operator.add, values) * (1.0 / len(values)),
        "Maximum": _largest,
        "Minimum": _smallest,
        "LeakyReLU": lambda f, value, slope: f("where", value > 0.0, value, slope * value),
        "ops.Add": lambda f, one, other: one + other,
        "ops.Subtract": lambda f, one, other: one - other,
        "ops.Multiply": lambda f, one, other: one * other,
        "ops.Divide": lambda f, one, other: one / other,
        "ops.TrueDivide": lambda f, one, other: one / other,
        "ops.Power": lambda f, one, other: one**other,
        "ops.Negative": lambda f, value: -value,
        "ops.Square": lambda f, value: value * value,
        "ops.Absolute": _named("abs"),
        **{f"ops.{name.capitalize()}": _named(name) for name in FUNCTIONS},
    }
)
"""Each from a caller of functions and the arguments, by its name as in `following.kind_of`."""
