"""The race in the few lines that the README shows: `python -m benchmarks.headline`.

A test compares what the README has with what this makes of docs/benchmark-peers.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.report import JSON
from benchmarks.spread import Spread, spread

SHIPPED = "lmrun"
"""The entrant that runs a shipped config as it is."""
LINES = (("sinc", 1.5e-8), ("rosenbrock-mlp", 1.2e-5), ("rosenbrock-nd", 7e-6), ("mnist-cnn", 0.97))
"""Problems and targets."""
HEADING = """\
| | goal | best other package | lmrun | best value, other package | lmrun |
|---|---|---|---|---|---|"""
TITLES = {
    "sinc": "sinc, 61 parameters",
    "rosenbrock-mlp": "Rosenbrock 2-D, 41",
    "rosenbrock-nd": "Rosenbrock 6-D, 311",
    "mnist-cnn": "MNIST, 1,026",
}


def table(document: dict[str, Any]) -> str:
    """Return it in Markdown, for the results of `benchmarks.run`."""
    rows = [line(PROBLEMS[name], target, document["problems"][name]) for name, target in LINES]
    return "\n".join([HEADING, *rows])


def line(problem: Problem, target: float, results: dict[str, Any]) -> str:
    """Seconds to the target, and the lowest error in the problem's time, of the best peer and of lmrun.

    A run that failed did not get there.
    """
    entrants = {entrant["name"]: entrant["package"] for entrant in results["entrants"]}
    seconds: dict[str, list[float | None]] = {name: [] for name in entrants}
    lowest_errors: dict[str, list[float | None]] = {name: [] for name in entrants}
    for run in results["runs"]:
        failed, name = "failure" in run, run["entrant"]
        seconds[name].append(None if failed else run["seconds_to"][str(target)])
        lowest_errors[name].append(None if failed else run["lowest_error"])
    times = {name: spread(values) for name, values in seconds.items()}
    errors = {name: spread(values) for name, values in lowest_errors.items()}
    peers = [name for name, package in entrants.items() if package != "lmrun"]
    goal = f"MSE {_power(target)}" if problem.measure == "mse" else f"{target:.1%} right"
    best, ours = min((times[name] for name in peers), key=_middle), times[SHIPPED]
    lowest, own = min((errors[name] for name in peers), key=_middle), errors[SHIPPED]
    cells = [
        TITLES[problem.name],
        goal,
        f"{best.middle:.3g} s" if best.known else f"> {problem.limit_seconds:g} s",
        f"**{ours.middle:.2g} s**" if ours.known else f"> {problem.limit_seconds:g} s",
        f"{_value(problem, lowest)} in {problem.budget_seconds:g} s",
        f"**{_value(problem, own)}**",
    ]
    return f"| {' | '.join(cells)} |"


def _middle(one: Spread) -> float:
    return one.middle


def _value(problem: Problem, error: Spread) -> str:
    if not error.known:
        return "–"
    return _power(error.middle) if problem.measure == "mse" else f"{1 - error.middle:.2%}"


def _power(number: float) -> str:
    mantissa, _, exponent = f"{number:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


if __name__ == "__main__":
    print(table(json.loads((Path(ROOT) / "docs" / JSON).read_text(encoding="utf-8"))))
