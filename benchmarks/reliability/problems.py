"""Runs that are small enough to be broken hundreds of times, and when two of them are the same."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.reliability.children import Setup, lmrun
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics

TABLE = "rows.csv"
EVERY_STEP = "checkpoint_seconds: 0"
"""A checkpoint after every step: the more is written, the more can be broken."""
DIFFERENT = ("run", "seconds", "peak_memory_bytes")
"""What two runs of the same config do not share."""


@dataclass(frozen=True)
class Problem:
    """A config and its overrides.

    Attributes:
        name: Of the problem.
        config: A shipped config, or one that `write_inputs` writes.
        overrides: Of it.
    """

    name: str
    config: str
    overrides: tuple[str, ...]


PROBLEMS = (
    Problem(
        "full batch",
        "sinc",
        (
            "dataset.points=90",
            "dataset.validation_points=30",
            "model.hidden=[4]",
            f"training={{batch_size: full, max_steps: 40, target_loss: null, {EVERY_STEP}}}",
        ),
    ),
    Problem(
        "mini-batches",
        "sinc",
        (
            "dataset.points=90",
            "model.hidden=[4]",
            f"training={{batch_size: 40, max_epochs: 12, target_loss: null, {EVERY_STEP}}}",
        ),
    ),
    Problem("formula", "formula.yaml", (f"training={{max_steps: 12, {EVERY_STEP}}}",)),
)


def write_inputs(folder: Path) -> None:
    """Write the table and the config of the formula."""
    x = np.linspace(0, 4, 40)
    y = 3 * np.exp(-1.3 * x) + 0.1 * np.cos(9 * x)
    lines = [f"{a!r},{b!r}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    (folder / TABLE).write_text("\n".join(["x,y", *lines, ""]))
    (folder / "formula.yaml").write_text(
        f"dataset: {{name: table, path: {TABLE}, inputs: [x], targets: [y]}}\n"
        "model: {name: formula, expression: 'b1*exp(-b2*x)', parameters: {b1: 40, b2: 6}}\n"
    )


class Bench:
    """A folder of runs, and the problems' whole runs to compare with.

    Args:
        folder: Where.

    Attributes:
        whole: The run of each problem that nothing happens to.
        seconds: How long it took.
        places: Its operations on files, once `kills.places_of` has counted them.
        random: Decides moments and places.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = random.Random(0)
        self.whole: dict[str, RunDirectory] = {}
        self.seconds: dict[str, float] = {}
        self.places: dict[str, int] = {}
        write_inputs(folder)
        for problem in PROBLEMS:
            name = f"whole-{problem.name.replace(' ', '-')}"
            ended = self.train(problem, name)
            if ended.code != 0:
                raise RuntimeError(f"{problem.name}: {ended.said}")
            self.seconds[problem.name] = ended.seconds
            self.whole[problem.name] = RunDirectory(folder / name)

    def train(
        self, problem: Problem, name: str, *, setup: Setup | None = None, kill_after: float | None = None
    ) -> Any:
        """Run `lmrun train` on a problem."""
        return lmrun(*self.words(problem, self.folder / name), setup=setup, kill_after=kill_after)

    def words(self, problem: Problem, run: Path) -> tuple[Any, ...]:
        """What is typed to train a problem."""
        config = self.folder / problem.config if problem.config.endswith(".yaml") else problem.config
        return (
            *("train", config, *problem.overrides, "--quiet"),
            *("--runs-dir", run.parent, "--name", run.name),
        )

    def resume(self, run: RunDirectory, **how: Any) -> Any:
        """Run `lmrun train --resume`."""
        return lmrun("train", "--resume", run.path, "--quiet", **how)


def differences(run: RunDirectory, whole: RunDirectory) -> list[str]:
    """Say in what a run differs from one that nothing happened to: bit for bit, but for its times."""
    found = []
    for mine, theirs in ((run.last_weights, whole.last_weights), (run.best_weights, whole.best_weights)):
        one, other = _weights(mine), _weights(theirs)
        if one.keys() != other.keys() or any(one[name] != other[name] for name in one):
            found.append(mine.name)
    rows, others = (read_metrics(each).drop(columns="seconds") for each in (run, whole))
    if not rows.equals(others):
        found.append(f"{run.metrics.name} ({len(rows)} of {len(others)} rows)")
    if _summary(run) != _summary(whole):
        found.append(run.summary.name)
    return found


def _weights(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


def _summary(run: RunDirectory) -> dict[str, Any]:
    document = json.loads(run.summary.read_text())
    return {name: value for name, value in document.items() if name not in {*DIFFERENT, "checksum", "files"}}
