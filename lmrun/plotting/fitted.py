"""What a figure of a fit needs: the rows and what the model makes of them, in the user's units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import UsageError

Values = NDArray[np.float64]

MOST_POINTS = 4000
"""Drawn of a split: more hide each other."""


class Part(NamedTuple):
    """The rows of one split.

    Attributes:
        inputs: [rows, columns], or images [rows, height, width, channels].
        targets: [rows, targets], or class labels [rows].
        outputs: [rows, targets], or a score per class [rows, classes].
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    outputs: Values


@dataclass(frozen=True)
class Curve:
    """A fit over its single input, from left to right.

    Attributes:
        x: [points].
        y: The fit there [points].
        confidence: How far the mean may lie from it [points]; None where there are no bands.
        prediction: The same of a new observation.
        level: Of the bands, such as 0.95.
        note: What else is to be known, such as why there are none.
    """

    x: Values
    y: Values
    confidence: Values | None = None
    prediction: Values | None = None
    level: float = 0.95
    note: str = ""


@dataclass(frozen=True)
class Fitted:
    """A trained run on its data.

    Attributes:
        title: Names the run.
        parts: By the name of the split: training, validation, test.
        input_names: One per column.
        target_names: One per column.
        classes: Number of exclusive classes, 0 where there are none.
        values: Whether values are predicted, not classes or answers of yes and no.
        filters: The kernel of the first convolution [height, width, channels, filters], if there is one.
        curve: Computes the curve with its bands; only a figure that draws them asks. None to draw the rows.
    """

    title: str
    parts: Mapping[str, Part]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    classes: int = 0
    values: bool = True
    filters: Values | None = None
    curve: Callable[[], Curve | None] = lambda: None

    def regression(self, kind: str) -> None:
        """Refuse a figure that only a regression has.

        Raises:
            UsageError: The run predicts classes, or its outputs are not finite.
        """
        if not self.values:
            raise UsageError(f"--kind {kind} is for values; this run predicts classes. Try --kind confusion.")
        self.finite()

    def classification(self, kind: str) -> None:
        """Refuse a figure that only exclusive classes have.

        Raises:
            UsageError: The run predicts none, or its outputs are not finite.
        """
        if not self.classes:
            what = "values. Try --kind fit" if self.values else "several answers of yes and no per row"
            raise UsageError(f"--kind {kind} is for classes; this run predicts {what}.")
        self.finite()

    def finite(self) -> None:
        """Refuse outputs that cannot be drawn.

        Raises:
            UsageError: Some are not finite.
        """
        if not all(np.isfinite(part.outputs).all() for part in self.parts.values()):
            raise UsageError("The model's outputs are not finite; there is no fit to draw.")

    def last(self) -> tuple[str, Part]:
        """Return the split that says most about unseen rows: test, validation, training, in this order."""
        name = next(name for name in ("test", "validation", "training") if name in self.parts)
        return name, self.parts[name]


def r_squared(part: Part) -> Values:
    """Return 1 - sum (y - f)^2 / sum (y - mean y)^2 of every target [targets]; NaN for a constant one."""
    spread = np.sum((part.targets - part.targets.mean(axis=0)) ** 2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Values = np.sum((part.targets - part.outputs) ** 2, axis=0) / spread
    return np.where(spread > 0, 1 - ratio, np.nan)


def dimensions(fitted: Fitted) -> int:
    """Inputs of a single target, 0 where no curve and no surface can be drawn over them."""
    inputs = np.concatenate([part.inputs for part in fitted.parts.values()])
    if inputs.ndim != 2 or len(fitted.target_names) > 1:
        return 0
    # A surface needs three points that lie on no line.
    flat = inputs.shape[1] == 2 and np.linalg.matrix_rank(inputs - inputs[0]) < 2
    return 0 if flat else inputs.shape[1]


def some(part: Part) -> Part:
    """Every so many-th row, lest points hide each other."""
    stride = -(-len(part.inputs) // MOST_POINTS)
    return Part(*(values[::stride] for values in part))


def digits(value: float) -> str:
    """R^2 with as many digits as tell it from one."""
    if not np.isfinite(value):
        return "none"
    digits = 3 if value < 0.99 else min(12, int(-np.log10(max(1 - value, 1e-12))) + 3)
    return f"{value:.{digits}f}"
