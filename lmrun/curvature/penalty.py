"""A problem whose cost has a price for large parameters beside that of the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lmrun.curvature.problem import Problem
from lmrun.curvature.selection import Selection
from lmrun.curvature.trial import Linearization, Trial

Tensor = Any


class PenalizedProblem(Problem):
    """The cost 1/2 |r|^2 + 1/2 strength |params|^2 over the rows of another problem.

    It is the cost of a problem with n more residuals, sqrt(strength) params; their second derivative is zero,
    so that the bend of a step is that of the data. Losses, reductions and gain ratios are of this cost.

    Args:
        data: The problem without the price; it has neither bounds nor a projection.
        strength: At least 0.
        known: Parameters [n] and the data's linearization there, if one was made already.
    """

    def __init__(
        self, data: Problem, strength: float, known: tuple[Tensor, Linearization] | None = None
    ) -> None:
        # Everything else is the data's own: batch, kernels, form, and where in the run it stands.
        self.__dict__.update(data.__dict__)
        self.data = data
        self.strength = strength
        self._model_at = known

    def penalty(self, params: Tensor) -> Any:
        """Return what is added to the loss at params [n]: strength |params|^2 / (2 cost_per_loss)."""
        return self.strength / (2 * self.cost_per_loss or 1.0) * self.algebra.square(params)

    def loss(self, params: Tensor) -> float:
        """Return the loss with its penalty at params [n]."""
        return self.data.loss(params) + float(self.penalty(params))

    def _loss_tensor(self, params: Tensor) -> Tensor:
        return self.data._loss_tensor(params) + self.penalty(params)

    def linearize(
        self, params: Tensor, selection: Selection | None = None, rows: float = 1.0
    ) -> Linearization:
        """Return J^T J + strength 1 and J^T r + strength params; see `Problem.linearize`."""
        known = self._model_at
        if known is not None and known[0] is params:
            model = known[1]
        else:
            model = self.data.linearize(params, selection, rows)
        chosen, algebra = model.selection, self.algebra
        some = algebra.adopt(params if chosen is None else chosen.take(params))
        curvature = algebra.penalized(model.curvature, self.strength, some)
        gradient = model.gradient + self.strength * algebra.adopt(params)
        return replace(model, curvature=curvature, gradient=gradient, gradient_norm=algebra.largest(gradient))

    def accept(self, trial: Trial) -> Tensor:
        """Return the parameters of an accepted trial; the data's loss there is not known by itself."""
        return trial.params
