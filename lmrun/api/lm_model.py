"""A Keras model with Levenberg-Marquardt behind `compile`, `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from lmrun.api.arrays import cut_off, given, given_validation
from lmrun.api.evaluation import batches_of, compile_losses, predict
from lmrun.api.experiment import Options, build_experiment
from lmrun.api.hooks import Hooks
from lmrun.api.result import Result
from lmrun.api.trainer import Trainer
from lmrun.errors import UsageError
from lmrun.training.interrupt import listening


class LMModel:
    """A Keras model that is trained by lmrun; everything else is the model's own.

    Attributes that this class does not have, such as `summary`, `save` or `get_weights`, are the model's.

    Args:
        model: Sequential, functional or of a class of its own; it keeps its weights, and has the trained ones
            after `fit`.
        precision: See `lmrun.fit`.
        seed: See `lmrun.fit`.

    Attributes:
        model: The Keras model.
        result: What the last `fit` came to: status, message, seconds, the metrics of all steps.
    """

    def __init__(self, model: keras.Model, *, precision: str | None = None, seed: int = 10) -> None:
        if not isinstance(model, keras.Model):
            raise UsageError(f"LMModel: should be given a Keras model, not {type(model).__name__}.")
        self.model = model
        self.precision = precision
        self.seed = seed
        self.result: Result | None = None
        self._compiled: dict[str, Any] | None = None
        self._metrics: list[Any] = []

    def compile(
        self, optimizer: Any = "lm", loss: Any = None, metrics: Sequence[Any] = (), *, damping: Any = None
    ) -> None:
        """Choose what is minimized, how, and what is measured besides.

        Args:
            optimizer: See `lmrun.fit`.
            loss: See `lmrun.fit`.
            metrics: Names or objects of Keras'; each costs a pass over the data per epoch.
            damping: See `lmrun.fit`.
        """
        self._compiled = {"optimizer": optimizer, "loss": loss, "damping": damping}
        self._metrics = list(metrics or ())

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        sample_weight: Any = None,
        **training: Any,
    ) -> keras.callbacks.History:
        """Train, and leave the last weights in the model as Keras does; callbacks may put others there.

        Args:
            x: See `lmrun.fit`; a `tf.data.Dataset` or `keras.utils.PyDataset` is read once.
            y: Targets.
            batch_size: Rows per step; None for all of them, or those of a batch of a stream.
            epochs: Passes over the rows. The training ends earlier once it has converged.
            verbose: 0 shows nothing, others show Keras' progress bar.
            callbacks: Of Keras'. They find the present weights in the model, and may set `stop_training`.
            validation_split: See `lmrun.fit`.
            validation_data: See `lmrun.fit`.
            shuffle: Whether each epoch has an order of its own.
            sample_weight: See `lmrun.fit`.
            **training: Keys of a config file's `training` section, such as `target_loss` or `max_seconds`.

        Returns:
            The losses and metrics of each epoch, and `damping` and `attempts` of its last step.

        Raises:
            UsageError: The model has not been compiled.
            LmrunError: Any of its kinds, see `lmrun.fit`.
        """
        if self._compiled is None:
            raise UsageError("LMModel: call compile(loss=...) before fit.")
        data, validation = given(x, y, sample_weight), given_validation(validation_data)
        if validation is None and validation_split:
            data, validation = cut_off(data, validation_split)
        options = Options(
            **self._compiled,
            validation_data=None if validation is None else validation[:3],
            sample_weight=data.weights,
            precision=self.precision,
            seed=self.seed,
            training={
                "batch_size": batch_size or data.batch_size or "full",
                "max_epochs": epochs,
                "shuffle": shuffle,
                **training,
            },
        )
        experiment, task = build_experiment(self.model, data.x, data.y, options, "LMModel.fit")
        compile_losses(self.model, task, experiment.loss, self._metrics)
        measured = {"": data, **({} if validation is None else {"val_": validation})}
        streams = {prefix: batches_of(self.model, part) for prefix, part in measured.items()}
        with listening() as interruption:
            trainer = Trainer.of(experiment, task, interruption=interruption, longest=1)
            hooks = Hooks(
                self.model, trainer, callbacks or [], verbose, measured=streams if self._metrics else {}
            )
            history = hooks.run(epochs)
        self.result = hooks.result
        return history

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics as Keras does.

        Raises:
            UsageError: There has been no `fit`.
        """
        self._require_fit()
        batches = batches_of(self.model, given(x, y, sample_weight), batch_size)
        return self.model.evaluate(batches, verbose=verbose, return_dict=return_dict)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """Predict in the precision of the model's weights; arrays [rows, ...], or what a stream holds."""
        return predict(self.model, given(x).x, batch_size)

    @property
    def stop_training(self) -> bool:
        """Whether the training ends after this epoch, or step."""
        return bool(self.model.stop_training)

    @stop_training.setter
    def stop_training(self, value: bool) -> None:
        self.model.stop_training = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model."""
        return self.model(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # Only asked for what this class does not have; `model` itself is missing while a copy is made.
        if name.startswith("__") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def _require_fit(self) -> None:
        if self.result is None:
            raise UsageError("LMModel: call compile and fit before evaluate.")
