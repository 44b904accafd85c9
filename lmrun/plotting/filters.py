"""The filters of the first convolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lmrun.errors import UsageError
from lmrun.plotting.fitted import Fitted
from lmrun.plotting.style import check_format, save, styled


def plot_filters(fitted: Fitted, output: Path) -> Path:
    """Draw every filter of the first convolution, a column each, its input channels one below the other.

    Raises:
        UsageError: The model has no convolution, the ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_format(output)
    if fitted.filters is None:
        raise UsageError("--kind filters is for models that begin with a convolution; this one has none.")
    with styled():
        return save(draw_filters(fitted), output)


def draw_filters(fitted: Fitted) -> Figure:
    """Return the figure; call it inside `styled()`."""
    kernel = fitted.filters
    assert kernel is not None, "asked for before"
    _, _, channels, count = kernel.shape
    columns = min(count, 8)
    rows = -(-count // columns) * channels
    figure = Figure(figsize=(1.25 * columns + 1.4, 1.35 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    largest = float(np.abs(kernel).max()) or 1.0
    image = None
    for number, axes in np.ndenumerate(panels):
        place = (number[0] // channels) * columns + number[1]
        axes.set_axis_off()
        if place < count:
            values = kernel[:, :, number[0] % channels, place]
            image = axes.imshow(values, cmap="PuOr", vmin=-largest, vmax=largest)
            axes.set_title(f"{place + 1}", fontsize=9)
    assert image is not None, "a convolution has filters"
    figure.colorbar(image, ax=panels, label="weight", shrink=0.8)
    figure.suptitle(fitted.title, fontsize=11, parse_math=False)
    return figure
