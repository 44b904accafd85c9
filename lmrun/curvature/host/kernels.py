"""The kernels of a chain of layers in NumPy.

A first step of a compiled network waits 0.2 to 1.5 s for its tracing and compilation, as long as the whole
fit of a small one; and a call into TensorFlow takes as long as NumPy needs for 500 rows. For such networks
NumPy's vectorized loops are as fast as XLA's (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.batch import draw_as_they_are
from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.host.base import NumpyKernels, silent
from lmrun.curvature.host.chain import chain_of
from lmrun.curvature.host.losses.base import HostLoss, Key
from lmrun.curvature.host.losses.registry import host_loss
from lmrun.curvature.host.native.builder import native_chain
from lmrun.curvature.host.passes import Head, Pass, weighted
from lmrun.curvature.host.pieces import Pieces
from lmrun.curvature.host.propagation import Propagation, Pulled
from lmrun.curvature.jacobian import Linear
from lmrun.curvature.summation import added
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


class Band(NamedTuple):
    """Some rows of a chunk.

    Attributes:
        inputs: [..., rows].
        targets: [rows, ...].
        weights: [rows].
        key: See `HostLoss`.
    """

    inputs: Array
    targets: Array
    weights: Array
    key: Key = None


class HostKernels(NumpyKernels):
    """Kernels whose derivatives of first and second order along a line need no compiler.

    Args:
        network: The model.
        loss: The loss.
        layers: Of the model.
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

    def __init__(self, network: Network, loss: Loss, layers: Propagation, known: HostLoss) -> None:
        super().__init__(network, loss)
        self.layers = layers
        if layers.any_order:
            self.draw = draw_as_they_are
        self.host_loss = known
        self.value = self.host_value
        self.value_and_gradient = self.host_value_and_gradient
        self.jacobian_and_residual = self.host_jacobian_and_residual
        self.bend = self.host_bend
        self.bent_residual = self.host_bent_residual
        self.outputs = self.host_outputs

    def row_bytes(self, itemsize: int) -> int:
        """Its values, see `_value_bytes`.

        It counts for less where a chunk would have fewer rows than a piece of the Jacobian: syrk is slower
        with few, and the chunk is worked through in bands.
        """
        values = self._value_bytes(itemsize)
        piece = itemsize * self.network.size * self.chunk_bytes // self._piece_bytes(itemsize)
        return min(values, max(piece, values * self.chunk_bytes // MOST_BYTES))

    def _value_bytes(self, itemsize: int) -> int:
        return itemsize * self.layers.numbers

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
        rows = np.zeros(np.shape(inputs)[-1])
        made = [self._outputs(params, band).T.copy() for band in self._all_bands(inputs, rows, rows)]
        return np.concatenate(made) if len(made) > 1 else made[0]

    @silent
    def host_value(self, params: Tensor, *rows: Tensor) -> float:
        """See `Kernels.plain_value`."""

        def value(band: Band) -> float:
            values = self.host_loss.values(self._outputs(params, band), band.targets)
            return weighted(values, band.weights)

        return sum(map(value, self._all_bands(*rows)))

    @silent
    def host_value_and_gradient(self, params: Tensor, *rows: Tensor) -> tuple[float, Array]:
        """See `Kernels.plain_value_and_gradient`."""
        value, gradient = 0.0, np.zeros(self.layers.size, np.asarray(params).dtype)
        for band in self._all_bands(*rows):
            done = self._passed(params, band)
            value += done.value()
            gradient += done.gradient(2 / self.loss.scale(self.graph.width))
        return value, gradient

    def host_jacobian_and_residual(self, params: Tensor, *rows: Tensor) -> Linear:
        """See `Kernels.plain_jacobian_and_residual`."""
        self.layers.scratch.clear()
        done, (value, gradient, last) = self._opened(params, Band(*map(np.asarray, rows)))
        count, components = len(done.weights), self.loss.components(self.graph.width)
        table = np.empty((self.layers.size + 1, components * count), done.weights.dtype)
        for number, pulled in self._pulled(done):
            part = table[:, number * count : (number + 1) * count]
            done.write(pulled, None if last is None else last[number], slice(0, count), part)
        return Linear(table, gradient, value)

    def tables(self, params: Tensor, *rows: Tensor) -> Iterator[Linear]:
        """See `Kernels.tables`: J is written by pieces that stay in the cache, band after band."""
        scratch, dtype, height = self.layers.scratch, np.asarray(params).dtype, self.layers.size + 1
        columns = self.loss.components(self.graph.width) * len(rows[2])
        count = max(1, round(columns * height * dtype.itemsize / self._piece_bytes(dtype.itemsize)))
        scratch.clear()
        pieces = Pieces(scratch.take(1, height * -(-columns // count), dtype)[0], height, columns)
        value = 0.0
        gradient: Array | None = None
        for band in self._bands(scratch.used, Band(*map(np.asarray, rows))):
            done, (more, slope, last) = self._opened(params, band)
            value += more
            if slope is not None:
                gradient = slope if gradient is None else gradient + slope
            for number, pulled in self._pulled(done):
                below = None if last is None else last[number]
                for piece, table, full in pieces.fill(len(done.weights)):
                    done.write(pulled, below, piece, table)
                    if full is not None:
                        yield Linear(full, gradient, value)
                        # What is of a whole band counts once.
                        value, gradient = 0.0, None if gradient is None else np.zeros_like(gradient)

    def _bands(self, begun: int, whole: Band) -> Iterator[Band]:
        """Cut a chunk into equal parts of at most `band_bytes`; each draws from a key of its own.

        Args:
            begun: Where the scratch memory begins that each of them overwrites.
            whole: The chunk.
        """
        inputs, targets, weights, key = whole
        rows, most = len(weights), max(1, self.layers.band_bytes // self._value_bytes(inputs.itemsize))
        length = self.multiple * -(-rows // (self.multiple * -(-rows // most)))
        for number, start in enumerate(range(0, rows, length)):
            self.layers.scratch.release(begun)
            band = slice(start, start + length)
            drawn = None if key is None else key + np.array([number, 0])
            yield Band(inputs[..., band], targets[band], weights[band], drawn)

    def _all_bands(self, *rows: Tensor) -> Iterator[Band]:
        """The same with all of the scratch memory."""
        self.layers.scratch.clear()
        return self._bands(0, Band(*map(np.asarray, rows)))

    def _pulled(self, done: Pass) -> Iterator[tuple[int, Pulled]]:
        """The cotangents of every component, one after the other in the same memory."""
        scratch, columns = self.layers.scratch, done.columns()
        used = scratch.used
        for number in range(self.loss.components(self.graph.width)):
            scratch.release(used)
            yield number, done.pull(columns)

    def _outputs(self, params: Tensor, band: Band) -> Array:
        return self.layers.outputs(np.asarray(params), band.inputs)

    @silent
    def _opened(self, params: Tensor, band: Band) -> tuple[Pass, Head]:
        done = self._passed(params, band)
        return done, done.head()

    def _passed(self, params: Tensor, band: Band) -> Pass:
        here = np.asarray(params)
        return Pass(self.layers, self.host_loss, here, self.layers.at(here, band.inputs), *band[1:])

    @silent
    def host_bend(self, params: Tensor, direction: Tensor, *rows: Tensor) -> Array:
        """See `Kernels.plain_bend`."""
        bent = np.zeros(self.layers.size, np.asarray(params).dtype)
        for band in self._all_bands(*rows):
            done = self._passed(params, band)
            bent += done.spread(done.turned(np.asarray(direction)))
        return bent

    @silent
    def host_bent_residual(self, params: Tensor, direction: Tensor, *rows: Tensor) -> Array:
        """See `Kernels.plain_bent_residual`."""
        if self.loss.random:
            # The key of the whole chunk, as the Jacobian has it.
            self.layers.scratch.clear()
            bands = iter([Band(*map(np.asarray, rows))])
        else:
            bands = self._all_bands(*rows)
        bent = [self._passed(params, band).bent(np.asarray(direction)) for band in bands]
        return np.ravel(np.concatenate(bent, axis=1))

    def normal_equations(self, call: Call) -> Any:
        """See `Kernels.normal_equations`; the call is the chain's last."""
        return self.host_normal_equations

    @silent
    def host_normal_equations(self, params: Tensor, *rows: Tensor) -> Array:
        """A A^T [m + q, m + q], A = sqrt(w) [Phi; 1; Z - T]."""

        def equations(band: Band) -> Array:
            read, made = self.layers.last(np.asarray(params), band.inputs)
            table = np.concatenate([read, made - band.targets.T])
            table *= np.sqrt(band.weights)
            product: Array = table @ table.T
            return product

        total: Array = added([equations(band) for band in self._all_bands(*rows)])
        return total


def host_kernels(network: Network, loss: Loss) -> HostKernels | None:
    """Return the kernels of a model in NumPy; None unless layers and loss are there in NumPy."""
    known = host_loss(loss)
    shape = network.model.inputs[0].shape[1:]
    chain = None if known is None else chain_of(Graph(network), prod(shape))
    if known is None or chain is None:
        return None
    return HostKernels(network, loss, native_chain(chain, (*shape[-1:], *shape[:-1])) or chain, known)
