"""The figure of a comparison: one median per group, with the quartiles over its seeds as a band."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lmrun.compare.groups import Group
from lmrun.plotting.placing import mark_places
from lmrun.plotting.style import check_format, look, save, styled

Values = NDArray[np.float64]

POINTS = 400
"""Of a median's curve."""


def plot_groups(groups: Sequence[Group], output: Path, title: str) -> Path:
    """Draw the losses of all groups against steps and against seconds, both axes logarithmic.

    A run keeps its last loss from its end to that of the longest run of its group; the band holds the middle
    half of the seeds.

    Args:
        groups: At least one.
        output: A PNG, SVG or PDF file, by its ending.
        title: Over the figure.

    Raises:
        UsageError: The ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_format(output)
    with styled():
        return save(draw_groups(groups, title), output)


def draw_groups(groups: Sequence[Group], title: str) -> Figure:
    """Return the figure; call it inside `styled()`."""
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.set_yscale("log")
    for axes, name, label in ((left, "steps", "step"), (right, "seconds", "training time in seconds")):
        axes.set_xscale("log")
        axes.set_xlabel(label)
        for place, member in enumerate(groups):
            _draw(axes, member, name, place, len(groups))
    left.set_ylabel("loss, median and quartiles over the seeds" if _several(groups) else "loss")
    figure.suptitle(title, fontsize=11, parse_math=False)
    if right.get_legend_handles_labels()[0]:
        for text in right.legend(frameon=True, framealpha=0.9, edgecolor="none", loc="best").get_texts():
            text.set_parse_math(False)
    return figure


def _several(groups: Sequence[Group]) -> bool:
    return any(len(member.results) > 1 for member in groups)


def _label(member: Group, drawn: int) -> str:
    members = len(member.results)
    return member.label if drawn == members else f"{member.label} ({counted(drawn, members)} seeds)"


def _draw(axes: Axes, member: Group, name: str, place: int, count: int) -> None:
    curves = [(getattr(result, name), result.loss) for result in member.results]
    grid, losses = on_grid(curves)
    if not len(grid):
        return
    low, middle, high = quartiles(losses)
    shown = np.isfinite(middle)
    low, middle, high = (np.where(np.isfinite(values), values, np.nan) for values in (low, middle, high))
    style = look(place)
    if len(member.results) > 1:
        axes.fill_between(grid, low, high, color=style.color, alpha=0.2, linewidth=0)
    (line,) = axes.plot(grid, middle, color=style.color, label=_label(member, len(losses)))
    line.set(
        marker=style.marker,
        markevery=mark_places(grid[shown], place / count, log=True) if shown.any() else [],
    )
    line.set(markeredgecolor="white", markeredgewidth=0.6)


def on_grid(curves: Sequence[tuple[Values, Values]]) -> tuple[Values, Values]:
    """Return a common logarithmic grid [points] and the curves that can be drawn on it [curves, points].

    At every point a curve has the loss of its last row so far, infinite where that was not finite; the grid
    begins where all curves have a row. A curve without any positive loss at x > 0 is left out.

    Args:
        curves: x and loss of each, NaN where it is not finite.
    """
    rows = [(x[x > 0], loss[x > 0]) for x, loss in curves]
    kept = [(x[~(loss <= 0)], loss[~(loss <= 0)]) for x, loss in rows if (loss > 0).any()]
    if not kept:
        return np.zeros(0), np.zeros((0, 0))
    start, end = max(x[0] for x, _ in kept), max(x[-1] for x, _ in kept)
    points = POINTS if end > start else 1
    grid = np.geomspace(start, end, points)
    # The ends are those of the data, not of the logarithm's rounding.
    grid[0], grid[-1] = start, end
    losses = np.stack([loss[np.searchsorted(x, grid, side="right") - 1] for x, loss in kept])
    return grid, np.where(np.isnan(losses), np.inf, losses)


def quartiles(losses: Values) -> Values:
    """Return lower quartile, median and upper quartile over the curves [3, points], some infinite."""
    if not losses.size:
        return np.zeros((3, losses.shape[1]))
    # Between two infinities NumPy would subtract them.
    bounded = np.minimum(losses, np.finfo(np.float64).max / 4)
    found: Values = np.percentile(bounded, (25, 50, 75), axis=0)
    return np.where(found > np.finfo(np.float64).max / 1e4, np.inf, found)


def counted(drawn: int, members: int) -> str:
    """Say how many runs of a group are drawn, where not all are."""
    return str(members) if drawn == members else f"{drawn} of {members}"
