"""Undamped steps after those of another optimizer, on trials that are written down."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from lmrun.curvature.trial import Trial
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.optimizers.base import StepInfo
from lmrun.optimizers.convergence import Tolerances
from lmrun.optimizers.polishing import LEAST_DECREASE, SLACK, Polished
from lmrun.status import Status


class Scripted:
    """Undamped steps of one each, with their lengths and the losses by where they begin; NaN is singular."""

    cost_per_loss = 1.0
    kernels = SimpleNamespace(knows_hessian=False)

    def __init__(self, lengths, losses=None, present=3.0):
        self.lengths, self.losses, self.present = lengths, losses or {}, present

    def loss(self, params):
        return self.losses.get(params, self.present)

    def linearize(self, params):
        return SimpleNamespace(gradient_norm=1.0, params=params)

    def newton_trial(self, params, model):
        length = self.lengths.get(params, math.nan)
        if math.isnan(length):
            return Trial(params, math.nan, INVALID)
        return Trial(params + 1, self.loss(params + 1), StepScalars(True, length**2 / 2, length, 1.0))

    def accept(self, trial):
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
    params, infos = 0, []
    state = optimizer.init(problem, params)
    for _ in range(count):
        params, state, info = optimizer.step(problem, params, state)
        infos.append(info)
    return params, infos


def test_they_begin_where_there_is_no_progress_and_end_where_they_get_no_shorter():
    problem = Scripted({10: 1e-8, 11: 1e-12, 12: 1e-14, 13: 2e-14})
    params, infos = steps(Polished(Inner(2.0, None), Tolerances()), problem, 4)
    assert params == 12
    assert [info.polishes for info in infos] == [False, True, True, False]
    assert [info.accepted for info in infos] == [True, True, True, False]
    assert [info.status for info in infos] == [None, None, None, Status.CONVERGED_DIGITS]


def test_they_begin_where_the_loss_stands_still():
    problem = Scripted({20: 1e-8, 21: 1e-9, 22: 1e-10})
    inner = Inner(2.9, 2.9 * (1 - LEAST_DECREASE / 2))
    params, infos = steps(Polished(inner, Tolerances()), problem, 4)
    assert [info.polishes for info in infos] == [False, True, True, True]
    assert params == 22


def test_where_none_is_possible_the_inner_steps_go_on():
    inner = Inner(3.0 * (1 - LEAST_DECREASE / 2), 2.0, None)
    params, infos = steps(Polished(inner, Tolerances()), Scripted({}), 3)
    assert params == 20
    assert not any(info.polishes for info in infos)
    assert infos[-1].status is Status.NO_PROGRESS


@pytest.mark.parametrize(("length", "begins"), [(1e-8, True), (math.nan, False)])
def test_a_tolerance_is_where_they_begin(length, begins):
    tolerances = Tolerances(step=0.5)
    _, (info,) = steps(Polished(Inner(2.0), tolerances), Scripted({10: length, 11: 1e-9}), 1)
    assert info.polishes is begins
    assert tolerances.met(info) is Status.CONVERGED_STEP


def test_a_step_may_raise_the_loss_by_its_rounding_alone():
    for loss, taken in ((3 * (1 + SLACK / 2), True), (3 * (1 + 2 * SLACK), False), (math.inf, False)):
        problem = Scripted({0: 1e-8, 1: 1e-9}, {1: loss})
        params, infos = steps(Polished(Inner(None), Tolerances()), problem, 1)
        assert infos[0].accepted is taken
        assert params == (1 if taken else 0)


@pytest.mark.parametrize(("length", "status"), [(1e-7, Status.CONVERGED_DIGITS), (1e-2, Status.NO_PROGRESS)])
def test_who_has_arrived_already_is_told_so(length, status):
    _, (info,) = steps(Polished(Inner(None), Tolerances()), Scripted({0: length, 1: 1.0}), 1)
    assert info.status is status
