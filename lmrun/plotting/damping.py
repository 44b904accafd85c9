"""Damping and gain ratio against steps, with the steps that were tried more than once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lmrun.errors import UsageError
from lmrun.plotting.curves import read_curves, title
from lmrun.plotting.style import SOFT, check_format, look, save, styled
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics


def plot_damping(run: RunDirectory, output: Path) -> Path:
    """Draw one run.

    Raises:
        UsageError: The run has no damping, the ending is unknown, or the folder cannot be made.
        RunDirectoryError: The run has no rows or is damaged, or the file cannot be written.
    """
    check_format(output)
    with styled():
        return save(draw_damping(run), output)


def draw_damping(run: RunDirectory) -> Figure:
    """Return the figure; call it inside `styled()`."""
    heading, table = title([read_curves(run)]), read_metrics(run)
    columns = (
        table[name].to_numpy(np.float64, na_value=np.nan)
        for name in ("step", "damping", "gain_ratio", "attempts")
    )
    steps, damping, gain_ratio, attempts = columns
    if not (damping > 0).any():
        raise UsageError(
            f"The run {run.name} has no damping to draw: its optimizer has none. Try --kind loss."
        )
    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    known = damping > 0
    rejected = known & (attempts > 1)
    rejections = int((attempts[rejected] - 1).sum())
    upper.set_yscale("log")
    upper.plot(steps[known], damping[known], color=look(0).color, label="damping of the accepted trial")
    upper.plot(
        steps[rejected], damping[rejected], "x", color=look(1).color, markersize=5,
        label=f"after rejected attempts ({rejections:,} in {int(rejected.sum()):,} steps)",
    )  # fmt: skip
    upper.set_ylabel("damping")
    upper.legend(frameon=True, framealpha=0.9, edgecolor="none", loc="best")
    # Far outside, a ratio only says that the model did not hold.
    shown = np.clip(gain_ratio, -0.5, 2.0)
    lower.plot(steps, shown, ".", color=look(0).color, markersize=4)
    lower.plot(steps[rejected], shown[rejected], "x", color=look(1).color, markersize=5)
    lower.axhline(1, color=SOFT, linewidth=0.8)
    lower.set(xlabel="step", ylabel="gain ratio, clipped to [-0.5, 2]")
    figure.suptitle(heading, fontsize=11, parse_math=False)
    return figure
