"""Steps until a stopping rule holds: the loop of problems that have no rows, no files and no validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.config.training import TrainingConfig
from lmrun.curvature.problem import Problem
from lmrun.optimizers.base import SecondOrder, StepInfo
from lmrun.status import DIVERGED, Status
from lmrun.training import stopping

Array = NDArray[np.float64]
Row = dict[str, Any]
"""What a step did, by the names of the columns of a run's metrics.csv."""

COLUMNS = ("damping", "gain_ratio", "step_norm", "gradient_norm", "accepted", "attempts")
SLACK = 1e-2
"""Share of the lowest loss by which the last one may exceed it by rounding (`optimizers.polishing`)."""


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        params: The final parameters [n].
        status: Why it ended.
        steps: Number of steps.
        seconds: Time, compilation included.
        improved: Whether the loss is lower than at the start.
        history: A row per step; the first is the start.
    """

    params: Array
    status: Status
    steps: int
    seconds: float
    improved: bool
    history: list[Row]


def minimize(
    problem: Problem,
    optimizer: SecondOrder,
    start: Array,
    training: TrainingConfig,
    callback: Callable[[Row], object] | None = None,
) -> Ended:
    """Step from a start whose loss is finite.

    Args:
        problem: Its loss is m times the one that users read.
        optimizer: Makes the steps.
        start: [n].
        training: The stopping rules.
        callback: Gets each step's row; raises StopIteration to end the run.
    """
    began = time.monotonic()
    per_row = 1 / problem.batch.samples
    params, state = start, optimizer.init(problem, start)
    first = problem.loss(start)
    best, best_params = first, start
    history: list[Row] = [{"step": 0, "seconds": 0.0, "loss": first * per_row}]
    status = Status.TARGET_REACHED if stopping.target_reached(training, first * per_row) else None
    steps = 0
    while status is None:
        problem.step, problem.progress = steps, steps / (training.max_steps or math.inf)
        params, state, info = optimizer.step(problem, params, state)
        steps += info.status is None
        loss, seconds = float(info.losses[-1]), time.monotonic() - began
        if loss < best:
            best, best_params = loss, params
        status = _status(training, info, loss * per_row, (steps, seconds, DIVERGED * first * per_row))
        row = _row(steps, seconds, loss * per_row, info)
        history.append(row)
        if callback is not None and _ends(callback, row):
            status = status or Status.INTERRUPTED
    # Steps that are always taken, such as Gauss-Newton's, may have led uphill.
    last = problem.loss(params)
    params = params if last <= (1 + SLACK) * best else best_params
    return Ended(
        np.asarray(params), status, steps, time.monotonic() - began, min(best, last) < first, history
    )


def _status(
    training: TrainingConfig, info: StepInfo, loss: float, standing: tuple[int, float, float]
) -> Status | None:
    """Return why no step follows; `standing` are the steps made, the seconds and the ceiling of the loss."""
    steps, seconds, ceiling = standing
    stands = stopping.Standing(steps, 0, seconds, ceiling, 0, full_batch=True)
    return (
        (Status.TARGET_REACHED if stopping.target_reached(training, loss) else None)
        or stopping.converged(training, stands, info)
        or stopping.failed(stands, info)
        or stopping.spent(training, stands)
    )


def _row(step: int, seconds: float, loss: float, info: StepInfo) -> Row:
    return {"step": step, "seconds": seconds, "loss": loss} | {name: getattr(info, name) for name in COLUMNS}


def _ends(callback: Callable[[Row], object], row: Row) -> bool:
    try:
        callback(dict(row))
    except StopIteration:
        return True
    return False
