"""J^T J as a function of a vector, for parameter counts whose square does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from lmrun.curvature.chunks import Chunks, Linearized
from lmrun.curvature.compiled import Compiled, CompiledNest
from lmrun.curvature.diagonal import squared_blocks
from lmrun.curvature.jacobian import watched_forward
from lmrun.curvature.kernels import ZERO, Kernels
from lmrun.curvature.selection import Selection
from lmrun.curvature.taylor import outputs_along
from lmrun.linalg.algebra import Algebra, Product, Vector
from lmrun.losses.base import curve, slope

Tensor = Any

VALUE_BYTES = 2**30
"""What the values of a network may take that are kept from the linearization to its products; where all rows
have more, each product repeats the forward pass. It is a fixed number, so that a config gives the same run on
every machine."""


class Anchor(NamedTuple):
    """What a point knows of a chunk.

    Attributes:
        gradient: J^T F r [n].
        diagonal: Of J^T F F^T J [n].
        known: What each call of the network made before its activation; nothing where that is not kept.
    """

    gradient: Tensor
    diagonal: Tensor
    known: tuple[Tensor, ...]


class MatrixFree:
    """Products J^T F F^T J v: forward along v, and back.

    The forward pass itself is made once per linearization, and its values are kept: what is left of a product
    is four matrix products per layer.
    Source: Schraudolph 2002, Fast curvature matrix-vector products for second-order gradient descent.

    Args:
        kernels: Model and loss.
        algebra: Solves with the products.
    """

    by_rows = False

    def __init__(self, kernels: Kernels, algebra: Algebra) -> None:
        self.kernels = kernels
        self.algebra = algebra
        fuse = not kernels.graph.has_loops
        self.product = Compiled(self.plain_product, fuse=fuse)
        # Loops of equal networks are one function then, in a process that fits again and again.
        self.compiler = partial(CompiledNest, fuse=fuse)
        self.anchor = Compiled(self.plain_anchor)
        self.bare_anchor = Compiled(self.plain_bare_anchor)
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
    ) -> Linearized:
        """J^T r and the diagonal; the products come later."""
        rows, keep = chunks.keyed, self.keeps(chunks, params)
        anchor = self.anchor if keep else self.bare_anchor
        anchors = chunks.each(lambda parts: anchor(params, *parts), rows)
        sums = (tf.add_n([each[part] for each in anchors]) for part in range(2))
        own, diagonal = chunks.reducer.total(*sums)
        gradient = own if gradient is None else gradient
        arguments = [(*parts, *each.known) for parts, each in zip(rows, anchors, strict=True)]

        def apply(vector: Tensor) -> Tensor:
            return chunks.summed(chunks.each(lambda parts: self.product(params, vector, *parts), arguments))

        def stacked() -> tuple[Tensor, ...]:
            known = zip(*(each.known for each in anchors), strict=True)
            return (params, *chunks.stacked, *(tf.stack(parts) for parts in known))

        algebra, whole = self.algebra, self.algebra.adopt(gradient)
        if selection is None:
            product = Product(apply, self._all_chunks, stacked, self.compiler)
            return Linearized(algebra.matrix_free(product, gradient, diagonal), whole)
        some = Product(
            lambda vector: selection.take(apply(selection.spread(vector))),
            self._of_some,
            lambda: (selection.places, *stacked()),
            self.compiler,
        )
        curvature = algebra.matrix_free(some, selection.take(gradient), selection.take(diagonal))
        return Linearized(curvature, whole)

    def keeps(self, chunks: Chunks, params: Tensor) -> bool:
        """Whether the values of all chunks are few enough to be kept."""
        rows = sum(int(chunk.weights.shape[0]) for chunk in chunks.batch.chunks)
        return rows * self.row_bytes(self.kernels, self.algebra.dtype.itemsize) <= VALUE_BYTES

    def bend(self, chunks: Chunks, params: Tensor, direction: Tensor) -> Vector:
        """J^T r_vv [n]."""
        kernel = self.kernels.bend
        along = self.kernels.point(direction)
        return chunks.summed(chunks.each(lambda rows: kernel(params, along, *rows), chunks.keyed))

    def plain_product(self, params: Tensor, vector: Tensor, *parts: Tensor) -> Tensor:
        """J^T F F^T J v [n] of a chunk, for v [n].

        Args:
            params: [n].
            vector: v.
            parts: The rows of the chunk with the key of a loss that draws, and then, if kept, `Anchor.known`.
        """
        graph, loss = self.kernels.graph, self.kernels.loss
        inputs, targets, weights, key, known = self._told_apart(parts)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(params)
            outputs = graph.outputs(params, inputs, known)
        along = outputs_along(graph, params, vector, inputs, order=1, known=known).first
        curved = curve(loss.columns(tf.transpose(outputs), targets, key), tf.transpose(along))
        seed = tf.transpose(curved) * weights
        return tape.gradient(outputs, params, output_gradients=seed, unconnected_gradients=ZERO)

    def _told_apart(self, parts: Sequence[Tensor]) -> tuple[Any, ...]:
        """Inputs, targets, weights, key or None, known values or None."""
        count = 3 + self.kernels.loss.random
        key = parts[3] if self.kernels.loss.random else None
        return (*parts[:3], key, parts[count:] or None)

    def plain_product_of_all(self, vector: Tensor, params: Tensor, *stacked: Tensor) -> Tensor:
        """The sum over chunks that are stacked along a first axis."""
        count = stacked[0].shape[0]
        if count == 1:
            return self.plain_product(params, vector, *(part[0] for part in stacked))

        def body(number: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            parts = (tf.gather(part, number) for part in stacked)
            return number + 1, total + self.plain_product(params, vector, *parts)

        return tf.while_loop(
            lambda number, total: number < count, body, (tf.constant(0), tf.zeros_like(vector))
        )[1]

    def plain_product_of_some(
        self, vector: Tensor, places: Tensor, params: Tensor, *stacked: Tensor
    ) -> Tensor:
        """The same for v [k] of some parameters, the others being zero; [k]."""
        whole = tf.scatter_nd(places[:, None], vector, params.shape)
        return tf.gather(self.plain_product_of_all(whole, params, *stacked), places)

    def plain_anchor(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> Anchor:
        """Gradient, diagonal and values of a chunk, all by one forward pass."""
        graph, loss = self.kernels.graph, self.kernels.loss
        with tf.GradientTape(watch_accessed_variables=False) as whole:
            whole.watch(params)
            traced, outputs, tape = watched_forward(graph, params, inputs)
        by_sample, root = tf.transpose(outputs), tf.sqrt(weights)
        columns = loss.columns(by_sample, targets, key)
        residual = loss.residual(by_sample, targets)
        if residual is None:
            pulled = slope(loss, by_sample, targets)
        else:
            parts = tf.unstack(residual, axis=-1)
            pulled = sum(column * part[:, None] for column, part in zip(columns, parts, strict=True))
        seed = tf.transpose(pulled) * weights
        gradient = whole.gradient(outputs, params, output_gradients=seed, unconnected_gradients=ZERO)
        fitted = [step for step in traced if step.call.part.size]
        diagonal = tf.zeros_like(params)
        for column in columns:
            cotangents = tape.gradient(
                outputs,
                [step.before for step in fitted],
                output_gradients=tf.transpose(column) * root,
                unconnected_gradients=ZERO,
            )
            diagonal += squared_blocks(fitted, cotangents)
        return Anchor(gradient, diagonal, tuple(step.before for step in traced))

    def plain_bare_anchor(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> Anchor:
        """The same without the values."""
        return self.plain_anchor(params, inputs, targets, weights, key)._replace(known=())
