"""Undamped steps after those of another optimizer, on trials that are written down."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from lmrun.curvature.problem import Trial
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.optimizers.base import StepInfo
from lmrun.optimizers.convergence import Tolerances
from lmrun.optimizers.polishing import LEAST_DECREASE, SLACK, Polished
from lmrun.status import Status


class Scripted:
    """Undamped trials of given lengths and losses; a length of None is a singular matrix."""

    def __init__(self, *trials, loss=4.0):
        self.trials, self.present = list(trials), loss

    def loss(self, params):
        return self.present

    def linearize(self, params):
        return SimpleNamespace(gradient_norm=1.0)

    def newton_trial(self, params, model):
        length, loss = self.trials.pop(0)
        if length is None:
            return Trial(params, math.nan, INVALID)
        return Trial(params + 1, loss, StepScalars(True, length**2 / 2, length, 1.0))

    def accept(self, trial):
        self.present = trial.loss
        return trial.params


class Inner:
    """An optimizer whose steps end at given losses; None is one without progress."""

    def __init__(self, *losses):
        self.losses = list(losses)

    def init(self, problem, params):
        return {"own": 1.0}

    def step(self, problem, params, state):
        assert state == {"own": 1.0}
        loss, before = self.losses.pop(0), problem.present
        if loss is None:
            info = StepInfo(np.array([before]), before, accepted=False, status=Status.NO_PROGRESS)
            return params, state, info
        problem.present = loss
        info = StepInfo(np.array([loss]), before, step_norm=1.0, params_norm=10.0, accepted=True)
        return params + 10, state, info


def steps(optimizer, problem, count):
    params, infos = 0.0, []
    state = optimizer.init(problem, params)
    for _ in range(count):
        params, state, info = optimizer.step(problem, params, state)
        infos.append(info)
    return params, infos


def test_they_begin_where_there_is_no_progress_and_end_where_they_get_no_shorter():
    problem = Scripted((1e-8, 3.0), (1e-12, 3.0), (2e-12, 3.0))
    params, infos = steps(Polished(Inner(3.0, None), Tolerances()), problem, 4)
    assert params == 10 + 1 + 1
    assert [info.polishes for info in infos] == [False, True, True, False]
    assert [info.accepted for info in infos] == [True, True, True, False]
    assert [info.status for info in infos] == [None, None, None, Status.CONVERGED_DIGITS]


def test_they_begin_where_the_loss_stands_still():
    problem = Scripted((1e-8, 3.0), (1e-8, 3.0), (1e-9, 3.0))
    inner = Inner(3.0, 3.0 * (1 - LEAST_DECREASE / 2))
    params, infos = steps(Polished(inner, Tolerances()), problem, 4)
    assert [info.polishes for info in infos] == [False, True, True, True]
    # The first undamped trial was a look ahead.
    assert params == 10 + 10 + 1 + 1


def test_where_none_is_possible_the_inner_steps_go_on():
    problem = Scripted((None, 0.0), (None, 0.0))
    inner = Inner(4.0 * (1 - LEAST_DECREASE / 2), 2.0, None)
    params, infos = steps(Polished(inner, Tolerances()), problem, 3)
    assert params == 20
    assert not any(info.polishes for info in infos)
    assert infos[-1].status is Status.NO_PROGRESS


@pytest.mark.parametrize(("length", "begins"), [(1e-8, True), (None, False)])
def test_a_tolerance_is_where_they_begin(length, begins):
    problem = Scripted((length, 2.0))
    tolerances = Tolerances(step=0.5)
    _, (info,) = steps(Polished(Inner(2.0), tolerances), problem, 1)
    assert info.polishes is begins
    assert tolerances.met(info) is Status.CONVERGED_STEP


def test_a_step_may_raise_the_loss_by_its_rounding_alone():
    for loss, taken in ((4 * (1 + SLACK / 2), True), (4 * (1 + 2 * SLACK), False), (math.inf, False)):
        params, infos = steps(Polished(Inner(None), Tolerances()), Scripted((1e-8, loss)), 1)
        assert infos[0].accepted is taken
        assert params == (1 if taken else 0)
