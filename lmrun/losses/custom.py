"""Losses of the user's own in Python, by residuals or by value and factor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from lmrun.config.losses import CustomConfig
from lmrun.losses.base import Loss, Metric
from lmrun.losses.crossentropy import HALF_ROOT
from lmrun.losses.derivatives import ZERO, push_twice
from lmrun.losses.rehearsal import Sample, rehearse
from lmrun.user_code import load

Tensor = Any
Function = Callable[[Tensor, Tensor], Tensor]
"""Of outputs [rows, outputs] and targets; treats each row by itself."""


@dataclass(frozen=True)
class CustomResidual:
    """l = mean of r^2 over the q residuals of a sample; F = (dr/dz)^T by automatic differentiation.

    Args:
        function: r [rows, q].
        width: q.
    """

    function: Function
    width: int

    name = "custom"
    random = False

    def scale(self, outputs: int) -> float:
        """The cost adds residuals up, the loss averages them."""
        return float(self.width)

    def components(self, outputs: int) -> int:
        """One per residual."""
        return self.width

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        return tf.reduce_mean(tf.square(self.function(outputs, targets)), axis=-1)

    def residual(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Residual r [rows, q]."""
        return self.function(outputs, targets)

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """The derivative of each residual by the outputs, one backward pass of the function each."""
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(outputs)
            residual = self.function(outputs, targets)
        seeds = [
            tf.broadcast_to(unit, residual.shape)
            for unit in tf.unstack(tf.eye(self.width, dtype=outputs.dtype))
        ]
        return [
            tape.gradient(residual, outputs, output_gradients=seed, unconnected_gradients=ZERO)
            for seed in seeds
        ]

    def bent(
        self, outputs: Tensor, targets: Tensor, key: Tensor | None, first: Tensor, second: Tensor
    ) -> Tensor:
        """By two forward derivatives of the function."""
        return push_twice(lambda z: self.function(z, targets), outputs, first, second)


@dataclass(frozen=True)
class CustomValue(Metric):
    """l and a factor of its curvature; the gradient by automatic differentiation of l.

    The user's F F^T stands for d2l/dz2. The cost is half the sum of losses, so F here is theirs over sqrt(2).

    Args:
        value: l [rows].
        factor: F [rows, outputs, q].
        width: q.
        threshold: Where an output of yes/no targets turns into yes: 0 for logits; the attribute `threshold`
            of the value function, where it has one.
    """

    value: Function
    factor: Function
    width: int
    threshold: float = 0.0

    name = "custom"

    def scale(self, outputs: int) -> float:
        """The value is that of a sample."""
        return 1.0

    def components(self, outputs: int) -> int:
        """One per column of the factor."""
        return self.width

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss l [rows]."""
        return self.value(outputs, targets)

    def residual(self, outputs: Tensor, targets: Tensor) -> None:
        """None: nothing says that the gradient lies in the factor's range."""
        return

    def columns(self, outputs: Tensor, targets: Tensor, key: Tensor | None) -> Sequence[Tensor]:
        """Those of the user's factor."""
        columns: list[Tensor] = tf.unstack(HALF_ROOT * self.factor(outputs, targets), axis=-1)
        return columns


def build_custom(config: CustomConfig, sample: Sample) -> Loss:
    """Import the functions of a config and try them out.

    Args:
        config: The `loss` section.
        sample: Outputs and targets as in training.

    Raises:
        ConfigError: A function cannot be imported or used.
    """
    rows, outputs = sample.outputs.shape
    if config.residual is not None:
        residual = load(config.residual, "loss.residual")
        shape = rehearse(residual, "loss.residual", sample, (rows, "q"), differentiable=True)
        return CustomResidual(residual, shape[1])
    assert config.value is not None, "the schema asks for a residual, or a value and a factor"
    assert config.factor is not None, "the schema asks for a residual, or a value and a factor"
    value, factor = load(config.value, "loss.value"), load(config.factor, "loss.factor")
    rehearse(value, "loss.value", sample, (rows,), differentiable=True)
    shape = rehearse(factor, "loss.factor", sample, (rows, outputs, "q"))
    return CustomValue(value, factor, shape[2], getattr(value, "threshold", 0.0))
