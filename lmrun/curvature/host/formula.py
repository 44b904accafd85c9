"""The kernels of a formula, in NumPy.

A formula has few rows and parameters. Tracing and compiling it takes a second, a step of it in NumPy less
than a millisecond; and NumPy's functions are right to the last digit or two, which XLA's approximations are
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.curvature.host.base import NumpyKernels, polarized, silent
from lmrun.curvature.host.jets import Jet, Value, along, call, variables
from lmrun.curvature.jacobian import Linear
from lmrun.losses.base import Loss
from lmrun.losses.elementwise import Elementwise, MeanSquaredError
from lmrun.models.expressions import Expressions
from lmrun.models.formula import Formula
from lmrun.models.network import Network

Array = NDArray[np.floating]
Tensor = Any
"""An array, or a tensor on the CPU, of which NumPy takes a view."""


EXTENDED_ROWS = 4096
"""Up to here residuals are formed in extended precision, see `FormulaKernels.errors`: beyond, its functions,
ten times as slow, would be felt."""


class FormulaKernels(NumpyKernels):
    """See `Kernels`; the Jacobian is made in forward mode, by as many derivatives as there are parameters.

    Args:
        network: One formula.
        loss: A sum over elements of e = outputs - targets.
        expressions: What the formula computes.
        by_sigma: Whether the weights are 1 / sigma^2 and the loss of a row is l(e / sigma), as in SciPy,
            instead of l(e) / sigma^2; under mse both are the same.
    """

    knows_hessian = True

    def __init__(
        self, network: Network, loss: Elementwise, expressions: Expressions, *, by_sigma: bool = False
    ) -> None:
        super().__init__(network, loss)
        self.by_sigma = by_sigma and not isinstance(loss, MeanSquaredError)
        self.elementwise = loss
        self.expressions = expressions
        self.value = self.host_value
        self.value_and_gradient = self.host_value_and_gradient
        self.jacobian_and_residual = self.host_jacobian_and_residual
        self.gradient_and_hessian = self.host_gradient_and_hessian
        self.bend = self.host_bend
        self.bent_residual = self.host_bent_residual
        self.outputs = self.host_outputs

    def row_bytes(self, itemsize: int) -> int:
        """Its rows of the Jacobian, about three times: parts of the expression have derivatives too."""
        return 3 * self.table_bytes(1, itemsize)

    def evaluate(self, values: Sequence[Value], inputs: Tensor) -> list[Value]:
        """The responses for inputs [columns, rows]."""
        return self.expressions.outputs(values, list(np.asarray(inputs)), call)

    @silent
    def host_outputs(self, params: Tensor, inputs: Tensor) -> Array:
        """See `Kernels.plain_outputs`."""
        return self._outputs(np.asarray(params), np.asarray(inputs))

    def _outputs(self, params: Array, columns: Array) -> Array:
        """[rows, responses] in the type of params [n] and columns [columns, rows]."""
        made: list[Any] = self.evaluate(list(params[:, None]), columns)
        outputs = np.empty((columns.shape[1], len(made)), columns.dtype)
        for place, values in enumerate(made):
            outputs[:, place] = values
        return outputs

    def errors(self, params: Tensor, inputs: Tensor, targets: Tensor) -> Array:
        """Outputs - targets [rows, responses], rounded once.

        Where a formula fits well, this difference of nearly equal numbers has lost digits if both were
        rounded before. So outputs in float64 are evaluated in the processor's extended precision (64 bits of
        80 on x86; where there is none, this is float64). Steps by such residuals go on to the last digit:
        iterative refinement, Björck 1996, Numerical methods for least squares problems, section 2.9.
        """
        here, columns, observed = np.asarray(params), np.asarray(inputs), np.asarray(targets)
        if columns.dtype == np.float64 and columns.shape[1] <= EXTENDED_ROWS:
            outputs = self._outputs(here.astype(np.longdouble), columns.astype(np.longdouble))
        else:
            outputs = self._outputs(here, columns)
        errors: Array = (outputs - observed).astype(columns.dtype)
        return errors

    @silent
    def host_value(self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor) -> float:
        """See `Kernels.plain_value`."""
        return self._value(self.errors(params, inputs, targets), weights)

    @silent
    def host_value_and_gradient(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[float, Array]:
        """See `Kernels.plain_value_and_gradient`."""
        table, _, value = self.host_jacobian_and_residual(params, inputs, targets, weights)
        return value, 2 / self.graph.width * (table[:-1] @ table[-1])

    @silent
    def host_jacobian_and_residual(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor, key: Tensor | None = None
    ) -> Linear:
        """See `Kernels.plain_jacobian_and_residual`."""
        errors = self.errors(params, inputs, targets)
        table = np.empty((self.network.size + 1, errors.size), errors.dtype)
        table[:-1] = self._jacobian(np.asarray(params), inputs, errors)
        table[-1] = errors.T.ravel()
        table *= np.broadcast_to(self._root(errors, weights), errors.T.shape).ravel()
        return Linear(table, None, self._value(errors, weights))

    @silent
    def host_gradient_and_hessian(
        self, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> tuple[Array, Array]:
        """See `Kernels.plain_gradient_and_hessian`.

        With l' and l'' of the loss of a row by an output f, the Hessian is the sum of l'' J^T J + l' f''.
        """
        here, errors = np.asarray(params), self.errors(params, inputs, targets)
        seen, weight, rate = self._seen(errors, weights)
        slope, bend = self._slopes(seen)
        jacobian = self._jacobian(here, inputs, errors)
        by_row = (slope.T * (rate * weight)).ravel()
        hessian: Array = (jacobian * (bend.T * (rate * rate * weight)).ravel()) @ jacobian.T

        def bent(direction: Array) -> float:
            turned = self._turned(here, direction.astype(here.dtype), inputs, errors)
            return float(by_row @ turned.ravel())

        return jacobian @ by_row, hessian + polarized(len(here), bent).astype(here.dtype)

    def _seen(self, errors: Array, weights: Tensor) -> tuple[Array, Array, Array]:
        """What the loss sees of errors [rows, responses], the weights of its values, d seen / d errors.

        Weights are [rows], or [rows, responses]; the last two [responses, rows] or what broadcasts to that.
        """
        weight = np.asarray(weights).T
        if not self.by_sigma:
            return errors, weight, np.ones_like(weight)
        rate = np.sqrt(weight)
        # Rows of weight 0 fill a chunk up.
        return (errors.T * rate).T, np.sign(weight), rate

    def _slopes(self, errors: Array) -> tuple[Array, Array]:
        """The first and second derivative of every row's loss by its outputs, [rows, responses] each."""
        if isinstance(self.elementwise, MeanSquaredError):
            return 2 / errors.shape[1] * errors, np.full_like(errors, 2 / errors.shape[1])
        here, zeros = tf.constant(errors), tf.zeros_like(errors)
        with tf.GradientTape() as outer:
            outer.watch(here)
            with tf.GradientTape() as inner:
                inner.watch(here)
                values = self.elementwise.values(here, zeros)
            slope = inner.gradient(values, here)
        bend = outer.gradient(slope, here, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return np.asarray(slope), np.asarray(bend)

    def _jacobian(self, params: Array, inputs: Tensor, errors: Array) -> Array:
        """J^T [n, responses rows], without weights."""
        made = self.evaluate(variables(params), inputs)
        table = np.zeros((len(params), *errors.T.shape), errors.dtype)
        for place, response in enumerate(made):
            for parameter, slope in response.first.items() if isinstance(response, Jet) else ():
                table[parameter, place] = slope
        return table.reshape(len(params), -1)

    def _turned(self, params: Array, direction: Array, inputs: Tensor, errors: Array) -> Array:
        """The outputs' second derivative along a direction [n], [responses, rows]."""
        bent = np.zeros_like(errors.T)
        for place, response in enumerate(self.evaluate(along(params, direction), inputs)):
            if isinstance(response, Jet):
                bent[place] = response.second
        return bent

    @silent
    def host_bend(self, params: Tensor, direction: Tensor, *rows: Tensor) -> Array:
        """See `Kernels.plain_bend`."""
        table = self.host_jacobian_and_residual(params, *rows).rows
        bent: Array = table[:-1] @ self.host_bent_residual(params, direction, *rows)
        return bent

    @silent
    def host_bent_residual(
        self, params: Tensor, direction: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
    ) -> Array:
        """See `Kernels.plain_bent_residual`; no loss of formulas draws, so there is no key."""
        errors = self.errors(params, inputs, targets)
        bent = self._turned(np.asarray(params), np.asarray(direction), inputs, errors)
        return np.ravel(bent * self._root(errors, weights))

    def _root(self, errors: Array, weights: Tensor) -> Array:
        """sqrt(w) F, [responses, rows] or what broadcasts to that."""
        root: Array = np.sqrt(np.asarray(weights).T)
        if not isinstance(self.elementwise, MeanSquaredError):
            seen, *_ = self._seen(errors, weights)
            root = root * np.asarray(self.elementwise.root(seen, np.zeros_like(seen))).T
        return root

    def _value(self, errors: Array, weights: Tensor) -> float:
        """Sum of w_i l_i; with weights of each response, of the mean over responses."""
        seen, weight, _ = self._seen(errors, weights)
        if weight.ndim == 1:
            return self._summed(seen, weight)
        return sum(self._summed(seen[:, [place]], own) for place, own in enumerate(weight)) / len(weight)

    def _summed(self, seen: Array, weight: Array) -> float:
        """Sum of w_i l_i over rows, added up in float64."""
        if isinstance(self.elementwise, MeanSquaredError):
            values = np.mean(np.square(seen), axis=1)
        else:
            values = np.asarray(self.elementwise.values(seen, np.zeros_like(seen)))
        return float(np.sum(values * weight, dtype=np.float64))

    def zero_loss(self, targets: Tensor, weights: Tensor) -> float:
        """See `Kernels`."""
        total = float(np.sum(np.asarray(weights), dtype=np.float64))
        return self._value(-np.asarray(targets), weights) / max(total, 1e-30)


def formula_kernels(network: Network, loss: Loss, *, by_sigma: bool = False) -> FormulaKernels | None:
    """Return the kernels of a formula in NumPy; None for other models, or a loss of another kind."""
    layers = network.model.layers
    if len(layers) != 1 or not isinstance(layers[0], Formula) or not isinstance(loss, Elementwise):
        return None
    return FormulaKernels(network, loss, layers[0].expressions, by_sigma=by_sigma)
