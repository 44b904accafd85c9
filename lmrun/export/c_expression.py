"""Formulas in C: an expression whose numbers are pieces of code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from scipy.special import erf

from lmrun.errors import UsageError


@dataclass(frozen=True)
class Code:
    """A piece of C that is a double; Python's operators put pieces together.

    Attributes:
        text: The code; it binds as strongly as a name or a call.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __add__(self, other: Any) -> Code:
        return Code(f"({self} + {written(other)})")

    def __radd__(self, other: Any) -> Code:
        return Code(f"({written(other)} + {self})")

    def __sub__(self, other: Any) -> Code:
        return Code(f"({self} - {written(other)})")

    def __rsub__(self, other: Any) -> Code:
        return Code(f"({written(other)} - {self})")

    def __mul__(self, other: Any) -> Code:
        # `interpret` makes a power by products from 1.0 on.
        return self if other == 1.0 else Code(f"({self} * {written(other)})")

    def __rmul__(self, other: Any) -> Code:
        return self if other == 1.0 else Code(f"({written(other)} * {self})")

    def __truediv__(self, other: Any) -> Code:
        return Code(f"({self} / {written(other)})")

    def __rtruediv__(self, other: Any) -> Code:
        return Code(f"({written(other)} / {self})")

    def __pow__(self, other: Any) -> Code:
        return Code(f"pow({self}, {written(other)})")

    def __rpow__(self, other: Any) -> Code:
        return Code(f"pow({written(other)}, {self})")

    def __neg__(self) -> Code:
        return Code(f"(-{self})")

    def __lt__(self, other: Any) -> Code:
        return Code(f"({self} < {written(other)})")

    def __gt__(self, other: Any) -> Code:
        return Code(f"({self} > {written(other)})")


def written(value: Any) -> str:
    """Write a piece of code, or a number with the digits that give back the same one.

    Raises:
        UsageError: The number is not finite; C has no constant for it.
    """
    if isinstance(value, Code):
        return value.text
    if not math.isfinite(value):
        raise UsageError(f"The formula has the constant {value}, which C cannot write.")
    text = repr(float(value))
    return f"({text})" if text.startswith("-") else text


NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{
            name: name
            for name in ("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan")
        },
        **{name: name for name in ("sinh", "cosh", "tanh", "erf")},
        "abs": "fabs",
        "arcsin": "asin",
        "arccos": "acos",
        "arctan": "atan",
        "arctan2": "atan2",
        "arcsinh": "asinh",
        "arccosh": "acosh",
        "arctanh": "atanh",
    }
)
"""What C calls the grammar's functions."""

VALUES: Mapping[str, Callable[..., float]] = MappingProxyType(
    {name: getattr(math, known, None) or erf for name, known in NAMES.items()}
)


def call(name: str, *arguments: Any) -> Code:
    """Call a function of the grammar by its canonical name, or `where(condition, one, other)`."""
    if name == "where":
        condition, one, other = arguments
        return Code(f"({condition} ? {written(one)} : {written(other)})")
    return Code(f"{NAMES[name]}({', '.join(map(written, arguments))})")


def evaluate(name: str, *arguments: Any) -> float:
    """Calculate a function of the grammar of numbers: tied parameters are constants in C."""
    return float(VALUES[name](*arguments))
