"""Fits whose answers are known: NIST's certified ones, and linear models with their closed forms."""

import json
from pathlib import Path

import numpy as np

from lmrun.inference.solution import Solution, observe, triangle_of

FORMULAS = {
    "Misra1a": lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    "Chwirut2": lambda b, x: np.exp(-b[0] * x) / (b[1] + b[2] * x),
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Gauss3": lambda b, x: (
        b[0] * np.exp(-b[1] * x)
        + b[2] * np.exp(-((x - b[3]) ** 2) / b[4] ** 2)
        + b[5] * np.exp(-((x - b[6]) ** 2) / b[7] ** 2)
    ),
}
NIST = {
    problem["name"]: problem
    for problem in json.loads((Path(__file__).parents[1] / "data" / "nist_strd.json").read_text())
    if problem["name"] in FORMULAS
}


class Fit:
    """A formula with its data; derivatives by the complex step, exact to rounding."""

    def __init__(self, formula, x, y, weights=None):
        self.formula = formula
        self.x, self.y = np.asarray(x), np.asarray(y)
        self.weights = np.ones(len(self.y)) if weights is None else np.asarray(weights)

    def values(self, params):
        return self.formula(np.asarray(params), self.x)

    def jacobian(self, params):
        steps = 1e-30j * np.eye(len(params))
        return np.stack([self.formula(params + step, self.x).imag / 1e-30 for step in steps], axis=1)

    def weighted(self, params):
        root = np.sqrt(self.weights)
        return root[:, None] * self.jacobian(params), root * (self.values(params) - self.y)

    def polished(self, params, steps=5):
        """Gauss-Newton steps by an orthogonal factorization: certified values have eleven digits only."""
        params = np.asarray(params, float)
        for _ in range(steps):
            jacobian, residual = self.weighted(params)
            norms = np.linalg.norm(jacobian, axis=0)
            q, r = np.linalg.qr(jacobian / norms)
            params = params - np.linalg.solve(r, q.T @ residual) / norms
        return params

    def solution(self, params, **more):
        names = more.pop("names", tuple(f"b{place + 1}" for place in range(len(params))))
        triangle = triangle_of([self.weighted(params)])
        return Solution(names, np.asarray(params, float), triangle, observe(self.y, self.weights), **more)


def certified(name):
    problem = NIST[name]
    fit = Fit(FORMULAS[name], problem["x"][0], problem["y"])
    return fit, fit.polished(list(problem["certified"].values())), problem


def line(rng, rows=12, weights=None, noise=0.3):
    """y = a + b x with noise, and its least squares solution in closed form."""
    x = np.linspace(-1, 2, rows)
    y = 0.7 - 1.3 * x + noise * rng.normal(size=rows)
    fit = Fit(lambda b, x: b[0] + b[1] * x, x, y, weights)
    return fit, fit.polished([0.0, 0.0], 2)
