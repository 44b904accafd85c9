"""The charts of a fit: a curve with its residuals, a surface with its errors, predictions, or classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
from matplotlib.tri import LinearTriInterpolator, Triangulation
from plotly.io import to_json
from plotly.subplots import make_subplots

from lmrun.errors import UsageError
from lmrun.plotting.classes import confusion
from lmrun.plotting.fitted import Fitted, digits, dimensions, r_squared, some
from lmrun.plotting.style import COLORS, SOFT
from lmrun.report.charts import LAYOUT, LINEAR, Chart, plain

CELLS = 80
"""Of a surface along each axis."""


def fit_chart(fitted: Fitted, name: str, label: str = "") -> Chart:
    """Draw a fit by what is predicted, and from how many inputs.

    Args:
        fitted: A trained run on its data.
        name: See `Chart`.
        label: Sets the run apart from others on the page.

    Raises:
        UsageError: It cannot be drawn.
    """
    fitted.finite()
    if not fitted.classes and not fitted.values:
        raise UsageError("Several answers of yes and no per row have no chart of their own.")
    draw = _confusion if fitted.classes else DRAWN.get(dimensions(fitted), _predicted)
    figure = draw(fitted)
    figure.update_layout(LAYOUT)
    kind = "Confusion matrix" if fitted.classes else "Fit"
    title = f"{kind}: {label}" if label else kind
    note = "Every so many-th row is drawn where there are more than 4,000." if _many(fitted) else ""
    return Chart(name, title, to_json(figure, engine="json"), note=note)


def _many(fitted: Fitted) -> bool:
    return any(len(some(part).inputs) < len(part.inputs) for part in fitted.parts.values())


def _curve(fitted: Fitted) -> go.Figure:
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.06)
    for place, (name, part) in enumerate(fitted.parts.items()):
        shown = some(part)
        x, y, outputs = shown.inputs[:, 0], shown.targets[:, 0], shown.outputs[:, 0]
        marker = {"color": COLORS[(place + 1) % len(COLORS)], "size": 4, "opacity": 0.55}
        figure.add_scatter(
            x=x, y=y, name=name, mode="markers", marker=marker, legendgroup=name, row=1, col=1,
            hovertemplate="%{x:.5g}: %{y:.8g}",
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=y - outputs, name=f"{name}, residual", mode="markers", marker=marker, legendgroup=name,
            showlegend=False, row=2, col=1, hovertemplate="%{x:.5g}: residual %{y:.3e}",
        )  # fmt: skip
    every = [some(part) for part in fitted.parts.values()]
    x, y = (np.concatenate([part[place][:, 0] for part in every]) for place in (0, 2))
    order = np.argsort(x, kind="stable")
    figure.add_scatter(
        x=x[order], y=y[order], name="fit", mode="lines", line={"color": COLORS[0], "width": 2},
        row=1, col=1, hovertemplate="%{x:.5g}: fit %{y:.8g}",
    )  # fmt: skip
    figure.update_xaxes(LINEAR)
    figure.update_yaxes({**LINEAR, "exponentformat": "power"})
    figure.update_xaxes(title=plain(fitted.input_names[0]), row=2, col=1)
    figure.update_yaxes(title=plain(fitted.target_names[0]), row=1, col=1)
    figure.update_yaxes(title="residual", row=2, col=1)
    return figure


def _surface(fitted: Fitted) -> go.Figure:
    parts = [some(part) for part in fitted.parts.values()]
    inputs, targets, outputs = (np.concatenate([part[place] for part in parts]) for place in range(3))
    x, y, z, residuals = inputs[:, 0], inputs[:, 1], outputs[:, 0], (targets - outputs)[:, 0]
    grid = [np.linspace(column.min(), column.max(), CELLS) for column in (x, y)]
    surface = LinearTriInterpolator(Triangulation(x, y), z)(*np.meshgrid(*grid)).filled(np.nan)
    largest = float(np.abs(residuals).max()) or 1.0
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.14,
        subplot_titles=("fit", f"errors, root mean square {np.sqrt(np.mean(residuals**2)):.2e}"),
    )  # fmt: skip
    figure.add_contour(
        x=grid[0], y=grid[1], z=surface, colorscale="Viridis", ncontours=24, row=1, col=1,
        contours={"coloring": "heatmap"}, line={"width": 0.4},
        colorbar={"x": 0.44, "thickness": 12, "exponentformat": "power"},
        hovertemplate="%{x:.4g}, %{y:.4g}: fit %{z:.6g}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=y, mode="markers", row=1, col=2, customdata=np.stack([targets[:, 0], residuals], axis=-1),
        marker={
            "color": residuals, "colorscale": "PuOr", "cmin": -largest, "cmax": largest, "size": 7,
            "line": {"width": 0.3, "color": SOFT}, "colorbar": {"thickness": 12, "exponentformat": "power"},
        },
        hovertemplate="%{x:.4g}, %{y:.4g}: %{customdata[0]:.6g}, off by %{customdata[1]:.3e}<extra></extra>",
    )  # fmt: skip
    names = [plain(name) for name in fitted.input_names]
    figure.update_xaxes(title=names[0])
    figure.update_yaxes(title=names[1], col=1)
    figure.update_layout(showlegend=False)
    return figure


def _predicted(fitted: Fitted) -> go.Figure:
    count = len(fitted.target_names)
    figure = make_subplots(rows=1, cols=count)
    for target in range(count):
        column = target + 1
        every = [
            values[:, target] for part in fitted.parts.values() for values in (part.targets, part.outputs)
        ]
        ends = [float(min(map(np.min, every))), float(max(map(np.max, every)))]
        figure.add_scatter(
            x=ends, y=ends, mode="lines", line={"color": SOFT, "width": 1}, hoverinfo="skip",
            showlegend=False, row=1, col=column,
        )  # fmt: skip
        for place, (name, part) in enumerate(fitted.parts.items()):
            shown = some(part)
            figure.add_scatter(
                x=shown.targets[:, target], y=shown.outputs[:, target], mode="markers", row=1, col=column,
                name=f"{name}, R² = {digits(float(r_squared(part)[target]))}",
                marker={"color": COLORS[place % len(COLORS)], "size": 4, "opacity": 0.6},
                hovertemplate="true %{x:.6g}, predicted %{y:.6g}",
            )  # fmt: skip
        name = plain(fitted.target_names[target])
        figure.update_xaxes(LINEAR, title=f"{name}, true", row=1, col=column)
        figure.update_yaxes(LINEAR, title=f"{name}, predicted", row=1, col=column)
    return figure


def _confusion(fitted: Fitted) -> go.Figure:
    _, part = fitted.last()
    labels = part.targets if part.targets.ndim == 1 else part.targets.argmax(axis=1)
    counts = confusion(labels.astype(np.intp), part.outputs.argmax(axis=1), fitted.classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares, text=counts, texttemplate="%{text:,}", colorscale="Blues", zmin=0, zmax=1,
            showscale=False,
            hovertemplate="true %{y}, predicted %{x}: %{text:,} rows, %{z:.2%}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title="predicted", dtick=1, constrain="domain")
    figure.update_yaxes(title="true", dtick=1, autorange="reversed", scaleanchor="x", constrain="domain")
    return figure


DRAWN: dict[int, Callable[[Fitted], go.Figure]] = {1: _curve, 2: _surface}
"""By the number of inputs; more are drawn as predicted against true values."""
