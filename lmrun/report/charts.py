"""The charts of losses, damping and gain ratios, as Plotly figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.io import to_json

from lmrun.plotting.groups import counted, on_grid, quartiles
from lmrun.plotting.loss import LOG_RATIO
from lmrun.plotting.style import COLORS
from lmrun.report.traces import Trace, Values

AXES = {"steps": "step", "seconds": "seconds"}
"""What a curve can be drawn against, and the column that it is."""
TITLES = {"steps": "step", "seconds": "training time in seconds"}

LAYOUT: dict[str, Any] = {
    "template": "simple_white",
    "font": {"family": "system-ui, sans-serif", "size": 13},
    "margin": {"l": 70, "r": 20, "t": 20, "b": 50},
    "legend": {"tracegroupgap": 4},
    "hoverlabel": {"namelength": -1},
    "height": 460,
}
"""Of every chart."""
LINEAR: dict[str, Any] = {"showgrid": True, "gridcolor": "#e8e8e8"}
LOG: dict[str, Any] = {**LINEAR, "type": "log", "exponentformat": "power", "nticks": 8}


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes:
        name: Its place in the page, such as `loss`.
        title: Above it.
        figure: As JSON: `data`, `layout`, and in `layout.meta.choices` x and y of every curve by axis.
        switches: The axes, `x` or `y`, that can be made linear or logarithmic.
        choices: What its curves can be drawn against; empty where there is but one way.
        note: Below it.
    """

    name: str
    title: str
    figure: str
    switches: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    note: str = ""


class Canvas:
    """Curves with a choice of what they are drawn against; the first is shown."""

    def __init__(self) -> None:
        self.figure = go.Figure()
        self._choices: dict[str, dict[str, list[list[float | None]]]] = {
            axis: {"x": [], "y": []} for axis in AXES
        }

    def add(self, points: Mapping[str, tuple[Values, Values]], **look: Any) -> None:
        """Add a curve: x and y by axis, and how it looks."""
        x, y = points["steps"]
        for axis, (across, up) in points.items():
            self._choices[axis]["x"].append(_plain(across))
            self._choices[axis]["y"].append(_plain(up))
        self.figure.add_scatter(x=_plain(x), y=_plain(y), **look)

    def chart(self, name: str, title: str, layout: Mapping[str, Any], note: str = "") -> Chart:
        """Return what was drawn; where curves of few and of many steps meet, against their logarithm."""
        ends = [x[-1] or 0.0 for x in self._choices["steps"]["x"] if x]
        apart = bool(ends) and max(ends) > LOG_RATIO * max(min(ends), 1.0)
        shared = {
            **LAYOUT,
            "xaxis": {**(LOG if apart else LINEAR), "title": TITLES["steps"]},
            "meta": {"choices": self._choices, "titles": TITLES},
        }
        self.figure.update_layout(shared)
        self.figure.update_layout(layout)
        return Chart(name, title, to_json(self.figure, engine="json"), ("x", "y"), tuple(AXES), note)


def _plain(values: Values) -> list[float | None]:
    """Numbers that JSON can say; None is a gap."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]


def loss_chart(traces: Sequence[Trace], labels: Sequence[str]) -> Chart:
    """Draw the losses: of a group of seeds median and quartiles, its runs at a click on their names.

    Args:
        traces: At least one.
        labels: The names of the groups.
    """
    canvas = Canvas()
    for place, label in enumerate(labels):
        members = [trace for trace in traces if trace.group == place]
        look = {"color": COLORS[place % len(COLORS)], "width": 2.2}
        if len(members) > 1:
            _add_band(canvas, members, plain(label), look)
        for trace in members:
            alone = len(members) == 1
            thinner = look if alone else {**look, "width": 1}
            visible: bool | str = True if alone else "legendonly"
            _add_loss(canvas, trace, "loss", thinner, visible)
            if not np.isnan(trace["validation_loss"]).all():
                _add_loss(canvas, trace, "validation_loss", {**thinner, "dash": "dash"}, visible)
    several = any(sum(trace.group == place for trace in traces) > 1 for place in range(len(labels)))
    note = "Median and middle half over the seeds; the runs themselves appear at a click on their names."
    return canvas.chart("loss", "Loss", {"yaxis": {**LOG, "title": "loss"}}, note if several else "")


def _add_loss(
    canvas: Canvas, trace: Trace, column: str, line: Mapping[str, Any], visible: bool | str
) -> None:
    rows = trace.thinned(column)
    name = _named(trace, {"loss": "" if trace.label else "training"}.get(column, "validation"))
    canvas.add(
        {axis: (rows[source], rows[column]) for axis, source in AXES.items()},
        name=name,
        line=dict(line),
        mode="lines",
        visible=visible,
        customdata=np.stack([rows["step"], rows["seconds"]], axis=-1).tolist(),
        hovertemplate="step %{customdata[0]}, %{customdata[1]:.3f} s: %{y:.4e}",
    )


def _add_band(canvas: Canvas, members: Sequence[Trace], name: str, line: Mapping[str, Any]) -> None:
    curves: dict[str, dict[str, tuple[Values, Values]]] = {"low": {}, "high": {}, "middle": {}}
    for axis, source in AXES.items():
        grid, losses = on_grid([(trace[source], trace["loss"]) for trace in members])
        for part, values in zip(("low", "middle", "high"), quartiles(losses), strict=True):
            curves[part][axis] = (grid, values)
        drawn = len(losses)
    shade = {
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": name,
    }
    canvas.add(curves["low"], **shade)
    canvas.add(curves["high"], **shade, fill="tonexty", fillcolor=_faint(str(line["color"])))
    canvas.add(
        curves["middle"],
        name=f"{name}, median of {counted(drawn, len(members))}",
        line=dict(line),
        mode="lines",
        legendgroup=name,
        hovertemplate="%{x:.4g}: %{y:.4e}",
    )


def _named(trace: Trace, what: str) -> str:
    return ", ".join(plain(word) for word in (trace.label, what) if word)


def plain(text: str) -> str:
    """Make a text stay what it is in a label, which Plotly reads as a little HTML."""
    return escape(text, quote=False)


def _faint(color: str) -> str:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def damping_chart(traces: Sequence[Trace]) -> Chart | None:
    """Draw damping and gain ratio, with the steps that took more than one attempt; None without damping."""
    damped = [trace for trace in traces if (trace["damping"] > 0).any()]
    if not damped:
        return None
    canvas = Canvas()
    for place, trace in enumerate(damped):
        color = COLORS[(trace.group if len(traces) > len(damped) else place) % len(COLORS)]
        shared = {"visible": True if place == 0 else "legendonly"}
        rows = trace.thinned("damping")
        tried = rows["attempts"] > 1
        canvas.add(
            {axis: (rows[source], rows["damping"]) for axis, source in AXES.items()},
            name=_named(trace, "damping"), mode="lines", line={"color": color, "width": 1.6},
            hovertemplate="%{x:.4g}: damping %{y:.3e}", **shared,
        )  # fmt: skip
        canvas.add(
            {axis: (rows[source][tried], rows["damping"][tried]) for axis, source in AXES.items()},
            name=_named(trace, "after rejected attempts"), mode="markers",
            marker={"color": color, "symbol": "x-thin-open", "size": 7},
            customdata=(rows["attempts"][tried] - 1).tolist(),
            hovertemplate="%{x:.4g}: damping %{y:.3e} after %{customdata} rejected", **shared,
        )  # fmt: skip
        # Far outside, a ratio only says that the model did not hold.
        ratios = np.clip(rows["gain_ratio"], -0.5, 2.0)
        canvas.add(
            {axis: (rows[source], ratios) for axis, source in AXES.items()},
            name=_named(trace, "gain ratio"), mode="markers", marker={"color": color, "size": 3},
            yaxis="y2", hovertemplate="%{x:.4g}: gain ratio %{y:.3f}", **shared,
        )  # fmt: skip
    layout = {
        "yaxis": {**LOG, "title": "damping", "domain": [0.42, 1]},
        "xaxis": {"anchor": "y2"},
        "yaxis2": {**LINEAR, "title": "gain ratio", "domain": [0, 0.34], "range": [-0.6, 2.1]},
        "height": 560,
    }
    return canvas.chart("damping", "Damping", layout, "Gain ratios are clipped to [-0.5, 2].")
