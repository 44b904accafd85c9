"""Newton and Gauss-Newton: steps without damping, taken whole or as far as they go downhill."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lmrun.config.optimizers import NewtonConfig
from lmrun.curvature.problem import Problem
from lmrun.curvature.trial import Linearization, Trial
from lmrun.optimizers.base import State, StepInfo
from lmrun.optimizers.line_search import CONTRACTION, WHOLE, LineSearch, build_line_search
from lmrun.status import Status

Tensor = Any


@dataclass(frozen=True)
class Newton:
    """theta <- theta - length matrix^-1 gradient.

    The whole step, of length 1, is tried first. Without a line search it is taken, though it may raise the
    loss; a matrix that is singular to working precision, or a loss that is not finite, ends the run. With
    one, a step that does not lower the loss enough is shortened until it does. Where no step is taken the
    parameters stay as they were.

    Attributes:
        curvature: Gives the quadratic model at a point.
        search: Chooses the length.
    """

    curvature: Callable[[Problem, Tensor], Linearization]
    search: LineSearch = WHOLE

    def init(self, problem: Problem, params: Tensor) -> State:
        """Nothing is carried from step to step."""
        return {}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One step over the problem's rows, or none."""
        loss = problem.loss(params)
        model = self.curvature(problem, params)
        trial, attempts, invalid, accepted = self._search(problem, params, model, loss)
        scalars, predicted = trial.scalars, trial.scalars.predicted_reduction
        status = None if accepted else self._status(model, trial)
        info = StepInfo(
            losses=np.array([trial.loss if accepted else loss]),
            loss_before=loss,
            gain_ratio=problem.cost_per_loss * (loss - trial.loss) / predicted if predicted else None,
            step_norm=scalars.step_norm,
            params_norm=scalars.params_norm,
            gradient_norm=model.gradient_norm,
            accepted=accepted,
            attempts=attempts,
            invalid_attempts=invalid,
            status=status,
        )
        return (problem.accept(trial) if accepted else params), state, info

    def _search(
        self, problem: Problem, params: Tensor, model: Linearization, loss: float
    ) -> tuple[Trial, int, int, bool]:
        """Try lengths; return the last trial, the numbers of all and of the invalid, whether to take it."""
        # A step below this share of the parameters changes none of their digits.
        epsilon = float(np.finfo(problem.algebra.dtype).eps) / 4
        length, slope, attempt, invalid = 1.0, math.nan, 0, 0
        while True:
            attempt += 1
            trial = problem.newton_trial(params, model, length)
            scalars = trial.scalars
            invalid += not trial.valid
            if attempt == 1:
                # A whole step is predicted to gain half of what the slope promises.
                slope = -2 * scalars.predicted_reduction / (problem.cost_per_loss or 1.0)
            if trial.valid and self.search.accepts(loss, trial.loss, length * slope):
                return trial, attempt, invalid, True
            lost = not scalars.step_norm > epsilon * scalars.params_norm
            if lost or attempt == self.search.max_attempts:
                return trial, attempt, invalid, False
            length *= CONTRACTION

    def _status(self, model: Linearization, trial: Trial) -> Status:
        """Say why there is no step."""
        if not np.isfinite(model.gradient_norm):
            return Status.NON_FINITE
        if not trial.scalars.valid:
            return Status.SINGULAR
        return Status.NO_PROGRESS if self.search.descends else Status.NON_FINITE


MATRICES: dict[str, Callable[[Problem, Tensor], Linearization]] = {
    "exact": Problem.second_order,
    "modified": partial(Problem.second_order, modified=True),
}
"""From the config's `hessian` to the quadratic model."""


def newton(config: NewtonConfig) -> Newton:
    """Newton's method: the matrix is the Hessian of the cost, or one near it that is positive definite."""
    return Newton(MATRICES[config.hessian], build_line_search(config.line_search))


def gauss_newton() -> Newton:
    """Gauss-Newton: the matrix is J^T J (Gauss 1809; Nocedal and Wright 2006, eq. 10.23)."""
    return Newton(Problem.linearize)
