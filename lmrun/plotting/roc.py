"""How many rows of a class are found, and how many others are taken for it, at every threshold.

Source: Fawcett 2006, An introduction to ROC analysis, Pattern Recognition Letters 27.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import log_softmax

from lmrun.plotting.fitted import Fitted, Values, digits
from lmrun.plotting.style import COLORS, SOFT, check_format, save, styled

DASHES = ("-", "--", ":")
"""Of classes beyond the number of colours."""
APART = 0.95
"""Area from which on the shares of other rows are drawn logarithmically."""
MOST_CLASSES = len(COLORS) * len(DASHES)
"""Drawn: more cannot be told apart."""


def plot_roc(fitted: Fitted, output: Path) -> Path:
    """Draw the curve of every class against all others, for the test rows or what comes nearest to them.

    Raises:
        UsageError: The run predicts no classes, the ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_format(output)
    fitted.classification("roc")
    with styled():
        return save(draw_roc(fitted), output)


def draw_roc(fitted: Fitted) -> Figure:
    """Return the figure; call it inside `styled()`."""
    name, part = fitted.last()
    labels = part.targets if part.targets.ndim == 1 else part.targets.argmax(axis=1)
    scores = log_softmax(part.outputs, axis=1)
    figure = Figure(figsize=(6.0, 5.2), layout="constrained")
    axes = figure.add_subplot()
    # Of two classes, the other curve is this one seen from the other corner.
    several = range(fitted.classes) if fitted.classes > 2 else (1,)
    there = [number for number in several if 0 < np.sum(labels == number) < len(labels)]
    curves = {number: curve(labels == number, scores[:, number]) for number in there[:MOST_CLASSES]}
    for place, (number, (alarms, found)) in enumerate(curves.items()):
        text = f"{number}: area {digits(area(alarms, found))}"
        dash, color = DASHES[place // len(COLORS)], COLORS[place % len(COLORS)]
        axes.plot(alarms, found, label=text, color=color, linestyle=dash)
    axes.set(xlabel="share of the other rows taken for the class", ylabel="share of its own rows found")
    apart = bool(curves) and min(area(*one) for one in curves.values()) > APART
    if not (apart and _look_closer(axes, list(curves.values()))):
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    if curves:
        title = "class" if len(there) <= MOST_CLASSES else f"class, the first {MOST_CLASSES}"
        axes.legend(title=title, loc="lower right", frameon=False)
    figure.suptitle(f"{fitted.title} · {name} rows", fontsize=11, parse_math=False)
    return figure


def _look_closer(axes: Axes, curves: Sequence[tuple[Values, Values]]) -> bool:
    """Spread the corner in which good curves lie on top of each other; return whether there is any to see."""
    first = [(float(alarms[alarms > 0][0]), float(found[alarms > 0][0])) for alarms, found in curves]
    least, lowest = min(alarm for alarm, _ in first), min(found for _, found in first)
    if lowest < 1:
        axes.set(xscale="log", xlim=(least, 1.0), ylim=(lowest, 1 + 0.02 * (1 - lowest)))
    return lowest < 1


def curve(positive: NDArray[np.bool_], scores: Values) -> tuple[Values, Values]:
    """Return the points of a curve, from the highest threshold to the lowest.

    Args:
        positive: Whether a row is of the class [rows]; some are and some are not.
        scores: How much it looks like it [rows].

    Returns:
        The share of the others at or above each threshold, and that of the class' own; both begin with 0.
    """
    order = np.argsort(-scores, kind="stable")
    # Rows of one score are on the same side of every threshold.
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.cumsum(positive[order])[last]
    alarms = last + 1 - found
    return np.append(0.0, alarms / alarms[-1]), np.append(0.0, found / found[-1])


def area(alarms: Values, found: Values) -> float:
    """Return the area under a curve: how often a row of the class has a higher score than another one."""
    return float(np.trapezoid(found, alarms))
