"""A Keras model with Levenberg-Marquardt behind `compile`, `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras

from lmrun.api import keras_arguments as arguments
from lmrun.api.arrays import given, given_validation
from lmrun.api.evaluation import batches_of, compile_losses, predict
from lmrun.api.experiment import Options, build_experiment
from lmrun.api.hooks import Hooks, callbacks_of
from lmrun.api.keras_fit import Epochs, limited, network_of, prepare
from lmrun.api.keras_task import KerasTask
from lmrun.api.result import Result
from lmrun.api.streams import Given
from lmrun.api.trainer import Trainer
from lmrun.api.wrapped import Wrapped
from lmrun.build import Experiment
from lmrun.errors import UsageError
from lmrun.optimizers.base import State
from lmrun.training.interrupt import listening
from lmrun.training.loop import schedule_of


class LMModel(Wrapped):
    """A Keras model that is trained by lmrun; everything else is the model's own.

    Attributes that this class does not have, such as `summary`, `save` or `get_weights`, are the model's,
    also when they are set.

    Args:
        model: Sequential, functional or of a class of its own; it keeps its weights, and has the trained ones
            after `fit`.
        precision: See `lmrun.fit`.
        seed: See `lmrun.fit`; each further `fit` draws other orders of the rows.
        device: See `lmrun.fit`.

    Attributes:
        model: The Keras model.
        result: What the last `fit` came to: status, message, seconds, the metrics of all steps.
    """

    def __init__(
        self, model: keras.Model, *, precision: str | None = None, seed: int = 10, device: str = "auto"
    ) -> None:
        if not isinstance(model, keras.Model):
            raise UsageError(f"LMModel: should be given a Keras model, not {type(model).__name__}.")
        self.model = model
        self.precision = precision
        self.seed = seed
        self.device = device
        self.result: Result | None = None
        self._compiled: Options | None = None
        self._measured: dict[str, Any] = {}
        self._task: KerasTask | None = None
        self._carried: State | None = None
        self._fits = 0

    def compile(
        self,
        optimizer: Any = "lm",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        *,
        damping: Any = None,
        damping_algorithm: Any = None,
        attempts_per_step: int | None = None,
        solve_method: str | None = None,
        **others: Any,
    ) -> None:
        """Choose what is minimized, how, and what is measured besides; the next `fit` starts anew.

        Args:
            optimizer: See `lmrun.fit`.
            loss: See `lmrun.fit`; of several outputs one for all, a list, or a mapping by their names.
            metrics: Names, functions or objects of Keras', for several outputs as there; each costs a pass
                over the data per epoch.
            loss_weights: Of several outputs: a list, or a mapping by their names.
            weighted_metrics: Metrics that sample weights count in.
            damping: See `lmrun.fit`.
            damping_algorithm: The same, by the name that tf-levenberg-marquardt has for it.
            attempts_per_step: Trials of a step: `max_attempts` of the damping.
            solve_method: The optimizer's `solver`: `qr`, `cholesky`, `solve`, which is `cholesky` here, or
                `cg`.
            **others: What Keras and tf-levenberg-marquardt have and lmrun decides itself is refused in words.

        Raises:
            UsageError: An argument has no place here, or a metric does not exist.
        """
        arguments.refuse_arguments(others)
        self._measured = {
            "metrics": arguments.metrics_of(metrics, "metrics"),
            "weighted_metrics": arguments.metrics_of(weighted_metrics, "weighted_metrics"),
        }
        self._compiled = Options(
            optimizer=optimizer,
            damping=arguments.one_damping(damping, damping_algorithm),
            loss=loss,
            loss_weights=loss_weights,
            solver=solve_method,
            attempts=attempts_per_step,
        )
        self._task = self._carried = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        **training: Any,
    ) -> keras.callbacks.History:
        """Train, and leave the last weights in the model as Keras does; callbacks may put others there.

        A further `fit` goes on with the damping, or with the moments of Adam, until `compile` is called.

        Args:
            x: See `lmrun.fit`; a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator is read once.
            y: Targets; of several outputs a list, or a mapping by their names.
            batch_size: Rows per step; None for all of them, or those of a batch of a stream.
            epochs: The number of the last epoch. The training ends earlier once it has converged.
            verbose: 0 shows nothing, 1 and `auto` Keras' progress bar, 2 a line per epoch.
            callbacks: Of Keras'. They find the present weights in the model, and may set `stop_training`.
            validation_split: See `lmrun.fit`.
            validation_data: See `lmrun.fit`.
            shuffle: Whether each epoch has an order of its own, also of the rows of a stream.
            class_weight: The weight of the rows of each class.
            sample_weight: See `lmrun.fit`.
            initial_epoch: The number of the first epoch, counted from 0.
            steps_per_epoch: Steps of an epoch; the rows go on where the last epoch left them. Of a stream
                without an end, so many batches are the data.
            validation_steps: Batches of the validation rows that are looked at.
            validation_batch_size: Their rows; None for `batch_size`, or 32.
            validation_freq: Epochs from one validation to the next.
            **training: Keys of a config file's `training` section, such as `target_loss` or `max_seconds`.

        Returns:
            The losses and metrics of each epoch, and `damping` and `attempts` of its last step.

        Raises:
            UsageError: The model has not been compiled, or an argument has no meaning.
            LmrunError: Any of its kinds, see `lmrun.fit`.
        """
        found = callbacks_of(callbacks)
        asked = prepare(
            given(x, y, sample_weight, steps=steps_per_epoch),
            given_validation(validation_data, validation_steps),
            Epochs(initial_epoch, epochs, steps_per_epoch, validation_freq),
            batch_size=batch_size,
            shuffle=shuffle,
            class_weight=class_weight,
            validation_split=validation_split,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            training=training,
        )
        experiment, task = self._build(asked.data, asked.validation, asked.training)
        plan = asked.epochs.plan(schedule_of(experiment).batches)
        measured = {"": asked.data, **({} if asked.validation is None else {"val_": asked.validation})}
        rows = validation_batch_size
        streams = {
            name: batches_of(self.model, task.keras_rows(part), rows) for name, part in measured.items()
        }
        some = any(value is not None for value in self._measured.values())
        shown = arguments.verbosity(verbose)
        hooks = Hooks(self.model, network_of(experiment), found, shown, plan, streams if some else {})
        with listening() as interruption:

            def begin(left: int) -> Trainer:
                return Trainer.of(
                    limited(experiment, left, steps_per_epoch),
                    task,
                    interruption=interruption,
                    longest=1,
                    earlier=self._carried,
                )

            trainer = hooks.run(begin)
        self.result, self._fits = hooks.result, self._fits + 1
        self._carried = None if trainer is None else trainer.carried()
        return hooks.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics as Keras does.

        The loss is that of lmrun: a sum of weighted losses is divided by the weights, not by the rows.

        Raises:
            UsageError: The model has not been compiled.
        """
        data = given(x, y, sample_weight, steps=steps)
        if self._task is None:
            self._build(data, None, {})
        assert self._task is not None, "it has been built"
        batches = batches_of(self.model, self._task.keras_rows(data), batch_size)
        return self.model.evaluate(
            batches, verbose=verbose, steps=steps, callbacks=callbacks, return_dict=return_dict
        )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Predict in the precision of the model's weights; arrays [rows, ...], or what a stream holds."""
        rows = given(x, steps=steps).x
        if verbose in {0, "auto"} and steps is None and callbacks is None:
            return predict(self.model, rows, batch_size)
        batches = batches_of(self.model, Given(rows), batch_size)
        return self.model.predict(batches, verbose=verbose, steps=steps, callbacks=callbacks)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Evaluate one batch; see `evaluate`."""
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle has: not what a further `fit` would go on with."""
        return {**vars(self), "_task": None, "_carried": None}

    @property
    def optimizer(self) -> Any:
        """What `compile` was given."""
        return None if self._compiled is None else self._compiled.optimizer

    def _build(
        self, data: Given, validation: Given | None, training: Mapping[str, Any]
    ) -> tuple[Experiment, KerasTask]:
        """Build an experiment of these rows, and let Keras know its losses."""
        if self._compiled is None:
            raise UsageError("LMModel: call compile(loss=...) before fit or evaluate.")
        options = replace(
            self._compiled,
            validation_data=None if validation is None else validation[:3],
            sample_weight=data.weights,
            precision=self.precision,
            seed=self.seed + self._fits,
            device=self.device,
            training=training,
        )
        experiment, task = build_experiment(self.model, data.x, data.y, options, "LMModel.fit")
        assert isinstance(task, KerasTask), "of a Keras model"
        rate = getattr(experiment.config.optimizer, "learning_rate", 1.0)
        compile_losses(self.model, task, experiment.loss, self._measured, rate)
        self._task = task
        return experiment, task
