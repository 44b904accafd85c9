"""The figure of the loss against steps and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import blended_transform_factory

from lmrun.plotting.curves import Curves, Values, labels, read_curves, title
from lmrun.plotting.placing import mark_places, spread, thin
from lmrun.plotting.style import INK, SOFT, Look, check_format, look, save, styled
from lmrun.runs.layout import RunDirectory

LOG_RATIO = 20.0
"""Runs whose lengths differ by more share a logarithmic axis, lest the short ones be a vertical line."""
_DECADES_WITH_MINOR_TICKS = 4.0
_MOST_DECADES = 150.0
"""Beyond, the arithmetic of Matplotlib's ticks leaves the floats."""
_DASHES = (0, (4, 2))
_LABEL_INCHES = 0.2
"""The distance of two labels."""


def plot_loss(runs: Sequence[RunDirectory], output: Path) -> Path:
    """Draw the losses of runs against steps and against seconds, on a common logarithmic axis.

    Training is solid, validation dashed. A loss of zero, which has no logarithm, is a triangle on the lower
    edge; a loss that is not finite ends its curve with a cross.

    Args:
        runs: At least one.
        output: A PNG, SVG or PDF file, by its ending.

    Returns:
        `output`.

    Raises:
        UsageError: The ending is unknown, or the folder cannot be made.
        RunDirectoryError: A run has no rows or is damaged, or the file cannot be written.
    """
    check_format(output)
    curves = [read_curves(run) for run in runs]
    with styled():
        return save(draw_loss(curves), output)


def draw_loss(runs: Sequence[Curves]) -> Figure:
    """Return the figure; call it inside `styled()`."""
    several = len(runs) > 1
    height = max(4.0, 1.2 + 0.24 * len(runs))
    figure = Figure(figsize=(10.0 if several else 9.0, height), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.set_yscale("log")
    _set_limits(left, runs)
    for axes, name, x_label in ((left, "steps", "step"), (right, "seconds", "training time in seconds")):
        axes.set_xlabel(x_label)
        _draw_panel(axes, runs, [getattr(run, name) for run in runs])
    left.set_ylabel("loss")
    figure.suptitle(title(runs), fontsize=11, parse_math=False)
    _draw_target(left, runs)
    _draw_target(right, runs, named=True)
    if several:
        _label_ends(right, runs, gap=_LABEL_INCHES / (height - 0.75))
    _draw_key(left, runs)
    return figure


def _draw_panel(axes: Axes, runs: Sequence[Curves], columns: Sequence[Values]) -> None:
    log = _is_log([float(column[-1]) for column in columns])
    if log:
        axes.set_xscale("log")
    for index, (run, x) in enumerate(zip(runs, columns, strict=True)):
        style = look(index)
        _draw_curve(axes, x, run.validation_loss, style, log=log, dashed=True)
        marks = index / len(runs) if len(runs) > 1 else None
        _draw_curve(axes, x, run.loss, style, log=log, marks=marks)
        _draw_ends(axes, x, run.loss, style)
    if not log:
        axes.set_xlim(left=0)


def _is_log(ends: Sequence[float]) -> bool:
    positive = [end for end in ends if end > 0]
    return len(positive) > 1 and max(positive) > LOG_RATIO * min(positive)


def _draw_curve(
    axes: Axes,
    x: Values,
    y: Values,
    style: Look,
    *,
    log: bool,
    dashed: bool = False,
    marks: float | None = None,
) -> None:
    """Draw a curve, its gaps where y is NaN or not positive; `marks` in [0, 1) shifts its markers."""
    # Rows without a validation in between must not break the validation's line; step 0 has no logarithm.
    shown = (~np.isnan(y) | (not dashed)) & ((x > 0) | (not log))
    if not (y[shown] > 0).any():
        return
    x, y = thin(x[shown], np.where(y[shown] > 0, y[shown], np.nan), log=log)
    (line,) = axes.plot(x, y, color=style.color, linestyle=_DASHES if dashed else "-")
    if dashed:
        line.set_linewidth(1.2)
    if marks is not None:
        line.set(marker=style.marker, markevery=mark_places(x, marks, log=log))
        line.set(markeredgecolor="white", markeredgewidth=0.6)
    if np.count_nonzero(~np.isnan(y)) == 1:
        line.set(marker=style.marker, markevery=None)


def _draw_ends(axes: Axes, x: Values, loss: Values, style: Look) -> None:
    positive = np.flatnonzero(loss > 0)
    zeros = np.flatnonzero(loss <= 0)
    if np.isnan(loss[-1]) and len(positive):
        last = positive[-1]
        axes.plot(x[last], loss[last], "x", color=style.color, markersize=8, markeredgewidth=2, zorder=4)
    if len(zeros):
        on_edge = blended_transform_factory(axes.transData, axes.transAxes)
        axes.plot(
            x[zeros[0]],
            0.02,
            "v",
            color=style.color,
            markersize=7,
            transform=on_edge,
            clip_on=False,
            zorder=4,
        )


def _set_limits(axes: Axes, runs: Sequence[Curves]) -> None:
    """Room for all losses and targets; a decade at least, so that a flat curve does not look wild."""
    values = np.concatenate([[*run.loss, *run.validation_loss, run.target_loss or np.nan] for run in runs])
    powers = np.log10(values[values > 0])
    low, high = (powers.min(), powers.max()) if len(powers) else (-1.0, 0.0)
    middle, half = (low + high) / 2, 1.08 * max(high - low, 1.0) / 2
    if 2 * half > _DECADES_WITH_MINOR_TICKS:
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(10.0 ** max(middle - half, -_MOST_DECADES), 10.0 ** min(middle + half, _MOST_DECADES))


def _draw_target(axes: Axes, runs: Sequence[Curves], *, named: bool = False) -> None:
    for target in sorted({run.target_loss for run in runs if run.target_loss}):
        axes.axhline(target, color=SOFT, linewidth=0.8, zorder=1)
        if named:
            axes.annotate(
                f"target {target:g}",
                (0.01, target),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                color=SOFT,
                fontsize=9,
            )


def _draw_key(axes: Axes, runs: Sequence[Curves]) -> None:
    """Tell solid from dashed where both are drawn."""
    if not any((run.validation_loss > 0).any() for run in runs):
        return
    color = look(0).color if len(runs) == 1 else SOFT
    axes.legend(
        handles=[
            Line2D([], [], color=color, label="training"),
            Line2D([], [], color=color, linestyle=_DASHES, linewidth=1.2, label="validation"),
        ],
        frameon=True,
        framealpha=0.9,
        edgecolor="none",
        loc="best",
    )


def _label_ends(axes: Axes, runs: Sequence[Curves], gap: float) -> None:
    """Write each run's label beside the panel at the height of its last loss, at least `gap` apart."""
    ends = [_last(run) for run in runs]
    heights = [float(axes.transAxes.inverted().transform(axes.transData.transform(end))[1]) for end in ends]
    places = spread(heights, gap)
    for index, (label, end, place) in enumerate(zip(labels(runs), ends, places, strict=True)):
        style = look(index)
        axes.plot(
            [1.035],
            [place],
            style.marker,
            color=style.color,
            transform=axes.transAxes,
            clip_on=False,
        )
        axes.text(
            1.06, place, label, transform=axes.transAxes, color=INK, fontsize=9, va="center", parse_math=False
        )
        axes.annotate(
            "",
            xy=end,
            xytext=(1.03, place),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": style.color, "linewidth": 0.7, "alpha": 0.55},
            annotation_clip=False,
        )


def _last(run: Curves) -> tuple[float, float]:
    """The last point on the curve; on the lower edge where no loss is positive."""
    positive = np.flatnonzero(run.loss > 0)
    index = positive[-1] if len(positive) else -1
    return float(run.seconds[index]), float(run.loss[index]) if len(positive) else 0.1
