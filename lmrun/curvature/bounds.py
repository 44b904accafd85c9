"""Bounds of parameters: where a step may lead, and which parameters a step leaves alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.curvature.selection import Selection

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Bounds:
    """lower <= params <= upper, each [n]; infinite where there is no bound.

    A parameter at a bound that the loss pushes against is held: the step is by the others, as if it were a
    constant. A step of the others ends at the bound that it would cross. With enough damping the step is one
    along the scaled gradient, for which such a projection leads downhill; where no step does any more, the
    gradient is zero by all parameters that are not held, and has the sign of the bound by those that are: the
    conditions of Karush, Kuhn and Tucker.

    Source: Bertsekas 1982, Projected Newton methods for optimization problems with simple constraints;
    Kanzow, Yamashita and Fukushima 2004, Levenberg-Marquardt methods with strong local convergence properties
    for solving nonlinear equations with convex constraints, section 3.
    """

    lower: Array
    upper: Array

    def clip(self, params: Any) -> Array:
        """Return the point of the box that is nearest to params [n]."""
        inside: Array = np.clip(np.asarray(params), self.lower, self.upper)
        return inside

    def held(self, params: Any, gradient: Any) -> NDArray[np.bool_]:
        """Which parameters stand at a bound beyond which the loss falls, [n]."""
        here, slope = np.asarray(params), np.asarray(gradient)
        return np.asarray(((here <= self.lower) & (slope >= 0)) | ((here >= self.upper) & (slope <= 0)))

    def unblocked(self, params: Any, selection: Selection | None, moved: Any) -> Selection | None:
        """Return the parameters of a step but for those at a bound that it leads across; None for all.

        They would stay where they are, and the others go where they should go with them.

        Args:
            params: Where the step begins [n].
            selection: The parameters that it is by, if not all.
            moved: Where it leads, those parameters.
        """
        here = np.asarray(params)
        step = np.asarray(moved if selection is None else selection.put(params, moved)) - here
        blocked = ((here <= self.lower) & (step < 0)) | ((here >= self.upper) & (step > 0))
        if not blocked.any():
            return None
        taken = ~blocked if selection is None else ~blocked & selection.mask
        return Selection(tf.constant(np.flatnonzero(taken).astype(np.int32)), len(here))

    def free(self, params: Any, gradient: Any) -> Selection | None:
        """Return the parameters that are not held; None for all of them."""
        held = self.held(params, gradient)
        if not held.any():
            return None
        return Selection(tf.constant(np.flatnonzero(~held).astype(np.int32)), len(held))
