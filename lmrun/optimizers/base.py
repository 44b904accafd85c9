"""What an optimizer is: two pure functions, `init` and `step`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.problem import Problem
from lmrun.status import Status

Tensor = Any
State = Mapping[str, Any]
"""Numbers and tensors by name; all that a checkpoint has to keep besides the parameters. Where there is an
`average` of the parameters [n], that is the model, and the parameters are where the next step begins."""


@dataclass(frozen=True)
class StepInfo:
    """What one call of `step` did.

    Attributes:
        losses: The loss of each step of the call, [steps]: after the step on the full batch and for
            second-order optimizers, which make one step per call; before it for first-order ones in
            mini-batches.
        loss_before: The loss on the same rows before the step, where the optimizer looks at it.
        damping: The damping of the last trial.
        gain_ratio: Actual over predicted reduction of the cost.
        step_norm: |step|_2 of the last trial.
        params_norm: |params|_2 before the step.
        gradient_norm: Largest |element| of J^T r before the step.
        accepted: Whether the parameters moved.
        attempts: Trials, the accepted one included.
        invalid_attempts: Trials whose factorization failed or whose loss was not finite.
        turns: Steps in which every parameter has its turn: more than 1 where a step changes some only.
        status: Why no further step is possible, or None.
        polishes: Whether undamped steps follow, or this is one of them: then no tolerance ends the run, and
            the parameters are the best so far though rounding may have raised their loss.
        supersedes: Whether the parameters are the best so far whatever their loss: with regularization it is
            not the loss that decides.
        criterion: What decides between several starts instead of the loss, the lower the better.
        unsettled: Whether the next step will minimize something else: then no tolerance ends the run.
        effective_parameters: Number gamma of parameters that the data determine.
        alpha: Of the squared parameters in alpha |params|^2 + beta |r|^2.
        beta: Of the squared residuals in the same.
        restarts: Whether the optimizer begins again by itself where this leads nowhere: then a large loss is
            that of one start, and no failure of the run.
    """

    losses: NDArray[np.float64]
    loss_before: float | None = None
    damping: float | None = None
    gain_ratio: float | None = None
    step_norm: float | None = None
    params_norm: float | None = None
    gradient_norm: float | None = None
    accepted: bool | None = None
    attempts: int | None = None
    invalid_attempts: int | None = None
    turns: int = 1
    status: Status | None = None
    polishes: bool = False
    supersedes: bool = False
    criterion: float | None = None
    unsettled: bool = False
    effective_parameters: float | None = None
    alpha: float | None = None
    beta: float | None = None
    restarts: bool = False

    def followed(self) -> StepInfo:
        """The same, followed by an undamped step."""
        return replace(self, polishes=True)

    def ended(self, status: Status) -> StepInfo:
        """The same as the last one."""
        return replace(self, status=status)


def stationary(loss: float) -> StepInfo:
    """What a step does where the gradient is zero: nothing."""
    return StepInfo(
        np.array([loss]),
        loss,
        gradient_norm=0.0,
        accepted=False,
        attempts=0,
        invalid_attempts=0,
        status=Status.NO_PROGRESS,
    )


class SecondOrder(Protocol):
    """An optimizer that makes one step per call over the rows of a problem."""

    def init(self, problem: Problem, params: Tensor) -> State:
        """Return the state before the first step."""
        ...

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """Return the next parameters, the next state and what happened; the arguments stay as they are."""
        ...
