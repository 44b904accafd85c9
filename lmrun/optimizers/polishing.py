"""The last digits: undamped steps, where the loss cannot tell any more which parameters are better.

Near a minimum the loss is flat: parameters that are wrong by a share d of their size raise it by about d^2 of
its own, so that in float64 it is blind to errors below 1e-8. The step is not. Gauss-Newton's step is the
solution of a linear least squares problem, and with an orthogonal factorization its error is that of the
residuals' rounding. It shrinks from step to step by a constant factor or faster until rounding is all that is
left of it; that is where the parameters have all the digits which the data and the precision give them.

Source: Björck 1996, Numerical methods for least squares problems, sections 2.4.3 and 9.2.3 (Gauss-Newton's
local convergence, limiting accuracy); Deuflhard 2004, Newton methods for nonlinear problems, section 4.3.2:
steps are compared by their own lengths, and end where these no longer fall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmrun.curvature.problem import Linearization, Problem, Trial
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.convergence import Tolerances
from lmrun.status import Status

Tensor = Any

SLACK = 1e-2
"""Share by which a step may raise the loss. A step near a minimum changes it by its rounding: by 1e-15 of a
common one, by 1e-3 of one whose residuals are themselves but rounding (1e-13 of the outputs)."""


LEAST_DECREASE = 1e-14
"""Share of the loss by which a step has to lower it to say anything: its rounding is a few 1e-16."""


@dataclass(frozen=True)
class Polished:
    """An optimizer that is followed by undamped steps.

    The steps of `inner` go on until one lowers the loss by no more than its rounding, meets a tolerance or
    finds no progress. If an undamped step is possible there, every step from there on is undamped, and taken
    while it is shorter than the one before. Its length is |J step|, the change of the outputs, which does not
    depend on the parameters' units. The first one that is not shorter is not taken and ends the run.

    Attributes:
        inner: Comes close to a minimum.
        tolerances: Where that is close enough.
    """

    inner: SecondOrder
    tolerances: Tolerances

    def init(self, problem: Problem, params: Tensor) -> State:
        """The inner state, and the length of the last undamped step, which is infinite where they begin."""
        return {**self.inner.init(problem, params), "polished": None}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One step of the one kind or the other."""
        if state["polished"] is not None:
            return self._polish(problem, params, state)
        own = {name: value for name, value in state.items() if name != "polished"}
        moved, following, info = self.inner.step(problem, params, own)
        if info.status is Status.NO_PROGRESS:
            return self._polish(problem, params, {**following, "polished": math.inf})
        close = info.status is None and (_stands_still(info) or self.tolerances.met(info) is not None)
        if close and self._undamped(problem, moved, math.inf)[-1]:
            return moved, {**following, "polished": math.inf}, info.followed()
        return moved, {**following, "polished": None}, info

    def _undamped(
        self, problem: Problem, params: Tensor, longest: float
    ) -> tuple[Linearization, Trial, float, bool]:
        """Try an undamped step: the model, the trial, the length of the step, and whether to take it."""
        model, loss = problem.linearize(params), problem.loss(params)
        trial = problem.newton_trial(params, model)
        length = math.sqrt(max(2 * trial.scalars.predicted_reduction, 0.0)) if trial.valid else math.nan
        return model, trial, length, length < longest and trial.loss <= (1 + SLACK) * loss

    def _polish(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        model, trial, length, taken = self._undamped(problem, params, state["polished"])
        info = _info(model, trial, problem.loss(params), taken)
        if taken:
            return problem.accept(trial), {**state, "polished": length}, info.followed()
        begun = math.isfinite(state["polished"])
        return params, state, info.ended(Status.CONVERGED_DIGITS if begun else Status.NO_PROGRESS)


def _stands_still(info: StepInfo) -> bool:
    """Whether a step lowered the loss by no more than its rounding."""
    before, after = info.loss_before, float(info.losses[-1])
    return bool(info.accepted) and before is not None and before - after <= LEAST_DECREASE * before


def _info(model: Linearization, trial: Trial, loss: float, accepted: bool) -> StepInfo:
    scalars = trial.scalars
    return StepInfo(
        losses=np.array([trial.loss if accepted else loss]),
        loss_before=loss,
        damping=0.0,
        step_norm=scalars.step_norm,
        params_norm=scalars.params_norm,
        gradient_norm=model.gradient_norm,
        accepted=accepted,
        attempts=1,
        invalid_attempts=int(not trial.valid),
    )
