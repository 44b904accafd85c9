"""Levenberg-Marquardt, composed of an update and a scaling of the damping."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lmrun.config.optimizers import LmConfig
from lmrun.curvature.problem import Problem, Trial
from lmrun.optimizers.base import State, StepInfo
from lmrun.optimizers.damping.scaling import SCALINGS, Scaling
from lmrun.optimizers.damping.update import Damping, Update, build_update
from lmrun.status import Status

Tensor = Any


@dataclass(frozen=True)
class LevenbergMarquardt:
    """theta <- theta - (J^T J + damping D)^-1 J^T r, taken only where it lowers the loss.

    The linearization is made once per step; a trial that is rejected, or invalid because its matrix could not
    be factored or its loss is not finite, raises the damping and solves again. After `max_attempts` trials,
    or when the step is lost in the rounding of the parameters, the parameters stay as they were and the step
    reports `no_progress`.

    Source: Levenberg 1944; Marquardt 1963; Nocedal and Wright 2006, section 10.3.
    """

    update: Update
    scaling: Scaling
    minimum: float
    maximum: float
    max_attempts: int
    accelerate: bool = False

    def init(self, problem: Problem, params: Tensor) -> State:
        """The damping starts with the first linearization."""
        return {"value": None, "growth": None}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One accepted step over the problem's rows, or none."""
        loss = problem.loss(params)
        model = problem.linearize(params)
        diagonal = problem.algebra.diagonal(model.matrix)
        scaling = self.scaling(problem.algebra, diagonal)
        if not np.isfinite(model.gradient_norm):
            return params, state, StepInfo(np.array([loss]), loss, status=Status.NON_FINITE)
        damping = self._current(problem, state, diagonal, scaling)
        # A step below this share of the parameters changes none of their digits.
        epsilon = float(np.finfo(problem.algebra.dtype).eps) / 4
        invalid = 0
        for attempt in range(1, self.max_attempts + 1):
            trial = problem.damped_trial(params, model, damping.value, scaling, accelerate=self.accelerate)
            gain_ratio = self._gain_ratio(problem, loss, trial)
            invalid += not trial.valid
            info = StepInfo(
                losses=np.array([loss]),
                loss_before=loss,
                damping=damping.value,
                gain_ratio=gain_ratio,
                step_norm=trial.scalars.step_norm,
                params_norm=trial.scalars.params_norm,
                gradient_norm=model.gradient_norm,
                accepted=trial.valid and trial.loss < loss,
                attempts=attempt,
                invalid_attempts=invalid,
                status=Status.NO_PROGRESS,
            )
            if info.accepted:
                damping = self._bounded(self.update.accepted(damping, gain_ratio))
                info = replace(info, losses=np.array([trial.loss]), status=None)
                return problem.accept(trial), damping._asdict(), info
            damping = self._bounded(self.update.rejected(damping))
            lost = trial.valid and trial.scalars.step_norm <= epsilon * trial.scalars.params_norm
            if lost or damping.value >= self.maximum:
                break
        # The damping of a hopeless batch is no start for the next one.
        return params, state, info

    def _current(self, problem: Problem, state: State, diagonal: Any, scaling: Any) -> Damping:
        if state["value"] is not None:
            return Damping(**state)
        return self._bounded(self.update.start(problem.algebra.largest(diagonal / scaling)))

    def _bounded(self, damping: Damping) -> Damping:
        return damping._replace(value=min(max(damping.value, self.minimum), self.maximum))

    def _gain_ratio(self, problem: Problem, loss: float, trial: Trial) -> float:
        """Actual over predicted reduction of the cost; NaN for an invalid trial."""
        predicted = trial.scalars.predicted_reduction
        return problem.cost_per_loss * (loss - trial.loss) / predicted if predicted else float("nan")


def levenberg_marquardt(config: LmConfig) -> LevenbergMarquardt:
    """Compose the optimizer that a config describes."""
    damping = config.damping
    return LevenbergMarquardt(
        update=build_update(damping),
        scaling=SCALINGS[damping.scaling],
        minimum=damping.minimum,
        maximum=damping.maximum,
        max_attempts=damping.max_attempts,
        accelerate=config.acceleration == "geodesic",
    )
