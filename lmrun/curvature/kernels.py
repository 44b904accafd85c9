"""The compiled functions of one model and one loss over a chunk of rows."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from lmrun.curvature.jacobian import linearize
from lmrun.losses.base import Loss
from lmrun.models.network import Network

Tensor = Any


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
        self.value = tf.function(self._value, jit_compile=fuse, autograph=False)
        self.value_and_gradient = tf.function(self._value_and_gradient, jit_compile=fuse, autograph=False)
        self.residual_and_jacobian = tf.function(
            self._residual_and_jacobian, jit_compile=True, autograph=False
        )
        self.hessian = tf.function(self._hessian, autograph=False)
        self.outputs = tf.function(self.network.outputs, jit_compile=fuse, autograph=False)

    def _value(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Sum of w_i l_i; scalar."""
        return tf.tensordot(weights, self.loss.values(self.network.outputs(params, inputs), targets), 1)

    def _value_and_gradient(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum of w_i l_i and its gradient [n]."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            value = self._value(params, inputs, targets, weights)
        return value, tape.gradient(value, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _residual_and_jacobian(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The weighted residual [q rows] and its Jacobian [q rows, n]."""
        return linearize(self.network, self.loss, params, inputs, targets, weights)

    def _hessian(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The second derivative [n, n] of the sum of w_i l_i, by a backward pass per row of it."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            _, gradient = self._value_and_gradient(params, inputs, targets, weights)
        return tape.jacobian(gradient, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)
