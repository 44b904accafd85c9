"""One sweep of 64 runs by every executor, killed on the way and not: are all results the same, bit for bit?

    .venv/bin/python -m benchmarks.sweep            # prints the table
    .venv/bin/python -m benchmarks.sweep --write    # and writes it into docs/sweep.md

Each way trains the sweep from nothing. Compared with the first way are, of every run: the resolved config,
all rows of metrics.csv but for their seconds, the arrays of the last checkpoint, the best weights, and how
the run ended. Exits 1 where anything differs. `--only NAME` takes some of the ways, the first one always.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.kill_and_resume import weights
from lmrun.runs.checkpoints import Checkpoint, read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.runs.summary import read_summary
from lmrun.sweep.layout import SweepDirectory, list_sweeps

PAGE = Path(__file__).parents[1] / "docs" / "sweep.md"
MARKS = ("<!-- written by benchmarks.sweep -->\n", "<!-- until here -->")

SWEEP = """\
base:
  dataset: {name: sinc, points: 300}
  model: mlp
  training: {batch_size: full, max_steps: 40}
grid:
  optimizer: [lm, {name: lm, damping: {update: trust-region}}, {name: lm, solver: qr}, adam]
random:
  samples: 4
  keys:
    model.hidden: {choice: [[3], [6]]}
    dataset.frequency: {uniform: [0.5, 3]}
seeds: 4
"""
"""64 runs: four optimizers, four draws, four seeds."""
EARLY = "stop_early: {name: halving, first: 5, factor: 2}\n"


@dataclass(frozen=True)
class Way:
    """How the sweep is trained.

    Attributes:
        name: For the table.
        options: Of `lmrun sweep`.
        kills: How often the whole sweep is killed on its way.
        early: Whether hopeless runs are ended early.
    """

    name: str
    options: tuple[str, ...]
    kills: int = 0
    early: bool = False


WAYS = (
    Way("1 process", ("--workers", "1")),
    Way("2 processes", ("--workers", "2")),
    Way("2 processes, killed twice", ("--workers", "2"), kills=2),
    Way("Ray, 2 actors", ("--executor", "ray", "--workers", "2")),
    Way("Ray, killed twice", ("--executor", "ray", "--workers", "2"), kills=2),
    Way("1 process, halving", ("--workers", "1"), early=True),
    Way("2 processes, halving, killed twice", ("--workers", "2"), kills=2, early=True),
    Way("Ray, 2 actors, halving", ("--executor", "ray", "--workers", "2"), early=True),
)


@dataclass(frozen=True)
class Trained:
    """A sweep that has been trained.

    Attributes:
        sweep: Its directory.
        seconds: That it took, all starts of Python included.
        kills: How often it was killed while it trained, with how many runs ended by then.
    """

    sweep: SweepDirectory
    seconds: float
    kills: tuple[int, ...]


def train(way: Way, folder: Path, draw: random.Random) -> Trained:
    """Train the sweep in a folder, killed at random moments of its training."""
    folder.mkdir()
    (folder / "s.yaml").write_text(SWEEP + (EARLY if way.early else ""))
    command = [sys.executable, "-m", "lmrun", "sweep", "s.yaml", "--quiet", *way.options]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OPENBLAS_NUM_THREADS": "1"}
    began, kills = time.monotonic(), []
    for _ in range(way.kills):
        process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
        # Somewhere between the first run that has ended and the last but few.
        goal = draw.randrange(1, 56)
        while process.poll() is None and ended(folder) < goal:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills.append(ended(folder))
    subprocess.run(command, cwd=folder, env=environment, check=True)
    seconds = time.monotonic() - began
    (sweep,) = list_sweeps(folder / "runs")
    return Trained(sweep, seconds, tuple(kills))


def ended(folder: Path) -> int:
    """Count the runs that have a summary."""
    return len(list((folder / "runs").glob("sweep-*/summary.json")))


def runs_of(sweep: SweepDirectory) -> list[RunDirectory]:
    """The directories of the runs of a sweep."""
    names = [run["name"] for run in json.loads(sweep.plan.read_text())["runs"]]
    return [RunDirectory(sweep.runs_dir / name) for name in names]


def differences(run: RunDirectory, other: RunDirectory) -> Iterator[str]:
    """Name everything in which two runs differ, down to the last bit."""
    if run.config.read_text() != other.config.read_text():
        yield "config"
    rows, others = (read_metrics(each).drop(columns="seconds") for each in (run, other))
    if not rows.equals(others):
        yield "metrics"
    mine, theirs = (read_checkpoint(each) for each in (run, other))
    if mine is None or theirs is None or not equal(mine, theirs):
        yield "checkpoint"
    pairs = zip(weights(run.best_weights), weights(other.best_weights), strict=True)
    if not all(np.array_equal(left, right) for left, right in pairs):
        yield "weights"
    first, second = (read_summary(each) or {} for each in (run, other))
    kept = ("status", "steps", "loss", "best_loss", "best_step", "params", "parameters")
    if any(first.get(key) != second.get(key) for key in kept):
        yield "summary"


def equal(mine: Checkpoint, theirs: Checkpoint) -> bool:
    """Whether two checkpoints are of the same step and hold the same arrays."""
    same = mine.step == theirs.step and mine.arrays.keys() == theirs.arrays.keys()
    return same and all(np.array_equal(mine.arrays[name], theirs.arrays[name]) for name in mine.arrays)


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/sweep.md")
    parser.add_argument("--only", action="append", help="the name of a way; may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    options = parser.parse_args()
    draw, lines, wrong = random.Random(options.seed), [], 0
    first: dict[bool, Trained] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, way in enumerate(WAYS):
            if options.only and way.name not in options.only and way.early in first:
                continue
            trained = train(way, Path(folder, str(number)), draw)
            reference = first.setdefault(way.early, trained)
            pairs = list(zip(runs_of(trained.sweep), runs_of(reference.sweep), strict=True))
            found = {run.name: list(differences(run, other)) for run, other in pairs}
            differing = {name: words for name, words in found.items() if words}
            wrong += len(differing)
            for name, words in differing.items():
                print(f"{way.name}: {name} differs in {', '.join(words)}", file=sys.stderr)
            same = (
                "the reference" if reference is trained else f"{len(found) - len(differing)} of {len(found)}"
            )
            pruned = sum((read_summary(run) or {}).get("status") == "pruned" for run, _ in pairs)
            kills = ", ".join(map(str, trained.kills)) or "–"
            lines.append(f"| {way.name} | {kills} | {pruned} | {trained.seconds:.0f} | {same} |")
            print(lines[-1], file=sys.stderr, flush=True)
    table = "\n".join([*HEAD, *lines, "", f"*{machine()}*"]) + "\n"
    print(table)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(MARKS[0])
        PAGE.write_text(before + MARKS[0] + table + MARKS[1] + rest.split(MARKS[1])[1], encoding="utf-8")
    sys.exit(1 if wrong else 0)


HEAD = (
    "| trained by | runs ended at each kill | ended early | seconds | runs identical to the reference |",
    "|---|---|---|---|---|",
)


def machine() -> str:
    """What the numbers were made with."""
    from importlib.metadata import version

    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "ray"))
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}; other work on the machine."
    )


if __name__ == "__main__":
    main()
