"""Keras' callbacks around the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from lmrun.api.result import Result
from lmrun.api.trainer import Step, Trainer

Logs = dict[str, Any]
COLUMNS = ("damping", "attempts")
"""What the logs of an epoch tell of its last step."""


class Hooks:
    """Call the callbacks in Keras' order.

    Args:
        model: The user's; callbacks see it, with the present weights.
        trainer: Makes the steps.
        callbacks: The user's.
        verbose: As Keras' `fit` takes it.
        measured: Streams of batches that Keras evaluates after every epoch, by the prefix of their names.
    """

    def __init__(
        self,
        model: keras.Model,
        trainer: Trainer,
        callbacks: Sequence[keras.callbacks.Callback],
        verbose: Any,
        *,
        measured: Mapping[str, Any],
    ) -> None:
        self.model = model
        self.trainer = trainer
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.callbacks = list(callbacks)
        self.watched = bool(self.callbacks)
        self.measured = measured
        self.result: Result | None = None

    def run(self, epochs: int) -> keras.callbacks.History:
        """Train to the end."""
        history = keras.callbacks.History()
        trainer, loop = self.trainer, self.trainer.loop
        calls = keras.callbacks.CallbackList(
            [*self.callbacks, history],
            add_history=False,
            add_progbar=self.verbose != 0,
            model=self.model,
            verbose=self.verbose,
            epochs=epochs,
            steps=loop.schedule.batches,
        )
        self.model.stop_training = False
        calls.on_train_begin()
        logs: Logs = {}
        batches, open_epoch = loop.schedule.batches, False
        while loop.status is None:
            made = loop.state.step
            epoch, batch = divmod(made, batches)
            if not open_epoch:
                calls.on_epoch_begin(epoch)
                open_epoch = True
            calls.on_train_batch_begin(batch)
            step = trainer.advance()
            if self.watched:
                self._publish()
            calls.on_train_batch_end(batch, self._of_batch(step))
            ended = step.step > made and step.step % batches == 0
            if ended or loop.status is not None:
                logs = self._of_epoch(step)
                calls.on_epoch_end(epoch, logs)
                open_epoch = False
            if self.model.stop_training:
                trainer.stop()
        self.result = trainer.result()
        self._publish()
        calls.on_train_end(logs)
        return history

    def _publish(self) -> None:
        self.trainer.experiment.network.assign(self.trainer.params)

    def _of_batch(self, step: Step) -> Logs:
        loss = step["loss"]
        return {"loss": step.loss if loss is None else loss}

    def _of_epoch(self, step: Step) -> Logs:
        logs: Logs = {}
        if self.measured:
            self._publish()
        for prefix, batches in self.measured.items():
            found = self.model.evaluate(batches, verbose=0, return_dict=True)
            logs |= {f"{prefix}{name}": value for name, value in found.items()}
        logs["loss"] = step.loss
        if math.isfinite(step.validation_loss):
            logs["val_loss"] = step.validation_loss
        return logs | {name: step[name] for name in COLUMNS if step[name] is not None}
