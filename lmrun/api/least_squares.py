"""Minimize the squares of any residuals: `lmrun.least_squares`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.api.residual_arrays import ArrayFunction, Remembered, checked_start, jacobian_by
from lmrun.api.residual_differences import METHODS, Differences
from lmrun.api.residual_kernels import Curved, loss_problem
from lmrun.api.residual_loop import Row, minimize
from lmrun.api.residual_options import Known, Options, read_options, with_defaults
from lmrun.api.residual_params import Params, flattened, params_of
from lmrun.api.residual_result import LeastSquaresResult, result_of
from lmrun.api.residual_tensors import TensorFunction, refuse_what_draws
from lmrun.api.scipy_arguments import refuse_others
from lmrun.config.optimizers import LmConfig
from lmrun.config.suggest import did_you_mean
from lmrun.curvature.bounds import Bounds
from lmrun.errors import ConfigError, DataError
from lmrun.optimizers.base import SecondOrder
from lmrun.optimizers.convergence import tolerances_of
from lmrun.optimizers.polishing import Polished
from lmrun.optimizers.registry import SECOND_ORDER
from lmrun.status import MESSAGES, NO_IMPROVEMENT, Status

__all__ = ["LeastSquaresResult", "least_squares"]

Array = NDArray[np.float64]
OF_ARRAYS = (TypeError, ValueError, AttributeError, tf.errors.OpError)
"""What a function of tensors raises when it is handed arrays."""


def least_squares(
    residuals: Callable[..., Any],
    params0: Any,
    jac: str | Callable[..., Any] | None = None,
    bounds: Any = None,
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    loss: str | Mapping[str, Any] | Callable[[Array], Any] = "mse",
    f_scale: float | None = None,
    optimizer: str | Mapping[str, Any] = "lm",
    damping: Mapping[str, Any] | None = None,
    solver: str | Mapping[str, Any] | None = None,
    acceleration: str | None = None,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    target_loss: float | None = None,
    gradient_tolerance: float | None = None,
    step_tolerance: float | None = None,
    callback: Callable[[Row], object] | None = None,
    **others: Any,
) -> LeastSquaresResult:
    """Minimize 1/2 |r(params)|^2, or a robust loss of r, by Levenberg-Marquardt.

    Residuals that are made by TensorFlow are differentiated exactly, to second order where that helps, and
    compiled once; they may contain derivatives of a network by its inputs (nested gradient tapes). Residuals
    in NumPy have the Jacobian that `jac` says. Steps go on until no digit can be won any more unless a limit
    or a tolerance says otherwise, so that a solution is exact to what the arithmetic allows.

    Args:
        residuals: From the parameters, in the structure of `params0`, to residuals: an array or tensor [m],
            or a list of several, of any shapes. It has to be a function of the parameters alone: draw random
            points before.
        params0: The start: a vector [n] (also a list of numbers), an array of another shape, a list, tuple or
            dictionary of arrays, tensors or variables, or a Keras model; `residuals` then gets the model,
            with the weights to evaluate, and the model has the solution afterwards. float64 is worth it.
        jac: `2-point`, `3-point` or `cs` (complex steps) for finite differences, or a function from the
            parameters to dr/dparams [m, n]. Left out: exact for TensorFlow, `3-point` for NumPy.
        bounds: (low, high), each one number for all parameters, a vector [n], or numbers in the structure of
            `params0`; infinite for none. Or an object with `lb` and `ub`, as SciPy's.
        args: Further arguments of `residuals` and `jac`.
        kwargs: The same by name.
        loss: `mse` (SciPy calls it `linear`), `huber`, `soft_l1`, `cauchy`, `arctan`, as SciPy defines them;
            a mapping as in a config, such as `{"name": "cauchy", "scale": 0.1}`; or a function from z [m] to
            rho and its first two derivatives [3, m].
        f_scale: The residual from which on a robust loss counts less; 1 if left out.
        optimizer: `lm`, `gauss-newton` or `newton` (TensorFlow only), or a mapping as in a config.
        damping: See the config's `optimizer.damping`. Left out: a trust region scaled by the parameters'
            sizes; for networks (there are matrices among the parameters), for more than 500 parameters, or
            more than residuals, `nielsen`.
        solver: `qr` or `cholesky`. Left out: `qr`, and for networks and so on `cholesky`.
        acceleration: `geodesic` or `none`. Left out: `geodesic` for TensorFlow.
        max_steps: Stop after this many steps; 1,000 where no other limit is set.
        max_seconds: Stop after this many seconds, compilation included.
        target_loss: Stop once the mean of the squared residuals is at or below this.
        gradient_tolerance: Stop once the largest |element| of J^T r is at or below this. Left out: 0, and
            1e-12 for networks and so on.
        step_tolerance: Stop once |step| <= step_tolerance (|params| + step_tolerance). Left out: the same.
        callback: Gets a dictionary after each step (step, seconds, loss, damping, ...); raises StopIteration
            to end the run.
        **others: What SciPy's function has and this one has not, which is refused in words.

    Returns:
        The solution with lmrun's and SciPy's names of its properties.

    Raises:
        ConfigError: An option is not valid, or does not go with another; all problems at once.
        DataError: `params0`, the residuals there, their Jacobian or the bounds make no sense, or the number
            of residuals changes.
    """
    refuse_others(others)
    options = read_options(
        optimizer,
        {"damping": damping, "solver": solver, "acceleration": acceleration},
        {
            "max_steps": max_steps,
            "max_seconds": max_seconds,
            "target_loss": target_loss,
            "gradient_tolerance": gradient_tolerance,
            "step_tolerance": step_tolerance,
        },
        loss,
        f_scale,
    )
    params = params_of(params0)
    box = _bounds(bounds, params)
    given: dict[str, Any] = dict(kwargs or {})

    def with_arguments(function: Callable[..., Any]) -> Callable[[Any], Any]:
        return lambda value: function(value, *args, **given)

    slopes = with_arguments(jac) if callable(jac) else jac
    functions = _functions(with_arguments(residuals), params, slopes, box)
    values, jacobian = Remembered(functions.values, 4), Remembered(functions.jacobian, 1)
    functions = replace(functions, values=values, jacobian=jacobian)
    known = Known(
        size=params.size,
        rows=functions.rows,
        bends=functions.bent is not None,
        curves=functions.curved is not None,
        epsilon=functions.epsilon,
        network=any(len(shape) > 1 for shape in params.shapes),
    )
    options = with_defaults(options, known)
    problem = loss_problem(functions, options.robust, options.form(known), box)
    _check_jacobian(jacobian(params.start), params)
    ended = minimize(problem, _optimizer(options), params.start, options.training, callback)
    params.assign(ended.params)
    more = {
        "params": params.arrays(ended.params),
        "message": _message(ended.status, ended.improved),
        "names": params.names,
        "loss_name": options.loss,
        "epsilon": functions.epsilon,
    }
    return result_of(ended, values, jacobian, options.robust, box, more)


def _functions(
    function: Callable[[Any], Any],
    params: Params,
    jac: str | Callable[[Any], Any] | None,
    bounds: Bounds | None,
) -> Curved:
    """Return residuals with their derivatives; the kind of the function decides which and how."""
    if jac is not None and params.tensors:
        raise ConfigError(
            ["jac: residuals of tensors and Keras models are differentiated exactly; leave it out."]
        )
    if params.tensors:
        return _of_tensors(function, params)
    if isinstance(jac, str) and jac not in METHODS:
        raise ConfigError([f"jac: unknown name '{jac}'.{did_you_mean(jac, tuple(METHODS))}"])
    whole = ArrayFunction(function, params)
    values = Remembered(whole, 4)
    if jac is None:
        try:
            first = values(params.start)
        except OF_ARRAYS as error:
            return _retried(function, params, error)
        if whole.makes_tensors:
            return _of_tensors(function, params)
    first = checked_start(values(params.start))
    method = jac if callable(jac) else Differences(jac or "3-point", _typical(params.start), bounds)
    return Curved(params.size, len(first), values, jacobian_by(method, whole, values))


def _of_tensors(function: Callable[[Any], Any], params: Params) -> Curved:
    tensors, eager = TensorFunction.begin(function, params)
    checked_start(eager)
    refuse_what_draws(eager, tensors.values(params.start))
    return Curved(
        params.size,
        tensors.rows,
        tensors.values,
        tensors.jacobian,
        tensors.bent,
        tensors.curved,
        tensors.epsilon,
    )


def _retried(function: Callable[[Any], Any], params: Params, error: Exception) -> Curved:
    """Hand tensors to a function that refused arrays; an error that stays is the user's."""
    try:
        made = params.call(function, tf.constant(params.start))
    except OF_ARRAYS:
        raise error from None
    if not any(map(tf.is_tensor, flattened(made))):
        raise error
    return _of_tensors(function, params)


def _typical(start: Array) -> Array:
    """Sizes of the parameters as far as the start tells them [n]."""
    return np.where(start == 0, 1.0, np.abs(start))


def _bounds(given: Any, params: Params) -> Bounds | None:
    """Read bounds [n].

    Raises:
        DataError: They do not fit the parameters, or the start is outside.
    """
    if given is None:
        return None
    pair = (given.lb, given.ub) if hasattr(given, "lb") and hasattr(given, "ub") else tuple(given)
    if len(pair) != 2:
        raise DataError(f"bounds: should be a pair (low, high), not {len(pair)} values.")
    try:
        lower, upper = (params.flat_like(side) for side in pair)
    except (TypeError, ValueError):
        raise DataError(
            f"bounds: low and high should each be one number, or one for each of {params.size} parameters."
        ) from None
    wrong = np.flatnonzero(~((lower <= params.start) & (params.start <= upper)))
    if wrong.size:
        i = int(wrong[0])
        raise DataError(
            f"bounds: {params.names[i]} starts at {params.start[i]:g}, outside of its bounds {lower[i]:g} to "
            f"{upper[i]:g}. Begin inside."
        )
    return Bounds(lower, upper) if np.isfinite([lower, upper]).any() else None


def _check_jacobian(jacobian: Array, params: Params) -> None:
    """Refuse derivatives with which no step is possible.

    Raises:
        DataError: Some are not finite, or all derivatives of a function of tensors are 0.
    """
    bad = np.argwhere(~np.isfinite(jacobian))
    if bad.size:
        row, column = bad[0]
        raise DataError(
            f"residuals: for params0 the derivative of residual {row} by {params.names[column]} is not "
            "finite. Begin elsewhere; a square root or a power has no derivative at 0."
        )
    if params.tensors and not jacobian.any():
        raise DataError(
            "residuals: no residual depends on any parameter at params0. Compute them from the argument that "
            "the function is called with, not from variables outside of it."
        )


def _optimizer(options: Options) -> SecondOrder:
    config = options.optimizer
    optimizer = SECOND_ORDER[config.name](config)
    polishes = isinstance(config, LmConfig) and config.polishing == "undamped"
    return Polished(optimizer, tolerances_of(options.training)) if polishes else optimizer


def _message(status: Status, improved: bool) -> str:
    words = NO_IMPROVEMENT if status is Status.NO_PROGRESS and not improved else MESSAGES[status]
    # These keys of a config's section are arguments here.
    return words.replace("training.", "")
