"""The Jacobian of a network's outputs, one backward pass per column of the loss's factor.

Samples are independent: one backward pass of the summed residual gives every sample's cotangent at every
layer's pre-activation. A layer that is linear in its parameters then has a Jacobian block that is the product
of its input with its cotangent; no vectorized map over samples is needed.
Source: the same observation gives per-sample gradients in Goodfellow 2015, Efficient per-example gradient
computations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from lmrun.curvature.graph import Graph, Traced
from lmrun.losses.base import Loss, slope

Tensor = Any
ZERO = tf.UnconnectedGradients.ZERO


class Linear(NamedTuple):
    """The weighted Jacobian and what gives the gradient.

    Attributes:
        rows: sqrt(w) F^T J, transposed, and below it the residual sqrt(w) r; [n + 1, q rows], component by
            component. One product with its own transpose is J^T J, J^T r and r^T r.
        gradient: [n], of a loss without residuals: they are zeros then. None where J^T r is the gradient.
        value: Sum of w_i l_i; scalar.
    """

    rows: Tensor
    gradient: Tensor | None
    value: Tensor


def linearize(  # noqa: PLR0917 - the order of every kernel: params, then the rows
    graph: Graph,
    loss: Loss,
    params: Tensor,
    inputs: Tensor,
    targets: Tensor,
    weights: Tensor,
    key: Tensor | None = None,
) -> Linear:
    """Return the weighted Jacobian and its residual, or the gradient of a loss that has none.

    All backward passes share one forward pass.

    Args:
        graph: The model.
        loss: Chooses r and F, see `losses.base`.
        params: [n].
        inputs: [channels, ..., rows].
        targets: [rows, ...].
        weights: [rows].
        key: int32 [2]; decides what a random loss draws.
    """
    with tf.GradientTape(watch_accessed_variables=False) as whole:
        whole.watch(params)
        calls, outputs, tape = watched_forward(graph, params, inputs)
    traced = [step for step in calls if step.call.part.size]
    root = tf.sqrt(weights)
    by_sample = tf.transpose(outputs)
    residual = loss.residual(by_sample, targets)
    if residual is None:
        seed = tf.transpose(slope(loss, by_sample, targets)) * weights
        gradient = whole.gradient(outputs, params, output_gradients=seed, unconnected_gradients=ZERO)
        last = [tf.zeros_like(root)] * loss.components(graph.width)
    else:
        gradient = None
        last = tf.unstack(tf.transpose(residual) * root)
    components = [
        tf.concat([*_blocks(traced, tape, outputs, tf.transpose(column) * root), below[None]], axis=0)
        for column, below in zip(loss.columns(by_sample, targets, key), last, strict=True)
    ]
    value = tf.tensordot(weights, loss.values(by_sample, targets), 1)
    return Linear(components[0] if len(components) == 1 else tf.concat(components, axis=1), gradient, value)


def watched_forward(
    graph: Graph, params: Tensor, inputs: Tensor
) -> tuple[list[Traced], Tensor, tf.GradientTape]:
    """Evaluate, watching the pre-activation of every layer with parameters; return all calls."""
    traced: list[Traced] = []
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        outputs: Tensor = None
        for step, value in graph.run(params, inputs):
            if step is None:
                outputs = value
            else:
                traced.append(step)
                if step.call.part.size:
                    tape.watch(step.before)
    return traced, outputs, tape


def _blocks(traced: Sequence[Traced], tape: tf.GradientTape, outputs: Tensor, seed: Tensor) -> list[Tensor]:
    """Pull a seed [width, rows] back and return the slabs of the transposed Jacobian in params' order."""
    cotangents = tape.gradient(
        outputs, [step.before for step in traced], output_gradients=seed, unconnected_gradients=ZERO
    )
    slabs: dict[int, Tensor] = {}
    for step, cotangent in zip(traced, cotangents, strict=True):
        part = step.call.part
        block = step.call.rule.block(part.layer, step.weights, step.inputs, cotangent)
        # A layer that is used twice has the sum of its uses.
        slabs[part.start] = slabs[part.start] + block if part.start in slabs else block
    return [slabs[start] for start in sorted(slabs)]
