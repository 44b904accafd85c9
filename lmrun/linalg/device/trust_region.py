"""The damping whose step is as long as a radius, found on the device: `linalg.trust_region` as one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from lmrun.linalg.trust_region import LEAST_SHARE, MOST_ITERATIONS, ROOM, TOLERANCE

Tensor = Any


class _State(NamedTuple):
    """Where the iteration is; see `linalg.trust_region.step_within` for each."""

    done: Tensor
    damping: Tensor
    lower: Tensor
    upper: Tensor
    singular: Tensor
    shorter: Tensor
    distance: Tensor
    best: tuple[Tensor, Tensor, Any]


def step_within(  # noqa: PLR0917 - the order of `linalg.trust_region.step_within`
    factorize: Callable[[Tensor], Any],
    step_of: Callable[[Any], Tensor],
    solve: Callable[[Any, Tensor], Tensor],
    gradient: Tensor,
    scaling: Tensor,
    radius: Tensor,
    damping: Tensor,
) -> tuple[Tensor, Tensor, Any]:
    """Do what `linalg.trust_region.step_within` does, with tensors and without a round trip.

    Args:
        factorize: From a damping to the factor of J^T J + damping D, NaN where there is none.
        step_of: From a factor to the step [n].
        solve: From a factor and b [n] to the solution [n].
        gradient: J^T r [n].
        scaling: D [n], positive.
        radius: Positive scalar.
        damping: The guess to start from, at least 0.

    Returns:
        The damping, its step [n] and its factor; NaN where no matrix could be factored.
    """
    zero, nan = tf.zeros_like(damping), tf.constant(float("nan"), damping.dtype)
    bound = tf.norm(gradient / tf.sqrt(scaling)) / radius

    def body(state: _State) -> tuple[_State]:
        value = _kept_inside(state)
        factor = factorize(value)
        step = step_of(factor)
        valid = tf.reduce_all(tf.math.is_finite(step))
        weighted = scaling * step
        norm = tf.sqrt(tf.tensordot(step, weighted, 1))
        excess = norm - radius
        settled = state.singular & (excess < 0) & (norm <= (1 + TOLERANCE) * state.shorter)
        near = tf.abs(excess) <= TOLERANCE * radius
        found = valid & (near | ((value == 0) & (excess < 0)) | settled | (norm == 0))
        better = found | (valid & (tf.abs(excess) < state.distance))
        newton = -excess * norm / tf.tensordot(weighted, solve(factor, weighted), 1)
        beyond = valid & (excess >= 0)
        lower = tf.where(valid & ~beyond, state.lower, tf.maximum(state.lower, value))
        upper = tf.where(valid & ~beyond, value, state.upper)
        # Rounding may ask for more damping than the radius does.
        upper = tf.where(valid, upper, tf.maximum(upper, ROOM * lower))
        tangent = valid & tf.math.is_finite(newton)
        return (
            _State(
                done=found,
                damping=tf.where(tangent, value - norm / radius * newton, nan),
                lower=tf.where(tangent, tf.maximum(lower, value - newton), lower),
                upper=upper,
                singular=state.singular | ~valid,
                shorter=tf.where(valid & ~beyond, norm, state.shorter),
                distance=tf.where(better, tf.abs(excess), state.distance),
                best=_chosen(better, (value, step, factor), state.best),
            ),
        )

    start = _State(
        done=tf.constant(False),
        damping=damping,
        lower=zero,
        upper=tf.where(bound == 0, tf.ones_like(bound), bound),
        singular=tf.constant(False),
        shorter=zero,
        distance=tf.constant(float("inf"), damping.dtype),
        best=(nan, tf.fill(gradient.shape, nan), factorize(nan)),
    )
    (end,) = tf.while_loop(
        lambda state: ~state.done, body, (start,), maximum_iterations=MOST_ITERATIONS, parallel_iterations=1
    )
    return end.best  # type: ignore[no-any-return]


def _kept_inside(state: _State) -> Tensor:
    """The next damping: none at all where that is possible, and never outside the bounds."""
    undamped = (state.damping <= state.lower) & (state.lower == 0) & ~state.singular
    inside = (state.lower < state.damping) & (state.damping < state.upper)
    middle = tf.maximum(LEAST_SHARE * state.upper, tf.sqrt(state.lower * state.upper))
    return tf.where(undamped, tf.zeros_like(middle), tf.where(inside, state.damping, middle))


def _chosen(new: Tensor, one: Any, other: Any) -> Any:
    return tf.nest.map_structure(lambda a, b: tf.where(new, a, b), one, other)
