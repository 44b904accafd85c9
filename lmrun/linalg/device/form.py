"""What all forms on the device share: pure functions of tensors; an attempt is one compiled function.

XLA compiles them: its factorizations of a matrix that has none hold NaN, where TensorFlow's own would raise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

from lmrun.linalg.algebra import Damped, Damping
from lmrun.linalg.device.trust_region import step_within

Tensor = Any
Data = tuple[Any, ...]
"""Tensors; None for a gradient that is J^T r."""
Factor = Any
"""A tensor or a tuple of them."""
P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile once per combination of shapes."""
    traced: Callable[P, R] = tf.function(function, jit_compile=True, autograph=False)
    return traced


class DeviceForm(ABC):
    """One form of J^T J: what each of its functions does is said in `linalg.algebra`.

    Nothing here waits for the device.

    Args:
        compiler: Makes compiled functions of tensors.
    """

    def __init__(self, compiler: Callable[[Callable[..., Any]], Callable[..., Any]] = compiled) -> None:
        self.known: Callable[[Data], tuple[Tensor, Tensor]] = compiler(
            lambda data: (self.gradient(data), self.diagonal(data))
        )
        self.attempt = compiler(self._attempt)
        self.attempt_within = compiler(self._attempt_within)
        self.turned = compiler(self.turn)
        self.whole_step = compiler(self.whole)
        self.square = compiler(self.squared)

    @abstractmethod
    def gradient(self, data: Data) -> Tensor:
        """[n]."""

    @abstractmethod
    def diagonal(self, data: Data) -> Tensor:
        """[n]."""

    @abstractmethod
    def factor(self, data: Data, damping: Tensor, scaling: Tensor) -> Factor:
        """Factor J^T J + damping D; NaN where that cannot be done."""

    @abstractmethod
    def solve(self, data: Data, factor: Factor, right: Tensor) -> Tensor:
        """(J^T J + damping D)^-1 right [n]."""

    @abstractmethod
    def whole(self, data: Data) -> Tensor:
        """The step without damping [n]; NaN where the matrix is singular to working precision."""

    @abstractmethod
    def squared(self, data: Data, vector: Tensor) -> Tensor:
        """v^T J^T J v for v [n]."""

    def step(self, data: Data, factor: Factor) -> Tensor:
        """-(J^T J + damping D)^-1 gradient [n]."""
        return self.solve(data, factor, -self.gradient(data))

    def turn(self, data: Data, factor: Factor, bent: Tensor) -> Tensor:
        """-(J^T J + damping D)^-1 J^T r_vv [n] for J^T r_vv [n]."""
        return self.solve(data, factor, -bent)

    def _attempt(self, data: Data, damping: Tensor, scaling: Tensor) -> tuple[Tensor, Tensor, Factor]:
        factor = self.factor(data, damping, scaling)
        return damping, self.step(data, factor), factor

    def _attempt_within(
        self, data: Data, damping: Tensor, scaling: Tensor, radius: Tensor
    ) -> tuple[Tensor, Tensor, Factor]:
        return step_within(
            lambda value: self.factor(data, value, scaling),
            lambda factor: self.step(data, factor),
            lambda factor, right: self.solve(data, factor, right),
            self.gradient(data),
            scaling,
            radius,
            damping,
        )


class Penalizable(DeviceForm):
    """A form that holds all of J^T J; see `linalg.penalizing`."""

    @abstractmethod
    def penalized(self, data: Data, strength: Tensor, params: Tensor) -> Data:
        """The data of J^T J + strength 1 with J^T r + strength params, params [n]."""

    @abstractmethod
    def eigenvalues(self, data: Data) -> Tensor:
        """Of J^T J [n], ascending; NaN where it is not finite."""


@dataclass(frozen=True)
class DeviceSystem:
    """A factor of a form."""

    form: DeviceForm
    data: Data
    factor: Factor

    def turn(self, bent: Tensor) -> Tensor:
        """[n]."""
        return self.form.turned(self.data, self.factor, bent)


@dataclass(frozen=True)
class DeviceCurvature:
    """`linalg.algebra.Curvature`: a form and its tensors."""

    form: DeviceForm
    data: Data

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor]:
        return self.form.known(self.data)

    @property
    def gradient(self) -> Tensor:
        """[n]."""
        return self._known[0]

    @property
    def diagonal(self) -> Tensor:
        """[n]."""
        return self._known[1]

    def damped(self, damping: Damping) -> Damped:
        """One compiled function, with a radius too."""
        dtype = damping.scaling.dtype
        value = tf.constant(damping.value, dtype)
        if damping.radius is None:
            value, step, factor = self.form.attempt(self.data, value, damping.scaling)
        else:
            radius = tf.constant(damping.radius, dtype)
            value, step, factor = self.form.attempt_within(self.data, value, damping.scaling, radius)
        return Damped(value, step, DeviceSystem(self.form, self.data, factor))

    def whole(self) -> Tensor:
        """[n]."""
        return self._whole

    @cached_property
    def _whole(self) -> Tensor:
        return self.form.whole_step(self.data)

    def squared(self, vector: Tensor) -> Tensor:
        """A scalar."""
        return self.form.square(self.data, vector)
