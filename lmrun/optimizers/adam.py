"""Adam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any


@dataclass(frozen=True)
class Adam:
    """theta <- theta - a_t m / (sqrt(v) + epsilon), a_t = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t).

    m <- beta_1 m + (1 - beta_1) g and v <- beta_2 v + (1 - beta_2) g^2; with `amsgrad` the largest v so far.
    Source: Kingma and Ba 2015, the form at the end of section 2; Reddi, Kale and Kumar 2018.
    """

    learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False
    pure: bool = True

    def slots(self, params: Tensor) -> dict[str, Tensor]:
        """Step count t (scalar), mean m [n], mean square v [n], and the largest v where it is used."""
        zeros = tf.zeros_like(params)
        slots = {"time": tf.zeros((), params.dtype), "mean": zeros, "mean_square": zeros}
        return {**slots, "largest": zeros} if self.amsgrad else slots

    def apply(
        self, params: Tensor, gradient: Tensor, slots: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One step; all tensors [n]."""
        beta_1, beta_2 = (tf.constant(beta, params.dtype) for beta in (self.beta_1, self.beta_2))
        time = slots["time"] + 1
        mean = beta_1 * slots["mean"] + (1 - beta_1) * gradient
        mean_square = beta_2 * slots["mean_square"] + (1 - beta_2) * gradient * gradient
        moved = {"time": time, "mean": mean, "mean_square": mean_square}
        if self.amsgrad:
            moved["largest"] = tf.maximum(slots["largest"], mean_square)
        rate = self.learning_rate * tf.sqrt(1 - beta_2**time) / (1 - beta_1**time)
        root = tf.sqrt(moved["largest" if self.amsgrad else "mean_square"])
        return params - rate * mean / (root + self.epsilon), moved
