"""Levenberg-Marquardt, composed of an update and a scaling of the damping and an acceptance of trials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lmrun.config.damping import DampingLimits, RepeatedDamping
from lmrun.config.optimizers import LmConfig
from lmrun.curvature.problem import Problem
from lmrun.curvature.trial import Linearization, Trial
from lmrun.linalg.algebra import Motion, Vector
from lmrun.optimizers.averaging import NO_AVERAGING, Averaging, build_averaging, follow_average, init_average
from lmrun.optimizers.base import State, StepInfo, stationary
from lmrun.optimizers.damping.acceptance import DECREASE, Acceptance, build_acceptance
from lmrun.optimizers.damping.base import Damping, Update
from lmrun.optimizers.damping.scaling import Scaling, Typical, build_scaling
from lmrun.optimizers.damping.update import build_update
from lmrun.optimizers.memory import NO_MEMORY, Memory
from lmrun.optimizers.pace import WHOLE_PACE, Pace
from lmrun.optimizers.subset import WHOLE, Subset, build_subset
from lmrun.status import Status

Tensor = Any


class Search(NamedTuple):
    """The trials of a step.

    Attributes:
        trial: The last one.
        damping: That of the last one.
        gain_ratio: Actual over predicted reduction of the cost of the last one.
        attempts: Their number.
        invalid: Those that were not valid.
        accepted: Whether the last one is taken.
    """

    trial: Trial
    damping: Damping
    gain_ratio: float
    attempts: int
    invalid: int
    accepted: bool


@dataclass(frozen=True)
class LevenbergMarquardt:
    """theta <- theta - (J^T J + damping D)^-1 J^T r, taken only where the acceptance agrees.

    The linearization is made once per step; a trial that is rejected, or invalid because its matrix could not
    be factored or its loss is not finite, raises the damping, or shrinks the radius, and solves again. After
    `max_attempts` trials, when the update has no other damping to try, or when the step is lost in the
    rounding of the parameters, the parameters stay as they were and the step reports `no_progress`.

    Source: Levenberg 1944; Marquardt 1963; Nocedal and Wright 2006, section 10.3.

    Attributes:
        update: Moves the damping, or the radius.
        scaling: D.
        minimum: Of the damping.
        maximum: Of the damping.
        max_attempts: Trials of a step.
        accelerate: Whether steps are bent along the geodesic.
        acceptance: Which trials are taken.
        pace: How far a step goes: what is tried is what would be taken.
        averaging: Of the parameters; `average` in the state is the model then.
        memory: Of J^T J.
        rows: Share of the rows that J^T J is of.
        subset: The parameters that a step changes.
    """

    update: Update
    scaling: Scaling
    minimum: float
    maximum: float
    max_attempts: int
    accelerate: bool = False
    acceptance: Acceptance = DECREASE
    pace: Pace = WHOLE_PACE
    averaging: Averaging = NO_AVERAGING
    memory: Memory = NO_MEMORY
    rows: float = 1.0
    subset: Subset = WHOLE

    def init(self, problem: Problem, params: Tensor) -> State:
        """Damping and scaling start with the first linearization."""
        own = {"value": None, "growth": None, "radius": None, "scaling": None}
        return {**own, **self.pace.init(), **init_average(self.averaging), **self.memory.init()}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One accepted step over the problem's rows, or none."""
        if state["value"] is None:
            params = problem.settle(params)
        model = problem.linearize(params, self.subset.choose(problem), self.rows)
        selection, loss = model.selection, problem.loss(params)
        if not math.isfinite(model.gradient_norm):
            return params, state, StepInfo(np.array([loss]), loss, status=Status.NON_FINITE)
        if model.gradient_norm == 0:
            return params, state, stationary(loss)
        model, remembered = self.memory.recall(problem, model, state)
        scaling, kept = self._scaled(problem, model, state, params, loss)
        damping = self._current(problem, params, state, model, scaling)
        motion = self.pace.motion(problem, state, selection)
        found = self._search(problem, params, model, scaling, damping, motion, loss)
        trial, scalars = found.trial, found.trial.scalars
        info = StepInfo(
            losses=np.array([trial.loss if found.accepted else loss]),
            loss_before=loss,
            damping=scalars.damping if scalars.valid else found.damping.value,
            gain_ratio=found.gain_ratio,
            step_norm=scalars.step_norm,
            # A part of the parameters may stand still while others have far to go.
            params_norm=scalars.params_norm if self.subset is WHOLE else None,
            gradient_norm=model.gradient_norm,
            accepted=found.accepted,
            attempts=found.attempts,
            invalid_attempts=found.invalid,
            turns=self.subset.turns(problem),
            status=None if found.accepted else Status.NO_PROGRESS,
        )
        if not found.accepted:
            # The damping of a hopeless batch is no start for the next one.
            return params, state, info
        damping = self._bounded(self.update.accepted(found.damping, found.gain_ratio, scalars))
        moved = problem.accept(trial)
        following = {
            **damping._asdict(),
            "scaling": kept,
            **remembered,
            **self.pace.follow(problem, state, selection, params, moved),
            **follow_average(self.averaging, problem.algebra, state, moved),
        }
        return moved, following, info

    def _search(  # noqa: PLR0917 - the parts of one step
        self,
        problem: Problem,
        params: Tensor,
        model: Linearization,
        scaling: Vector,
        damping: Damping,
        motion: Motion,
        loss: float,
    ) -> Search:
        """Try steps until one is accepted or none is left to try."""
        # A step below this share of the parameters changes none of their digits.
        epsilon = float(np.finfo(problem.algebra.dtype).eps) / 4
        invalid, attempt = 0, 0
        while True:
            attempt += 1
            trial = problem.damped_trial(
                params,
                model,
                damping.value,
                scaling,
                accelerate=self.accelerate,
                radius=damping.radius,
                motion=motion,
            )
            gain_ratio, scalars = self._gain_ratio(problem, loss, trial), trial.scalars
            invalid += not trial.valid
            # A drift may lead uphill in the model already: then the ratio says nothing.
            promising = trial.valid and scalars.predicted_reduction > 0
            if promising and self.acceptance.accepts(loss, trial.loss, gain_ratio):
                return Search(trial, damping, gain_ratio, attempt, invalid, True)
            if motion.drift is not None:
                # However short the step, the drift may lead uphill: on without it.
                motion = motion._replace(drift=None)
                continue
            following = self._bounded(self.update.rejected(damping, gain_ratio, scalars))
            lost = trial.valid and scalars.step_norm <= epsilon * scalars.params_norm
            same = (following.value, following.radius) == (damping.value, damping.radius)
            if lost or same or following.value >= self.maximum or attempt >= self.max_attempts:
                break
            damping = following
        return Search(trial, damping, gain_ratio, attempt, invalid, False)

    def _scaled(
        self, problem: Problem, model: Linearization, state: State, params: Tensor, loss: float
    ) -> tuple[Vector, Vector | None]:
        """D of the model's parameters, and what is kept of it by all parameters."""
        algebra, selection, before = problem.algebra, model.selection, state["scaling"]
        diagonal = model.curvature.diagonal
        if before is None and isinstance(self.scaling, Typical):
            by_all = diagonal if selection is None else selection.spread(diagonal)
            before = self.scaling.first(algebra, params, by_all, 2 * problem.cost_per_loss * loss)
        if selection is None:
            return self.scaling.update(algebra, diagonal, before)
        known = None if before is None else algebra.adopt(selection.take(before))
        scaling, kept = self.scaling.update(algebra, diagonal, known)
        if kept is None:
            return scaling, None
        whole = 0 * algebra.ones_like(model.gradient) if before is None else before
        return scaling, algebra.adopt(selection.put(whole, kept))

    def _current(
        self, problem: Problem, params: Tensor, state: State, model: Linearization, scaling: Vector
    ) -> Damping:
        if state["value"] is not None:
            return Damping(**{name: state[name] for name in Damping._fields})
        some = params if model.selection is None else model.selection.take(params)
        scaled = np.sqrt(np.asarray(scaling)) * np.asarray(some)
        largest = problem.algebra.largest(model.curvature.diagonal / scaling)
        return self._bounded(self.update.start(largest, float(np.linalg.norm(scaled))))

    def _bounded(self, damping: Damping) -> Damping:
        return damping._replace(value=min(max(damping.value, self.minimum), self.maximum))

    def _gain_ratio(self, problem: Problem, loss: float, trial: Trial) -> float:
        """Actual over predicted reduction of the cost; NaN for an invalid trial."""
        predicted = trial.scalars.predicted_reduction
        return problem.cost_per_loss * (loss - trial.loss) / predicted if predicted else math.nan


def levenberg_marquardt(config: LmConfig) -> LevenbergMarquardt:
    """Compose the optimizer that a config describes.

    Raises:
        ConfigError: A strategy of the user's own cannot be used.
    """
    damping = config.damping
    limits = (damping.minimum, damping.maximum) if isinstance(damping, DampingLimits) else (0.0, math.inf)
    return LevenbergMarquardt(
        update=build_update(damping),
        scaling=build_scaling(damping.scaling),
        minimum=limits[0],
        maximum=limits[1],
        max_attempts=damping.max_attempts if isinstance(damping, RepeatedDamping) else 1,
        accelerate=config.acceleration == "geodesic",
        acceptance=build_acceptance(config.acceptance),
        pace=Pace(config.learning_rate, config.learning_rate_decay, config.momentum),
        averaging=build_averaging(config.averaging),
        memory=Memory(config.memory),
        rows=config.rows,
        subset=build_subset(config.subset),
    )
