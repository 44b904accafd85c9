"""A training of a program, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from lmrun.api.experiment import Options, build_experiment
from lmrun.api.result import Result
from lmrun.api.tasks import Task
from lmrun.build import Experiment
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError
from lmrun.linalg.one_thread import one_blas_thread
from lmrun.optimizers.base import State
from lmrun.runs.metrics import COLUMNS
from lmrun.status import Status
from lmrun.training.interrupt import Interruption
from lmrun.training.loop import Loop
from lmrun.training.outcome import Outcome
from lmrun.training.progress import Progress, SilentProgress
from lmrun.training.recorder import Row, RowsInMemory
from lmrun.training.session import limits, summarize, title

INSIDE = {"path", "shown", "solver", "attempts", "training"}
"""Options that are not the arguments of a program."""


@dataclass(frozen=True)
class Step:
    """One call of the optimizer: a step of a second-order one, a block of steps of another.

    Attributes:
        step: Steps made so far.
        epoch: Epochs finished.
        loss: The latest training loss; in mini-batches that of the last epoch.
        validation_loss: The latest; NaN where there is none.
        rows: The rows of metrics that the call made.
    """

    step: int
    epoch: int
    loss: float
    validation_loss: float
    rows: Sequence[Mapping[str, Any]]

    def __getitem__(self, column: str) -> Any:
        """Return a column of the latest row, such as `damping`; None where it has no value.

        Raises:
            KeyError: There is no such column in any run.
        """
        if column not in COLUMNS:
            raise KeyError(f"no column '{column}'.{did_you_mean(column, COLUMNS)}")
        return self.rows[-1].get(column) if self.rows else None


class Trainer:
    """Iterate over the steps of a training; see `lmrun.fit` for the arguments.

    The loop of the caller may look at each step, and end the training by `break`:

        trainer = lmrun.Trainer(model, x, y)
        for step in trainer:
            if step["gradient_norm"] < 1e-6:
                break
        result = trainer.result()

    Args:
        model: A Keras model or a formula.
        x: Inputs.
        y: Targets.
        progress: A display.
        interruption: Asks for an end.
        longest: Steps of one call at most.
        **options: See `lmrun.fit`; keys of a config's `training` among them.
    """

    def __init__(
        self,
        model: Any,
        x: Any,
        y: Any = None,
        *,
        progress: Progress | None = None,
        interruption: Interruption | None = None,
        longest: int | None = None,
        **options: Any,
    ) -> None:
        arguments = Options.__dataclass_fields__.keys() - INSIDE
        named = {name: options.pop(name) for name in list(options) if name in arguments}
        given = Options(**named, training=options)
        experiment, task = build_experiment(model, x, y, given, "lmrun.Trainer")
        self._start(experiment, task, progress, interruption, longest)

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        task: Task,
        *,
        progress: Progress | None = None,
        interruption: Interruption | None = None,
        longest: int | None = None,
        earlier: State | None = None,
    ) -> Self:
        """Return the trainer of an experiment that has been built.

        Args:
            experiment: What to train.
            task: The user's side of it.
            progress: A display.
            interruption: Asks for an end.
            longest: Steps of one call at most.
            earlier: What the optimizer carries on with, see `carried`.
        """
        trainer = cls.__new__(cls)
        trainer._start(experiment, task, progress, interruption, longest)
        state = trainer.loop.state
        if earlier is not None and earlier.keys() <= state.optimizer.keys():
            state.optimizer = {**state.optimizer, **earlier}
        return trainer

    def carried(self) -> State | None:
        """Return what a later training can carry on with: the damping, or the moments of Adam.

        None where rows grow: how many were needed was a matter of these.
        """
        if self.experiment.config.training.batch_size == "growing":
            return None
        state = self.loop.state.optimizer
        own = ("slots",) if "slots" in state else [name for name in state if name != "polished"]
        return {name: state[name] for name in own}

    def _start(
        self,
        experiment: Experiment,
        task: Task,
        progress: Progress | None,
        interruption: Interruption | None,
        longest: int | None,
    ) -> None:
        self.experiment = experiment
        self.task = task
        self.progress = progress or SilentProgress()
        self.controller = ThreadpoolController()
        self._outcome: Outcome | None = None
        self.progress.start(title(experiment.config), limits(experiment.config))
        with tf.device(experiment.device), one_blas_thread(self.controller):
            self.loop = Loop(experiment, None, self.progress, interruption or Interruption(), longest=longest)

    def __iter__(self) -> Iterator[Step]:
        """Make the steps that are left."""
        while self.loop.status is None and self._outcome is None:
            yield self.advance()

    def advance(self) -> Step:
        """Call the optimizer once.

        Raises:
            UsageError: The training has ended.
        """
        if self._outcome is not None:
            raise UsageError("Trainer: the training has ended; begin another one.")
        with tf.device(self.experiment.device), one_blas_thread(self.controller):
            rows = self.loop.advance()
        state = self.loop.state
        epoch = self.loop.schedule.epoch(state.step)
        return Step(state.step, epoch, state.loss, state.validation_loss, rows)

    @property
    def params(self) -> NDArray[np.floating]:
        """The present parameters of the model [n]."""
        return np.asarray(self.loop.tracker.model)

    def stop(self) -> None:
        """End the training before the next step."""
        self.loop.status = self.loop.status or Status.INTERRUPTED

    def result(self) -> Result:
        """End the training, write the best parameters into the model and return what it has come to."""
        experiment = self.experiment
        with tf.device(experiment.device), one_blas_thread(self.controller):
            self._outcome = self._outcome or self.loop.end()
            summary = summarize(experiment, None, self._outcome)
        self.progress.finish("")
        assert isinstance(self.loop.recorder, RowsInMemory), "a trainer has no run directory"
        return Result(
            **summary,
            history=columns(self.loop.recorder.rows),
            weights=np.asarray(self._outcome.state.best_params),
            experiment=experiment,
            task=self.task,
        )


def columns(rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
    """Return the columns of metrics, NaN where a row has no value; those without any are left out."""
    found = {
        name: np.array([math.nan if (value := row.get(name)) is None else value for row in rows])
        for name in COLUMNS
        if any(row.get(name) is not None for row in rows)
    }
    return {
        name: values.astype(np.int64) if name in {"step", "epoch"} else values
        for name, values in found.items()
    }
