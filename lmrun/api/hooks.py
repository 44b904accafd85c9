"""Keras' callbacks around the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from lmrun.api.result import Result
from lmrun.api.trainer import Step, Trainer
from lmrun.errors import UsageError
from lmrun.models.adopted import AdoptedNetwork
from lmrun.training.recorder import Row

Logs = dict[str, Any]
COLUMNS = ("damping", "attempts")
"""What the logs of an epoch tell of its last step."""
RATES = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
)
INSTEAD = (
    "Levenberg-Marquardt's damping decides how long steps are; learning_rate_decay and averaging in the "
    "optimizer's mapping lower the noise of mini-batches."
)


@dataclass(frozen=True)
class Plan:
    """The epochs of a `fit`.

    Attributes:
        first: The number of the first one.
        epochs: The number behind the last one.
        steps: Of an epoch.
        validation_freq: Epochs from one validation to the next.
    """

    first: int
    epochs: int
    steps: int
    validation_freq: int = 1

    def validates(self, epoch: int) -> bool:
        """Whether an epoch ends with a validation, as in Keras."""
        return (epoch + 1) % self.validation_freq == 0


def callbacks_of(given: Any) -> list[keras.callbacks.Callback]:
    """Return callbacks as a list.

    Raises:
        UsageError: One is none, or would do nothing.
    """
    inner = given.callbacks if isinstance(given, keras.callbacks.CallbackList) else given
    found = [one for one in keras.tree.flatten(inner) if one is not None]
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            raise UsageError(f"callbacks: should be callbacks of Keras', not {type(one).__name__}.")
        if isinstance(one, RATES):
            kind = type(one).__name__
            raise UsageError(
                f"callbacks: {kind} changes an optimizer of Keras', which lmrun does not ask. {INSTEAD}"
            )
    return found


def rate_of(model: keras.Model) -> float:
    """Return the learning rate of the optimizer that Keras knows of."""
    return float(tf.convert_to_tensor(model.optimizer.learning_rate))


class Hooks:
    """Call the callbacks in Keras' order.

    Args:
        model: The user's; callbacks see it, with the present weights.
        network: The same as lmrun trains it.
        callbacks: The user's.
        verbose: As Keras' `fit` takes it.
        plan: The epochs.
        measured: Streams of batches that Keras evaluates after every epoch, by the prefix of their names.
    """

    def __init__(  # noqa: PLR0917 - what Keras' fit knows
        self,
        model: keras.Model,
        network: AdoptedNetwork,
        callbacks: list[keras.callbacks.Callback],
        verbose: Any,
        plan: Plan,
        measured: Mapping[str, Any],
    ) -> None:
        self.model, self.network, self.plan = model, network, plan
        self.watched = bool(callbacks)
        self.measured = measured
        self.history = keras.callbacks.History()
        self.result: Result | None = None
        self.calls = keras.callbacks.CallbackList(
            [*callbacks, self.history],
            add_history=False,
            add_progbar=verbose != 0,
            model=model,
            verbose=1 if verbose == "auto" else int(verbose),
            epochs=plan.epochs,
            steps=plan.steps,
        )
        self._rate = rate_of(model)
        self._published = network.owned()
        self._losses: list[float] = []

    def run(self, begin: Callable[[int], Trainer]) -> Trainer | None:
        """Train to the end.

        Args:
            begin: Returns the trainer for a number of epochs, from the weights that the model has.

        Raises:
            UsageError: A callback changes what only the training can.
        """
        model, calls, plan = self.model, self.calls, self.plan
        model.stop_training = False
        # `BackupAndRestore` says here where an interrupted training goes on.
        model._initial_epoch = None
        calls.on_train_begin()
        first = model._initial_epoch or plan.first
        model._initial_epoch = None
        if first >= plan.epochs:
            calls.on_train_end({})
            return None
        self.network.reread()
        trainer = begin(plan.epochs - first)
        self._published = self.network.owned()
        logs = self._train(trainer, first)
        self.result = trainer.result()
        self._publish(trainer)
        calls.on_train_end(logs)
        return trainer

    def _train(self, trainer: Trainer, first: int) -> Logs:
        """Make all steps and return the logs of the last epoch."""
        loop, calls, steps = trainer.loop, self.calls, self.plan.steps
        logs: Logs = {}
        open_epoch = False
        while loop.status is None:
            made = loop.state.step
            epoch, batch = first + made // steps, made % steps
            if not open_epoch:
                calls.on_epoch_begin(epoch)
                self._losses, open_epoch = [], True
            calls.on_train_batch_begin(batch)
            step = trainer.advance()
            if self.watched:
                self._publish(trainer)
            of_batch = self._of_batch(step)
            self._losses.append(of_batch["loss"])
            calls.on_train_batch_end(batch, of_batch)
            ended = step.step > made and step.step % steps == 0
            if ended or loop.status is not None:
                logs = self._of_epoch(trainer, step, epoch)
                calls.on_epoch_end(epoch, logs)
                open_epoch = False
            self._refuse_changes()
            if self.model.stop_training:
                trainer.stop()
        return logs

    def _publish(self, trainer: Trainer) -> None:
        self.network.assign(trainer.params)
        self._published = self.network.owned()

    def _refuse_changes(self) -> None:
        """Say what a callback did in vain."""
        if not self.watched or self.model.stop_training:
            return
        if rate_of(self.model) != self._rate:
            raise UsageError(
                f"callbacks: one sets the rate of model.optimizer, which lmrun does not ask. {INSTEAD}"
            )
        if not np.array_equal(self.network.owned(), self._published, equal_nan=True):
            raise UsageError(
                "callbacks: one sets the model's weights while lmrun trains it, whose next step begins "
                "elsewhere. Set them in on_train_begin or on_train_end, or call fit again from there."
            )

    def _of_batch(self, step: Step) -> Logs:
        loss = step["loss"]
        return {"loss": step.loss if loss is None else loss}

    def _of_epoch(self, trainer: Trainer, step: Step, epoch: int) -> Logs:
        logs: Logs = {}
        loop = trainer.loop
        validates = loop.tracker.validator is not None and self.plan.validates(epoch)
        if self.measured:
            self._publish(trainer)
        if "" in self.measured:
            logs |= self._evaluated("")
        if validates:
            self.calls.on_test_begin()
            self.calls.on_test_batch_begin(0)
            if step.rows:
                loop.tracker.validate(cast("list[Row]", step.rows))
            found = self._evaluated("val_") if "val_" in self.measured else {}
            if math.isfinite(loop.state.validation_loss):
                found["val_loss"] = loop.state.validation_loss
            logs |= found
            told = {name.removeprefix("val_"): value for name, value in found.items()}
            self.calls.on_test_batch_end(0, told)
            self.calls.on_test_end(told)
        whole = self.plan.steps == loop.schedule.batches or loop.schedule.full_batch
        logs["loss"] = step.loss if whole else float(np.mean(self._losses))
        return logs | {name: step[name] for name in COLUMNS if step[name] is not None}

    def _evaluated(self, prefix: str) -> Logs:
        found = self.model.evaluate(self.measured[prefix], verbose=0, return_dict=True)
        return {f"{prefix}{name}": value for name, value in found.items()}
