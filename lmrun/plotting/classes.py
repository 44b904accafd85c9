"""Where a classifier errs: the confusion matrix, and the images that it is most wrong about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import log_softmax

from lmrun.plotting.fitted import Fitted, Part, Values
from lmrun.plotting.style import INK, check_format, save, styled

WORST = 12
"""Images shown."""


def plot_confusion(fitted: Fitted, output: Path) -> Path:
    """Draw the confusion matrix of the test rows, or what comes nearest to them, and the worst images.

    Raises:
        UsageError: The run predicts no classes, the ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_format(output)
    fitted.classification("confusion")
    with styled():
        return save(draw_confusion(fitted), output)


def draw_confusion(fitted: Fitted) -> Figure:
    """Return the figure; call it inside `styled()`."""
    name, part = fitted.last()
    images = part.inputs.ndim == 4
    figure = Figure(figsize=(11.0 if images else 6.0, 5.2), layout="constrained")
    left = figure.add_gridspec(1, 2 if images else 1, width_ratios=[1.25, 1] if images else None)
    labels = part.targets if part.targets.ndim == 1 else part.targets.argmax(axis=1)
    counts = confusion(labels.astype(np.intp), part.outputs.argmax(axis=1), fitted.classes)
    _matrix(figure.add_subplot(left[0]), counts)
    if images:
        _worst(figure, left[1].subgridspec(4, 3), part, labels)
    accuracy = float(np.trace(counts)) / max(int(counts.sum()), 1)
    text = f"{fitted.title} · {name} rows: {accuracy:.2%} of {int(counts.sum()):,} right"
    figure.suptitle(text, fontsize=11, parse_math=False)
    return figure


def confusion(labels: NDArray[np.intp], predicted: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """Return how many rows of each class (row) are predicted as each (column); [classes, classes]."""
    counts: NDArray[np.intp] = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def worst(labels: NDArray[np.intp], scores: Values, count: int) -> NDArray[np.intp]:
    """Return the rows whose own class has the lowest logarithmic probability, the worst first."""
    own = log_softmax(scores, axis=1)[np.arange(len(labels)), labels]
    order: NDArray[np.intp] = np.argsort(own, kind="stable")[:count]
    return order


def _matrix(axes: Axes, counts: NDArray[np.intp]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", xticks=range(len(counts)), yticks=range(len(counts)))
    axes.grid(False)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            color = "white" if shares[row, column] > 0.5 else INK
            text = f"{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)


def _worst(figure: Figure, grid: object, part: Part, labels: NDArray[np.intp]) -> None:
    predicted = part.outputs.argmax(axis=1)
    for place, row in enumerate(worst(labels, part.outputs, WORST)):
        axes = figure.add_subplot(grid[place // 3, place % 3])  # type: ignore[index]
        image = part.inputs[row]
        axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray_r")
        right = predicted[row] == labels[row]
        axes.set_title(f"{labels[row]}, {'right' if right else f'taken for {predicted[row]}'}", fontsize=9)
        axes.set_axis_off()
