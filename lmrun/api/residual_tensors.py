"""Residual functions of tensors, with exact derivatives by automatic differentiation, compiled once.

The Jacobian is by forward mode, one pass per parameter, where there are no more parameters than residuals,
and by reverse mode elsewhere; a bundle of passes is one vectorized function. What a user's function computes
with gradient tapes of its own, such as derivatives of a network by its inputs, is differentiated like
everything else. Source: Griewank and Walther 2008, Evaluating derivatives, chapter 3 (forward and reverse
mode), chapter 5 (second-order adjoints: forward over reverse).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.api.residual_arrays import same_count
from lmrun.api.residual_params import Params, flattened
from lmrun.curvature.compiled import Compiled
from lmrun.errors import DataError
from lmrun.linalg.threads import WORKERS, each

Array = NDArray[np.float64]
Tensor = Any

BUNDLE_NUMBERS = 2**16
"""Derivatives of residuals that one call computes: what every operation of the function holds for them stays
in a core's own cache."""
AGREEING = 1e-3
"""Share of the largest residual by which two evaluations at the same parameters may differ: rounding, also
that of float32."""


class Traced:
    """A function of tensors, traced once, compiled by XLA where XLA can, and run by TensorFlow elsewhere.

    It is traced on its own and only then compiled: within XLA the derivatives of some operations, such as
    slices, are others, which have no derivatives themselves.

    Args:
        function: Takes tensors, of the same shapes at each call; returns one.
        fuse: Whether to ask XLA at all.
    """

    def __init__(self, function: Callable[..., Tensor], *, fuse: bool = True) -> None:
        self._function = tf.function(function, autograph=False)
        self._fuse = fuse
        self._compiled: Compiled[..., Tensor] | None = None

    def __call__(self, *args: Tensor) -> Array:
        """Return the result as an array."""
        if self._compiled is not None:
            return np.asarray(self._compiled(*args))
        concrete = self._function.get_concrete_function(*args)

        def call(*given: Tensor) -> Tensor:
            return concrete(*given)

        compiled: Compiled[..., Tensor] = Compiled(call, fuse=self._fuse)
        try:
            made = np.asarray(compiled(*args))
        except tf.errors.OpError:
            if not self._fuse:
                raise
            # XLA has no code for some operations, nor for shapes that depend on values.
            compiled = Compiled(call, fuse=False)
            made = np.asarray(compiled(*args))
        self._compiled = compiled
        return made


class TensorFunction:
    """A user's function of tensors in the user's structure, as one of vectors in float64.

    Args:
        function: From the parameters to residuals.
        params: Their structure.
        rows: Number m of residuals.
    """

    def __init__(self, function: Callable[[Any], Any], params: Params, rows: int) -> None:
        self.function = function
        self.params = params
        self.rows = rows
        self._value = Traced(self._flat)
        forward = params.size <= rows
        self._bundle = Traced(self._columns if forward else self._lines)
        self._directions = _bundles(min(params.size, rows), rows if forward else params.size)
        self._forward = forward

    @classmethod
    def begin(cls, function: Callable[[Any], Any], params: Params) -> tuple[TensorFunction, Array]:
        """Evaluate once without compiling, to count the residuals.

        Returns:
            The function, and the residuals of the start [m].

        Raises:
            DataError: There are no tensors in what it returns.
        """
        made = params.call(function, tf.constant(params.start))
        if not any(map(tf.is_tensor, flattened(made))):
            raise DataError(
                "residuals: for tensors the function returned none, and cannot be differentiated. Write it "
                "with TensorFlow, or give params0 as NumPy arrays."
            )
        first = flat_residual(made).numpy()
        return cls(function, params, len(first)), first

    @property
    def epsilon(self) -> float:
        """Of the coarsest floating-point type that parameters have."""
        return max(float(np.finfo(kind.as_numpy_dtype).eps) for kind in self.params.types)

    def values(self, vector: Array) -> Array:
        """The residuals [m]."""
        return same_count(self._value(tf.constant(vector)), self.rows)

    def jacobian(self, vector: Array) -> Array:
        """dr/dparams [m, n]."""
        here = tf.constant(vector)
        work = partial(self._bundle, here)
        # The first call compiles, alone.
        made = [work(self._directions[0])]
        rest = self._directions[1:]
        made += map(work, rest) if WORKERS == 1 or len(rest) < 2 else each(work, rest)
        table = np.concatenate(made)[: self.params.size if self._forward else self.rows]
        return np.array(table.T if self._forward else table)

    def bent(self, vector: Array, direction: Array) -> Array:
        """The second derivative of r along a direction [n]; [m]."""
        return self._bent(tf.constant(vector), tf.constant(direction))

    def curved(self, vector: Array, weights: Array) -> Array:
        """Sum of u_i r_i'' [n, n] for weights u [m]."""
        return self._curved(tf.constant(vector), tf.constant(weights))

    @cached_property
    def _bent(self) -> Traced:
        def bent(params: Tensor, direction: Tensor) -> Tensor:
            zero, one = tf.zeros([], params.dtype), tf.ones([], params.dtype)
            with tf.autodiff.ForwardAccumulator(zero, one) as outer:
                with tf.autodiff.ForwardAccumulator(zero, one) as inner:
                    made = self._flat(params + zero * direction)
                slope = inner.jvp(made, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return outer.jvp(slope, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        # XLA takes some of the arguments for constants and compiles anew whenever they change.
        return Traced(bent, fuse=False)

    @cached_property
    def _curved(self) -> Traced:
        def curved(params: Tensor, weights: Tensor) -> Tensor:
            def line(direction: Tensor) -> Tensor:
                with tf.autodiff.ForwardAccumulator(params, direction) as forward:
                    with tf.GradientTape() as tape:
                        tape.watch(params)
                        total = tf.tensordot(self._flat(params), weights, 1)
                    slope = tape.gradient(total, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)
                return forward.jvp(slope, unconnected_gradients=tf.UnconnectedGradients.ZERO)

            return tf.vectorized_map(line, tf.eye(self.params.size, dtype=params.dtype), warn=False)

        # XLA takes longer than TensorFlow for it, to compile and to run (337 weights, 484 residuals: 0.10
        # instead of 0.06 s per 64 directions).
        return Traced(curved, fuse=False)

    def _flat(self, params: Tensor) -> Tensor:
        return flat_residual(self.params.call(self.function, params))

    def _columns(self, params: Tensor, directions: Tensor) -> Tensor:
        """J V^T, transposed [k, m], for directions V [k, n]."""

        def column(direction: Tensor) -> Tensor:
            with tf.autodiff.ForwardAccumulator(params, direction) as forward:
                made = self._flat(params)
            return forward.jvp(made, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return tf.vectorized_map(column, directions, warn=False)

    def _lines(self, params: Tensor, directions: Tensor) -> Tensor:
        """U J [k, n] for combinations U [k, m] of residuals."""
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(params)
            made = self._flat(params)

        def line(direction: Tensor) -> Tensor:
            return tape.gradient(
                made,
                params,
                output_gradients=direction,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )

        return tf.vectorized_map(line, directions, warn=False)


def flat_residual(made: Any) -> Tensor:
    """Put what a function returned into one vector [m] in float64.

    Raises:
        DataError: There is something else than real numbers in it.
    """
    parts = []
    for leaf in flattened(made):
        part = tf.convert_to_tensor(leaf)
        if not (part.dtype.is_floating or part.dtype.is_integer):
            raise DataError(
                f"residuals: the function should return real numbers, but there is {part.dtype.name} in what "
                "it returned."
            )
        parts.append(tf.reshape(tf.cast(part, tf.float64), [-1]))
    if not parts:
        raise DataError("residuals: the function returned an empty list; there is nothing to minimize.")
    return tf.concat(parts, axis=0)


def _bundles(count: int, length: int) -> list[Tensor]:
    """Cut the unit matrix [count, count] into bundles of equally many rows, filled up with zeros."""
    most = max(1, BUNDLE_NUMBERS // length)
    bundles = -(-count // most)
    if bundles > 1:
        # As many for one thread as for the other.
        bundles = WORKERS * -(-bundles // WORKERS)
    each_one = -(-count // bundles)
    unit = np.eye(bundles * each_one, count)
    return [tf.constant(unit[start : start + each_one]) for start in range(0, len(unit), each_one)]


def refuse_what_draws(eager: Array, compiled: Array) -> None:
    """Refuse residuals that are not a function of the parameters alone.

    Args:
        eager: r [m] at the start, evaluated operation by operation.
        compiled: The same, compiled.

    Raises:
        DataError: They differ by more than rounding.
    """
    largest = float(np.max(np.abs(eager), initial=0.0))
    if np.max(np.abs(eager - compiled), initial=0.0) > AGREEING * largest:
        raise DataError(
            "residuals: two evaluations with the same parameters differ, as if the function drew random "
            "numbers or kept something from call to call. Draw points once, before lmrun.least_squares."
        )
