"""The curve of a fit with its confidence and prediction bands."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from lmrun.plotting.fitted import Curve, Fitted
from lmrun.plotting.style import SOFT, look

FAINT = {"confidence": 0.3, "prediction": 0.12}
"""The opacity of each band, the inner one first."""


def draw_curve(axes: Axes, fitted: Fitted) -> None:
    """Draw the curve, and its bands where there are any."""
    curve = fitted.curve() or through_rows(fitted)
    color = look(0).color
    for kind, opacity in FAINT.items():
        half = getattr(curve, kind)
        if half is not None:
            label = f"{100 * curve.level:g} % {kind} band"
            low, high = curve.y - half, curve.y + half
            axes.fill_between(curve.x, low, high, color=color, alpha=opacity, linewidth=0, label=label)
    axes.plot(curve.x, curve.y, color=color, linewidth=1.4, label="fit", zorder=3)
    if curve.note:
        axes.set_title(curve.note, fontsize=9, color=SOFT, loc="left", wrap=True, parse_math=False)


def through_rows(fitted: Fitted) -> Curve:
    """The curve through what the model makes of the rows."""
    x, y = (np.concatenate([part[place][:, 0] for part in fitted.parts.values()]) for place in (0, 2))
    order = np.argsort(x, kind="stable")
    return Curve(x[order], y[order])
