"""Rows that grow with the accuracy: a second-order optimizer on a sample of the training rows.

Far from a minimum a few rows per parameter describe the loss well enough, and a step on them costs a
fraction. The sample is a prefix of one random order, so that a larger one contains the smaller. It grows as
soon as its loss no longer speaks for all rows, and a run ends on nothing but the loss over all of them.
Source: Byrd, Chin, Nocedal and Wu 2012, Sample size selection in optimization methods for machine learning;
the test here is the simplest one, the ratio of the two losses.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from lmrun.build import Experiment
from lmrun.curvature.problem import Problem
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.training.driver import Known
from lmrun.training.schedule import Schedule
from lmrun.training.second_order import SecondOrderDriver, problem_over

Tensor = Any

ROWS_PER_PARAMETER = 8
"""The first sample: a least-squares fit of n parameters to m noisy rows has a loss over other rows that is
about (1 + 2 n / m) times its own."""
FEWEST_ROWS = 2048
"""A step on fewer rows costs about the same: its calls take longer than its numbers."""
GROWTH = 4
"""Times that a sample grows."""
WORST_RATIO = 1.5
"""The largest loss over all rows as a multiple of the sample's."""
FALL = 10.0
"""The ratio is looked at whenever the sample's loss fell by this factor,"""
STEPS = 100
"""or this many steps after the last look."""
OWN = ("sample", "looked_loss", "looked_step")
"""What the driver keeps in the optimizer's state."""


class GrowingDriver(SecondOrderDriver):
    """Step on a sample, look at all rows now and then.

    Every row of the sample counts (all rows / sample) times, so that the damping means the same on samples of
    all sizes. The loss of a step is that over the sample, and over all rows wherever those were looked at.
    """

    def __init__(self, experiment: Experiment, optimizer: SecondOrder, schedule: Schedule) -> None:
        super().__init__(experiment, optimizer, schedule)
        self.first = min(max(ROWS_PER_PARAMETER * experiment.network.size, FEWEST_ROWS), schedule.rows)
        target = experiment.config.training.target_loss
        self.target = -math.inf if target is None else target
        self._problems: dict[int, Problem] = {}
        self._sample_order = Schedule(schedule.rows, 1, True, schedule.seed).order(0)

    def init(self, params: Tensor) -> State:
        """The optimizer's state, and where the sample stands."""
        return {**super().init(params), "sample": float(self.first), "looked_loss": None, "looked_step": 0.0}

    def advance(self, params: Tensor, state: State, step: int, count: int) -> tuple[Tensor, State, StepInfo]:
        """Make one step; one that finds no progress on a sample goes on with a larger one."""
        sample = int(state["sample"])
        problem = self._over(sample)
        self._place(problem, step)
        own = {name: value for name, value in state.items() if name not in OWN}
        moved, following, info = self.optimizer.step(problem, params, own)
        if sample >= self.schedule.rows:
            return moved, {**following, **{name: state[name] for name in OWN}}, info
        loss, stuck = float(info.losses[-1]), info.status is not None
        looked_loss, looked_step = state["looked_loss"], state["looked_step"]
        if looked_loss is None:
            looked_loss, looked_step = info.loss_before, float(step)
        reached = loss <= self.target
        if reached or stuck or loss * FALL <= looked_loss or step + 1 >= looked_step + STEPS:
            whole = self.full.loss(moved)
            info = replace(info, losses=np.array([whole]), status=None)
            looked_loss, looked_step = loss, float(step + 1)
            done = reached and whole <= self.target
            if not done and (reached or stuck or not whole <= WORST_RATIO * loss):
                sample, looked_loss = min(GROWTH * sample, self.schedule.rows), None
        place = {"sample": float(sample), "looked_loss": looked_loss, "looked_step": looked_step}
        return moved, {**following, **place}, info

    def first_problem(self) -> Problem:
        """That of the first sample."""
        return self._over(self.first)

    def _over(self, sample: int) -> Problem:
        if sample >= self.schedule.rows:
            return self.full
        if sample not in self._problems:
            # One size of chunks serves all samples: nothing is compiled anew.
            chunk = self.first if self.experiment.kernels.compiles else None
            self._problems[sample] = problem_over(
                self.experiment,
                self.rows,
                self._sample_order[:sample],
                chunk=chunk,
                emphasis=self.schedule.rows / sample,
            )
        return self._problems[sample]

    def best(self, params: Tensor, state: State, step: int) -> Known | None:
        """Known for certain on all rows only."""
        return super().best(params, state, step) if state["sample"] >= self.schedule.rows else None
