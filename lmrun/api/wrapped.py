"""Whatever a wrapper of a Keras model does not have itself is the model's."""

from __future__ import annotations

from typing import Any, Never

import keras

from lmrun.errors import UsageError

OWN = ("model", "precision", "seed", "device", "result", "stop_training")
"""Attributes that are the wrapper's."""


class Wrapped:
    """Attributes of a Keras model, read and set.

    Attributes:
        model: The Keras model.
    """

    model: keras.Model

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

    def __repr__(self) -> str:
        return f"<LMModel of {self.model!r}>"

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.model)})

    def __getattr__(self, name: str) -> Any:
        # Only asked for what this class does not have; `model` itself is missing while a copy is made.
        if name.startswith("_") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in OWN or name.startswith("_") or not hasattr(self.model, name):
            super().__setattr__(name, value)
        else:
            setattr(self.model, name, value)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Never:
        """Refuse: a step of Levenberg-Marquardt looks at its rows again and again.

        Raises:
            UsageError: Always, with what to use instead.
        """
        raise UsageError(
            "LMModel: there is no train_on_batch. fit(x, y, epochs=1) makes one step by these rows and the "
            "next fit goes on with its damping; lmrun.Trainer is a loop over the steps of a training."
        )
