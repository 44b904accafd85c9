"""Find each peer's best settings: `python -m benchmarks.tune [--packages adam,torch] [--problems sinc]`.

Every candidate runs from each of the first seeds. The median seconds to the last target decide, then those to
the one before, then the lowest error. Writes `tuned.json`, which `benchmarks.entrants` reads; what is not
tuned anew stays.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import entrants, machine
from benchmarks.entrants import TUNED, Entrant
from benchmarks.export import FIRST_SEED
from benchmarks.launch import end_workers_with_me
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.race import Race
from benchmarks.spread import spread

SECONDS = {"sinc": 15.0, "rosenbrock-mlp": 10.0, "rosenbrock-nd": 30.0, "mnist-cnn": 60.0}
"""Longest run of a candidate."""
SEEDS = {"sinc": 3, "rosenbrock-mlp": 3, "rosenbrock-nd": 1, "mnist-cnn": 1}

Candidates = tuple[Callable[..., Entrant], list[dict[str, Any]]]


def grid(**choices: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return all combinations."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


MODES = tuple({"damping_mode": mode} if mode else {} for mode in ("", "adaptive", "fletcher"))
ENDLESS = {"conditional_stopping": False, "auto_reset": True}
"""Without it the package stops at the first batch that no damping improves."""

CANDIDATES: dict[str, list[Candidates]] = {
    "sinc": [
        (entrants.torch, grid(dtype=("float32", "float64"), batch=(1000, None), damping=MODES)),
        (entrants.scipy_lm, grid(x_scale=(1.0, "jac"))),
        (entrants.scipy_trf, grid(x_scale=(1.0, "jac"))),
        (entrants.optimistix, grid(solver=("qr", "cholesky"))),
    ],
    "rosenbrock-mlp": [
        (entrants.torch, grid(damping=MODES)),
        (entrants.scipy_lm, grid(x_scale=(1.0, "jac"))),
        (entrants.scipy_trf, grid(x_scale=(1.0, "jac"))),
        (entrants.optimistix, grid(solver=("qr", "cholesky"))),
    ],
    "rosenbrock-nd": [
        (entrants.torch, grid(solve=("solve", "cholesky")) + grid(damping=MODES[1:])),
        (entrants.scipy_lm, grid(x_scale=(1.0, "jac"))),
        (entrants.scipy_trf, grid(x_scale=(1.0, "jac"))),
        (entrants.optimistix, grid(solver=("qr", "cholesky"))),
    ],
    "mnist-cnn": [
        (
            entrants.torch,
            grid(
                dtype=("float32",),
                batch=(6000,),
                learning_rate=(0.05, 0.1, 0.2),
                damping=tuple(mode | ENDLESS for mode in (MODES[0], MODES[2])),
            ),
        ),
        (
            entrants.adam,
            grid(batch=(32, 64, 128, 256, 600), learning_rate=(0.001, 0.003, 0.01), compiled=(False,)),
        ),
    ],
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def rank(runs: list[dict[str, Any]]) -> tuple[float, ...]:
    """Return what is compared, the smaller the better."""
    done = [run for run in runs if "failure" not in run]
    if not done:
        return (math.inf,)
    targets = reversed(done[0]["seconds_to"])
    seconds = [spread([run["seconds_to"][target] for run in done]).middle for target in targets]
    return (*seconds, spread([run["final_error"] for run in done]).middle)


def tune(
    problem: Problem, make: Callable[..., Entrant], choices: list[dict[str, Any]], lock: Path | None
) -> dict[str, Any]:
    """Run one package's candidates on one problem."""
    race = Race([problem], SEEDS[problem.name], [], lock)
    race.export()
    seeds = range(FIRST_SEED, FIRST_SEED + race.repeats)
    results = [[race.run(problem, make(**choice), seed) for seed in seeds] for choice in choices]
    best = min(range(len(choices)), key=lambda index: rank(results[index]))
    kept = ("seed", "seconds_to", "final_error", "step_seconds", "others", "message", "failure")
    return {
        "best": choices[best],
        "limit_seconds": problem.limit_seconds,
        "machine": machine.describe(),
        "candidates": [
            {
                "settings": choice,
                "runs": [{key: run[key] for key in kept if run.get(key)} for run in runs],
            }
            for choice, runs in zip(choices, results, strict=True)
        ],
    }


@app.command()
def main(
    *,
    packages: Annotated[str, typer.Option(help="Words of package names; all by default.")] = "",
    problems: Annotated[str, typer.Option(help="Comma-separated; all by default.")] = ",".join(PROBLEMS),
    lock: Annotated[Path | None, typer.Option(help="A lock file to hold while a worker runs.")] = None,
) -> None:
    """Tune, and write after each package."""
    end_workers_with_me()
    for name in problems.split(","):
        problem = replace(PROBLEMS[name], budget_seconds=0.0, limit_seconds=SECONDS[name])
        for make, choices in CANDIDATES[name]:
            package = make(**choices[0]).package
            if not any(word in package.lower() for word in packages.lower().split(",")):
                continue
            found = tune(problem, make, choices, lock)
            document = json.loads(TUNED.read_text(encoding="utf-8")) if TUNED.exists() else {}
            document.setdefault(name, {})[package] = found
            TUNED.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            print(f"{name}: {make(**found['best']).name}")


if __name__ == "__main__":
    app()
