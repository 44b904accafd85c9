"""Derivatives of functions of the outputs that treat each sample by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensor = Any
Function = Callable[[Tensor], Tensor]
ZERO = tf.UnconnectedGradients.ZERO


def pull(function: Function, point: Tensor, cotangent: Tensor) -> Tensor:
    """Return (df/dx)^T c, of the shape of x."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(point)
        value = function(point)
    return tape.gradient(value, point, output_gradients=cotangent, unconnected_gradients=ZERO)


def push(function: Function, point: Tensor, direction: Tensor) -> Tensor:
    """Return df/dx v, of the shape of f: the derivative by c of v . (df/dx)^T c.

    Source: Townsend 2017, A new trick for calculating Jacobian vector products.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        cotangent = tf.ones_like(function(point))
        tape.watch(cotangent)
        along = tf.reduce_sum(pull(function, point, cotangent) * direction)
    return tape.gradient(along, cotangent, unconnected_gradients=ZERO)


def push_twice(function: Function, point: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return d2/dt2 f(x + t first + t^2/2 second) at t = 0, of the shape of f."""
    start, one = tf.zeros([], point.dtype), tf.ones([], point.dtype)

    def value(t: Tensor) -> Tensor:
        return function(point + t * first + 0.5 * t * t * second)

    return push(lambda t: push(value, t, one), start, one)
