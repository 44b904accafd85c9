"""Any residuals as a problem: functions of the parameters alone, without a model, a loss or rows of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.batch import Batch
from lmrun.curvature.bounds import Bounds
from lmrun.curvature.forms import FORMS
from lmrun.curvature.host.base import NumpyKernels, polarized, silent
from lmrun.curvature.host.jets import Jet, Value, along, variables
from lmrun.curvature.jacobian import Linear
from lmrun.curvature.problem import Problem
from lmrun.linalg.host import HostAlgebra
from lmrun.losses.elementwise import MeanSquaredError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """Functions of params [n], in float64.

    Attributes:
        size: n.
        rows: m.
        values: r [m].
        jacobian: dr/dparams [m, n].
        bent: From params and a direction, both [n], to the second derivative of r along it [m]; None where
            that is not known: steps then cannot be accelerated.
    """

    size: int
    rows: int
    values: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]
    bent: Callable[[Array, Array], Array] | None = None


def differentiated(function: Callable[[Sequence[Value]], Sequence[Value]], start: Array) -> Residuals:
    """Return the residuals of a function with all derivatives, by forward-mode differentiation.

    Args:
        function: From the parameters to residuals, each a number or several in an array. It has + - * / **
            and `jets.call` for its arithmetic.
        start: Parameters at which it can be evaluated, to count the residuals [n].
    """

    def flat(made: Sequence[Value], pick: Callable[[Value], Any]) -> Array:
        parts = [np.broadcast_to(pick(each), counts[place]) for place, each in enumerate(made)]
        return np.concatenate(parts).astype(np.float64)

    def value(each: Value) -> Any:
        return each.value if isinstance(each, Jet) else each

    with np.errstate(all="ignore"):
        counts = [np.size(value(each)) for each in function(variables(start))]

    def values(params: Array) -> Array:
        return flat(function(list(params[:, None])), value)

    def jacobian(params: Array) -> Array:
        made = function(variables(params))
        return np.stack([flat(made, partial(_slope, i)) for i in range(len(params))], axis=1)

    def bent(params: Array, direction: Array) -> Array:
        made = function(along(params, direction))
        return flat(made, lambda each: each.second if isinstance(each, Jet) else 0.0)

    return Residuals(len(start), sum(counts), values, jacobian, bent)


def _slope(parameter: int, each: Value) -> Any:
    return each.first.get(parameter, 0.0) if isinstance(each, Jet) else 0.0


@dataclass(frozen=True)
class _Sized:
    """What a problem asks of a network and its graph where there is none."""

    size: int
    width: int = 1


class ResidualKernels(NumpyKernels):
    """Kernels without rows: the loss is |r|^2, the cost half of that."""

    def __init__(self, residuals: Residuals) -> None:
        self.residuals = residuals
        sized: Any = _Sized(residuals.size)
        self.network = self.graph = sized
        self.loss = MeanSquaredError()
        self.knows_hessian = residuals.bent is not None
        self.value = self.host_value
        self.value_and_gradient = self.host_value_and_gradient
        self.jacobian_and_residual = self.host_jacobian_and_residual
        self.gradient_and_hessian = self.host_gradient_and_hessian
        self.bend = self.host_bend
        self.bent_residual = self.host_bent_residual

    @silent
    def host_value(self, params: Any) -> float:
        """|r|^2."""
        made = self.residuals.values(np.asarray(params))
        return float(made @ made)

    @silent
    def host_value_and_gradient(self, params: Any) -> tuple[float, Array]:
        """|r|^2 and 2 J^T r [n]."""
        table, _, value = self.host_jacobian_and_residual(params)
        return value, 2 * (table[:-1] @ table[-1])

    @silent
    def host_jacobian_and_residual(self, params: Any) -> Linear:
        """[J, r]^T [n + 1, m]."""
        here = np.asarray(params)
        made = self.residuals.values(here)
        table = np.empty((self.residuals.size + 1, self.residuals.rows))
        table[:-1], table[-1] = self.residuals.jacobian(here).T, made
        return Linear(table, None, float(made @ made))

    @silent
    def host_gradient_and_hessian(self, params: Any) -> tuple[Array, Array]:
        """2 J^T r [n] and 2 (J^T J + the sum of r_i r_i'') [n, n]."""
        table = self.host_jacobian_and_residual(params).rows
        jacobian, made = table[:-1], table[-1]

        def bent(direction: Array) -> float:
            return float(made @ self.host_bent_residual(params, direction))

        return 2 * jacobian @ made, 2 * (jacobian @ jacobian.T + polarized(len(jacobian), bent))

    @silent
    def host_bend(self, params: Any, direction: Any) -> Array:
        """J^T r_vv [n]."""
        bent: Array = self.residuals.jacobian(np.asarray(params)).T @ self.host_bent_residual(
            params, direction
        )
        return bent

    @silent
    def host_bent_residual(self, params: Any, direction: Any) -> Array:
        """r_vv [m]."""
        assert self.residuals.bent is not None, "only steps that are not accelerated do without"
        return self.residuals.bent(np.asarray(params), np.asarray(direction))


def residual_problem(residuals: Residuals, *, form: str = "qr", bounds: Bounds | None = None) -> Problem:
    """Return what an optimizer steps on.

    Args:
        residuals: The functions.
        form: Of J^T J, see `forms.FORMS`.
        bounds: Of the parameters.
    """
    kernels, algebra = ResidualKernels(residuals), HostAlgebra("float64")
    no_rows: Any = ()
    batch = Batch(chunks=(no_rows,), weight=1.0, samples=residuals.rows)
    return Problem(kernels, batch, algebra, form=FORMS[form](kernels, algebra), bounds=bounds)
