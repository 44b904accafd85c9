"""Feed a first-order optimizer: many steps per call, all rows on the device."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from lmrun.build import Experiment
from lmrun.curvature.batch import for_kernels, make_rows
from lmrun.curvature.problem import Problem
from lmrun.optimizers.base import State, StepInfo
from lmrun.optimizers.first_order import MOST_STEPS, Block, FirstOrder
from lmrun.training.driver import Arrays, Known
from lmrun.training.schedule import Schedule
from lmrun.training.second_order import full_problem

Tensor = Any


class FirstOrderDriver:
    """Blocks of steps, all rows on the device."""

    most_steps = MOST_STEPS

    def __init__(self, experiment: Experiment, optimizer: FirstOrder, schedule: Schedule) -> None:
        self.experiment = experiment
        self.optimizer = optimizer
        self.schedule = schedule
        rows = make_rows(experiment.dataset.train, experiment.config.precision)
        # Mini-batches draw rows, the full batch is laid out once.
        self.rows = for_kernels(rows) if schedule.full_batch else rows
        target = experiment.config.training.target_loss
        self.target = -math.inf if target is None else target
        self._order: tuple[int, Tensor, Tensor] | None = None
        self._full: Problem | None = None

    def init(self, params: Tensor) -> State:
        """The state before the first step."""
        return self.optimizer.init(self.rows, params, self.schedule.full_batch)

    def advance(self, params: Tensor, state: State, step: int, count: int) -> tuple[Tensor, State, StepInfo]:
        """Make up to `count` steps; in mini-batches none beyond the whole batches or the short last one."""
        schedule, order, start = self.schedule, None, 0
        if not schedule.full_batch:
            start = schedule.batch(step)
            whole, tail = self._orders(schedule.epoch(step))
            if start < schedule.whole_batches:
                order, count = whole, min(count, schedule.whole_batches - start)
            else:
                order, start, count = tail, 0, 1
        return self.optimizer.step(Block(self.rows, order, start, count, self.target), params, state)

    def _orders(self, epoch: int) -> tuple[Tensor, Tensor]:
        """The epoch's whole batches int32 [batches, size] and its short last one [1, rest]."""
        if self._order is None or self._order[0] != epoch:
            order, size = self.schedule.order(epoch), self.schedule.size
            cut = self.schedule.whole_batches * size
            self._order = (epoch, tf.constant(order[:cut].reshape(-1, size)), tf.constant(order[None, cut:]))
        return self._order[1], self._order[2]

    def best(self, params: Tensor, state: State, step: int) -> Known | None:
        """The compiled loop keeps the best parameters, also between two calls."""
        if not self.schedule.full_batch:
            return None
        return Known(float(state["best_loss"]), state["best_params"], int(state["best_made"]))

    def model(self, params: Tensor, state: State) -> Tensor:
        """Where the last step led."""
        return params

    def loss(self, params: Tensor) -> float:
        """Over all training rows."""
        self._full = self._full or full_problem(self.experiment)
        return self._full.loss(params)

    def zero_loss(self) -> float:
        """Over all training rows."""
        return float(self.optimizer.kernels.zero_loss(self.rows.targets, self.rows.weights))

    def pack(self, state: State) -> Arrays:
        """Slots are named `slots.NAME`."""
        plain = {name: value.numpy() for name, value in state.items() if name != "slots"}
        return {**plain, **{f"slots.{name}": value.numpy() for name, value in state["slots"].items()}}

    def unpack(self, arrays: Arrays) -> State:
        """The same names back."""
        slots = {
            name.removeprefix("slots."): tf.constant(value)
            for name, value in sorted(arrays.items())
            if name.startswith("slots.")
        }
        plain = {name: tf.constant(value) for name, value in arrays.items() if not name.startswith("slots.")}
        if self.schedule.full_batch and "gradient" not in plain:
            raise KeyError("gradient")
        return {**plain, "slots": slots}
