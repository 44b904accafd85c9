"""Newton and Gauss-Newton: every step taken whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmrun.curvature.problem import Linearization, Problem
from lmrun.optimizers.base import State, StepInfo
from lmrun.status import Status

Tensor = Any


@dataclass(frozen=True)
class WholeStep:
    """theta <- theta - matrix^-1 gradient, with no damping and no line search.

    A whole step may raise the loss; a matrix that is singular to working precision, or a loss that is not
    finite, ends the run and leaves the parameters as they were.

    Args:
        curvature: Gives the quadratic model at a point.
    """

    curvature: Callable[[Problem, Tensor], Linearization]

    def init(self, problem: Problem, params: Tensor) -> State:
        """Nothing is carried from step to step."""
        return {}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One step over the problem's rows."""
        loss = problem.loss(params)
        model = self.curvature(problem, params)
        trial = problem.newton_trial(params, model)
        status = None
        if not trial.scalars.valid:
            status = Status.SINGULAR if np.isfinite(model.gradient_norm) else Status.NON_FINITE
        elif not trial.valid:
            status = Status.NON_FINITE
        predicted = trial.scalars.predicted_reduction
        info = StepInfo(
            losses=np.array([trial.loss if status is None else loss]),
            loss_before=loss,
            gain_ratio=problem.cost_per_loss * (loss - trial.loss) / predicted if predicted else None,
            step_norm=trial.scalars.step_norm,
            params_norm=trial.scalars.params_norm,
            gradient_norm=model.gradient_norm,
            accepted=status is None,
            attempts=1,
            invalid_attempts=0 if status is None else 1,
            status=status,
        )
        return (params if status else problem.accept(trial)), state, info


def newton() -> WholeStep:
    """Newton's method: the matrix is the Hessian of the cost."""
    return WholeStep(Problem.second_order)


def gauss_newton() -> WholeStep:
    """Gauss-Newton: the matrix is J^T J (Gauss 1809; Nocedal and Wright 2006, eq. 10.23)."""
    return WholeStep(Problem.linearize)
