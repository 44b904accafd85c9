"""The fit itself: a curve with its residuals, a surface with its errors, or predicted against true values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmrun.plotting.bands import draw_curve
from lmrun.plotting.fitted import Fitted, digits, dimensions, r_squared, some
from lmrun.plotting.style import INK, SOFT, check_format, look, save, styled


def plot_fit(fitted: Fitted, output: Path) -> Path:
    """Draw the fit by the number of inputs: one, two, or more.

    Raises:
        UsageError: The run predicts classes, the ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_format(output)
    fitted.regression("fit")
    with styled():
        return save(draw_fit(fitted), output)


def draw_fit(fitted: Fitted) -> Figure:
    """Return the figure; call it inside `styled()`."""
    figure = DRAWN.get(dimensions(fitted), _predicted)(fitted)
    figure.suptitle(fitted.title, fontsize=11, parse_math=False)
    return figure


def _curve(fitted: Fitted) -> Figure:
    figure = Figure(figsize=(8.0, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    for place, (name, part) in enumerate(fitted.parts.items()):
        shown, style = some(part), look(place + 1)
        upper.plot(
            shown.inputs[:, 0],
            shown.targets[:, 0],
            style.marker,
            color=style.color,
            markeredgewidth=0,
            markersize=2.5,
            alpha=0.5,
            label=name,
        )
        residuals = shown.targets[:, 0] - shown.outputs[:, 0]
        lower.plot(
            shown.inputs[:, 0],
            residuals,
            style.marker,
            color=style.color,
            markeredgewidth=0,
            markersize=2.5,
            alpha=0.6,
        )
    draw_curve(upper, fitted)
    lower.axhline(0, color=SOFT, linewidth=0.8)
    upper.set_ylabel(fitted.target_names[0], parse_math=False)
    lower.set_ylabel("residual")
    lower.set_xlabel(fitted.input_names[0], parse_math=False)
    upper.legend(frameon=True, framealpha=0.9, edgecolor="none")
    return figure


def _surface(fitted: Fitted) -> Figure:
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    parts = [some(part) for part in fitted.parts.values()]
    inputs, targets, outputs = (np.concatenate([part[place] for part in parts]) for place in range(3))
    x, y, residuals = inputs[:, 0], inputs[:, 1], (targets - outputs)[:, 0]
    surface = left.tricontourf(x, y, outputs[:, 0], levels=20, cmap="viridis")
    figure.colorbar(surface, ax=left).set_label(fitted.target_names[0], parse_math=False)
    largest = float(np.abs(residuals).max()) or 1.0
    errors = right.tripcolor(x, y, residuals, cmap="PuOr", vmin=-largest, vmax=largest, shading="gouraud")
    figure.colorbar(errors, ax=right, label="residual")
    for axes, title in ((left, "fit"), (right, f"error map, root mean square {_rms(residuals):.2e}")):
        axes.plot(x, y, ".", color=INK, markersize=1, alpha=0.35)
        axes.set_title(title)
        axes.set_xlabel(fitted.input_names[0], parse_math=False)
        axes.grid(False)
    left.set_ylabel(fitted.input_names[1], parse_math=False)
    return figure


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _predicted(fitted: Fitted) -> Figure:
    count = len(fitted.target_names)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(4.4 * columns + 0.6, 4.2 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for target, axes in zip(range(count), panels, strict=False):
        _against(axes, fitted, target)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure


def _against(axes: Axes, fitted: Fitted, target: int) -> None:
    """Predicted against true values of one target, with R^2 of every split."""
    every = [values[:, target] for part in fitted.parts.values() for values in (part.targets, part.outputs)]
    low, high = float(min(map(np.min, every))), float(max(map(np.max, every)))
    axes.plot([low, high], [low, high], color=SOFT, linewidth=0.8, zorder=1)
    for place, (name, part) in enumerate(fitted.parts.items()):
        shown, style = some(part), look(place)
        label = f"{name}, R² = {digits(float(r_squared(part)[target]))}"
        axes.plot(
            shown.targets[:, target], shown.outputs[:, target], style.marker, color=style.color, markersize=3,
            alpha=0.5, label=label, markeredgewidth=0,
        )  # fmt: skip
    name = fitted.target_names[target]
    axes.set_xlabel(f"{name}, true", parse_math=False)
    axes.set_ylabel(f"{name}, predicted", parse_math=False)
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none")


DRAWN: dict[int, Callable[[Fitted], Figure]] = {1: _curve, 2: _surface}
"""By the number of inputs; more are drawn as predicted against true values."""
