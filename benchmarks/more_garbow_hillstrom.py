"""The nonlinear least squares problems of Moré, Garbow and Hillstrom, and who solves them from where.

Source: Moré, Garbow and Hillstrom 1981, Testing unconstrained optimization software, ACM Transactions on
Mathematical Software 7(1), sections 2 and 3; the numbers are those of the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lmrun.config.optimizers import LmConfig
from lmrun.curvature.host.jets import Jet, call
from lmrun.curvature.host.residuals import Residuals, differentiated, residual_problem
from lmrun.optimizers.convergence import EXACT
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.polishing import Polished

Array = NDArray[np.float64]
Value = Any
"""A number or a jet."""
Function = Callable[[Sequence[Value]], Sequence[Value]]

FACTORS = (1, 10, 100)
"""Multiples of the standard start."""
RELATIVE, ABSOLUTE = 1e-4, 1e-12
"""How close |r|^2 comes to a minimum of the paper, whose values have 6 digits."""
MOST_STEPS = 2000
TOLERANCE = 1e-15
DEFAULTS = {
    "name": "lm",
    "damping": {"update": "trust-region", "scaling": "typical"},
    "acceleration": "geodesic",
}
"""Those of formulas."""


@dataclass(frozen=True)
class MghProblem:
    """One problem.

    Attributes:
        name: As the paper calls it, with its number.
        function: From the parameters to the residuals.
        start: The standard start [n].
        minima: |r|^2 at the finite minima that the paper lists.
    """

    name: str
    function: Function
    start: tuple[float, ...]
    minima: tuple[float, ...]


def exp(x: Value) -> Value:
    """The exponential function of an array or a jet."""
    return call("exp", x)


def number(x: Value) -> float:
    """The value of a scalar."""
    return float(np.ravel(x.value if isinstance(x, Jet) else x)[0])


def rosenbrock(x: Sequence[Value]) -> Sequence[Value]:
    """10 (x2 - x1^2), 1 - x1."""
    return [10 * (x[1] - x[0] ** 2.0), 1 - x[0]]


def freudenstein_roth(x: Sequence[Value]) -> Sequence[Value]:
    """Two cubics."""
    return [
        -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1],
        -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1],
    ]


def jennrich_sampson(x: Sequence[Value]) -> Sequence[Value]:
    """2 + 2 i - (exp(i x1) + exp(i x2))."""
    i = np.arange(1.0, 11)
    return [2 + 2 * i - (exp(i * x[0]) + exp(i * x[1]))]


def helical_valley(x: Sequence[Value]) -> Sequence[Value]:
    """A valley on a helix around the third axis."""
    turn = call("arctan", x[1] / x[0]) / (2 * math.pi) + (0.5 if number(x[0]) < 0 else 0.0)
    return [10 * (x[2] - 10 * turn), 10 * (call("sqrt", x[0] * x[0] + x[1] * x[1]) - 1), x[2]]


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])


def bard(x: Sequence[Value]) -> Sequence[Value]:
    """Y - (x1 + u / (v x2 + w x3))."""
    u = np.arange(1.0, 16)
    v = 16 - u
    return [BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))]


MEYER = np.array(
    [34780.0, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
)


def meyer(x: Sequence[Value]) -> Sequence[Value]:
    """x1 exp(x2 / (t + x3)) - y."""
    return [x[0] * exp(x[1] / (45 + 5 * np.arange(1.0, 17) + x[2])) - MEYER]


def box(x: Sequence[Value]) -> Sequence[Value]:
    """exp(-t x1) - exp(-t x2) - x3 (exp(-t) - exp(-10 t))."""
    t = 0.1 * np.arange(1.0, 11)
    return [exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))]


def powell_singular(x: Sequence[Value]) -> Sequence[Value]:
    """The Jacobian is singular at the solution."""
    return [
        x[0] + 10 * x[1],
        math.sqrt(5) * (x[2] - x[3]),
        (x[1] - 2 * x[2]) ** 2.0,
        math.sqrt(10) * (x[0] - x[3]) ** 2.0,
    ]


KOWALIK = np.array([0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
OSBORNE_U = np.array([4.0, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik_osborne(x: Sequence[Value]) -> Sequence[Value]:
    """Y - x1 (u^2 + u x2) / (u^2 + u x3 + x4)."""
    u = OSBORNE_U
    return [KOWALIK - x[0] * (u * u + u * x[1]) / (u * u + u * x[2] + x[3])]


def brown_dennis(x: Sequence[Value]) -> Sequence[Value]:
    """Residuals that stay large."""
    t = np.arange(1.0, 21) / 5
    return [(x[0] + t * x[1] - np.exp(t)) ** 2.0 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2.0]


# fmt: off
OSBORNE_1 = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751,
    0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490,
    0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406,
])
# fmt: on


def osborne_1(x: Sequence[Value]) -> Sequence[Value]:
    """Y - (x1 + x2 exp(-t x4) + x3 exp(-t x5))."""
    t = 10 * np.arange(33.0)
    return [OSBORNE_1 - (x[0] + x[1] * exp(-t * x[3]) + x[2] * exp(-t * x[4]))]


# fmt: off
OSBORNE_2 = np.array([
    1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746,
    0.679, 0.608, 0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649,
    0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395,
    0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653,
    0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739,
    0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
])
# fmt: on


def osborne_2(x: Sequence[Value]) -> Sequence[Value]:
    """A decay and three bumps."""
    t = np.arange(65.0) / 10
    bumps = [x[i] * exp(-((t - x[i + 7]) ** 2.0) * x[i + 4]) for i in (1, 2, 3)]
    return [OSBORNE_2 - (x[0] * exp(-t * x[4]) + bumps[0] + bumps[1] + bumps[2])]


def watson(x: Sequence[Value]) -> Sequence[Value]:
    """A differential equation by a polynomial."""
    t = np.arange(1.0, 30) / 29
    slope = sum(j * x[j] * t ** (j - 1) for j in range(1, len(x)))
    value = sum(x[j] * t**j for j in range(len(x)))
    return [slope - value * value - 1, x[0], x[1] - x[0] * x[0] - 1]


def brown_almost_linear(x: Sequence[Value]) -> Sequence[Value]:
    """Linear but for a product."""
    total = sum(x)
    product = reduce(lambda one, other: one * other, x)
    return [*(each + total - (len(x) + 1) for each in x[:-1]), product - 1]


def linear_full_rank(x: Sequence[Value], rows: int) -> Sequence[Value]:
    """A linear function of full rank, m rows."""
    share = 2 * sum(x) / rows
    return [*(each - share - 1 for each in x), np.ones(rows - len(x)) * (-share - 1)]


def linear_rank_one(x: Sequence[Value], rows: int) -> Sequence[Value]:
    """I sum(j x_j) - 1, m rows."""
    return [np.arange(1.0, rows + 1) * sum((j + 1) * each for j, each in enumerate(x)) - 1]


def linear_rank_one_zeros(x: Sequence[Value], rows: int) -> Sequence[Value]:
    """The same with columns and rows of zeros, m rows."""
    inner = sum((j + 1) * x[j] for j in range(1, len(x) - 1))
    return [-1.0, np.arange(1.0, rows - 1) * inner - 1, -1.0]


def chebyquad(x: Sequence[Value]) -> Sequence[Value]:
    """Nodes of equal weights for Chebyshev polynomials."""
    before: list[Value] = [1.0 for _ in x]
    shifted = [2 * each - 1 for each in x]
    present, made = shifted, []
    for i in range(1, len(x) + 1):
        integral = 0.0 if i % 2 else -1 / (i * i - 1)
        made.append(sum(present) / len(x) - integral)
        pairs = zip(shifted, present, before, strict=True)
        before, present = present, [2 * one * now - last for one, now, last in pairs]
    return made


def _evenly(size: int) -> tuple[float, ...]:
    return tuple((i + 1) / (size + 1) for i in range(size))


PROBLEMS = (
    MghProblem("1 Rosenbrock", rosenbrock, (-1.2, 1), (0.0,)),
    MghProblem("2 Freudenstein and Roth", freudenstein_roth, (0.5, -2), (0.0, 48.98425)),
    MghProblem("6 Jennrich and Sampson", jennrich_sampson, (0.3, 0.4), (124.3622,)),
    MghProblem("7 Helical valley", helical_valley, (-1, 0, 0), (0.0,)),
    MghProblem("8 Bard", bard, (1, 1, 1), (8.21487e-3,)),
    MghProblem("10 Meyer", meyer, (0.02, 4000, 250), (87.94586,)),
    MghProblem("12 Box", box, (0, 10, 20), (0.0,)),
    MghProblem("13 Powell singular", powell_singular, (3, -1, 0, 1), (0.0,)),
    MghProblem("15 Kowalik and Osborne", kowalik_osborne, (0.25, 0.39, 0.415, 0.39), (3.07505e-4,)),
    MghProblem("16 Brown and Dennis", brown_dennis, (25, 5, -5, -1), (85822.2,)),
    MghProblem("17 Osborne 1", osborne_1, (0.5, 1.5, -1, 0.01, 0.02), (5.46489e-5,)),
    MghProblem(
        "19 Osborne 2",
        osborne_2,
        (1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5),
        (4.01377e-2,),
    ),
    MghProblem("20 Watson, 6", watson, (0.0,) * 6, (2.28767e-3,)),
    MghProblem("20 Watson, 9", watson, (0.0,) * 9, (1.39976e-6,)),
    MghProblem("20 Watson, 12", watson, (0.0,) * 12, (4.72238e-10,)),
    MghProblem("27 Brown almost linear, 10", brown_almost_linear, (0.5,) * 10, (0.0, 1.0)),
    MghProblem("27 Brown almost linear, 30", brown_almost_linear, (0.5,) * 30, (0.0, 1.0)),
    MghProblem("32 Linear, 5 x 10", lambda x: linear_full_rank(x, 10), (1.0,) * 5, (5.0,)),
    MghProblem("32 Linear, 5 x 50", lambda x: linear_full_rank(x, 50), (1.0,) * 5, (45.0,)),
    MghProblem("33 Linear, rank 1", lambda x: linear_rank_one(x, 10), (1.0,) * 5, (90 / 42,)),
    MghProblem("34 Linear, rank 1, zeros", lambda x: linear_rank_one_zeros(x, 10), (1.0,) * 5, (124 / 34,)),
    MghProblem("35 Chebyquad, 8", chebyquad, _evenly(8), (3.51687e-3,)),
    MghProblem("35 Chebyquad, 9", chebyquad, _evenly(9), (0.0,)),
    MghProblem("35 Chebyquad, 10", chebyquad, _evenly(10), (6.50395e-3,)),
)


class Ended(NamedTuple):
    """Where a run ended.

    Attributes:
        square: |r|^2.
        steps: Steps of lmrun, evaluations of SciPy.
    """

    square: float
    steps: int


def solved(problem: MghProblem, ended: Ended) -> bool:
    """Whether that is a minimum of the paper, or lower than all of them."""
    near = (abs(ended.square - least) <= RELATIVE * least + ABSOLUTE for least in problem.minima)
    return any(near) or ended.square <= min(problem.minima)


def begin(problem: MghProblem, factor: int) -> Array:
    """The start; where the standard one is 0, multiples of 1 stand in for multiples of it (section 3)."""
    start = np.array(problem.start, float)
    if factor > 1 and not start.any():
        start = np.ones_like(start)
    return factor * start


def fit_by_lmrun(residuals: Residuals, start: Array) -> Ended:
    """Step with the defaults of formulas until a step reports that it was the last."""
    problem = residual_problem(residuals)
    optimizer = Polished(levenberg_marquardt(LmConfig.model_validate(DEFAULTS)), EXACT)
    params, state = start, optimizer.init(problem, start)
    for made in range(MOST_STEPS):
        params, state, info = optimizer.step(problem, params, state)
        if info.status is not None:
            return Ended(problem.loss(params), made)
    return Ended(problem.loss(params), MOST_STEPS)


def fit_by_scipy(residuals: Residuals, start: Array, method: str, scaling: str | float) -> Ended:
    """Run `least_squares` with the exact Jacobian; residuals that are not finite end it."""
    try:
        with np.errstate(all="ignore"):
            found = least_squares(
                residuals.values,
                start,
                jac=residuals.jacobian,
                method=method,
                x_scale=scaling,
                xtol=TOLERANCE,
                ftol=TOLERANCE,
                gtol=TOLERANCE,
                max_nfev=MOST_STEPS,
            )
    except (ValueError, np.linalg.LinAlgError):
        return Ended(math.inf, 0)
    return Ended(float(2 * found.cost), int(found.nfev))


def residuals_of(problem: MghProblem) -> Residuals:
    """The residuals with their derivatives."""
    # Evaluated where nothing is 0, to count them.
    return differentiated(problem.function, np.full(len(problem.start), 0.5))
