"""What is fixed, tied or at a bound in the table of a fit."""

import numpy as np
import pytest

from lmrun.build import build
from lmrun.config.answers import AnswersConfig
from lmrun.config.load import load_text
from lmrun.training.answers import formula_answers
from lmrun.training.roles import bounds_of, held_of

TEXT = """
dataset: {name: table, path: line.csv, inputs: [x], targets: [y]}
model:
  name: formula
  expression: a + twice*x + c
  parameters: PARAMETERS
"""
ALL = "{twice: {expression: 2*b}, a: 0, c: {start: 0.5, fixed: true}, b: {start: -0.5, min: -0.6, max: 4}}"


@pytest.fixture
def line(tmp_path, rng):
    x = np.linspace(-1, 2, 20)
    y = 0.7 - 1.3 * x + 0.3 * rng.normal(size=20)
    np.savetxt(tmp_path / "line.csv", np.stack([x, y], axis=1), delimiter=",", header="x,y", comments="")
    return x, y, tmp_path


def made(folder, parameters):
    return build(load_text(TEXT.replace("PARAMETERS", parameters), folder / "a.yaml").config)


def test_fixed_and_tied(line):
    x, y, folder = line
    slope, shift = np.polyfit(x, y, 1)
    experiment = made(folder, ALL.replace("-0.6", "-5"))
    params = np.array([shift - 0.5, slope / 2])
    found = formula_answers(experiment, params, AnswersConfig(profile=True))
    assert list(found["estimates"]) == ["twice", "a", "c", "b"]
    assert found["estimates"]["c"] == {
        "value": 0.5, "standard_error": None, "interval": None, "reason": "it is fixed",
    }  # fmt: skip
    twice, b = found["estimates"]["twice"], found["estimates"]["b"]
    assert twice["value"] == pytest.approx(slope, rel=1e-14)
    assert twice["standard_error"] == pytest.approx(2 * b["standard_error"], rel=1e-14)
    residual = y - shift - slope * x
    expected = np.sqrt(residual @ residual / 18 / np.sum((x - x.mean()) ** 2))
    assert twice["standard_error"] == pytest.approx(expected, rel=1e-10)
    assert found["correlation"]["names"] == ["a", "b"]
    assert found["profile"]["intervals"]["b"]["interval"] == pytest.approx(b["interval"], rel=1e-7)


def test_ties_that_do_not_move(line):
    x, y, folder = line
    slope, shift = np.polyfit(x, y, 1)
    tied = "{twice: {expression: 2*b}, b: 1, a: 1, c: {expression: 0.1*d}, d: {start: 4, fixed: true}}"
    found = formula_answers(made(folder, tied), np.array([slope / 2, shift - 0.4]))["estimates"]
    assert (found["c"]["value"], found["c"]["standard_error"]) == (pytest.approx(0.4), None)
    assert found["c"]["reason"] == "it follows parameters that are fixed"
    assert found["a"]["standard_error"] > 0
    squared = "{twice: 1, a: {expression: e**2}, e: 0, c: 1}"
    flat = formula_answers(made(folder, squared), np.array([slope, 0.0, shift]))["estimates"]
    assert flat["a"]["reason"].startswith("it has no slope there by what it follows")


def test_at_a_bound(line):
    x, y, folder = line
    experiment = made(folder, ALL)
    # The slope would be -0.65: at its bound the other is the mean of what is left.
    params = np.array([np.mean(y + 1.2 * x) - 0.5, -0.6])
    found = formula_answers(experiment, params, AnswersConfig(profile=True, bootstrap=100))
    b, twice, a = (found["estimates"][name] for name in ("b", "twice", "a"))
    assert b["reason"] == "it is at its lower bound, -0.6, and the others are fitted with it there"
    assert twice["reason"] == "it follows b, which the fit did not choose"
    assert a["standard_error"] == pytest.approx(np.std(y + 1.2 * x, ddof=1) / np.sqrt(20), rel=1e-10)
    assert found["degrees_of_freedom"] == 19
    assert found["profile"]["intervals"]["a"]["interval"] == pytest.approx(a["interval"], rel=1e-7)
    drawn = found["bootstrap"]["estimates"]
    assert drawn["b"]["standard_error"] is None
    assert drawn["a"]["standard_error"] == pytest.approx(a["standard_error"], rel=0.3)


def test_an_interval_beyond_a_bound(line):
    x, y, folder = line
    slope, shift = np.polyfit(x, y, 1)
    near = f"{{twice: {{start: -9, max: {slope + 1e-3}}}, a: {{start: 0, min: -90}}, c: C}}"
    near = near.replace("C", "{start: 0, fixed: true}")
    found = formula_answers(made(folder, near), np.array([slope, shift]))
    assert list(found["remarks"]) == ["twice"]
    assert found["remarks"]["twice"].startswith(f"its interval goes beyond the bound {slope + 1e-3:g}, where")
    assert "remarks" not in formula_answers(
        made(folder, ALL.replace("-0.6", "-5")), np.array([shift, slope]) / 2
    )


def test_bounds(line):
    experiment = made(line[2], ALL)
    lower, upper = bounds_of(experiment)
    assert lower.tolist() == [-np.inf, -0.6]
    assert upper.tolist() == [np.inf, 4.0]
    assert held_of(experiment, np.array([0.0, 4.0])) == {
        "b": "it is at its upper bound, 4, and the others are fitted with it there"
    }
    assert not held_of(experiment, np.array([0.0, 3.999]))
    assert bounds_of(made(line[2], "{a: 1, twice: 2, c: {start: 0, fixed: true}}")) is None
