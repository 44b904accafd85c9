"""The NIST StRD problems of nonlinear regression: read, fitted by lmrun and by SciPy, compared.

Source of the data: National Institute of Standards and Technology, Statistical Reference Datasets, nonlinear
regression; certified values have 11 digits.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import yaml
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lmrun.config.expression import parse_expression
from lmrun.curvature.host.jets import Jet, call, variables
from lmrun.models.interpret import interpret

DATA = Path(__file__).parents[1] / "tests" / "data" / "nist_strd.json"
MOST_DIGITS = 11.0
"""Certified values have no more."""
STARTS = ("start1", "start2")
TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 10_000}
"""As far as SciPy goes."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class NistProblem:
    """One problem.

    Attributes:
        name: As NIST calls it.
        expression: The model.
        columns: The inputs by name, each [rows].
        response: [rows].
        starts: Starting values by start and name.
        certified: Parameters by name.
        errors: Their certified standard errors.
        square: The certified residual sum of squares.
    """

    name: str
    expression: str
    columns: Mapping[str, Array]
    response: Array
    starts: Mapping[str, Mapping[str, float]]
    certified: Mapping[str, float]
    errors: Mapping[str, float]
    square: float

    def linearized(self, params: Array) -> tuple[Array, Array]:
        """Return the residuals [rows] and their Jacobian [rows, n] at params [n]."""
        with np.errstate(all="ignore"):
            named = dict(zip(self.certified, variables(params), strict=True))
            made = interpret(parse_expression(self.expression), {**self.columns, **named}, call)
            assert isinstance(made, Jet), "the expression has parameters"
            rows = len(self.response)
            columns = [np.broadcast_to(made.first.get(i, 0.0), rows) for i in range(len(params))]
            return made.value - self.response, np.stack(columns, axis=1)


class Digits(NamedTuple):
    """Log relative errors: digits that agree with the certified values, at most 11.

    Attributes:
        steps: Steps of lmrun, evaluations of SciPy.
        params: The worst parameter's.
        errors: The worst standard error's.
        square: Of the residual sum of squares.
    """

    steps: int
    params: float
    errors: float
    square: float


def read_problems(path: Path = DATA) -> list[NistProblem]:
    """Read all problems of the file."""
    return [
        NistProblem(
            name=each["name"],
            expression=each["expression"],
            columns=dict(zip(each["inputs"], map(np.array, each["x"]), strict=True)),
            response=np.array(each["y"]),
            starts={start: each[start] for start in STARTS},
            certified=each["certified"],
            errors=each["standard_deviation"],
            square=each["residual_sum_of_squares"],
        )
        for each in json.loads(path.read_text(encoding="utf-8"))
    ]


def log_relative_error(found: Mapping[str, float], certified: Mapping[str, float]) -> float:
    """Return -log10 of the largest relative error, from 0 to 11; 0 for what is not finite."""
    errors = [abs(found[name] - value) / abs(value) for name, value in certified.items()]
    worst = max(error if math.isfinite(error) else 1.0 for error in errors)
    return min(MOST_DIGITS, max(0.0, -math.log10(worst))) if worst > 0 else MOST_DIGITS


def compared(
    problem: NistProblem, steps: int, params: Sequence[float], errors: Sequence[float], square: float
) -> Digits:
    """Compare with the certified values.

    Args:
        problem: Has the certified values.
        steps: What it took.
        params: What was found [n].
        errors: The standard errors [n]; NaN where there is none.
        square: |r|^2.
    """
    names = list(problem.certified)
    return Digits(
        steps,
        log_relative_error(dict(zip(names, params, strict=True)), problem.certified),
        log_relative_error(dict(zip(names, errors, strict=True)), problem.errors),
        log_relative_error({"square": square}, {"square": problem.square}),
    )


def statistics_at(problem: NistProblem, params: Array) -> tuple[Array, float]:
    """Return standard errors [n] and |r|^2 at params [n], for those who do not report them.

    s sqrt(diag((J^T J)^-1)) with J = Q R, (J^T J)^-1 = R^-1 R^-T, s^2 = |r|^2 / (m - n).
    """
    residuals, jacobian = problem.linearized(params)
    rows, size = jacobian.shape
    square = float(residuals @ residuals)
    errors = np.full(size, np.nan)
    if np.all(np.isfinite(jacobian)):
        triangle = scipy.linalg.qr(jacobian, mode="economic")[1]
        if np.all(np.diag(triangle) != 0):
            inverse = scipy.linalg.solve_triangular(triangle, np.eye(size))
            errors = math.sqrt(square / (rows - size)) * np.linalg.norm(inverse, axis=1)
    return errors, square


def write_config(
    problem: NistProblem, start: str, folder: Path, sections: Mapping[str, Any] = MappingProxyType({})
) -> Path:
    """Write data and config as a user would; what is neither problem nor `sections` is default."""
    table, path = folder / f"{problem.name}.csv", folder / f"{problem.name}-{start}.yaml"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*problem.columns, "y"])
        columns = [map(float, column) for column in (*problem.columns.values(), problem.response)]
        writer.writerows([map(repr, row) for row in zip(*columns, strict=True)])
    config = {
        "dataset": {
            "name": "table",
            "path": table.name,
            "inputs": list(problem.columns),
            "targets": ["y"],
        },
        "model": {
            "name": "formula",
            "expression": problem.expression,
            "parameters": dict(problem.starts[start]),
        },
        **sections,
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def fit_by_lmrun(
    problem: NistProblem, start: str, folder: Path, sections: Mapping[str, Any] = MappingProxyType({})
) -> tuple[dict[str, Any], Digits]:
    """Run `lmrun train` on the config, without a process of its own; return its summary too.

    Parameters, standard errors and |r|^2 are those of the summary.
    """
    from lmrun.config.load import load_config
    from lmrun.training.opening import prepare
    from lmrun.training.progress import SilentProgress
    from lmrun.training.session import execute

    loaded = load_config(str(write_config(problem, start, folder, sections)))
    name = "-".join([problem.name, start, *sections])
    experiment, run = prepare(loaded, folder / "runs", name, ["lmrun", "train"])
    summary = execute(experiment, run, SilentProgress())
    fit = summary["fit"]
    lines = [fit["estimates"][name] for name in problem.certified]
    errors = [math.nan if line["standard_error"] is None else line["standard_error"] for line in lines]
    values = [line["value"] for line in lines]
    return summary, compared(problem, summary["steps"], values, errors, fit["residual_sum_of_squares"])


def fit_by_scipy(problem: NistProblem, start: str, method: str, scaling: str | float) -> Digits:
    """Run `least_squares` with the exact Jacobian and the tightest tolerances it takes."""
    begin = np.array([problem.starts[start][name] for name in problem.certified])
    kept: dict[bytes, tuple[Array, Array]] = {}

    def linearized(params: Array) -> tuple[Array, Array]:
        if params.tobytes() not in kept:
            kept.clear()
            kept[params.tobytes()] = problem.linearized(params)
        return kept[params.tobytes()]

    try:
        found = least_squares(
            lambda params: linearized(params)[0],
            begin,
            jac=lambda params: linearized(params)[1],
            method=method,
            x_scale=scaling,
            **TIGHT,
        )
    except ValueError:
        # Residuals that are not finite.
        return Digits(0, 0.0, 0.0, 0.0)
    return compared(problem, int(found.nfev), found.x, *statistics_at(problem, found.x))


def worst_and_mean(digits: Sequence[Digits]) -> tuple[Digits, Digits]:
    """Return the lowest and the mean of each kind."""
    table = np.array(digits)
    low, mean = table.min(axis=0), table.mean(axis=0)
    return Digits(*low), Digits(*mean)
