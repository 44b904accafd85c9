"""Dense algebra where the tensors are, without a round trip to the host.

A trial ends with one tensor of scalars that travels back to be decided by: validity, reductions, norms and
the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.linalg.algebra import (
    INVALID,
    MOST_BENT,
    WHOLE,
    Assembly,
    Bend,
    Curvature,
    Damping,
    LossAt,
    Motion,
    Product,
    StepScalars,
)
from lmrun.linalg.device.dual import DualAssembly
from lmrun.linalg.device.form import DeviceCurvature, Penalizable, compiled
from lmrun.linalg.device.gram import GRAM, GramAssembly, blended
from lmrun.linalg.device.matrix_free import Products
from lmrun.linalg.device.modified import MODIFIED
from lmrun.linalg.device.triangle import TriangleAssembly
from lmrun.linalg.truncation import TRUNCATION, Truncation

Tensor = Any

ASSEMBLIES: dict[str, Callable[[Any], Assembly]] = {
    "gram": GramAssembly,
    "dual": DualAssembly,
    "qr": TriangleAssembly,
}


@compiled
def _bent(step: Tensor, turn: Tensor, scaling: Tensor, rate: Tensor) -> Tensor:
    root = tf.sqrt(scaling)
    small = 2 * rate * tf.norm(root * turn) <= MOST_BENT * tf.norm(root * step)
    # A turn that is not a number compares as false: the step stays straight.
    return tf.where(small, step + 0.5 * rate * turn, step)


@compiled
def _damped_move(
    params: Tensor,
    steps: tuple[Tensor, Tensor],
    gradient: Tensor,
    damped: tuple[Tensor, Tensor],
    motion: tuple[Tensor, tuple[Tensor, Tensor] | None],
) -> tuple[Tensor, Tensor]:
    """See `linalg.host.algebra`; beside the drift d of `motion` stands d^T J^T J d."""
    (straight, step), (damping, scaling), (rate, drifting) = steps, damped, motion
    weighted = scaling * straight
    slope, square = tf.tensordot(straight, gradient, 1), tf.tensordot(straight, weighted, 1)
    predicted = rate * (0.5 * rate * (slope + damping * square) - slope)
    move = rate * step
    if drifting is not None:
        drift, curved = drifting
        down = tf.tensordot(gradient, drift, 1)
        along = down + damping * tf.tensordot(weighted, drift, 1)
        predicted += -down + rate * along - 0.5 * curved
        move += drift
    return _packed(params, move, predicted, damping, tf.sqrt(square))


@compiled
def _whole_move(params: Tensor, step: Tensor, gradient: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    zero = tf.zeros([], step.dtype)
    predicted = length * (0.5 * length - 1) * tf.tensordot(step, gradient, 1)
    return _packed(params, length * step, predicted, zero, zero)


@compiled
def _added(params: Tensor, start: Tensor, columns: Tensor) -> Tensor:
    places = start + tf.range(tf.size(columns))
    return tf.tensor_scatter_nd_add(params, places[:, None], tf.reshape(columns, [-1]))


def _packed(
    params: Tensor, step: Tensor, predicted: Tensor, damping: Tensor, scaled: Tensor
) -> tuple[Tensor, Tensor]:
    valid = tf.reduce_all(tf.math.is_finite(step))
    scalars = [tf.cast(valid, step.dtype), predicted, tf.norm(step), tf.norm(params), damping, scaled]
    return tf.where(valid, params + step, params), tf.cast(tf.stack(scalars), tf.float64)


def _ended(moved: Tensor, scalars: Tensor, loss: LossAt) -> tuple[Tensor, float, StepScalars]:
    """The one round trip of a trial."""
    packed = tf.concat([scalars, tf.cast(loss(moved), tf.float64)[None]], axis=0)
    valid, *known, reached = packed.numpy().tolist()
    return (moved, reached, StepScalars(True, *known)) if valid else (moved, math.nan, INVALID)


class DeviceAlgebra:
    """`linalg.algebra.Algebra` with tensors; the same code on any device of TensorFlow.

    Args:
        dtype: `float32` or `float64`.
        truncation: Where conjugate gradients end.
        places: Names of devices that work on chunks side by side; left out, there is one.
        summed: Adds up tensors, one per place.
    """

    def __init__(
        self,
        dtype: str,
        truncation: Truncation = TRUNCATION,
        places: Sequence[str] = (),
        summed: Callable[[Sequence[Tensor]], Tensor] = tf.add_n,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.workers = max(1, len(places))
        self.places = tuple(places)
        self.summed = summed
        self.truncation = truncation
        self._products: dict[Callable[..., Tensor], Products] = {}

    def assembly(self, form: str) -> Assembly:
        """See `ASSEMBLIES`."""
        return GramAssembly(self.dtype, self.summed) if form == "gram" else ASSEMBLIES[form](self.dtype)

    def matrix_free(self, product: Product, gradient: Tensor, diagonal: Tensor) -> Curvature:
        """One compiled loop per product, for all points."""
        form = self._products.get(product.plain)
        if form is None:
            form = Products(product, self.truncation)
            self._products[product.plain] = form
        return DeviceCurvature(form, (gradient, diagonal, *product.arguments()))

    def matrix(self, matrix: Tensor, gradient: Tensor, *, modified: bool = False) -> Curvature:
        """A tensor stays where it is."""
        return DeviceCurvature(MODIFIED if modified else GRAM, (matrix, gradient))

    def blend(self, curvature: Curvature, kept: Tensor, share: float, scale: float) -> Curvature:
        """See `device.gram`."""
        assert isinstance(curvature, DeviceCurvature), "made here"
        return blended(curvature, kept, share, scale)

    def kept(self, curvature: Curvature) -> Tensor:
        """[n, n]."""
        assert isinstance(curvature, DeviceCurvature), "made here"
        return curvature.data[0]

    def penalized(self, curvature: Curvature, strength: float, params: Tensor) -> Curvature:
        """See `device.gram` and `device.triangle`."""
        assert isinstance(curvature, DeviceCurvature), "made here"
        assert isinstance(curvature.form, Penalizable), "only a matrix or a triangle can be penalized"
        strong = tf.constant(strength, self.dtype)
        return DeviceCurvature(curvature.form, curvature.form.penalized(curvature.data, strong, params))

    def eigenvalues(self, curvature: Curvature) -> NDArray[np.float64]:
        """One round trip."""
        assert isinstance(curvature, DeviceCurvature), "made here"
        assert isinstance(curvature.form, Penalizable), "only a matrix or a triangle has eigenvalues here"
        return np.asarray(curvature.form.eigenvalues(curvature.data).numpy(), np.float64)

    def square(self, vector: Tensor) -> Tensor:
        """A float64 scalar."""
        wide = tf.cast(vector, tf.float64)
        return tf.tensordot(wide, wide, 1)

    def adopt(self, tensor: Tensor) -> Tensor:
        """A tensor stays where it is."""
        return tensor

    def total(self, parts: Sequence[Tensor]) -> Tensor:
        """A float64 scalar."""
        return tf.add_n([tf.cast(part, tf.float64) for part in parts])

    def ones_like(self, vector: Tensor) -> Tensor:
        """[n]."""
        return tf.ones_like(vector)

    def clip(self, vector: Tensor, low: float, high: float) -> Tensor:
        """[n]."""
        return tf.clip_by_value(vector, tf.constant(low, self.dtype), tf.constant(high, self.dtype))

    def maximum(self, one: Tensor, other: Tensor) -> Tensor:
        """[n]."""
        return tf.maximum(one, other)

    def added(self, params: Tensor, start: int, columns: Sequence[Tensor]) -> Tensor:
        """One compiled call."""
        return _added(params, tf.constant(start), tf.stack(columns, axis=1))

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """A copy."""
        return tf.concat(parts, axis=0)

    def largest(self, vector: Tensor) -> float:
        """The maximum norm."""
        return float(tf.reduce_max(tf.abs(vector)).numpy())

    def damped_step(  # noqa: PLR0917 - the parts of one step
        self,
        curvature: Curvature,
        damping: Damping,
        params: Tensor,
        loss: LossAt,
        bend: Bend | None = None,
        motion: Motion = WHOLE,
    ) -> tuple[Tensor, float, StepScalars]:
        """See the protocol."""
        damped = curvature.damped(damping)
        assert damped is not None, "on the device a failed factorization is NaN"
        value, straight, system = damped
        rate, drift = tf.constant(motion.rate, straight.dtype), motion.drift
        step = (
            straight if bend is None else _bent(straight, system.turn(bend(straight)), damping.scaling, rate)
        )
        moved, scalars = _damped_move(
            params,
            (straight, step),
            curvature.gradient,
            (value, damping.scaling),
            (rate, None if drift is None else (drift, curvature.squared(drift))),
        )
        return _ended(moved, scalars, loss)

    def newton_step(
        self, curvature: Curvature, params: Tensor, loss: LossAt, length: float = 1.0
    ) -> tuple[Tensor, float, StepScalars]:
        """See the protocol."""
        step = curvature.whole()
        assert step is not None, "on the device a failed factorization is NaN"
        return _ended(*_whole_move(params, step, curvature.gradient, tf.constant(length, step.dtype)), loss)
