"""A quadratic model of the cost, and a step that was tried by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lmrun.curvature.bounds import Bounds
from lmrun.curvature.chunks import Chunks
from lmrun.curvature.projection import Landing
from lmrun.curvature.selection import Selection
from lmrun.linalg.algebra import Curvature, StepScalars, Vector

Tensor = Any


@dataclass(frozen=True)
class Linearization:
    """The quadratic model of the cost at one point.

    Attributes:
        curvature: The Gauss-Newton matrix J^T J or the Hessian of the cost.
        gradient: Of the cost, J^T r [n], by all parameters.
        gradient_norm: Largest |element| of the gradient.
        chunks: The rows that J^T J is of, where that is a sample.
        selection: The parameters that J^T J is by, where those are some.
    """

    curvature: Curvature
    gradient: Vector
    gradient_norm: float
    chunks: Chunks | None = None
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A step that was tried.

    Attributes:
        params: Where it leads [n].
        loss: The loss there; NaN for a step that is not valid.
        scalars: What was known before.
    """

    params: Tensor
    loss: float
    scalars: StepScalars

    @property
    def valid(self) -> bool:
        """Whether the step and its loss are finite."""
        return self.scalars.valid and bool(np.isfinite(self.loss))


def landed(
    params: Tensor, selection: Selection | None, landing: Landing, step: tuple[Vector, float, StepScalars]
) -> Trial:
    """Return the trial that an algebra's step is; one that is not valid leads nowhere.

    Args:
        params: Where it began [n].
        selection: The parameters that it is by, if not all.
        landing: Knows where it led.
        step: What the algebra returned.
    """
    moved, loss, scalars = step
    if landing.params is not None:
        moved = landing.params
    elif selection is not None:
        moved = params
    return Trial(moved, loss, scalars)


def cut_short(bounds: Bounds | None, params: Tensor, model: Linearization, trial: Trial) -> Trial:
    """Return the same trial; where bounds cut it short, with what is predicted for what is left of it.

    -g^T s - 1/2 |J s|^2 for the step s from params [n] by the parameters of the model.
    """
    if bounds is None or not trial.scalars.valid:
        return trial
    step, gradient = np.asarray(trial.params) - np.asarray(params), np.asarray(model.gradient)
    some = step if model.selection is None else np.asarray(model.selection.take(step))
    predicted = -float(gradient @ step) - 0.5 * float(model.curvature.squared(some))
    norm, params_norm = float(np.linalg.norm(step)), float(np.linalg.norm(params))
    left = replace(trial.scalars, predicted_reduction=predicted, step_norm=norm, params_norm=params_norm)
    return replace(trial, scalars=left)
