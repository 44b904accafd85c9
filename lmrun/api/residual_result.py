"""What `least_squares` returns: lmrun's names first, SciPy's beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.api.residual_arrays import Remembered
from lmrun.api.residual_loop import Ended, Row
from lmrun.api.residual_losses import Robust
from lmrun.curvature.bounds import Bounds
from lmrun.errors import DataError
from lmrun.inference.answers import Answers, answer
from lmrun.inference.intervals import LEVEL
from lmrun.inference.solution import Observed, Solution, triangle_of
from lmrun.inference.undefined import Undefined
from lmrun.status import Status, exit_code

Array = NDArray[np.float64]

LIMITS = (Status.MAX_STEPS, Status.MAX_SECONDS)
"""Ends of runs that might have gone on."""


@dataclass(frozen=True)
class LeastSquaresResult:
    """The end of a least squares run.

    Attributes:
        params: The solution in the structure of `params0`, in NumPy arrays; for a Keras model the list of its
            trainable weights, which the model has by now.
        loss: Mean of the squared residuals, or of a robust loss's scale^2 rho: 2 cost / m.
        status: How the run ended; a `lmrun.status.Status`, which is a word.
        message: The same in a sentence, and what to try.
        steps: Number of steps.
        seconds: Time of all of them, compilation included.
        history: Columns of numbers per step, from the start on: `step`, `seconds`, `loss`, `damping`,
            `gain_ratio`, `step_norm`, `gradient_norm`, `accepted`, `attempts`; NaN where there is none.
        names: Of the n parameters, as the answers call them.
        x: The solution as a vector [n].
        cost: 1/2 sum r^2, or 1/2 sum scale^2 rho((r / scale)^2).
        fun: The residuals r there [m].
        jac: Their Jacobian J [m, n].
        grad: The gradient of the cost [n], J^T r for the sum of squares.
        optimality: Largest |element| of the gradient by the parameters that no bound holds.
        active_mask: -1 for parameters at their lower bound, 1 at the upper one, else 0 [n].
        nfev: Evaluations of the residuals, those for finite differences not counted.
        njev: Evaluations of the Jacobian.
        success: Whether the run ended at a minimum, or at the target, as far as it can tell: neither by a
            limit nor by a failure.
        loss_name: Of the loss.
        epsilon: Of the arithmetic of the residuals.
    """

    params: Any
    loss: float
    status: Status
    message: str
    steps: int
    seconds: float
    history: Mapping[str, Array]
    names: tuple[str, ...]
    x: Array
    cost: float
    fun: Array
    jac: Array
    grad: Array
    optimality: float
    active_mask: NDArray[np.int_]
    nfev: int
    njev: int
    success: bool
    loss_name: str = field(repr=False)
    epsilon: float = field(repr=False)

    def answers(self, *, level: float = LEVEL, known_sigma: bool = False) -> Answers:
        """Say what the residuals tell of each parameter: estimates, standard errors, intervals, correlation.

        Args:
            level: Of the intervals.
            known_sigma: Whether the residuals are divided by known standard deviations (`absolute_sigma` of
                SciPy's `curve_fit`); else they say themselves how large errors are.

        Raises:
            DataError: The loss is not the sum of squares, or the Jacobian is not finite.
        """
        if self.loss_name != "mse":
            raise DataError(
                f"standard errors are those of least squares, loss='mse', and the loss is {self.loss_name}."
            )
        if not np.isfinite(self.jac).all():
            raise DataError("standard errors: the derivatives of the residuals are not finite there.")
        sides = {-1: "lower", 1: "upper"}
        held = {
            name: f"it is at its {sides[int(side)]} bound, and the others are fitted with it there"
            for name, side in zip(self.names, self.active_mask, strict=True)
            if side
        }
        # What the residuals are differences of is not known: nothing is asked of it here.
        observed = Observed(count=len(self.fun), squares=0.0, spread=0.0, log_weights=0.0)
        solution = Solution(
            names=self.names,
            params=self.x,
            triangle=triangle_of([(self.jac, self.fun)]),
            observed=observed,
            held=held,
            known_sigma=known_sigma,
            epsilon=self.epsilon,
        )
        return answer(solution, level)

    @cached_property
    def standard_errors(self) -> Array:
        """The roots of the covariance's diagonal [n]; NaN where there is none (`answers` says why)."""
        errors = [estimate.standard_error for estimate in self.answers().estimates]
        return np.array([np.nan if isinstance(error, Undefined) else error for error in errors])

    @cached_property
    def covariance(self) -> Array:
        """The matrix s^2 (J^T J)^-1 with s^2 = |r|^2 / (m - rank) [n, n]; NaN where there is none."""
        return self.answers().correlation * np.outer(self.standard_errors, self.standard_errors)


def result_of(  # noqa: PLR0917 - what a run leaves behind
    ended: Ended,
    values: Remembered,
    jacobian: Remembered,
    robust: Robust | None,
    bounds: Bounds | None,
    more: Mapping[str, Any],
) -> LeastSquaresResult:
    """Put a result together.

    Args:
        ended: How the run ended.
        values: The residuals.
        jacobian: Their Jacobian.
        robust: The loss; None for the sum of squares.
        bounds: Of the parameters.
        more: The fields that nothing here knows.
    """
    x = ended.params
    fun, jac = values(x), jacobian(x)
    pull = fun if robust is None else robust.weight(fun) * fun
    cost = 0.5 * float(fun @ fun) if robust is None else robust.cost(fun)
    grad = jac.T @ pull
    mask, held = np.zeros(len(x), int), np.zeros(len(x), bool)
    if bounds is not None:
        mask[x <= bounds.lower], mask[x >= bounds.upper] = -1, 1
        held = bounds.held(x, grad)
    return LeastSquaresResult(
        loss=2 * cost / len(fun),
        status=ended.status,
        steps=ended.steps,
        seconds=ended.seconds,
        history=_columns(ended.history),
        x=x,
        cost=cost,
        fun=fun,
        jac=jac,
        grad=grad,
        optimality=float(np.max(np.abs(grad[~held]), initial=0.0)),
        active_mask=mask,
        nfev=values.calls,
        njev=jacobian.calls,
        success=ended.status not in LIMITS and not exit_code(ended.status, ended.improved),
        **more,
    )


def _columns(rows: Sequence[Row]) -> dict[str, Array]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: np.array([np.nan if row.get(name) is None else row[name] for row in rows], float)
        for name in names
    }
