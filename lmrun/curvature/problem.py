"""Loss, linearization and Hessian over one batch, as functions of the parameters: what an optimizer sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Batch
from lmrun.curvature.kernels import Kernels
from lmrun.linalg.algebra import Algebra, Matrix, StepScalars, Vector

Tensor = Any


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
        self._known: tuple[Tensor, float] | None = None

    def loss(self, params: Tensor) -> float:
        """Return the loss at params [n]; the last one evaluated is remembered."""
        if self._known is None or self._known[0] is not params:
            self._known = (params, self._loss(params))
        return self._known[1]

    def _loss(self, params: Tensor) -> float:
        sums = [
            self.kernels.value(params, chunk.inputs, chunk.targets, chunk.weights)
            for chunk in self.batch.chunks
        ]
        total = sums[0] if len(sums) == 1 else tf.add_n([tf.cast(value, tf.float64) for value in sums])
        return float(total.numpy()) / self.batch.weight

    def linearize(self, params: Tensor) -> Linearization:
        """Accumulate J^T J and J^T r over the chunks; J is never whole."""
        gram, gradient = self.algebra.zeros(self.kernels.network.size)
        for chunk in self.batch.chunks:
            residual, jacobian = self.kernels.residual_and_jacobian(
                params, chunk.inputs, chunk.targets, chunk.weights
            )
            gram, gradient = self.algebra.add_rows(gram, gradient, jacobian, residual)
        return Linearization(gram, gradient, self.algebra.largest(gradient))

    def second_order(self, params: Tensor) -> Linearization:
        """Return the Hessian and the gradient of the cost."""
        hessian: Any = 0.0
        gradient: Any = 0.0
        for chunk in self.batch.chunks:
            rows = (params, chunk.inputs, chunk.targets, chunk.weights)
            hessian = hessian + self.kernels.hessian(*rows)
            gradient = gradient + self.kernels.value_and_gradient(*rows)[1]
        factor = self.cost_per_loss / self.batch.weight
        matrix, vector = self.algebra.adopt(factor * hessian), self.algebra.adopt(factor * gradient)
        return Linearization(matrix, vector, self.algebra.largest(vector))

    def damped_trial(self, params: Tensor, model: Linearization, damping: float, scaling: Vector) -> Trial:
        """Try the step (matrix + damping D)^-1 (-gradient)."""
        moved, scalars = self.algebra.damped_step(model.matrix, model.gradient, damping, scaling, params)
        return self._trial(moved, scalars)

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
