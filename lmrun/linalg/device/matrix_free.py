"""Conjugate gradients as one compiled loop; see `linalg.host.matrix_free`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from lmrun.linalg.algebra import Product
from lmrun.linalg.device.form import Data, DeviceForm, Factor, compiled
from lmrun.linalg.truncation import Truncation

Tensor = Any


class _State(NamedTuple):
    """x, b - A x, the direction, (b - A x)^T M^-1 (b - A x), and why to go on.

    `number` counts the products, `fall` is that of the quadratic model, `going` says whether more are worth
    it.
    """

    solution: Tensor
    residual: Tensor
    direction: Tensor
    size: Tensor
    number: Tensor
    fall: Tensor
    going: Tensor


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], right: Tensor, diagonal: Tensor, truncation: Truncation
) -> Tensor:
    """Do what `linalg.host.matrix_free.conjugate_gradients` does; NaN where that is None."""
    scaled = right / diagonal
    size = tf.tensordot(right, scaled, 1)
    target = truncation.tolerance**2 * size

    def body(state: _State) -> tuple[_State]:
        image = product(state.direction)
        curvature = tf.tensordot(state.direction, image, 1)
        # What is not a number goes on, and ends the loop as the size.
        curved = ~(curvature <= 0)
        length = state.size / curvature
        solution = state.solution + length * state.direction
        residual = state.residual - length * image
        scaled = residual / diagonal
        size = tf.tensordot(residual, scaled, 1)
        direction = scaled + (size / state.size) * state.direction
        gain = 0.5 * length * state.size
        number, fall = state.number + 1, state.fall + gain
        going = ~(number * gain <= truncation.progress * fall)
        following = _State(solution, residual, direction, size, number, fall, going)
        stopped = state._replace(going=tf.constant(False))
        return (tf.nest.map_structure(lambda one, other: tf.where(curved, one, other), following, stopped),)

    zero = tf.zeros_like(size)
    start = _State(tf.zeros_like(right), right, scaled, size, zero, zero, tf.constant(True))
    (end,) = tf.while_loop(
        lambda state: (state.size > target) & state.going,
        body,
        (start,),
        maximum_iterations=truncation.most(right.shape[0]),
        parallel_iterations=1,
    )
    nan = tf.constant(float("nan"), right.dtype)
    return tf.where(tf.math.is_finite(end.size), end.solution, nan)


class Products(DeviceForm):
    """The data is the gradient [n], the diagonal [n] and what the product takes after v.

    Args:
        product: See `Product`.
        truncation: Where conjugate gradients end.
    """

    def __init__(self, product: Product, truncation: Truncation) -> None:
        self.product = product.plain
        self.truncation = truncation
        super().__init__(product.compiler or compiled)

    def gradient(self, data: Data) -> Tensor:
        """As given."""
        return data[0]

    def diagonal(self, data: Data) -> Tensor:
        """As given."""
        return data[1]

    def factor(self, data: Data, damping: Tensor, scaling: Tensor) -> Factor:
        """Nothing is factored."""
        return damping * scaling

    def solve(self, data: Data, factor: Factor, right: Tensor) -> Tensor:
        """A parameter that neither rows nor damping hold is preconditioned by 1."""
        _, diagonal, *arguments = data
        damped = diagonal + factor
        return conjugate_gradients(
            lambda vector: self.product(vector, *arguments) + factor * vector,
            right,
            tf.where(damped == 0, tf.ones_like(damped), damped),
            self.truncation,
        )

    def whole(self, data: Data) -> Tensor:
        """Where J^T J is singular, the shortest step in the norm of the diagonal."""
        return self.step(data, tf.zeros_like(data[0]))

    def squared(self, data: Data, vector: Tensor) -> Tensor:
        """By one product."""
        return tf.tensordot(vector, self.product(vector, *data[2:]), 1)
