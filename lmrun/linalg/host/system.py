"""What all forms on the host share: a damped step, with a given damping or with a given length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.linalg.algebra import Curvature, Damped, Damping
from lmrun.linalg.trust_region import step_within

Array = NDArray[np.floating]


class HostSystem(ABC):
    """`linalg.algebra.System`, and what the search for a damping needs."""

    @abstractmethod
    def step(self) -> Array | None:
        """-(J^T J + damping D)^-1 gradient [n], or None where it is not finite."""

    @abstractmethod
    def solve(self, right: Array) -> Array | None:
        """(J^T J + damping D)^-1 right [n], or None where it is not finite."""

    def turn(self, bent: Array) -> Array | None:
        """For J^T r_vv [n]."""
        return self.solve(-bent)


class HostCurvature(ABC):
    """`linalg.algebra.Curvature` on the host. A form adds `gradient`, `diagonal`, `system` and `whole`."""

    gradient: Any

    @abstractmethod
    def system(self, damping: float, scaling: Array) -> HostSystem | None:
        """Prepare J^T J + damping D, or return None where it cannot be factored."""

    def damped(self, damping: Damping) -> Damped | None:
        """With a radius, by `linalg.trust_region`."""
        if damping.radius is None:
            system = self.system(damping.value, damping.scaling)
            step = None if system is None else system.step()
            return None if system is None or step is None else Damped(damping.value, step, system)
        found = step_within(
            lambda value: self.system(value, damping.scaling),
            lambda system, right: system.solve(right),
            self.gradient,
            damping.scaling,
            damping.radius,
            damping.value,
            step_of=lambda system: system.step(),
        )
        return None if found is None else Damped(found.damping, found.step, found.factor)


class HostPenalizable(HostCurvature):
    """A form that holds all of J^T J; see `linalg.penalizing`."""

    @abstractmethod
    def penalized(self, strength: float, params: Array) -> Curvature:
        """J^T J + strength 1 with J^T r + strength params, params [n]."""

    @abstractmethod
    def eigenvalues(self) -> NDArray[np.float64]:
        """Of J^T J [n], ascending."""
