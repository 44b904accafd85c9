"""First-order optimizers: many steps per call into TensorFlow.

A step of a small network takes some ten microseconds, far less than a call from Python; so a whole block of
steps is one compiled loop. Its length is an argument, not part of the program: blocks of any lengths give the
same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Rows, for_kernels
from lmrun.curvature.compiled import CompiledNest
from lmrun.curvature.kernels import Kernels
from lmrun.optimizers.base import State, StepInfo
from lmrun.status import DIVERGED

Tensor = Any

MOST_STEPS = 4096
"""Steps that one call can record."""


class Rule(Protocol):
    """An update rule: tensors in, tensors out."""

    @property
    def pure(self) -> bool:
        """Whether it is made of plain tensor operations, which XLA can compile."""
        ...

    def slots(self, params: Tensor) -> dict[str, Tensor]:
        """Return what the rule carries from step to step, at the start."""
        ...

    def apply(
        self, params: Tensor, gradient: Tensor, slots: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the next parameters [n] and slots."""
        ...


@dataclass(frozen=True)
class Block:
    """The steps of one call.

    Attributes:
        rows: The training rows: a whole split for mini-batches, laid out for kernels for the full batch
            (`curvature.batch`).
        order: Indices int32 [batches, batch_size] of an epoch, or None for the full batch.
        start: The first batch.
        count: Number of steps.
        target_loss: The full batch stops at or below this loss.
    """

    rows: Rows
    order: Tensor | None
    start: int
    count: int
    target_loss: float


class FirstOrder:
    """Apply a rule to the gradient of the loss, block by block.

    On the full batch the loss is that after each step, since the next gradient needs it anyway, and the
    parameters with the lowest loss are kept in the state as `best_params`. In mini-batches the loss is that
    of each batch before its step, as in Keras.

    Args:
        rule: The update rule.
        kernels: The compiled functions of model and loss.
    """

    def __init__(self, rule: Rule, kernels: Kernels) -> None:
        self.rule = rule
        self.kernels = kernels
        fuse = rule.pure
        # Not `tf.function` itself: XLA would keep the machine code of every optimizer that was ever made.
        self._full = CompiledNest(self._full_batch, fuse=fuse)
        self._mini = CompiledNest(self._mini_batches, fuse=fuse)
        self._evaluate = CompiledNest(self._loss_and_gradient, fuse=fuse)

    def init(self, rows: Rows, params: Tensor, full_batch: bool) -> State:
        """Return the state before the first step; the full batch carries loss and gradient there."""
        slots = self.rule.slots(params)
        if not full_batch:
            return {"slots": slots}
        loss, gradient = self._evaluate(params, rows)
        return {
            "slots": slots,
            "loss": loss,
            "gradient": gradient,
            "best_loss": loss,
            "best_params": params,
            "made": tf.constant(0),
            "best_made": tf.constant(0),
            "ceiling": DIVERGED * tf.maximum(loss, self.kernels.zero_loss(rows.targets, rows.weights)),
        }

    def step(self, block: Block, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """Make up to `block.count` steps; the full batch stops at the target, or as it diverges."""
        count, rows = tf.constant(block.count), block.rows
        if block.order is None:
            target = tf.constant(block.target_loss, params.dtype)
            params, state, losses, made = self._full(params, dict(state), rows, count, target)
        else:
            span = (tf.constant(block.start), count)
            params, slots, losses, made = self._mini(params, state["slots"], rows, block.order, span)
            state = {"slots": slots}
        return params, state, StepInfo(losses=losses.numpy()[: int(made)].astype(np.float64))

    def _loss_and_gradient(self, params: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        total = tf.reduce_sum(rows.weights)
        # Rows of weight zero only: nothing to learn, and nothing divided by zero.
        total = tf.where(total > 0, total, tf.ones_like(total))
        value, gradient = self.kernels.plain_value_and_gradient(params, *rows)
        return value / total, gradient / total

    def _full_batch(
        self,
        params: Tensor,
        state: dict[str, Any],
        rows: Rows,
        count: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, dict[str, Any], Tensor, Tensor]:
        def unfinished(made: Tensor, params: Tensor, state: dict[str, Any], losses: Tensor) -> Tensor:
            loss = state["loss"]
            # A loss that is not a number compares as false, and stops too.
            going = (loss > target) & (loss <= state["ceiling"])
            return (made < count) & (going | (made == 0))

        def body(
            made: Tensor, params: Tensor, state: dict[str, Any], losses: Tensor
        ) -> tuple[Tensor, Tensor, dict[str, Any], Tensor]:
            params, slots = self.rule.apply(params, state["gradient"], state["slots"])
            loss, gradient = self._loss_and_gradient(params, rows)
            better = loss < state["best_loss"]
            state = {
                **state,
                "slots": slots,
                "loss": loss,
                "gradient": gradient,
                "best_loss": tf.where(better, loss, state["best_loss"]),
                "best_params": tf.where(better, params, state["best_params"]),
                "made": state["made"] + 1,
                "best_made": tf.where(better, state["made"] + 1, state["best_made"]),
            }
            return made + 1, params, state, losses.write(made, loss)

        losses = tf.TensorArray(params.dtype, size=MOST_STEPS, element_shape=())
        made, params, state, losses = tf.while_loop(unfinished, body, (tf.constant(0), params, state, losses))
        return params, state, losses.stack(), made

    def _mini_batches(
        self,
        params: Tensor,
        slots: dict[str, Tensor],
        rows: Rows,
        order: Tensor,
        span: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor]:
        start, count = span

        def body(
            made: Tensor, params: Tensor, slots: dict[str, Tensor], losses: Tensor
        ) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
            # XLA would compile a slice, order[start + made], anew for each start.
            indices = tf.gather(order, start + made)
            batch = for_kernels(Rows(*(tf.gather(array, indices) for array in rows)))
            loss, gradient = self._loss_and_gradient(params, batch)
            params, slots = self.rule.apply(params, gradient, slots)
            return made + 1, params, slots, losses.write(made, loss)

        losses = tf.TensorArray(params.dtype, size=MOST_STEPS, element_shape=())
        made, params, slots, losses = tf.while_loop(
            lambda made, *_: made < count, body, (tf.constant(0), params, slots, losses)
        )
        return params, slots, losses.stack(), made
