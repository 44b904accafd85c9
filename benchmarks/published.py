"""Reproduce the published numbers of the small problems and write them as Markdown tables.

    .venv/bin/python benchmarks/published.py > docs/published.md

Every number is read from `lmrun train ... --json` and the run's metrics.csv; nothing is typed in but the
published values, which stand beside the measured ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics

CURVE = {
    "sgd": (582, "1381.5379689", "9.6985e-11"),
    "adam": (317, "34205.7291669", "2.42e-12 to 2.44e-12"),
    "newton": (6, "105.0435749695", "5.8821e-20"),
    "gauss-newton": (4, "14.6530251577", "3.3744e-17"),
}
"""Published steps, loss after one step, and final loss on the Rosenbrock curve from (5, 5)."""
SEEDS = 20
CLASSIC = (
    "optimizer={name: lm, acceleration: none, "
    "damping: {update: factor, initial: 3, increase: 10, decrease: 10}}",
    "training={max_steps: 100, target_loss: null}",
)
"""The optimizer of the published run, where the shipped config has a better one."""
MLP = "0.0123 (one start); Adam 0.229 after 40,000 steps"
OTHERS = {
    "rosenbrock-nd": ("lm", "adam"),
    "sinc": ("lm", "adam"),
    "mnist-cnn": ("lm", "adam"),
}


def train(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the command and return its JSON document; a failed run is a result too."""
    command = [sys.executable, "-m", "lmrun", "train", *arguments, "--json", "--quiet"]
    print(f"lmrun train {' '.join(arguments)}", file=sys.stderr)
    output = subprocess.run(
        [*command, "--runs-dir", str(folder)], stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    document: dict[str, Any] = json.loads(output)
    return document


def curve_table(folder: Path) -> list[str]:
    """Run every optimizer on the Rosenbrock curve."""
    lines = [
        "| optimizer | steps (published) | loss after 1 step (published) | final loss (published) | a, b |",
        "|---|---|---|---|---|",
    ]
    for name, (steps, first, final) in CURVE.items():
        run = train(folder, "rosenbrock-curve", f"optimizer={name}")
        after_one = read_metrics(RunDirectory(Path(run["run"])))["loss"].iloc[1]
        params = ", ".join(f"{value:.9g}" for value in run["params"].values())
        lines.append(
            f"| {name} | {run['steps']} ({steps}) | {after_one:.13g} ({first}) | "
            f"{run['best_loss']:.6g} ({final}) | {params} |"
        )
    return lines


def mlp_lines(folder: Path) -> list[str]:
    """Run LM on the network from many starts, and the optimizers that it is compared with."""
    runs = train(folder, "rosenbrock-mlp", *CLASSIC, "--seeds", str(SEEDS))["runs"]
    best = train(folder, "rosenbrock-mlp", "--seeds", str(SEEDS))["runs"]
    losses = [run["loss"] for run in runs]
    low, _, high = quantiles(losses, n=4)
    failed = train(folder, "rosenbrock-mlp", "optimizer=gauss-newton")
    adam = train(folder, "rosenbrock-mlp", "optimizer=adam")
    return [
        f"- `lm` (factor, no acceleration), 100 steps, seeds {10} to {10 + SEEDS - 1}: "
        f"median {median(losses):.4g}, "
        f"quartiles {low:.2g} and {high:.2g}; published {MLP}",
        "- the shipped config to 1e-6, same seeds: "
        f"{sum(run['status'] == 'target_reached' for run in best)} of {SEEDS} reach it, "
        f"after {median(run['steps'] for run in best):g} steps "
        f"({median(run['seconds'] for run in best):.2g} s) at the median",
        f"- `gauss-newton`: {failed['status']} after {failed['steps']} step(s)",
        f"- `adam` at rate 0.01, {adam['steps']:,} steps, seed 10: {adam['loss']:.3g}",
    ]


def others_table(folder: Path) -> list[str]:
    """Run the larger shipped configs with LM and Adam."""
    lines = [
        "| config | optimizer | parameters | steps | seconds | loss | best validation loss | test accuracy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for config, optimizers in OTHERS.items():
        for name in optimizers:
            run = train(folder, config, f"optimizer={name}")
            validation, test = run["best_validation_loss"], run["test"]
            cells = [
                *(config, name, f"{run['parameters']:,}", f"{run['steps']:,}", f"{run['seconds']:.1f}"),
                f"{run['initial_loss']:.3g} → {run['loss']:.3g}",
                "" if validation is None else f"{validation:.3g}",
                "" if test is None else f"{test['accuracy']:.2%}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("# Published numbers, measured again\n")
        print("Written by `python benchmarks/published.py`. Seconds are wall-clock, compilation included.\n")
        print("## The Rosenbrock curve: a formula of two parameters from (5, 5)\n")
        print("\n".join(curve_table(folder)))
        print("\n## A network of 41 parameters on 500 points of the Rosenbrock surface\n")
        print("\n".join(mlp_lines(folder)))
        print("\n## The larger configs\n")
        print("\n".join(others_table(folder)))


if __name__ == "__main__":
    main()
