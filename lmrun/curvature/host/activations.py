"""Activations whose derivatives follow from their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class Activation(NamedTuple):
    """An elementwise function y = f(z); its derivatives are written in y.

    Attributes:
        apply: From z to y, in place.
        slope: From y to f'(z), into the second array.
        ratio: From y and a factor to f''(z) / f'(z) times the factor, into the third array; None where that
            is zero almost everywhere.
        native: Its name in `native/chain.c`; None where it is not there.
    """

    apply: Callable[[Array], Any]
    slope: Callable[[Array, Array], Any]
    ratio: Callable[[Array, Array, Array], Any] | None
    native: str | None = None


def _tanh_slope(y: Array, out: Array) -> None:
    """1 - y^2."""
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)


def _tanh_ratio(y: Array, factor: Array, out: Array) -> None:
    """-2 y."""
    np.multiply(y, factor, out=out)
    out *= -2


def _sigmoid(z: Array) -> None:
    """1 / (1 + exp(-z)) by exp(-|z|) <= 1 alone: nothing overflows."""
    small = np.exp(-np.abs(z))
    np.divide(np.where(z < 0, small, 1), 1 + small, out=z)


def _sigmoid_slope(y: Array, out: Array) -> None:
    """Y (1 - y)."""
    np.subtract(1, y, out=out)
    out *= y


def _sigmoid_ratio(y: Array, factor: Array, out: Array) -> None:
    """1 - 2 y."""
    np.multiply(1 - 2 * y, factor, out=out)


def _softplus_slope(y: Array, out: Array) -> None:
    """1 - exp(-y)."""
    np.negative(np.expm1(-y, out=out), out=out)


def _softplus_ratio(y: Array, factor: Array, out: Array) -> None:
    """exp(-y)."""
    np.multiply(np.exp(-y), factor, out=out)


def _elu(z: Array) -> None:
    """z, or exp(z) - 1 below zero."""
    np.expm1(z, where=z < 0, out=z)


def _elu_slope(y: Array, out: Array) -> None:
    """1, or y + 1 below zero."""
    np.add(np.minimum(y, 0), 1, out=out)


def _elu_ratio(y: Array, factor: Array, out: Array) -> None:
    """0, or 1 below zero."""
    np.multiply(y <= 0, factor, out=out)


IDENTITY = Activation(lambda z: None, lambda y, out: out.fill(1), None)

ACTIVATIONS: dict[str, Activation] = {
    "linear": IDENTITY,
    "tanh": Activation(lambda z: np.tanh(z, out=z), _tanh_slope, _tanh_ratio, "tanh"),
    "sigmoid": Activation(_sigmoid, _sigmoid_slope, _sigmoid_ratio, "sigmoid"),
    "relu": Activation(
        lambda z: np.maximum(z, 0, out=z), lambda y, out: np.greater(y, 0, out=out), None, "relu"
    ),
    "softplus": Activation(lambda z: np.logaddexp(0, z, out=z), _softplus_slope, _softplus_ratio),
    "elu": Activation(_elu, _elu_slope, _elu_ratio),
    "exponential": Activation(
        lambda z: np.exp(z, out=z),
        lambda y, out: np.copyto(out, y),
        lambda y, factor, out: np.copyto(out, factor),
    ),
}
"""By Keras' names. A network with any other one goes to the compiler."""
