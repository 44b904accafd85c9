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
        right.legend(frameon=True, framealpha=0.9, edgecolor="none", loc="best")
    return figure


def _several(groups: Sequence[Group]) -> bool:
    return any(len(member.results) > 1 for member in groups)


def _draw(axes: Axes, member: Group, name: str, place: int, count: int) -> None:
    curves = [(getattr(result, name), result.loss) for result in member.results]
    grid, losses = on_grid(curves)
    if not len(grid):
        return
    low, middle, high = np.percentile(losses, (25, 50, 75), axis=0)
    style = look(place)
    if len(member.results) > 1:
        axes.fill_between(grid, low, high, color=style.color, alpha=0.2, linewidth=0)
    (line,) = axes.plot(grid, middle, color=style.color, label=member.label)
    line.set(marker=style.marker, markevery=mark_places(grid, place / count, log=True))
    line.set(markeredgecolor="white", markeredgewidth=0.6)


def on_grid(curves: Sequence[tuple[Values, Values]]) -> tuple[Values, Values]:
    """Return a common logarithmic grid [points] and the curves on it [curves, points].

    At every point a curve has the loss of its last row so far; the grid begins where all curves have one.

    Args:
        curves: x and loss of each; rows without a positive finite loss, or at x <= 0, are left out.
    """
    kept = [(x[shown], loss[shown]) for x, loss in curves for shown in [(loss > 0) & (x > 0)]]
    if not kept or not all(len(x) for x, _ in kept):
        return np.zeros(0), np.zeros((len(curves), 0))
    start, end = max(x[0] for x, _ in kept), max(x[-1] for x, _ in kept)
    points = POINTS if end > start else 1
    grid = np.geomspace(start, end, points)
    # The ends are those of the data, not of the logarithm's rounding.
    grid[0], grid[-1] = start, end
    return grid, np.stack([loss[np.searchsorted(x, grid, side="right") - 1] for x, loss in kept])
