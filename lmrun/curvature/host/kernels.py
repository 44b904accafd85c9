"""The kernels of a chain of dense layers under the mean squared error, in NumPy.

A first step of a compiled network waits 0.2 to 1.5 s for its tracing and compilation, as long as the whole
fit of a small one; and a call into TensorFlow takes as long as NumPy needs for 500 rows. For such networks
NumPy's vectorized loops are as fast as XLA's (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.host.base import NumpyKernels, silent
from lmrun.curvature.host.chain import Chain, Point, chain_of
from lmrun.curvature.jacobian import Linear
from lmrun.losses.base import Loss
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.models.network import Network

Array = NDArray[np.floating]
Tensor = Any
"""An array, or a tensor on the CPU, of which NumPy takes a view."""

PIECE_BYTES = 2**20
"""Of a piece of the Jacobian: half of a core's own cache (docs/benchmarks.md)."""


class Passed(NamedTuple):
    """A forward pass over a chunk.

    Attributes:
        params: Where [n].
        point: What it made.
        root: sqrt(w) [rows].
        residual: sqrt(w) r [outputs, rows].
        value: Sum of w_i l_i.
    """

    params: Array
    point: Point
    root: Array
    residual: Array
    value: float


class HostKernels(NumpyKernels):
    """Kernels whose derivatives of first and second order along a line need no compiler.

    Args:
        network: The model.
        loss: The mean squared error.
        chain: The model's layers.
    """

    most_rows_alone = 4096
    """Threads of NumPy wait for each other between operations: two of them take 2.3 ms for 2,048 rows of 61
    parameters and 4.3 for 8,192, one 1.4 and 4.8; of 311 parameters 2,488 rows take 8.1 ms either way."""
    chunk_bytes = 12 * 2**20
    """Memory of a thread for the values of its chunk, see `row_bytes`: a step on 20,000 rows of sinc takes
    8.9 ms with 8 MiB, 7.6 with 12; more only adds to the peak (docs/benchmarks.md)."""
    multiple = 16
    """Numbers of float32 in a line of the cache: features that begin with one take half of the time."""

    def __init__(self, network: Network, loss: Loss, chain: Chain) -> None:
        super().__init__(network, loss)
        self.chain = chain
        self.value = self.host_value
        self.value_and_gradient = self.host_value_and_gradient
        self.jacobian_and_residual = self.host_jacobian_and_residual
        self.bend = self.host_bend
        self.bent_residual = self.host_bent_residual
        self.outputs = self.host_outputs

    def row_bytes(self, itemsize: int) -> int:
        """Its inputs, and values, slopes and cotangents in all layers."""
        return itemsize * (self.chain.layers[0].height + 3 * self.graph.value_size)

    def table_bytes(self, rows: int, itemsize: int) -> int:
        """A piece."""
        return min(super().table_bytes(rows, itemsize), PIECE_BYTES)

    @silent
    def host_outputs(self, params: Tensor, inputs: Tensor) -> Array:
        """See `Kernels.plain_outputs`."""
        return self._forward(params, inputs)[-1].T.copy()

    @silent
    def host_value(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> float:
        """See `Kernels.plain_value`."""
        error = self._forward(params, inputs)[-1] - np.asarray(targets).T
        return _value(error, np.asarray(weights))

    @silent
    def host_value_and_gradient(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[float, Array]:
        """See `Kernels.plain_value_and_gradient`."""
        weight, point = np.asarray(weights), self._at(params, inputs)
        error = point.outputs - np.asarray(targets).T
        seed = error * (2 / len(error) * weight)
        cotangents = self.chain.cotangents(np.asarray(params), point, seed)
        return _value(error, weight), self.chain.gradient(point.reads, cotangents)

    @silent
    def host_jacobian_and_residual(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> Linear:
        """See `Kernels.plain_jacobian_and_residual`."""
        done = self._passed(params, inputs, targets, weights)
        width, rows = done.residual.shape
        table = np.empty((self.chain.size + 1, width * rows), done.residual.dtype)
        for unit in range(width):
            pulled = self._pulled(done, unit)
            self._write(done, unit, pulled, slice(0, rows), table[:, unit * rows : (unit + 1) * rows])
        return Linear(table, None, done.value)

    def tables(self, params: Tensor, *rows: Tensor) -> Iterator[Linear]:
        """See `Kernels.tables`: J is written by pieces that stay in the cache."""
        done = self._passed(params, *rows)
        height, (width, count) = self.chain.size + 1, done.residual.shape
        pieces = -(-count * height * done.residual.itemsize // PIECE_BYTES)
        length, value = -(-count // pieces), done.value
        scratch = self.chain.scratch
        memory = scratch.take(1, height * length, done.residual.dtype)[0]
        used = scratch.used
        for unit in range(width):
            # One output's cotangents at a time, all in the same memory.
            scratch.release(used)
            pulled = self._pulled(done, unit)
            for start in range(0, count, length):
                piece = slice(start, min(start + length, count))
                size = piece.stop - piece.start
                table = memory[: height * size].reshape(height, size)
                self._write(done, unit, pulled, piece, table)
                yield Linear(table, None, value)
                value = 0.0

    def _forward(self, params: Tensor, inputs: Tensor) -> tuple[list[Array], Array]:
        self.chain.scratch.clear()
        return self.chain.forward(np.asarray(params), np.asarray(inputs))

    def _at(self, params: Tensor, inputs: Tensor) -> Point:
        self.chain.scratch.clear()
        return self.chain.at(np.asarray(params), np.asarray(inputs))

    @silent
    def _passed(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> Passed:
        weight, point = np.asarray(weights), self._at(params, inputs)
        root, error = np.sqrt(weight), point.outputs - np.asarray(targets).T
        return Passed(np.asarray(params), point, root, error * root, _value(error, weight))

    @silent
    def _pulled(self, done: Passed, unit: int) -> list[Array]:
        """The cotangents of sqrt(w) times an output at every layer's W^T x + b [units, rows]."""
        seed = self.chain.scratch.take(len(done.residual), len(done.root), done.residual.dtype)
        seed[:] = 0
        seed[unit] = done.root
        return self.chain.cotangents(done.params, done.point, seed)

    @silent
    def _write(self, done: Passed, unit: int, pulled: Sequence[Array], piece: slice, table: Array) -> None:
        """Write [J, r]^T of an output for some rows."""
        reads = [read[:, piece] for read in done.point.reads]
        self.chain.table(reads, [cotangent[:, piece] for cotangent in pulled], table[:-1])
        table[-1] = done.residual[unit, piece]

    @silent
    def host_bend(  # noqa: PLR0917 - as all kernels
        self,
        params: Tensor,
        direction: Tensor,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        key: Tensor | None = None,
    ) -> Array:
        """See `Kernels.plain_bend`."""
        here, point = np.asarray(params), self._at(params, inputs)
        seed = self.chain.bent(here, np.asarray(direction), point) * np.asarray(weights)
        return self.chain.gradient(point.reads, self.chain.cotangents(here, point, seed))

    @silent
    def host_bent_residual(  # noqa: PLR0917 - as all kernels
        self,
        params: Tensor,
        direction: Tensor,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        key: Tensor | None = None,
    ) -> Array:
        """See `Kernels.plain_bent_residual`."""
        bent = self.chain.bent(np.asarray(params), np.asarray(direction), self._at(params, inputs))
        return np.ravel(bent * np.sqrt(np.asarray(weights)))

    def normal_equations(self, call: Call) -> Any:
        """See `Kernels.normal_equations`; the call is the chain's last."""
        return self.host_normal_equations

    @silent
    def host_normal_equations(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> Array:
        """A A^T [m + q, m + q], A = sqrt(w) [Phi; 1; Z - T]."""
        reads, outputs = self._forward(params, inputs)
        table = np.concatenate([reads[-1], outputs - np.asarray(targets).T])
        table *= np.sqrt(np.asarray(weights))
        equations: Array = table @ table.T
        return equations


def _value(error: Array, weights: Array) -> float:
    """Sum of w_i (mean over the outputs of e_i^2) for e [outputs, rows], added up in float64."""
    squares = error * error
    means = squares[0] if len(error) == 1 else squares.mean(axis=0)
    if means.dtype == np.float64:
        return float(means @ weights)
    return float(np.sum(means * weights, dtype=np.float64))


def host_kernels(network: Network, loss: Loss) -> HostKernels | None:
    """Return the kernels of a model in NumPy; None unless it is a chain of dense layers under mse."""
    chain = chain_of(Graph(network)) if isinstance(loss, MeanSquaredError) else None
    return None if chain is None else HostKernels(network, loss, chain)
