"""Feed a second-order optimizer: one step per call, over the chunks of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.curvature.batch import Batch, Rows, make_batch, split_batch
from lmrun.curvature.problem import Problem
from lmrun.distribution.shares import own
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.lm import LevenbergMarquardt
from lmrun.optimizers.polishing import Polished
from lmrun.optimizers.regularization import Regularized
from lmrun.optimizers.restarts import Restarted
from lmrun.training.driver import Arrays, Known
from lmrun.training.schedule import Schedule, planned_steps

Tensor = Any


def full_problem(experiment: Experiment) -> Problem:
    """Return the problem over all training rows."""
    train, forms = experiment.dataset.train, experiment.forms
    rows, places = forms.chunk_rows(train.rows), experiment.algebra.places
    return _problem(experiment, split_batch(train, experiment.config.precision, rows, places))


def problem_over(
    experiment: Experiment,
    rows: Rows,
    indices: NDArray[np.integer],
    *,
    chunk: int | None = None,
    emphasis: float = 1.0,
    passing: bool = False,
) -> Problem:
    """Return the problem over some training rows.

    Args:
        experiment: Gives model, loss and algebra.
        rows: All training rows.
        indices: Which of them, counted over all workers.
        chunk: Rows per chunk; by the size of what a chunk holds if not given.
        emphasis: Multiplies the rows' weights.
        passing: See `Problem`.
    """
    chunk = chunk or experiment.forms.chunk_rows(-(-len(indices) // experiment.reducer.workers))
    if experiment.reducer.workers > 1:
        indices = own(experiment.dataset, indices)
        if not len(indices):
            # A batch without a row of this worker: any row, without weight.
            indices, emphasis = np.zeros(1, np.int32), 0.0
    batch = make_batch(rows, indices, chunk, emphasis, experiment.kernels.draw)
    return _problem(experiment, batch, passing=passing)


def _problem(experiment: Experiment, batch: Batch, *, passing: bool = False) -> Problem:
    form, seed = experiment.forms.take(batch.samples), experiment.config.seed
    return Problem(
        experiment.kernels,
        batch,
        experiment.algebra,
        seed,
        form,
        projection=experiment.projection,
        bounds=experiment.bounds,
        reducer=experiment.reducer,
        passing=passing,
        summation=experiment.summation,
    )


def side_by_side(calls: Sequence[Callable[[], Any]]) -> None:
    """Call functions at the same time, so that XLA compiles for all of them at once."""
    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result()


class SecondOrderDriver:
    """One step per call, each over the chunks of one batch."""

    most_steps = 1

    def __init__(self, experiment: Experiment, optimizer: SecondOrder, schedule: Schedule) -> None:
        self.experiment = experiment
        self.optimizer = optimizer
        self.schedule = schedule
        self.full = full_problem(experiment)
        self.planned = planned_steps(experiment.config.training, schedule)
        self._order: tuple[int, NDArray[np.int32]] | None = None

    @cached_property
    def rows(self) -> Rows:
        """All training rows, where batches are drawn from them."""
        experiment = self.experiment
        return experiment.kernels.hold(experiment.dataset.train, experiment.config.precision)

    def init(self, params: Tensor) -> State:
        """The state before the first step; what that needs is compiled ahead."""
        optimizer = self.optimizer
        while isinstance(optimizer, Polished | Regularized | Restarted):
            optimizer = optimizer.inner
        compiles = self.experiment.kernels.compiles
        # Several workers compile one function after the other: sums must come in one order everywhere.
        alone = self.experiment.reducer.workers == 1
        if compiles and alone and params is not None and isinstance(optimizer, LevenbergMarquardt):
            first = self.first_problem()
            selection, accelerate = optimizer.subset.choose(first), optimizer.accelerate
            calls = first.first_calls(params, selection, optimizer.rows, accelerate=accelerate)
            side_by_side(calls if first is self.full else [*calls, partial(self.full.loss, params)])
        return self.optimizer.init(self.full, params)

    def first_problem(self) -> Problem:
        """The rows of the first step."""
        return self._problem(0)

    def advance(self, params: Tensor, state: State, step: int, count: int) -> tuple[Tensor, State, StepInfo]:
        """Make one step."""
        problem = self._problem(step)
        self._place(problem, step)
        return self.optimizer.step(problem, params, state)

    def _place(self, problem: Problem, step: int) -> None:
        """Tell a problem where in the run it stands."""
        problem.step, problem.progress = step, step / self.planned

    def _problem(self, step: int) -> Problem:
        schedule = self.schedule
        if schedule.full_batch:
            return self.full
        epoch, start = schedule.epoch(step), schedule.batch(step) * schedule.size
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, schedule.order(epoch))
        rows = self._order[1][start : start + schedule.size]
        return problem_over(self.experiment, self.rows, rows, passing=True)

    def best(self, params: Tensor, state: State, step: int) -> Known | None:
        """A step's loss is that of the parameters after it."""
        return Known(self.full.loss(params), params, step) if self.schedule.full_batch else None

    def model(self, params: Tensor, state: State) -> Tensor:
        """See `optimizers.base.State`."""
        average = state.get("average")
        return params if average is None else tf.convert_to_tensor(average)

    def loss(self, params: Tensor) -> float:
        """Over all training rows."""
        return self.full.loss(params)

    def zero_loss(self) -> float:
        """Over all training rows."""
        return self.full.zero_loss()

    def pack(self, state: State) -> Arrays:
        """Numbers and vectors as float64, which holds float32 exactly."""
        return {name: np.asarray(value, np.float64) for name, value in state.items() if value is not None}

    def unpack(self, arrays: Arrays) -> State:
        """A number that is missing has not been set yet."""
        fresh = dict.fromkeys(self.init(None))
        if not fresh.keys() >= arrays.keys():
            raise KeyError(*arrays)
        return {**fresh, **{name: self._unpacked(value) for name, value in arrays.items()}}

    def _unpacked(self, value: NDArray[Any]) -> Any:
        algebra = self.experiment.algebra
        return float(value) if value.ndim == 0 else algebra.adopt(tf.constant(value, algebra.dtype))
