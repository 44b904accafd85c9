"""J^T J as a function of a vector, for parameter counts whose square does not fit."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from lmrun.curvature.batch import CHUNK_BYTES
from lmrun.curvature.chunks import Chunks
from lmrun.curvature.compiled import Compiled
from lmrun.curvature.kernels import ZERO, Kernels
from lmrun.curvature.selection import Selection
from lmrun.curvature.taylor import outputs_along
from lmrun.linalg.algebra import Algebra, Curvature, Product, Vector
from lmrun.losses.base import curve

Tensor = Any


class MatrixFree:
    """Products J^T F F^T J v, one forward pass along v and one backward pass each.

    The diagonal of J^T J is exact: the Jacobian passes by once per linearization, a few rows at a time.
    Source: Schraudolph 2002, Fast curvature matrix-vector products for second-order gradient descent.

    Args:
        kernels: Model and loss.
        algebra: Solves with the products.
    """

    by_rows = False

    def __init__(self, kernels: Kernels, algebra: Algebra) -> None:
        self.kernels = kernels
        self.algebra = algebra
        self.fuse = not kernels.graph.has_loops
        self.product = Compiled(self.plain_product, fuse=self.fuse)
        self.gradient_and_diagonal = Compiled(self.plain_gradient_and_diagonal)
        # Every access makes another bound method; the compiled loops are found by these.
        self._all_chunks = self.plain_product_of_all
        self._of_some = self.plain_product_of_some

    def row_bytes(self, kernels: Kernels, itemsize: int) -> int:
        """Its values in all layers."""
        return itemsize * kernels.graph.value_size

    def linearize(
        self,
        chunks: Chunks,
        params: Tensor,
        selection: Selection | None = None,
        gradient: Tensor | None = None,
    ) -> tuple[Curvature, Vector]:
        """J^T r and the diagonal; the products come later."""
        sums = chunks.each(lambda rows: self.gradient_and_diagonal(params, *rows), chunks.keyed)
        own, diagonal = (tf.add_n(parts) for parts in zip(*sums, strict=True))
        gradient = own if gradient is None else gradient

        def apply(vector: Tensor) -> Tensor:
            return tf.add_n(chunks.each(lambda rows: self.product(params, vector, *rows), chunks.keyed))

        algebra, whole = self.algebra, self.algebra.adopt(gradient)
        if selection is None:
            product = Product(apply, self._all_chunks, lambda: (params, *chunks.stacked), self.fuse)
            return algebra.matrix_free(product, gradient, diagonal), whole
        some = Product(
            lambda vector: selection.take(apply(selection.spread(vector))),
            self._of_some,
            lambda: (selection.places, params, *chunks.stacked),
            self.fuse,
        )
        return algebra.matrix_free(some, selection.take(gradient), selection.take(diagonal)), whole

    def bend(self, chunks: Chunks, params: Tensor, direction: Tensor) -> Vector:
        """J^T r_vv [n]."""
        kernel = self.kernels.bend
        return tf.add_n(chunks.each(lambda rows: kernel(params, direction, *rows), chunks.keyed))

    def plain_product(  # noqa: PLR0917 - as all kernels
        self,
        params: Tensor,
        vector: Tensor,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        key: Tensor | None = None,
    ) -> Tensor:
        """J^T F F^T J v [n] of a chunk, for v [n]."""
        graph, loss = self.kernels.graph, self.kernels.loss
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            outputs = graph.outputs(params, inputs)
        along = tf.transpose(outputs_along(graph, params, vector, inputs, order=1).first)
        curved = curve(loss.columns(tf.transpose(outputs), targets, key), along)
        seed = tf.transpose(curved) * weights
        return tape.gradient(outputs, params, output_gradients=seed, unconnected_gradients=ZERO)

    def plain_product_of_all(self, vector: Tensor, params: Tensor, *stacked: Tensor) -> Tensor:
        """The sum over chunks that are stacked along a first axis."""
        count = stacked[0].shape[0]
        if count == 1:
            return self.plain_product(params, vector, *(part[0] for part in stacked))

        def body(number: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            rows = (tf.gather(part, number) for part in stacked)
            return number + 1, total + self.plain_product(params, vector, *rows)

        return tf.while_loop(
            lambda number, total: number < count, body, (tf.constant(0), tf.zeros_like(vector))
        )[1]

    def plain_product_of_some(
        self, vector: Tensor, places: Tensor, params: Tensor, *stacked: Tensor
    ) -> Tensor:
        """The same for v [k] of some parameters, the others being zero; [k]."""
        whole = tf.scatter_nd(places[:, None], vector, params.shape)
        return tf.gather(self.plain_product_of_all(whole, params, *stacked), places)

    def plain_gradient_and_diagonal(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """J^T r [n] and diag(J^T J) [n] of a chunk, as many rows of the Jacobian at a time as a table has."""
        loss, rows = self.kernels.loss, weights.shape[0]
        row_bytes = loss.components(self.kernels.graph.width) * params.shape[0] * params.dtype.size
        pieces = -(-rows // max(1, CHUNK_BYTES // row_bytes))
        if pieces == 1:
            return self._gradient_and_diagonal(params, inputs, targets, weights, key)
        cut = (_cut(inputs, pieces, -1), _cut(targets, pieces, 0), _cut(weights, pieces, 0, zero=True))

        def body(number: Tensor, gradient: Tensor, diagonal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            own = None if key is None else tf.random.experimental.stateless_fold_in(key, number)
            taken = (
                tf.gather(values, number, axis=axis) for values, axis in zip(cut, (-2, 0, 0), strict=True)
            )
            more = self._gradient_and_diagonal(params, *taken, own)
            return number + 1, gradient + more[0], diagonal + more[1]

        start = (tf.constant(0), tf.zeros_like(params), tf.zeros_like(params))
        _, gradient, diagonal = tf.while_loop(lambda number, *sums: number < pieces, body, start)
        return gradient, diagonal

    def _gradient_and_diagonal(self, params: Tensor, *rows: Any) -> tuple[Tensor, Tensor]:
        table, gradient = self.kernels.plain_jacobian_and_residual(params, *rows)
        if gradient is None:
            gradient = tf.linalg.matvec(table[:-1], table[-1])
        return gradient, tf.reduce_sum(tf.square(table[:-1]), axis=1)


def _cut(values: Tensor, pieces: int, axis: int, *, zero: bool = False) -> Tensor:
    """Cut rows [..., rows, ...] into [..., pieces, size, ...].

    The last piece is filled up with the first row, since a formula need not have a value at zeros; with zeros
    where asked, as weights are.
    """
    rows = values.shape[axis]
    size = -(-rows // pieces)
    missing = pieces * size - rows
    if missing:
        first = values[..., :1] if axis == -1 else values[:1]
        values = tf.concat([values, *[tf.zeros_like(first) if zero else first] * missing], axis=axis)
    shape = values.shape.as_list()
    return tf.reshape(values, [*shape[:-1], pieces, size] if axis == -1 else [pieces, size, *shape[1:]])
