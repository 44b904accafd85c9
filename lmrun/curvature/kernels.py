"""The compiled functions of one model and one loss over a chunk of rows.

Inputs are [channels, ..., rows] (`layers.base`), targets [rows, ...], weights [rows]. XLA compiles all of
them, once per shape: it fuses the many small operations of a narrow network, and a convolution with samples
last is a matrix product, three times as fast on a CPU as TensorFlow's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from lmrun.curvature.batch import CHUNK_BYTES, FEWEST_ROWS, Draw, Rows, draw_on_device, make_rows
from lmrun.curvature.compiled import Compiled
from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.hessian import gradient_and_hessian
from lmrun.curvature.jacobian import Linear, linearize
from lmrun.curvature.taylor import outputs_along
from lmrun.datasets.base import Split
from lmrun.losses.base import Loss
from lmrun.models.network import Network

Tensor = Any
Kernel = Callable[..., Any]

THREAD_WORK = 2**27
"""Multiplications of J^T J that are worth a thread."""
LEAST_ROWS = 64
"""Fewer are not worth a thread, however many parameters there are."""
ZERO = tf.UnconnectedGradients.ZERO


class Kernels:
    """Loss, gradient, Jacobian and Hessian of a chunk.

    Args:
        network: The model.
        loss: The loss.

    Attributes:
        compiles: Whether a first call of a shape waits for the compiler.
        knows_hessian: Whether the Hessian costs little more than the Jacobian.
        hold: Puts a split where batches are drawn from it.
        draw: Draws a chunk from that.
        chunk_bytes: See `batch.chunk_rows`.
        most_rows_alone: Rows that are worth a thread, however few the parameters.
        multiple: See `batch.chunk_rows`.
    """

    compiles = True
    knows_hessian = False
    chunk_bytes = CHUNK_BYTES
    most_rows_alone = FEWEST_ROWS
    multiple = 1
    hold: Callable[[Split, str], Rows] = staticmethod(make_rows)
    draw: Draw = staticmethod(draw_on_device)

    def __init__(self, network: Network, loss: Loss) -> None:
        self.network = network
        self.graph = Graph(network)
        self.loss = loss
        work = max(THREAD_WORK // network.size**2, LEAST_ROWS)
        self.fewest_rows = min(work, self.most_rows_alone)
        self.value: Kernel = Compiled(self.plain_value)
        self.value_and_gradient: Kernel = Compiled(self.plain_value_and_gradient)
        self.jacobian_and_residual: Kernel = Compiled(self.plain_jacobian_and_residual)
        self.gradient_and_hessian: Kernel = Compiled(self.plain_gradient_and_hessian)
        fuse = not self.graph.has_loops
        self.bend: Kernel = Compiled(self.plain_bend, fuse=fuse)
        self.bent_residual: Kernel = Compiled(self.plain_bent_residual, fuse=fuse)
        self.outputs: Kernel = Compiled(self.plain_outputs)

    def row_bytes(self, itemsize: int) -> int:
        """Return the bytes of a sample that decide the size of a chunk: its rows of the Jacobian."""
        return self.table_bytes(1, itemsize)

    def table_bytes(self, rows: int, itemsize: int) -> int:
        """Return the bytes of the Jacobian of a chunk that are there at a time."""
        return rows * self.loss.components(self.graph.width) * self.network.size * itemsize

    def tables(self, params: Tensor, *rows: Tensor) -> Iterator[Linear]:
        """Yield the linearization of a chunk in pieces; a table is only valid until the next one."""
        yield self.jacobian_and_residual(params, *rows)

    def point(self, vector: Any) -> Tensor:
        """Return parameters or a direction [n], an array or a tensor, as the kernels take it."""
        return tf.convert_to_tensor(vector)

    def normal_equations(self, call: Call) -> Kernel:
        """Return the kernel from (params, inputs, targets, weights) to the normal equations of a last layer.

        A A^T [m + q, m + q] with A = sqrt(w) [Phi; 1; Z - T] of m features, that of the bias included.

        Args:
            call: The linear dense layer that makes the outputs Z = W^T Phi + b.
        """

        def plain(params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
            done = [(traced, made) for traced, made in self.graph.run(params, inputs) if traced is not None]
            phi, outputs = next((traced.inputs[0], made) for traced, made in done if traced.call is call)
            ones = [tf.ones_like(phi[:1])] if call.part.layer.use_bias else []
            table = tf.concat([phi, *ones, outputs - tf.transpose(targets)], axis=0) * tf.sqrt(weights)
            return tf.matmul(table, table, transpose_b=True)

        return Compiled(plain)

    def plain_outputs(self, params: Tensor, inputs: Tensor) -> Tensor:
        """Predict; params [n] to [rows, outputs]."""
        return tf.transpose(self.graph.outputs(params, inputs))

    def plain_value(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Sum of w_i l_i; scalar."""
        return tf.tensordot(weights, self.loss.values(self.plain_outputs(params, inputs), targets), 1)

    def plain_value_and_gradient(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum of w_i l_i and its gradient [n]."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            value = self.plain_value(params, inputs, targets, weights)
        return value, tape.gradient(value, params, unconnected_gradients=ZERO)

    def plain_jacobian_and_residual(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> Linear:
        """The weighted Jacobian, transposed, with the residual below it [n + 1, q rows], or the gradient."""
        return linearize(self.graph, self.loss, params, inputs, targets, weights, key)

    def plain_gradient_and_hessian(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The first [n] and the second derivative [n, n] of the sum of w_i l_i."""
        return gradient_and_hessian(self.graph, self.loss, params, Rows(inputs, targets, weights))

    def plain_bend(  # noqa: PLR0917 - as all kernels
        self,
        params: Tensor,
        direction: Tensor,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        key: Tensor | None = None,
    ) -> Tensor:
        """J^T F r_vv [n], r_vv being the second derivative of the residuals along `direction` [n]."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            outputs = self.graph.outputs(params, inputs)
        by_sample = tf.transpose(outputs)
        bent = tf.unstack(self._bent(params, direction, inputs, targets, key), axis=-1)
        columns = self.loss.columns(by_sample, targets, key)
        pulled = sum(column * part[:, None] for column, part in zip(columns, bent, strict=True))
        seed = tf.transpose(pulled) * weights
        return tape.gradient(outputs, params, output_gradients=seed, unconnected_gradients=ZERO)

    def plain_bent_residual(  # noqa: PLR0917 - as all kernels
        self,
        params: Tensor,
        direction: Tensor,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        key: Tensor | None = None,
    ) -> Tensor:
        """sqrt(w) r_vv [q rows], in the order of the Jacobian's rows."""
        bent = tf.transpose(self._bent(params, direction, inputs, targets, key))
        return tf.reshape(bent * tf.sqrt(weights), [-1])

    def _bent(
        self, params: Tensor, direction: Tensor, inputs: Tensor, targets: Tensor, key: Tensor | None
    ) -> Tensor:
        along = outputs_along(self.graph, params, direction, inputs)
        value, first, second = (tf.transpose(part) for part in along)
        return self.loss.bent(value, targets, key, first, second)

    def zero_loss(self, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the loss of a model whose outputs are all zero; scalar.

        It is the yardstick for losses that are far too large.
        """
        outputs = tf.zeros([targets.shape[0], self.graph.width], weights.dtype)
        total = tf.maximum(tf.reduce_sum(weights), 1e-30)
        loss = tf.tensordot(weights, self.loss.values(outputs, targets), 1) / total
        # A loss of the user's own need not know zeros; infinity as a yardstick measures nothing.
        return tf.where(tf.math.is_nan(loss), tf.zeros_like(loss), loss)
