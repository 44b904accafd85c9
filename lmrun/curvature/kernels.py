"""The compiled functions of one model and one loss over a chunk of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from lmrun.curvature.jacobian import linearize
from lmrun.losses.base import Loss
from lmrun.models.network import Network

Tensor = Any


def directional(function: Callable[[Tensor], Tensor], point: Tensor, direction: Tensor) -> Tensor:
    """Return d/dt function(point + t direction) at t = 0, forward mode by two backward passes.

    The gradient J^T u is linear in u; its own gradient with respect to u is J v. TensorFlow's forward
    accumulator gives the same numbers, but XLA then compiles anew for every point.
    Source: Townsend 2017, A new trick for calculating Jacobian vector products.
    """
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(point)
            value = function(point)
        cotangent = tf.ones_like(value)
        outer.watch(cotangent)
        gradient = inner.gradient(
            value, point, output_gradients=cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        along = tf.tensordot(gradient, direction, 1)
    return outer.gradient(along, cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO)


class Kernels:
    """Loss, gradient, Jacobian and Hessian of a chunk, each compiled once per shape.

    XLA fuses the many small operations of a narrow network (7 times faster than TensorFlow's executor for 20
    units), but its convolutions on the CPU are slower, so the loss and gradient of a convolutional network go
    without it.

    Args:
        network: The model.
        loss: The loss.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        self.network = network
        self.loss = loss
        fuse = not network.convolutional
        self.value = tf.function(self.plain_value, jit_compile=fuse, autograph=False)
        self.value_and_gradient = tf.function(
            self.plain_value_and_gradient, jit_compile=fuse, autograph=False
        )
        self.residual_and_jacobian = tf.function(
            self._residual_and_jacobian, jit_compile=True, autograph=False
        )
        self.gradient_and_hessian = tf.function(self._gradient_and_hessian, jit_compile=fuse, autograph=False)
        self.bend = tf.function(self._bend, jit_compile=fuse, autograph=False)
        self.outputs = tf.function(self.network.outputs, jit_compile=fuse, autograph=False)

    def plain_value(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Sum of w_i l_i; scalar."""
        return tf.tensordot(weights, self.loss.values(self.network.outputs(params, inputs), targets), 1)

    def plain_value_and_gradient(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum of w_i l_i and its gradient [n]."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            value = self.plain_value(params, inputs, targets, weights)
        return value, tape.gradient(value, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _residual_and_jacobian(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The weighted residual [q rows] and its Jacobian, transposed [n, q rows]."""
        return linearize(self.network, self.loss, params, inputs, targets, weights)

    def _gradient_and_hessian(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The first [n] and the second derivative [n, n] of the sum of w_i l_i.

        Row by row of the Hessian, one backward pass each: the memory does not grow with n.
        """
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(params)
            _, gradient = self.plain_value_and_gradient(params, inputs, targets, weights)
        zero = tf.UnconnectedGradients.ZERO
        hessian = tf.map_fn(
            lambda basis: tape.gradient(gradient, params, output_gradients=basis, unconnected_gradients=zero),
            tf.eye(self.network.size, dtype=params.dtype),
        )
        return gradient, hessian

    def _bend(
        self, params: Tensor, direction: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> Tensor:
        """J^T F F^T z_vv [n], z_vv being the second derivative of the outputs along `direction` [n]."""

        def slope(point: Tensor) -> Tensor:
            return directional(lambda at: self.network.outputs(at, inputs), point, direction)

        second = directional(slope, params, direction)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            outputs = self.network.outputs(params, inputs)
        factor = self.loss.factor(outputs, targets)
        curved = tf.linalg.matvec(factor, tf.linalg.matvec(factor, second, transpose_a=True))
        return tape.gradient(
            outputs,
            params,
            output_gradients=curved * weights[:, None],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    def zero_loss(self, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the loss of a model whose outputs are all zero; scalar.

        It is the yardstick for losses that are far too large.
        """
        outputs = tf.zeros([targets.shape[0], self.network.model.output_shape[-1]], weights.dtype)
        total = tf.maximum(tf.reduce_sum(weights), 1e-30)
        return tf.tensordot(weights, self.loss.values(outputs, targets), 1) / total
