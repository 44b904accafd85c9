"""Feed an optimizer with rows: the one place that knows how first- and second-order optimizers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.curvature.batch import chunk_rows, make_batch
from lmrun.curvature.problem import Problem
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.first_order import MOST_STEPS, Block, FirstOrder, Rows
from lmrun.training.schedule import Schedule

Tensor = Any
Arrays = Mapping[str, NDArray[Any]]


class Known(NamedTuple):
    """A loss over all training rows, its parameters [n] and the step it was reached at."""

    loss: float
    params: Tensor
    step: int


class Driver(Protocol):
    """Advance an optimizer along the schedule."""

    most_steps: int
    """Steps that one call can make."""

    def init(self, params: Tensor) -> State:
        """Return the optimizer's state before the first step."""
        ...

    def advance(self, params: Tensor, state: State, step: int, count: int) -> tuple[Tensor, State, StepInfo]:
        """Make up to `count` steps after `step` steps, none beyond the end of a mini-batch epoch."""
        ...

    def best(self, params: Tensor, state: State, step: int) -> Known | None:
        """Return the lowest loss of the full batch up to `step`, where the optimizer knows it for certain."""
        ...

    def loss(self, params: Tensor) -> float:
        """Return the loss over all training rows."""
        ...

    def zero_loss(self) -> float:
        """Return the loss of a model whose outputs are all zero."""
        ...

    def pack(self, state: State) -> Arrays:
        """Turn the state into arrays for a checkpoint."""
        ...

    def unpack(self, arrays: Arrays) -> State:
        """Turn a checkpoint's arrays back into the state, bit for bit."""
        ...


def jacobian_row_bytes(experiment: Experiment) -> int:
    """Return the bytes of one sample's rows of the Jacobian."""
    components = experiment.loss.components(experiment.dataset.outputs)
    return components * experiment.network.size * np.dtype(experiment.config.precision).itemsize


def full_problem(experiment: Experiment) -> Problem:
    """Return the problem over all training rows."""
    split, dtype = experiment.dataset.train, experiment.config.precision
    chunk = chunk_rows(split.rows, jacobian_row_bytes(experiment))
    return Problem(experiment.kernels, make_batch(split, None, chunk, dtype), experiment.algebra)


class SecondOrderDriver:
    """One step per call, each over the chunks of one batch."""

    most_steps = 1

    def __init__(self, experiment: Experiment, optimizer: SecondOrder, schedule: Schedule) -> None:
        self.experiment = experiment
        self.optimizer = optimizer
        self.schedule = schedule
        self.full = full_problem(experiment)
        self._order: tuple[int, NDArray[np.int32]] | None = None

    def init(self, params: Tensor) -> State:
        """The state before the first step."""
        return self.optimizer.init(self.full, params)

    def advance(self, params: Tensor, state: State, step: int, count: int) -> tuple[Tensor, State, StepInfo]:
        """Make one step."""
        return self.optimizer.step(self._problem(step), params, state)

    def _problem(self, step: int) -> Problem:
        schedule = self.schedule
        if schedule.full_batch:
            return self.full
        epoch, start = schedule.epoch(step), schedule.batch(step) * schedule.size
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, schedule.order(epoch))
        rows = self._order[1][start : start + schedule.size]
        chunk = chunk_rows(schedule.size, jacobian_row_bytes(self.experiment))
        batch = make_batch(self.experiment.dataset.train, rows, chunk, self.experiment.config.precision)
        return Problem(self.experiment.kernels, batch, self.experiment.algebra)

    def best(self, params: Tensor, state: State, step: int) -> Known | None:
        """A step's loss is that of the parameters after it."""
        return Known(self.full.loss(params), params, step) if self.schedule.full_batch else None

    def loss(self, params: Tensor) -> float:
        """Over all training rows."""
        return self.full.loss(params)

    def zero_loss(self) -> float:
        """Over all training rows."""
        return self.full.zero_loss()

    def pack(self, state: State) -> Arrays:
        """Python numbers are float64."""
        return {name: np.asarray(value, np.float64) for name, value in state.items() if value is not None}

    def unpack(self, arrays: Arrays) -> State:
        """A number that is missing has not been set yet."""
        fresh = dict.fromkeys(self.init(None))
        if not fresh.keys() >= arrays.keys():
            raise KeyError(*arrays)
        return {**fresh, **{name: float(value) for name, value in arrays.items()}}


class FirstOrderDriver:
    """Blocks of steps, all rows on the device."""

    most_steps = MOST_STEPS

    def __init__(self, experiment: Experiment, optimizer: FirstOrder, schedule: Schedule) -> None:
        self.experiment = experiment
        self.optimizer = optimizer
        self.schedule = schedule
        split = experiment.dataset.train
        weights = split.weights if split.weights is not None else np.ones(split.rows, split.inputs.dtype)
        self.rows = Rows(*(tf.constant(array) for array in (split.inputs, split.targets, weights)))
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


def make_driver(experiment: Experiment, schedule: Schedule) -> Driver:
    """Return the driver for the experiment's optimizer."""
    if isinstance(experiment.optimizer, FirstOrder):
        return FirstOrderDriver(experiment, experiment.optimizer, schedule)
    return SecondOrderDriver(experiment, experiment.optimizer, schedule)
