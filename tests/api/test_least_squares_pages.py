"""docs/from-scipy.md names every parameter of SciPy; the worked example works. tests/docs runs the code."""

import inspect
import re
import runpy
from pathlib import Path

import scipy.optimize

import lmrun  # noqa: F401 - first: it sets what TensorFlow reads from the environment

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "from-scipy.md").read_text(encoding="utf-8")


def test_every_parameter_of_scipy_has_its_place():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    for function in (scipy.optimize.least_squares, scipy.optimize.curve_fit):
        assert set(inspect.signature(function).parameters) <= named


def test_the_worked_example(capsys):
    example = runpy.run_path(str(DOCS / "examples" / "poisson.py"))
    found = example["main"](width=6, points=8, steps=40)
    assert found["lmrun"][1] < 0.1 * found["adam"][1]
    assert "lmrun" in capsys.readouterr().out
