"""Several starts, one after the other; the best end is kept.

A minimum that lies beyond a ridge is out of reach for every step that goes downhill. Starting values from
inside given ranges are the simplest way to look there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.problem import Problem
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.convergence import Tolerances
from lmrun.status import FAILURES, Status

Tensor = Any

OWN = ("start", "kept", "kept_loss", "kept_status")
"""What is kept in the state besides that of the inner optimizer."""
STATUSES = tuple(Status)


@dataclass(frozen=True)
class Restarted:
    """An optimizer that begins again wherever it has ended, with one after the other of some starts.

    Attributes:
        inner: Makes the steps.
        tolerances: Where it has ended though it could go on.
        starts: Further starts [starts, n]; the first one is the model's own.
    """

    inner: SecondOrder
    tolerances: Tolerances
    starts: NDArray[np.floating]

    def init(self, problem: Problem, params: Tensor) -> State:
        """The inner state, the number of starts behind, and the best end with its loss and status."""
        own = {"start": 0.0, "kept": None, "kept_loss": None, "kept_status": None}
        return {**self.inner.init(problem, params), **own}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One inner step, or, where that was the last one, the next start or the best end."""
        inner = {name: value for name, value in state.items() if name not in OWN}
        moved, following, info = self.inner.step(problem, params, inner)
        status = info.status or (None if info.polishes else self.tolerances.met(info))
        own = {name: state[name] for name in OWN}
        if status is None:
            return moved, {**following, **own}, replace(info, restarts=True)
        loss = float(info.losses[-1])
        if own["kept"] is None or _rank(status, loss) < _rank(_status(own), own["kept_loss"]):
            place = float(STATUSES.index(status))
            own |= {"kept": problem.algebra.adopt(moved), "kept_loss": loss, "kept_status": place}
        behind = int(own["start"])
        while behind < len(self.starts):
            start = problem.kernels.point(self.starts[behind])
            behind += 1
            loss = problem.loss(start)
            if math.isfinite(loss):
                following = self.inner.init(problem, start)
                begun = StepInfo(np.array([loss]), restarts=True)
                return start, {**following, **own, "start": float(behind)}, begun
        kept = problem.kernels.point(own["kept"])
        last = StepInfo(np.array([own["kept_loss"]]), status=_status(own))
        return kept, {**following, **own, "start": float(behind)}, last


def _status(own: State) -> Status:
    """How the best end so far was reached."""
    return STATUSES[int(own["kept_status"])]


def _rank(status: Status, loss: float) -> tuple[bool, float]:
    """Order ends, the best first; one that failed, such as outside the formula's domain, comes last."""
    return status in FAILURES, math.inf if math.isnan(loss) else loss
