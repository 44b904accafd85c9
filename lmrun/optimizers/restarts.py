"""Several starts, one after the other; the best end is kept.

A minimum that lies beyond a ridge is out of reach for every step that goes downhill. Starting values from
inside given ranges, or other initial weights, are the simplest way to look there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.config.models import FormulaConfig
from lmrun.config.schema import Config
from lmrun.curvature.problem import Problem
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.convergence import Tolerances
from lmrun.seeding import Stream, generator
from lmrun.status import FAILURES, Status

Tensor = Any

OWN = ("start", "made", "kept", "kept_loss", "kept_criterion", "kept_status")
"""What is kept in the state besides that of the inner optimizer."""
STATUSES = tuple(Status)


@dataclass(frozen=True)
class Restarted:
    """An optimizer that begins again wherever it has ended, with one after the other of some starts.

    Attributes:
        inner: Makes the steps.
        tolerances: Where it has ended though it could go on.
        starts: Further starts [starts, n]; the first one is the model's own.
        most_steps: Steps of each start; None for as many as it takes.
    """

    inner: SecondOrder
    tolerances: Tolerances
    starts: NDArray[np.floating]
    most_steps: int | None = None

    def init(self, problem: Problem, params: Tensor) -> State:
        """The inner state, the starts behind and the steps of the present one, and the best end."""
        own = dict.fromkeys(OWN) | {"start": 0.0, "made": 0.0}
        return {**self.inner.init(problem, params), **own}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One inner step, or, where that was the last one, the next start or the best end."""
        inner = {name: value for name, value in state.items() if name not in OWN}
        moved, following, info = self.inner.step(problem, params, inner)
        own = {name: state[name] for name in OWN} | {"made": state["made"] + 1}
        status = self._status(info, own["made"])
        better = _better(info, status, own)
        if status is None:
            going = replace(info, supersedes=info.supersedes and better, restarts=True)
            return moved, {**following, **own}, going
        if better:
            own |= {
                "kept": problem.algebra.adopt(moved),
                "kept_loss": float(info.losses[-1]),
                "kept_criterion": _criterion(info),
                "kept_status": float(STATUSES.index(status)),
            }
        behind = int(own["start"])
        while behind < len(self.starts):
            start = problem.kernels.point(self.starts[behind])
            behind += 1
            loss = problem.loss(start)
            if math.isfinite(loss):
                following = self.inner.init(problem, start)
                own |= {"start": float(behind), "made": 0.0}
                return start, {**following, **own}, StepInfo(np.array([loss]), restarts=True)
        kept, status = problem.kernels.point(own["kept"]), STATUSES[int(own["kept_status"])]
        last = StepInfo(np.array([own["kept_loss"]]), status=status, supersedes=info.supersedes)
        return kept, {**following, **own, "start": float(behind)}, last

    def _status(self, info: StepInfo, made: float) -> Status | None:
        """Why the present start ends; None where it goes on."""
        met = None if info.polishes else self.tolerances.met(info)
        spent = self.most_steps is not None and made >= self.most_steps
        return info.status or met or (Status.MAX_STEPS if spent else None)


def _criterion(info: StepInfo) -> float:
    """What decides between starts: the loss, unless a step says something else."""
    return float(info.losses[-1]) if info.criterion is None else info.criterion


def _better(info: StepInfo, status: Status | None, own: State) -> bool:
    """Whether the parameters of a step are better than the best end so far."""
    if own["kept"] is None:
        return True
    before = STATUSES[int(own["kept_status"])]
    return _rank(status, _criterion(info)) < _rank(before, own["kept_criterion"])


def _rank(status: Status | None, criterion: float) -> tuple[bool, float]:
    """Order ends, the best first; one that failed, such as outside the formula's domain, comes last."""
    return status in FAILURES, math.inf if math.isnan(criterion) else criterion


def starts_of(config: Config) -> NDArray[np.floating] | None:
    """Return the further starts of a formula [restarts, n]; None where none are asked for.

    A parameter without a range begins where it always does.
    """
    if not isinstance(config.model, FormulaConfig) or not config.model.restarts:
        return None
    draw = generator(config.seed, Stream.STARTS).random((config.model.restarts, len(config.model.free)))
    ranges = [parameter.drawn_from or (parameter.value,) * 2 for parameter in config.model.free.values()]
    low, high = np.array(ranges).T
    return np.asarray(low + draw * (high - low), config.precision)
