"""Loss, linearization and Hessian over one batch, as functions of the parameters: what an optimizer sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Batch, Chunk
from lmrun.curvature.kernels import Kernels
from lmrun.linalg.algebra import Algebra, Matrix, StepScalars, Vector
from lmrun.linalg.host import WORKERS

Tensor = Any
POOL = ThreadPoolExecutor(WORKERS, thread_name_prefix="chunks")


@dataclass(frozen=True)
class Linearization:
    """The quadratic model of the cost at one point.

    Attributes:
        matrix: The Gauss-Newton matrix J^T J or the Hessian of the cost [n, n], its lower triangle.
        gradient: J^T r [n].
        gradient_norm: Largest |element| of the gradient.
    """

    matrix: Matrix
    gradient: Vector
    gradient_norm: float


@dataclass(frozen=True)
class Trial:
    """A step that was tried.

    Attributes:
        params: Where it leads [n].
        loss: The loss there; NaN for a step that is not valid.
        scalars: What was known before.
    """

    params: Tensor
    loss: float
    scalars: StepScalars

    @property
    def valid(self) -> bool:
        """Whether the step and its loss are finite."""
        return self.scalars.valid and bool(np.isfinite(self.loss))


class Problem:
    """One batch of one model and loss.

    Args:
        kernels: The compiled functions.
        batch: The rows.
        algebra: Where the dense algebra happens.
    """

    def __init__(self, kernels: Kernels, batch: Batch, algebra: Algebra) -> None:
        self.kernels = kernels
        self.batch = batch
        self.algebra = algebra
        outputs = kernels.network.model.output_shape[-1]
        self.cost_per_loss = 0.5 * kernels.loss.scale(outputs) * batch.weight
        """cost = cost_per_loss * loss, see `losses.base`."""
        self.workers = min(algebra.workers, len(batch.chunks))
        self._known: tuple[Tensor, float] | None = None

    def loss(self, params: Tensor) -> float:
        """Return the loss at params [n]; the last one evaluated is remembered."""
        if self._known is None or self._known[0] is not params:
            self._known = (params, self._loss(params))
        return self._known[1]

    def _loss(self, params: Tensor) -> float:
        def value(chunk: Chunk) -> Tensor:
            return self.kernels.value(params, chunk.inputs, chunk.targets, chunk.weights)

        sums = self._each(value, self.batch.chunks)
        total = sums[0] if len(sums) == 1 else tf.add_n([tf.cast(value, tf.float64) for value in sums])
        # Rows of weight zero only have nothing to lose.
        return float(total.numpy()) / (self.batch.weight or 1.0)

    def zero_loss(self) -> float:
        """Return the loss of a model whose outputs are all zero."""
        sums = [
            float(self.kernels.zero_loss(chunk.targets, chunk.weights)) * float(tf.reduce_sum(chunk.weights))
            for chunk in self.batch.chunks
        ]
        return sum(sums) / (self.batch.weight or 1.0)

    def linearize(self, params: Tensor) -> Linearization:
        """Accumulate J^T J and J^T r over the chunks; J is never whole."""
        shares = [self.batch.chunks[worker :: self.workers] for worker in range(self.workers)]
        (gram, gradient), *others = self._each(lambda share: self._accumulate(params, share), shares)
        for more_gram, more_gradient in others:
            gram, gradient = gram + more_gram, gradient + more_gradient
        return Linearization(gram, gradient, self.algebra.largest(gradient))

    def _accumulate(self, params: Tensor, chunks: Sequence[Chunk]) -> tuple[Matrix, Vector]:
        gram, gradient = self.algebra.zeros(self.kernels.network.size)
        for chunk in chunks:
            residual, jacobian = self.kernels.residual_and_jacobian(
                params, chunk.inputs, chunk.targets, chunk.weights
            )
            gram, gradient = self.algebra.add_rows(gram, gradient, jacobian, residual)
        return gram, gradient

    def _each(self, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Work on all items at once, one thread each; the results in the items' order."""
        return list(map(work, items) if self.workers == 1 else POOL.map(work, items))

    def second_order(self, params: Tensor) -> Linearization:
        """Return the Hessian and the gradient of the cost."""
        hessian: Any = 0.0
        gradient: Any = 0.0
        for chunk in self.batch.chunks:
            more = self.kernels.gradient_and_hessian(params, chunk.inputs, chunk.targets, chunk.weights)
            gradient, hessian = gradient + more[0], hessian + more[1]
        factor = self.cost_per_loss / (self.batch.weight or 1.0)
        matrix, vector = self.algebra.adopt(factor * hessian), self.algebra.adopt(factor * gradient)
        return Linearization(matrix, vector, self.algebra.largest(vector))

    def damped_trial(
        self,
        params: Tensor,
        model: Linearization,
        damping: float,
        scaling: Vector,
        *,
        accelerate: bool = False,
    ) -> Trial:
        """Try the step (matrix + damping D)^-1 (-gradient), bent along the geodesic where asked."""

        def bend(direction: Tensor) -> Vector:
            return self._bend(params, direction)

        moved, scalars = self.algebra.damped_step(
            model.matrix, model.gradient, damping, scaling, params, bend=bend if accelerate else None
        )
        return self._trial(moved, scalars)

    def _bend(self, params: Tensor, direction: Tensor) -> Vector:
        """J^T r_vv [n], r_vv being the second derivative of the residuals along a direction [n]."""

        def part(chunk: Chunk) -> Tensor:
            return self.kernels.bend(params, direction, chunk.inputs, chunk.targets, chunk.weights)

        return self.algebra.adopt(tf.add_n(self._each(part, self.batch.chunks)))

    def newton_trial(self, params: Tensor, model: Linearization) -> Trial:
        """Try the step matrix^-1 (-gradient) of a symmetric matrix."""
        moved, scalars = self.algebra.newton_step(model.matrix, model.gradient, params)
        return self._trial(moved, scalars)

    def _trial(self, moved: Tensor, scalars: StepScalars) -> Trial:
        if not scalars.valid:
            return Trial(moved, float("nan"), scalars)
        return Trial(moved, self._loss(moved), scalars)

    def accept(self, trial: Trial) -> Tensor:
        """Remember the loss of an accepted trial and return its parameters."""
        self._known = (trial.params, trial.loss)
        return trial.params
