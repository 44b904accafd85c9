"""Residuals, a loss of them and the optimizer's view of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.api.residual_losses import Robust
from lmrun.curvature.batch import Batch
from lmrun.curvature.bounds import Bounds
from lmrun.curvature.forms import FORMS
from lmrun.curvature.host.base import silent
from lmrun.curvature.host.residuals import ResidualKernels, Residuals
from lmrun.curvature.jacobian import Linear
from lmrun.curvature.problem import Problem
from lmrun.linalg.host import HostAlgebra

Array = NDArray[np.float64]

LEAST = 0.1
"""Share of rho' that a residual's curvature keeps. On three curves with outliers and four robust losses it
halved the steps of reweighted least squares in many of twelve fits and left others as they were."""


@dataclass(frozen=True)
class Curved(Residuals):
    """Residuals whose second derivatives may be known.

    Attributes:
        curved: From params [n] and a vector u [m] to sum of u_i r_i'' [n, n]; None where that is not known.
        epsilon: Of their arithmetic.
    """

    curved: Callable[[Array, Array], Array] | None = None
    epsilon: float = float(np.finfo(np.float64).eps)


class LossKernels(ResidualKernels):
    """Kernels of a loss of residuals; the value is twice the cost, |r|^2 without a robust loss.

    With a robust loss the gradient is J^T (rho' r) and the Gauss-Newton matrix J^T c J with

        c = max(rho' + 2 z rho'', LEAST rho').

    Without the bound c is the loss's own curvature by the residual, negative for outliers; rho' alone
    is that of iteratively reweighted least squares, whose convergence is linear.
    Source: Triggs, McLauchlan, Hartley and Fitzgibbon 2000, Bundle adjustment - a modern synthesis, section
    4.3, where the bound is another.
    """

    def __init__(self, residuals: Curved, robust: Robust | None) -> None:
        super().__init__(residuals)
        self.curved = residuals.curved
        self.robust = robust
        self.knows_hessian = residuals.curved is not None

    @silent
    def host_value(self, params: Any) -> float:
        """Twice the cost."""
        made = self.residuals.values(np.asarray(params))
        return float(made @ made) if self.robust is None else 2 * self.robust.cost(made)

    @silent
    def host_jacobian_and_residual(self, params: Any) -> Linear:
        """[sqrt(c) J, rho' r / sqrt(c)], transposed [n + 1, m]."""
        linear = super().host_jacobian_and_residual(params)
        if self.robust is None:
            return linear
        residual = np.array(linear.rows[-1])
        first, curvature = self._weights(residual)
        root = np.sqrt(curvature)
        linear.rows[:-1] *= root
        linear.rows[-1] *= first / root
        return linear._replace(value=2 * self.robust.cost(residual))

    @silent
    def host_gradient_and_hessian(self, params: Any) -> tuple[Array, Array]:
        """2 J^T rho' r [n] and 2 (J^T (rho' + 2 z rho'') J + the sum of rho' r_i r_i'') [n, n]."""
        assert self.curved is not None, "only where second derivatives are known"
        here = np.asarray(params)
        residual, jacobian = self.residuals.values(here), self.residuals.jacobian(here)
        first = curvature = np.ones_like(residual)
        if self.robust is not None:
            first, curvature = self.robust.weight(residual), self.robust.curvature(residual)
        pull = first * residual
        hessian = (jacobian.T * curvature) @ jacobian + self.curved(here, pull)
        return 2 * (jacobian.T @ pull), hessian + hessian.T

    @silent
    def host_bend(self, params: Any, direction: Any) -> Array:
        """J^T c r_vv [n]."""
        table = self.host_jacobian_and_residual(params).rows
        bent: Array = table[:-1] @ self.host_bent_residual(params, direction)
        return bent

    @silent
    def host_bent_residual(self, params: Any, direction: Any) -> Array:
        """sqrt(c) r_vv [m]."""
        bent = super().host_bent_residual(params, direction)
        if self.robust is None:
            return bent
        _, curvature = self._weights(self.residuals.values(np.asarray(params)))
        weighted: Array = np.sqrt(curvature) * bent
        return weighted

    def _weights(self, residual: Array) -> tuple[Array, Array]:
        """The weights rho' and c of each residual [m]."""
        assert self.robust is not None, "squares need no weights"
        first = self.robust.weight(residual)
        return first, np.maximum(self.robust.curvature(residual), LEAST * first)


def loss_problem(residuals: Curved, robust: Robust | None, form: str, bounds: Bounds | None) -> Problem:
    """Return what an optimizer steps on: cost 1/2 |r|^2, or that of a robust loss.

    Args:
        residuals: The functions.
        robust: The loss; None for the sum of squares.
        form: Of J^T J, see `curvature.forms.FORMS`.
        bounds: Of the parameters.
    """
    kernels, algebra = LossKernels(residuals, robust), HostAlgebra("float64")
    no_rows: Any = ()
    batch = Batch(chunks=(no_rows,), weight=1.0, samples=residuals.rows)
    return Problem(kernels, batch, algebra, form=FORMS[form](kernels, algebra), bounds=bounds)
