"""Problems of Moré, Garbow and Hillstrom from near and far: solved, and in not many more steps than ever.

docs/accuracy.md has them all, beside SciPy; here are some that take few steps, and some that have no solution
where they start.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

PATH = Path(__file__).parents[2] / "benchmarks" / "more_garbow_hillstrom.py"


def load():
    """The benchmarks are no part of the package."""
    spec = importlib.util.spec_from_file_location("more_garbow_hillstrom", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


mgh = load()
PROBLEMS = {problem.name: problem for problem in mgh.PROBLEMS}
SOLVED = [
    ("1 Rosenbrock", (10, 4, 3)),
    ("2 Freudenstein and Roth", (34, 37, 41)),
    ("7 Helical valley", (15, 22, 20)),
    ("10 Meyer", (32, 64, 75)),
    ("17 Osborne 1", (20, 29, 65)),
    ("20 Watson, 6", (17, 24, 26)),
    ("20 Watson, 12", (12, 16, 22)),
    ("27 Brown almost linear, 10", (10, 9, 28)),
    ("32 Linear, 5 x 10", (4, 3, 4)),
    ("33 Linear, rank 1", (2, 2, 2)),
    ("34 Linear, rank 1, zeros", (2, 2, 2)),
    ("35 Chebyquad, 9", (7, 43, 59)),
]
"""Steps from the standard start and from 10 and 100 times it."""
ELSEWHERE = [
    # A minimum at infinity: x2 and x3 grow without end.
    ("8 Bard", 10, 17.4286),
    # A plateau, where both exponentials have vanished or are too steep to be left.
    ("6 Jennrich and Sampson", 10, 259.580),
]
"""Runs that end on no minimum that the paper lists, as SciPy's do, and |r|^2 there."""
SLACK = 1.5
"""Times as many steps are no regression; rounding decides about a few."""


@pytest.mark.parametrize(
    ("name", "factor", "steps"),
    [
        (name, factor, steps)
        for name, all_steps in SOLVED
        for factor, steps in zip(mgh.FACTORS, all_steps, strict=True)
    ],
)
def test_solved(name, factor, steps):
    problem = PROBLEMS[name]
    ended = mgh.fit_by_lmrun(mgh.residuals_of(problem), mgh.begin(problem, factor))
    assert mgh.solved(problem, ended)
    assert ended.steps <= SLACK * steps + 3


@pytest.mark.parametrize(("name", "factor", "square"), ELSEWHERE)
def test_ended_elsewhere(name, factor, square):
    problem = PROBLEMS[name]
    ended = mgh.fit_by_lmrun(mgh.residuals_of(problem), mgh.begin(problem, factor))
    assert not mgh.solved(problem, ended)
    assert ended.square == pytest.approx(square, rel=1e-3)


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives(name):
    """Those of every problem against differences, near its start."""
    problem = PROBLEMS[name]
    residuals = mgh.residuals_of(problem)
    here = 1.1 * mgh.begin(problem, 1) + 0.05
    made, expected = residuals.jacobian(here), approx_fprime(here, residuals.values)
    rounding = 1e-7 * np.max(np.abs(residuals.values(here)))
    assert np.all(np.abs(made - expected) <= rounding + 1e-4 * np.max(np.abs(made), axis=0))
