"""The histogram of the residuals with the normal distribution of the same mean and deviation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from lmrun.plotting.fitted import Fitted, Values
from lmrun.plotting.style import check_format, look, save, styled

MOST_BARS = 200


def plot_residuals(fitted: Fitted, output: Path) -> Path:
    """Draw one panel per target.

    Raises:
        UsageError: The run predicts classes, the ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_format(output)
    fitted.regression("residuals")
    with styled():
        return save(draw_residuals(fitted), output)


def draw_residuals(fitted: Fitted) -> Figure:
    """Return the figure; call it inside `styled()`."""
    count = len(fitted.target_names)
    figure = Figure(figsize=(5.6 * min(count, 2) + 1.2, 4.0 * -(-count // 2)), layout="constrained")
    panels = list(figure.subplots(-(-count // 2), min(count, 2), squeeze=False).flat)
    residuals = np.concatenate([part.targets - part.outputs for part in fitted.parts.values()])
    for target, axes in zip(range(count), panels, strict=False):
        _draw(axes, residuals[:, target])
        axes.set_xlabel(f"residual of {fitted.target_names[target]}", parse_math=False)
    for axes in panels[count:]:
        axes.set_axis_off()
    figure.suptitle(f"{fitted.title} · {' and '.join(fitted.parts)} rows", fontsize=11, parse_math=False)
    return figure


def _draw(axes: Axes, residuals: Values) -> None:
    mean, deviation = float(residuals.mean()), float(residuals.std(ddof=1)) if len(residuals) > 1 else 0.0
    # Freedman and Diaconis 1981; NumPy bounds their number for heavy tails.
    bins = min(len(np.histogram_bin_edges(residuals, bins="auto")) - 1, MOST_BARS)
    axes.hist(residuals, bins=bins, density=True, color=look(0).color, alpha=0.45)
    axes.set_ylabel("density")
    if deviation > 0:
        x = np.linspace(residuals.min(), residuals.max(), 400)
        label = f"normal, mean {mean:.2e}, deviation {deviation:.2e}"
        axes.plot(x, stats.norm.pdf(x, mean, deviation), color=look(1).color, label=label)
        axes.legend(frameon=True, framealpha=0.9, edgecolor="none", loc="upper right")
    axes.set_title(f"{len(residuals):,} rows, excess kurtosis {_kurtosis(residuals):.2g}")


def _kurtosis(residuals: Values) -> float:
    return float(stats.kurtosis(residuals)) if len(residuals) > 3 and np.ptp(residuals) > 0 else float("nan")
