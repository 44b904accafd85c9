"""The derivatives of a network's outputs along a direction, by forward Taylor arithmetic.

Every value carries its first and second derivative along theta + t v. A product of weights and inputs obeys
Leibniz' rule, an elementwise activation the chain rule; both cost a few forward passes. A layer of any other
kind is differentiated by automatic differentiation over the single number t.
Source: Griewank and Walther 2008, Evaluating Derivatives, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.layers.activation import activate, is_elementwise

Tensor = Any
ZERO = tf.UnconnectedGradients.ZERO


class Jet(NamedTuple):
    """A value with its first and second derivative in t at t = 0, all of one shape."""

    value: Tensor
    first: Tensor
    second: Tensor


def outputs_along(  # noqa: PLR0917 - the point, the direction, and what is known there
    graph: Graph,
    params: Tensor,
    direction: Tensor,
    inputs: Tensor,
    order: int = 2,
    known: Sequence[Tensor] | None = None,
) -> Jet:
    """Return outputs(params + t direction) with their derivatives at t = 0, each [width, rows].

    Args:
        graph: The model.
        params: [n].
        direction: [n].
        inputs: [channels, ..., rows].
        order: With 1 the second derivative is not computed, and means nothing.
        known: What each call made at these parameters before its activation; it is not computed again.
    """
    still = tf.zeros_like(inputs)
    jets = {graph.input: Jet(inputs, still, still)}
    for place, call in enumerate(graph.calls):
        weights, slopes = call.part.weights(params), call.part.weights(direction)
        sources = [jets[number] for number in call.sources]
        before = _before(call, weights, slopes, sources, order)
        if known is not None:
            before = before._replace(value=known[place])
        jets[call.target] = _activated(call, before, order)
    return Jet(*(graph.gather({number: jets[number][part] for number in graph.results}) for part in range(3)))


def _before(
    call: Call, weights: list[Tensor], slopes: list[Tensor], sources: Sequence[Jet], order: int
) -> Jet:
    def forward(own: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        return call.rule.forward(call.part.layer, own, inputs)

    value, first, second = (tuple(jet[part] for jet in sources) for part in range(3))
    if not call.rule.bilinear:
        dtype = value[0].dtype
        return _along_t(lambda t: forward(_line(weights, slopes, t), _curve(sources, t)), dtype, order)
    if not weights:
        return Jet(forward((), value), forward((), first), forward((), second))
    # The bias is no factor of the inputs: their derivatives meet the kernel alone.
    kernel = [weights[0], *(tf.zeros_like(bias) for bias in weights[1:])]
    kernel_slope = [slopes[0], *(tf.zeros_like(bias) for bias in slopes[1:])]
    return Jet(
        forward(weights, value),
        forward(slopes, value) + forward(kernel, first),
        2 * forward(kernel_slope, first) + forward(kernel, second),
    )


def _activated(call: Call, jet: Jet, order: int) -> Jet:
    function = call.activation
    if function is None or getattr(function, "__name__", "") == "linear":
        return jet
    if not is_elementwise(function):
        return _along_t(lambda t: activate(function, _curve([jet], t)[0]), jet.value.dtype, order)
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(jet.value)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(jet.value)
            value = function(jet.value)
        slope = inner.gradient(value, jet.value, unconnected_gradients=ZERO)
    curvature = outer.gradient(slope, jet.value, unconnected_gradients=ZERO)
    return Jet(value, slope * jet.first, curvature * jet.first * jet.first + slope * jet.second)


def _line(weights: Sequence[Tensor], slopes: Sequence[Tensor], t: Tensor) -> list[Tensor]:
    return [weight + t * slope for weight, slope in zip(weights, slopes, strict=True)]


def _curve(jets: Sequence[Jet], t: Tensor) -> list[Tensor]:
    return [jet.value + t * jet.first + 0.5 * t * t * jet.second for jet in jets]


def _along_t(function: Callable[[Tensor], Tensor], dtype: Any, order: int) -> Jet:
    """Differentiate an array by the number t at t = 0.

    u . f'(t) and u . f''(t), by backward passes, are linear in u: their gradients in u are f' and f''.
    TensorFlow's forward accumulator gives the same numbers, but XLA then compiles anew for every point.
    Source: Townsend 2017, A new trick for calculating Jacobian vector products.
    """
    t = tf.zeros([], dtype)
    with tf.GradientTape(watch_accessed_variables=False, persistent=True) as linear:
        with tf.GradientTape(watch_accessed_variables=False) as twice:
            twice.watch(t)
            with tf.GradientTape(watch_accessed_variables=False) as once:
                once.watch(t)
                value = function(t)
                u = tf.ones_like(value)
                linear.watch(u)
                along = tf.reduce_sum(u * value)
            first = once.gradient(along, t, unconnected_gradients=ZERO)
        # A third backward pass through a loop of Keras' is beyond XLA: none is made that nobody reads.
        second = first if order == 1 else twice.gradient(first, t, unconnected_gradients=ZERO)
    return Jet(value, *(linear.gradient(sums, u, unconnected_gradients=ZERO) for sums in (first, second)))
