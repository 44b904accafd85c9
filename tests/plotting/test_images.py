"""Figures beside what they looked like when somebody last looked at them.

`LMRUN_NEW_IMAGES=1 python -m pytest tests/plotting/test_images.py` draws all of them anew, to be looked at.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from fitted_examples import classified, made
from matplotlib.testing.compare import compare_images

from lmrun.compare.groups import group
from lmrun.plotting.classes import draw_confusion
from lmrun.plotting.curves import Curves
from lmrun.plotting.damping import draw_damping
from lmrun.plotting.filters import draw_filters
from lmrun.plotting.fit import draw_fit
from lmrun.plotting.groups import draw_groups
from lmrun.plotting.loss import draw_loss
from lmrun.plotting.residuals import draw_residuals
from lmrun.plotting.style import styled

IMAGES = Path(__file__).parent / "images"
DPI = 50
TOLERANCE = 4.0
"""Root mean square of the differences of all pixels, of 255: a shifted label makes 5 and more, another build
of the same fonts less than 2."""


def losses(make_run, make_result):
    steps = np.arange(40.0)
    curves = [
        Curves(name, {"optimizer": name}, steps, steps / pace, rate**steps, validation, 1e-4)
        for name, rate, pace, validation in (
            ("adam", 0.93, 20, np.full(40, np.nan)),
            ("lm", 0.7, 5, np.where(steps % 5 == 0, 1.3 * 0.72**steps, np.nan)),
        )
    ]
    return draw_loss(curves)


def groups(make_run, make_result):
    rates = {"adam": (0.93, 0.94, 0.95), "lm": (0.6, 0.7, 0.75)}
    results = [
        make_result(name, 10 + seed, [rate**step for step in range(60)])
        for name, each in rates.items()
        for seed, rate in enumerate(each)
    ]
    return draw_groups(group(results), "sinc: adam against lm")


def damping(make_run, make_result):
    rows = [
        {
            "step": step,
            "seconds": step / 10,
            "loss": 0.8**step,
            "damping": 10.0 ** -(step / 6) * (8 if step % 7 == 0 else 1),
            "gain_ratio": 1 - 0.3 * (step % 3),
            "attempts": 3 if step % 7 == 0 else 1,
        }
        for step in range(1, 40)
    ]
    return draw_damping(make_run((), rows=rows))


DRAWN = {
    "loss": losses,
    "groups": groups,
    "damping": damping,
    "curve": lambda *_: draw_fit(made(columns=1)),
    "surface": lambda *_: draw_fit(made(columns=2)),
    "predicted": lambda *_: draw_fit(made(columns=3, targets=2, noise=0.1)),
    "residuals": lambda *_: draw_residuals(made()),
    "confusion": lambda *_: draw_confusion(classified()),
    "filters": lambda *_: draw_filters(classified()),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_looks_as_it_did(name, make_run, make_result, tmp_path):
    expected, drawn = IMAGES / f"{name}.png", tmp_path / f"{name}.png"
    new = bool(os.environ.get("LMRUN_NEW_IMAGES"))
    with styled():
        DRAWN[name](make_run, make_result).savefig(expected if new else drawn, dpi=DPI)
    if new:
        pytest.skip(f"drew {expected} anew; look at it")
    difference = compare_images(str(expected), str(drawn), TOLERANCE)
    assert difference is None, f"{difference}\nLMRUN_NEW_IMAGES=1 draws it anew, if it should look like this."


def test_another_figure_is_noticed(make_run, make_result, tmp_path):
    drawn = tmp_path / "damping.png"
    with styled():
        figure = damping(make_run, make_result)
        figure.axes[0].set_ylabel("Damping")
        figure.axes[1].lines[0].set_color("red")
        figure.savefig(drawn, dpi=DPI)
    assert compare_images(str(IMAGES / "damping.png"), str(drawn), TOLERANCE) is not None
