"""The dense algebra that an optimizer composes, on the host or on the device behind one protocol.

A vector or matrix is a NumPy array on the host and a TensorFlow tensor on the device; an optimizer never
looks inside. Methods that return floats wait for the device, all others do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol

from lmrun.linalg.penalizing import Penalizing

Vector = Any
Matrix = Any
Tensor = Any
Part = Any
"""What an `Assembly` holds of some chunks."""
Bend = Callable[[Any], Vector]
"""From a step v [n] to the residuals' second derivative along v, as `System.turn` takes it."""
LossAt = Callable[[Any], Any]
"""From parameters [n] to the loss there."""

MOST_BENT = 0.75
"""The largest 2 |a| / |v| of an accelerated step, in the norm of the damping (Transtrum and Sethna 2012,
section 3, their alpha)."""
LEAST, MOST = 1e-6, 1e32
"""Bounds of diag(J^T J) as a scaling, as in Ceres (`min_lm_diagonal`, `max_lm_diagonal`)."""
UNRESOLVED = 1e3
"""Multiples of epsilon: a damping that is smaller than this beside the matrix is lost in its rounding."""


@dataclass(frozen=True, slots=True)
class StepScalars:
    """What is known of a solved step besides its loss.

    Attributes:
        valid: Whether the factorization succeeded and the step is finite.
        predicted_reduction: Of the cost by the quadratic model; 1/2 step^T (damping D step - gradient) for a
            whole step.
        step_norm: |step|_2, learning rate and momentum included; a projection that follows is not in it.
        params_norm: |params|_2.
        damping: The damping that the step was solved with.
        scaled_step_norm: |D^(1/2) step|_2, before acceleration.
    """

    valid: bool
    predicted_reduction: float
    step_norm: float
    params_norm: float
    damping: float = math.nan
    scaled_step_norm: float = math.nan


INVALID = StepScalars(False, math.nan, math.nan, math.nan)
"""A step whose matrix could not be factored."""


@dataclass(frozen=True)
class Damping:
    """How a step is damped.

    Attributes:
        value: The damping; with a radius, the guess that its iteration starts from.
        scaling: The diagonal D [n].
        radius: Where given, the damping is chosen so that |D^(1/2) step|_2 is the radius.
    """

    value: float
    scaling: Vector
    radius: float | None = None


class Motion(NamedTuple):
    """How far a solved step goes.

    Attributes:
        rate: Multiplies the step.
        drift: Added to it [n], such as a share of the move before; None for nothing.
    """

    rate: float = 1.0
    drift: Vector | None = None


WHOLE = Motion()


class System(Protocol):
    """A damped matrix J^T J + damping D that is factored, or otherwise ready to be solved."""

    def turn(self, bent: Vector) -> Vector | None:
        """Return -(J^T J + damping D)^-1 J^T r_vv [n]; on the host None, on the device NaN, if not finite.

        Args:
            bent: The second derivative of the residuals along a step: r_vv [m] itself where the assembly is
                `by_rows`, J^T r_vv [n] elsewhere.
        """
        ...


class Damped(NamedTuple):
    """A damped step.

    Attributes:
        damping: A float on the host, a scalar tensor on the device.
        step: -(J^T J + damping D)^-1 J^T r [n].
        system: What it was solved with.
    """

    damping: Any
    step: Vector
    system: System


class Curvature(Protocol):
    """J^T J with J^T r, or the Hessian with the gradient, in one of its forms."""

    @property
    def gradient(self) -> Vector:
        """J^T r [n]."""
        ...

    @property
    def diagonal(self) -> Vector:
        """The diagonal of the matrix [n]."""
        ...

    def damped(self, damping: Damping) -> Damped | None:
        """Solve a damped step; what cannot be factored is None on the host and NaN on the device."""
        ...

    def whole(self) -> Vector | None:
        """Solve the step without damping; None or NaN where the matrix is singular to working precision."""
        ...

    def squared(self, vector: Vector) -> Any:
        """Return v^T J^T J v for v [n]: a float on the host, a scalar tensor on the device."""
        ...


class Assembly(Protocol):
    """How tables [J, r]^T [n + 1, rows], one per chunk, add up to a curvature."""

    @property
    def by_rows(self) -> bool:
        """Whether the curvature keeps J row by row, so that `System.turn` takes r_vv [m]."""
        ...

    def start(self, size: int) -> Part:
        """Return what holds no chunk yet; `size` is n + 1."""
        ...

    def add(self, part: Part, table: Tensor) -> Part:
        """Add a chunk. Threads may do so side by side, each with a part of its own."""
        ...

    def finish(self, parts: Sequence[Part], gradient: Tensor | None = None) -> Curvature:
        """Join the parts.

        Args:
            parts: At least one; the chunks were dealt out to them in turn.
            gradient: [n], where it is not J^T r.
        """
        ...


def in_turn(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Put what was dealt out in turn back into its order."""
    return [item for each in zip_longest(*parts) for item in each if item is not None]


class Product(NamedTuple):
    """The matrix J^T J as a function, for the solver that needs no matrix.

    Attributes:
        apply: From the tensor v [n] to the tensor J^T J v [n].
        plain: The same as (v, *arguments) for the inside of a compiled loop; one object for all points.
        arguments: Gives these tensors.
        compiler: Compiles what is made of it; None for the algebra's own way.
    """

    apply: Callable[[Tensor], Tensor]
    plain: Callable[..., Tensor]
    arguments: Callable[[], tuple[Any, ...]]
    compiler: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None


class Algebra(Penalizing, Protocol):
    """Dense linear algebra in one floating-point type.

    Attributes:
        dtype: `float32` or `float64`.
        workers: Threads that may use it at a time.
        places: Names of devices, where several work side by side.
    """

    dtype: Any
    workers: int
    places: tuple[str, ...]

    def assembly(self, form: str) -> Assembly:
        """Return how a form of J^T J is put together: `gram`, `dual` or `qr`."""
        ...

    def matrix_free(self, product: Product, gradient: Tensor, diagonal: Tensor) -> Curvature:
        """Return J^T J as a function, with J^T r [n] and its diagonal [n]."""
        ...

    def matrix(self, matrix: Tensor, gradient: Tensor, *, modified: bool = False) -> Curvature:
        """Return a full symmetric matrix [n, n], possibly indefinite, with the gradient [n].

        Args:
            matrix: H.
            gradient: Of the cost.
            modified: Whether the whole step is by H + tau D that is positive definite, see
                `linalg.modified`.
        """
        ...

    def blend(self, curvature: Curvature, kept: Matrix, share: float, scale: float) -> Curvature:
        """Return (1 - share) J^T J + share scale K with the gradient as it is.

        Args:
            curvature: Of the form `gram`.
            kept: K [n, n], what `kept` returned of another curvature.
            share: From 0 to 1.
            scale: Of the present rows to those of K.
        """
        ...

    def kept(self, curvature: Curvature) -> Matrix:
        """Return the matrix [n, n] of a curvature of the form `gram`."""
        ...

    def adopt(self, tensor: Tensor) -> Vector:
        """Take a vector or matrix into the algebra's own form."""
        ...

    def total(self, parts: Sequence[Tensor]) -> Any:
        """Add scalars up in float64: a number on the host, a scalar tensor on a device."""
        ...

    def ones_like(self, vector: Vector) -> Vector:
        """Return ones [n]."""
        ...

    def clip(self, vector: Vector, low: float, high: float) -> Vector:
        """Bound every element."""
        ...

    def maximum(self, one: Vector, other: Vector) -> Vector:
        """Return the larger of each two elements [n]."""
        ...

    def added(self, params: Tensor, start: int, columns: Sequence[Vector]) -> Vector:
        """Add q columns [m], side by side and row by row, to params [n] from place `start` on."""
        ...

    def joined(self, parts: Sequence[Tensor]) -> Vector:
        """Put vectors one behind the other."""
        ...

    def largest(self, vector: Vector) -> float:
        """The largest |element|."""
        ...

    def damped_step(  # noqa: PLR0917 - the parts of one step
        self,
        curvature: Curvature,
        damping: Damping,
        params: Tensor,
        loss: LossAt,
        bend: Bend | None = None,
        motion: Motion = WHOLE,
    ) -> tuple[Vector, float, StepScalars]:
        """Solve (J^T J + damping D) v = -J^T r and evaluate the loss at params + rate v + drift.

        With `bend`, the same factor solves (J^T J + damping D) a = -J^T r_vv, and rate v turns into the point
        rate v + rate^2 a / 2 of the geodesic, unless 2 rate |D^(1/2) a| > MOST_BENT |D^(1/2) v|, where the
        second order is no small correction.

        Returns:
            The point that is reached [n], the loss there (NaN for an invalid step), and the scalars of the
            move; `predicted_reduction` is that of the quadratic model for rate v + drift.
        """
        ...

    def newton_step(
        self, curvature: Curvature, params: Tensor, loss: LossAt, length: float = 1.0
    ) -> tuple[Vector, float, StepScalars]:
        """Solve matrix p = -gradient and go to params + length p.

        Invalid where the matrix is singular to working precision. The predicted reduction is
        -length (1 - length / 2) gradient^T p.
        """
        ...
