"""The kernels of a chain of layers in NumPy.

A first step of a compiled network waits 0.2 to 1.5 s for its tracing and compilation, as long as the whole
fit of a small one; and a call into TensorFlow takes as long as NumPy needs for 500 rows. For such networks
NumPy's vectorized loops are as fast as XLA's (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.host.base import NumpyKernels, silent
from lmrun.curvature.host.chain import Chain, chain_of
from lmrun.curvature.host.losses.base import HostLoss
from lmrun.curvature.host.losses.registry import host_loss
from lmrun.curvature.host.passes import Head, Pass, weighted
from lmrun.curvature.jacobian import Linear
from lmrun.losses.base import Loss
from lmrun.models.network import Network

Array = NDArray[np.floating]
Tensor = Any
"""An array, or a tensor on the CPU, of which NumPy takes a view."""

PIECE_BYTES = (2**20, 2**22)
"""Least and most of a piece of the Jacobian: what a core's own cache holds, and what the common one holds of
all threads (docs/benchmarks.md)."""
MOST_BYTES = 2**26
"""Of a chunk's values, however few rows that are."""


class HostKernels(NumpyKernels):
    """Kernels whose derivatives of first and second order along a line need no compiler.

    Args:
        network: The model.
        loss: The loss.
        chain: The model's layers.
        known: The loss in NumPy.
    """

    most_rows_alone = 4096
    """Threads of NumPy wait for each other between operations: two of them take 2.3 ms for 2,048 rows of 61
    parameters and 4.3 for 8,192, one 1.4 and 4.8; of 311 parameters 2,488 rows take 8.1 ms either way."""
    chunk_bytes = 12 * 2**20
    """Memory of a thread for the values of its chunk, see `row_bytes`: a step on 20,000 rows of sinc takes
    8.9 ms with 8 MiB, 7.6 with 12; more only adds to the peak (docs/benchmarks.md)."""
    multiple = 16
    """Numbers of float32 in a line of the cache: features that begin with one take half of the time."""

    def __init__(self, network: Network, loss: Loss, chain: Chain, known: HostLoss) -> None:
        super().__init__(network, loss)
        self.chain = chain
        self.host_loss = known
        self.inputs = int(np.prod(network.model.inputs[0].shape[1:]))
        self.value = self.host_value
        self.value_and_gradient = self.host_value_and_gradient
        self.jacobian_and_residual = self.host_jacobian_and_residual
        self.bend = self.host_bend
        self.bent_residual = self.host_bent_residual
        self.outputs = self.host_outputs

    def row_bytes(self, itemsize: int) -> int:
        """Its inputs, values, slopes and cotangents in all layers, and what these hold besides.

        It counts for less where a chunk would have fewer rows than a piece of the Jacobian: syrk is slower
        with few, and the values of a convolutional network do not fit into the cache anyway.
        """
        values = itemsize * (self.inputs + 3 * self.graph.value_size + self.chain.held)
        piece = itemsize * self.network.size * self.chunk_bytes // self._piece_bytes(itemsize)
        return min(values, max(piece, values * self.chunk_bytes // MOST_BYTES))

    def _piece_bytes(self, itemsize: int) -> int:
        """As many rows as J^T J, all of which is read and written for every piece, within the bounds."""
        least, most = PIECE_BYTES
        return min(max(least, itemsize * self.network.size**2), most)

    def table_bytes(self, rows: int, itemsize: int) -> int:
        """A piece."""
        return min(super().table_bytes(rows, itemsize), self._piece_bytes(itemsize))

    @silent
    def zero_loss(self, targets: Tensor, weights: Tensor) -> float:
        """See `Kernels.zero_loss`."""
        weight = np.asarray(weights)
        zeros = np.zeros((self.graph.width, len(weight)), weight.dtype)
        loss = weighted(self.host_loss.values(zeros, np.asarray(targets)), weight)
        return loss / max(float(np.sum(weight)), 1e-30)

    @silent
    def host_outputs(self, params: Tensor, inputs: Tensor) -> Array:
        """See `Kernels.plain_outputs`."""
        return self._forward(params, inputs)[1][-1].T.copy()

    @silent
    def host_value(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> float:
        """See `Kernels.plain_value`."""
        values = self.host_loss.values(self._forward(params, inputs)[1][-1], np.asarray(targets))
        return weighted(values, np.asarray(weights))

    @silent
    def host_value_and_gradient(self, params: Tensor, *rows: Tensor) -> tuple[float, Array]:
        """See `Kernels.plain_value_and_gradient`."""
        done = self._passed(params, *rows)
        return done.value(), done.gradient(2 / self.loss.scale(self.graph.width))

    def host_jacobian_and_residual(self, params: Tensor, *rows: Tensor) -> Linear:
        """See `Kernels.plain_jacobian_and_residual`."""
        done, (value, gradient, last) = self._opened(params, *rows)
        count, components = len(done.weights), self.loss.components(self.graph.width)
        table = np.empty((self.chain.size + 1, components * count), done.weights.dtype)
        for number, pulled in self._pulled(done):
            part = table[:, number * count : (number + 1) * count]
            done.write(pulled, None if last is None else last[number], slice(0, count), part)
        return Linear(table, gradient, value)

    def tables(self, params: Tensor, *rows: Tensor) -> Iterator[Linear]:
        """See `Kernels.tables`: J is written by pieces that stay in the cache."""
        done, (value, gradient, last) = self._opened(params, *rows)
        height, count, dtype = self.chain.size + 1, len(done.weights), done.weights.dtype
        pieces = max(1, round(count * height * dtype.itemsize / self._piece_bytes(dtype.itemsize)))
        length = -(-count // pieces)
        memory = self.chain.scratch.take(1, height * length, dtype)[0]
        for number, pulled in self._pulled(done):
            below = None if last is None else last[number]
            for start in range(0, count, length):
                piece = slice(start, min(start + length, count))
                size = piece.stop - piece.start
                table = memory[: height * size].reshape(height, size)
                done.write(pulled, below, piece, table)
                yield Linear(table, gradient, value)
                # What is of the whole chunk counts once.
                value, gradient = 0.0, None if gradient is None else np.zeros_like(gradient)

    def _pulled(self, done: Pass) -> Iterator[tuple[int, list[Array]]]:
        """The cotangents of every component, one after the other in the same memory."""
        scratch, columns = self.chain.scratch, done.columns()
        used = scratch.used
        for number in range(self.loss.components(self.graph.width)):
            scratch.release(used)
            yield number, done.pull(columns)

    def _forward(self, params: Tensor, inputs: Tensor) -> tuple[list[Array], list[Array]]:
        self.chain.scratch.clear()
        return self.chain.forward(np.asarray(params), np.asarray(inputs))

    @silent
    def _opened(self, params: Tensor, *rows: Tensor) -> tuple[Pass, Head]:
        done = self._passed(params, *rows)
        return done, done.head()

    def _passed(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> Pass:
        here, drawn = np.asarray(params), None if key is None else np.asarray(key)
        self.chain.scratch.clear()
        point = self.chain.at(here, np.asarray(inputs))
        return Pass(self.chain, self.host_loss, here, point, np.asarray(targets), np.asarray(weights), drawn)

    @silent
    def host_bend(self, params: Tensor, direction: Tensor, *rows: Tensor) -> Array:
        """See `Kernels.plain_bend`."""
        done = self._passed(params, *rows)
        return done.spread(done.turned(np.asarray(direction)))

    @silent
    def host_bent_residual(self, params: Tensor, direction: Tensor, *rows: Tensor) -> Array:
        """See `Kernels.plain_bent_residual`."""
        return np.ravel(self._passed(params, *rows).bent(np.asarray(direction)))

    def normal_equations(self, call: Call) -> Any:
        """See `Kernels.normal_equations`; the call is the chain's last."""
        return self.host_normal_equations

    @silent
    def host_normal_equations(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> Array:
        """A A^T [m + q, m + q], A = sqrt(w) [Phi; 1; Z - T]."""
        reads, values = self._forward(params, inputs)
        table = np.concatenate([reads[-1], values[-1] - np.asarray(targets).T])
        table *= np.sqrt(np.asarray(weights))
        equations: Array = table @ table.T
        return equations


def host_kernels(network: Network, loss: Loss) -> HostKernels | None:
    """Return the kernels of a model in NumPy; None unless layers and loss are there in NumPy."""
    known = host_loss(loss)
    chain = None if known is None else chain_of(Graph(network))
    return None if known is None or chain is None else HostKernels(network, loss, chain, known)
