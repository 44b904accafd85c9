"""Variable projection: a linear last layer is not stepped to but solved for.

With outputs Z = W^T Phi(a) + b the mean squared error is quadratic in c = (W, b), so that every a has its
best c(a). A step is Levenberg-Marquardt's in a alone on the loss at (a, c(a)); the matrix that Kaufman takes
for J^T J there,

    J_a^T (1 - J_c (J_c^T J_c)^-1 J_c^T) J_a,

is the Schur complement of J^T J by all parameters: the damped step by all of them, with no damping of c, has
the same part in a. After every step c is solved for anew.
Source: Golub and Pereyra 1973, The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate; Kaufman 1975, A variable projection method for solving separable nonlinear least
squares problems.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.curvature.chunks import Arguments, Chunks
from lmrun.curvature.graph import Call, Graph
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.layers.dense import Dense
from lmrun.errors import ConfigError
from lmrun.linalg.algebra import LEAST, MOST, Algebra, Damping, Vector
from lmrun.losses.elementwise import MeanSquaredError

Tensor = Any

HELD_POWER = 0.75
"""c is damped by epsilon^0.75 diag(J^T J), 1.8e-12 in float64: without any damping the Schur complement of
nearly dependent features is lost in rounding. On the 2-D Rosenbrock network 1e-12 and 1e-11 reach 1.2e-5 from
all of five starts in 60 to 95 steps, 1e-15 from one of three, and 1e-6 from one of five."""
SOLVED_POWER = 0.9
"""c is solved for with epsilon^0.9 diag(Phi Phi^T) more; as a correction of the c that the step leads to, it
loses no digits by that."""


class Projection:
    """The best parameters of a linear last layer for given others.

    Args:
        kernels: Model and loss.
        algebra: Where small systems are solved.

    Raises:
        ConfigError: The last layer is not linear, or the loss is another than the mean squared error.
    """

    def __init__(self, kernels: Kernels, algebra: Algebra) -> None:
        if not isinstance(kernels.loss, MeanSquaredError):
            raise _refused(f"loss: {kernels.loss.name} has no best parameters that a linear system gives")
        self.call = linear_call(kernels.graph)
        self.graph, self.algebra = kernels.graph, algebra
        self.kernels = kernels
        self.normal_equations = kernels.normal_equations(self.call)
        epsilon = float(np.finfo(algebra.dtype).eps)
        self._held, self._solved = epsilon**HELD_POWER, epsilon**SOLVED_POWER
        part = self.call.part
        linear = np.zeros(kernels.network.size, algebra.dtype)
        linear[part.start : part.start + part.size] = 1
        self._linear, self._others = (algebra.adopt(tf.constant(part)) for part in (linear, 1 - linear))

    def scaling(self, scaling: Vector, diagonal: Vector, damping: float) -> Vector:
        """Return D [n] that damps c by next to nothing, whatever the damping.

        Args:
            scaling: D of all parameters [n].
            diagonal: diag(J^T J) [n].
            damping: What D is multiplied by; where a radius decides, about that.
        """
        bounded = self.algebra.clip(diagonal, LEAST, MOST)
        held = self._held / max(damping, float(np.finfo(self.algebra.dtype).eps) ** 2)
        return self._others * scaling + held * self._linear * bounded

    def solve(self, chunks: Chunks, params: Tensor) -> Tensor | None:
        """Return params [n] with the best c for the rows; None or NaN where working precision has none.

        Phi Phi^T c' = -Phi (Z - T)^T is solved for the correction c' of what params have.
        """
        params = self.kernels.point(params)

        def equations(rows: Arguments) -> Tensor:
            return self.normal_equations(params, *rows)

        parts = chunks.each(equations, chunks.plain)
        table = self.algebra.adopt(chunks.summed(parts))
        size = table.shape[0] - self.graph.width
        matrix, right = table[:size, :size], table[:size, size:]
        curvature = self.algebra.matrix(matrix, right[:, 0])
        scaling = self.algebra.clip(curvature.diagonal, LEAST, MOST)
        damped = curvature.damped(Damping(self._solved, scaling))
        if damped is None:
            return None
        turns = [damped.system.turn(right[:, output]) for output in range(1, self.graph.width)]
        if any(turn is None for turn in turns):
            return None
        # c' [m, q], the kernel's rows above that of the bias.
        return self.kernels.point(self.algebra.added(params, self.call.part.start, [damped.step, *turns]))


class Landing:
    """The loss where a step leads, with what comes first.

    Args:
        settle: From where a step leads [n] to the parameters that are kept, such as by a projection.
        loss: From those to the loss.
    """

    def __init__(self, settle: Callable[[Vector], Tensor | None], loss: Callable[[Tensor], Tensor]) -> None:
        self._settle, self._loss = settle, loss
        self.params: Tensor | None = None
        """Where the last call landed [n]."""

    def __call__(self, params: Vector) -> Tensor:
        """Return the loss; NaN where there are no parameters."""
        self.params = self._settle(params)
        return float("nan") if self.params is None else self._loss(self.params)


def linear_call(graph: Graph) -> Call:
    """Return the last call of a model, which has to be a dense layer without an activation.

    Raises:
        ConfigError: It is another one.
    """
    makers = [call for call in graph.calls if call.target in graph.results]
    last = makers[0] if len(graph.results) == len(makers) == 1 else None
    if last is None or not isinstance(last.rule, Dense) or last.activation is not keras.activations.linear:
        raise _refused("the last layer of this model is no dense layer without an activation")
    layer, uses = last.part.layer, [call for call in graph.calls if call.part.layer is last.part.layer]
    if len(uses) > 1 or len(layer.output.shape) != 2 or last.part.size != layer.count_params():
        raise _refused(f"the last layer, {layer.name}, is used twice, frozen, or works position by position")
    return last


def _refused(reason: str) -> ConfigError:
    return ConfigError([f"optimizer.projection: {reason}. Use projection: none."])
