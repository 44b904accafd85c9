"""Bayesian regularization beside none: a network of 91 parameters on a sine of 50 noisy points, many seeds.

    python -m benchmarks.bayesian [--seeds 20] [--noise 0.2] [--steps 500]

Each seed decides the noise and the initial weights of both. What is held out is the sine itself, without
noise, at 1,000 points.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PLAIN = "optimizer.regularization=none"


@dataclass(frozen=True)
class Row:
    """One seed.

    Attributes:
        seed: Of noise and weights.
        plain: Root mean square error of the unregularized network on the held-out sine.
        bayesian: The same with Bayesian regularization.
        effective: Its effective number of parameters.
        noise: The standard deviation of the noise that it found.
    """

    seed: int
    plain: float
    bayesian: float
    effective: float
    noise: float


def trained(folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Train the shipped config and return the run's summary."""
    from lmrun.config.load import load_config
    from lmrun.training.opening import prepare
    from lmrun.training.progress import make_progress
    from lmrun.training.session import execute

    experiment, run = prepare(load_config("noisy-sine", overrides), folder, None, ["benchmarks.bayesian"])
    return execute(experiment, run, make_progress(True, 10.0))


def measure(seed: int, noise: float, steps: int, folder: Path) -> Row:
    """Train both on one seed."""
    common = [f"seed={seed}", f"dataset.noise={noise}", f"training.max_steps={steps}", "device=cpu"]
    plain = trained(folder, [*common, PLAIN])
    bayesian = trained(folder, common)
    found = bayesian["regularization"]
    return Row(
        seed=seed,
        plain=plain["test"]["rmse"],
        bayesian=bayesian["test"]["rmse"],
        effective=found["effective_parameters"],
        noise=float(1 / np.sqrt(2 * found["beta"])),
    )


def table(rows: Sequence[Row]) -> str:
    """Write a line per seed and the medians."""
    lines = [
        "| seed | plain LM | Bayesian | effective of 91 | noise found |",
        "|---:|---:|---:|---:|---:|",
        *(
            f"| {row.seed} | {row.plain:.3f} | {row.bayesian:.3f} | {row.effective:.1f} | {row.noise:.3f} |"
            for row in rows
        ),
    ]
    names = ("plain", "bayesian", "effective", "noise")
    plain, bayesian, effective, noise = (np.median([getattr(row, name) for row in rows]) for name in names)
    lines.append(f"| median | {plain:.3f} | {bayesian:.3f} | {effective:.1f} | {noise:.3f} |")
    wins = sum(row.bayesian < row.plain for row in rows)
    return "\n".join(
        [*lines, "", f"Bayesian regularization has the lower error in {wins} of {len(rows)} seeds."]
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.2)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(seed, options.noise, options.steps, Path(folder)) for seed in range(1, options.seeds + 1)
        ]
    print(table(rows))


if __name__ == "__main__":
    main()
