"""Gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any


@dataclass(frozen=True)
class Sgd:
    """v <- momentum v - learning_rate g; theta <- theta + v.

    With `nesterov` theta <- theta + momentum v - learning_rate g, v being the new one.
    Source: Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013, as in Keras.
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    pure: bool = True

    def slots(self, params: Tensor) -> dict[str, Tensor]:
        """The velocity [n], where there is a momentum."""
        return {"velocity": tf.zeros_like(params)} if self.momentum else {}

    def apply(
        self, params: Tensor, gradient: Tensor, slots: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One step; all tensors [n]."""
        descent = -self.learning_rate * gradient
        if not self.momentum:
            return params + descent, slots
        velocity = self.momentum * slots["velocity"] + descent
        step = self.momentum * velocity + descent if self.nesterov else velocity
        return params + step, {"velocity": velocity}
