"""The last digits: undamped steps, where the loss cannot tell any more which parameters are better.

Near a minimum the loss is flat: parameters that are wrong by a share d of their size raise it by about d^2 of
its own, so that in float64 it is blind to errors below 1e-8. The step is not. Gauss-Newton's step is the
solution of a linear least squares problem, and with an orthogonal factorization its error is that of the
residuals' rounding. It shrinks from step to step by a constant factor or faster until rounding is all that is
left of it; that is where the parameters have all the digits which the data and the precision give them.

How fast it shrinks depends on the residuals and the curvature of the model: with large ones it may not at
all. There a step by the Hessian of the cost takes its place, whose convergence is quadratic.

Source: Björck 1996, Numerical methods for least squares problems, sections 2.4.3 and 9.2.3 (Gauss-Newton's
local convergence, limiting accuracy); Deuflhard 2004, Newton methods for nonlinear problems, section 4.3.2:
steps are compared by their own lengths, and end where these no longer fall; Bates and Watts 1981, A relative
offset orthogonality convergence criterion for nonlinear least squares (the length as a measure of how far the
minimum is).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lmrun.curvature.problem import Problem
from lmrun.curvature.trial import Trial
from lmrun.linalg.algebra import INVALID
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.convergence import Tolerances
from lmrun.status import Status

Tensor = Any

SLACK = 1e-2
"""Share by which a step may raise the loss. A step near a minimum changes it by its rounding: by 1e-15 of a
common one, by 1e-3 of one whose residuals are themselves but rounding (1e-13 of the outputs)."""
LEAST_DECREASE = 1e-14
"""Share of the loss by which a step has to lower it to say anything: its rounding is a few 1e-16."""
SLOW = 0.5
"""A step that leaves more than this share of the length is compared with one by the Hessian."""

ARRIVED = 1e-6
"""Share of |r| below which the undamped step is one of rounding, though none before it was; statistically
0.001 is as good as 0 (Bates and Watts 1981)."""


class Offset(NamedTuple):
    """How far the minimum is by the undamped step.

    Attributes:
        trial: The undamped step.
        length: |J step|, the change of the outputs, which does not depend on the parameters' units; NaN where
            the matrix is singular.
        gradient_norm: Largest |element| of the gradient.
    """

    trial: Trial
    length: float
    gradient_norm: float


def offset(problem: Problem, params: Tensor) -> Offset:
    """Look at the undamped step from params [n]."""
    model = problem.linearize(params)
    if model.gradient_norm == 0:
        # Such as where every parameter is held by a bound.
        return Offset(Trial(params, problem.loss(params), INVALID), math.nan, 0.0)
    trial = problem.newton_trial(params, model)
    length = math.sqrt(max(2 * trial.scalars.predicted_reduction, 0.0)) if trial.valid else math.nan
    return Offset(trial, length, model.gradient_norm)


def nearer(problem: Problem, params: Tensor, here: Offset) -> Trial | None:
    """Return a step from params [n] behind which the undamped step is shorter than here; None if none is.

    The undamped step, or where it brings little one by the Hessian, whichever brings more.
    """
    if math.isnan(here.length):
        return None
    best, trial = here.length, None
    if _level(problem, params, here.trial):
        reached = offset(problem, here.trial.params).length
        if reached < best:
            best, trial = reached, here.trial
    if problem.kernels.knows_hessian and best > SLOW * here.length:
        newton = problem.newton_trial(params, problem.second_order(params))
        if _level(problem, params, newton) and offset(problem, newton.params).length < best:
            trial = newton
    return trial


def _level(problem: Problem, params: Tensor, trial: Trial) -> bool:
    """Whether a step is possible and raises the loss by no more than its rounding."""
    return trial.valid and trial.loss <= (1 + SLACK) * problem.loss(params)


@dataclass(frozen=True)
class Polished:
    """An optimizer that is followed by undamped steps.

    The steps of `inner` go on until one lowers the loss by no more than its rounding, meets a tolerance or
    finds no progress. If an undamped step brings the minimum nearer there, so does every step from there on;
    the first one that does not is not taken and ends the run.

    Attributes:
        inner: Comes close to a minimum.
        tolerances: Where that is close enough.
    """

    inner: SecondOrder
    tolerances: Tolerances

    def init(self, problem: Problem, params: Tensor) -> State:
        """The inner state, and the number of undamped steps, once they have begun."""
        return {**self.inner.init(problem, params), "polished": None}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One step of the one kind or the other."""
        if state["polished"] is not None:
            return self._polish(problem, params, state)
        own = {name: value for name, value in state.items() if name != "polished"}
        moved, following, info = self.inner.step(problem, params, own)
        if info.status is Status.NO_PROGRESS:
            return self._polish(problem, params, {**following, "polished": 0.0})
        close = info.status is None and (_stands_still(info) or self.tolerances.met(info) is not None)
        if close and nearer(problem, moved, offset(problem, moved)) is not None:
            return moved, {**following, "polished": 0.0}, info.followed()
        return moved, {**following, "polished": None}, info

    def _polish(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        here, loss, made = offset(problem, params), problem.loss(params), state["polished"]
        trial = nearer(problem, params, here)
        info = _info(here, trial, loss)
        if trial is not None:
            return problem.accept(trial), {**state, "polished": made + 1}, info.followed()
        arrived = made or here.length <= ARRIVED * math.sqrt(2 * problem.cost_per_loss * loss)
        return params, state, info.ended(Status.CONVERGED_DIGITS if arrived else Status.NO_PROGRESS)


def _stands_still(info: StepInfo) -> bool:
    """Whether a step lowered the loss by no more than its rounding."""
    before, after = info.loss_before, float(info.losses[-1])
    return bool(info.accepted) and before is not None and before - after <= LEAST_DECREASE * before


def _info(here: Offset, taken: Trial | None, loss: float) -> StepInfo:
    scalars = (taken or here.trial).scalars
    return StepInfo(
        losses=np.array([loss if taken is None else taken.loss]),
        loss_before=loss,
        damping=0.0,
        step_norm=scalars.step_norm,
        params_norm=scalars.params_norm,
        gradient_norm=here.gradient_norm,
        accepted=taken is not None,
        attempts=1,
        invalid_attempts=int(not here.trial.valid),
    )
