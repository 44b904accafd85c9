"""A worker's record in a few numbers and a thin curve."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import numpy as np

from benchmarks.problems import Problem

FIRST_STEPS = 3
"""Steps that do not count for the time of a step: they compile and warm up."""
CURVE_POINTS = 80


def step_seconds(steps: list[list[float]]) -> float | None:
    """Return the median time of a step, the first ones left out.

    Args:
        steps: Pairs of steps made and seconds.
    """
    rest = steps[FIRST_STEPS - 1 :] if len(steps) > FIRST_STEPS + 1 else steps
    if len(rest) < 2:
        return None
    made, seconds = np.asarray(rest, np.float64).T
    return float(median(np.diff(seconds) / np.diff(made)))


def first_step_seconds(steps: list[list[float]], step: float | None) -> float | None:
    """Return the time of the first step; others of the same call count as much as later ones."""
    if not steps:
        return None
    made, seconds = steps[0]
    return max(0.0, seconds - (made - 1) * (step or 0.0))


def seconds_to(problem: Problem, values: list[list[float]], target: float) -> float | None:
    """Return when a target was reached first."""
    return next((seconds for seconds, value in values if problem.reached(value, target)), None)


def lowest_error(problem: Problem, values: list[list[float]], until: float) -> float | None:
    """Return the lowest error within the first seconds."""
    errors = [problem.error(value) for seconds, value in values if seconds <= until and math.isfinite(value)]
    return min(errors, default=None)


def curve(problem: Problem, values: list[list[float]]) -> list[list[float]]:
    """Return where the lowest error so far fell, thinned out evenly in the logarithm of time."""
    points: list[list[float]] = []
    best = math.inf
    for seconds, value in values:
        error = problem.error(value)
        if error < best:
            best = error
            points.append([seconds, error])
    if len(points) <= CURVE_POINTS:
        return points
    times = np.log(np.maximum([point[0] for point in points], 1e-3))
    wanted = np.searchsorted(times, np.linspace(times[0], times[-1], CURVE_POINTS))
    return [points[index] for index in sorted({*wanted.tolist(), len(points) - 1})]


def summarize(problem: Problem, record: dict[str, Any]) -> dict[str, Any]:
    """Return what the report needs; times in seconds, memory in bytes, None where there is nothing."""
    step = step_seconds(record["steps"])
    first = first_step_seconds(record["steps"], step)
    return {
        "step_seconds": step,
        "first_step_seconds": first,
        "compile_seconds": None if first is None or step is None else max(0.0, first - step),
        "steps": record["steps"][-1][0] if record["steps"] else 0,
        "seconds": record["seconds"],
        "seconds_to": {
            str(target): seconds_to(problem, record["values"], target) for target in problem.targets
        },
        "lowest_error": lowest_error(problem, record["values"], problem.budget_seconds),
        "final_error": lowest_error(problem, record["values"], math.inf),
        "peak_bytes": record["peak_bytes"],
        "others": record["others"],
        "message": record["message"],
        "versions": record["versions"],
        "curve": [[float(f"{x:.4g}") for x in point] for point in curve(problem, record["values"])],
    }
