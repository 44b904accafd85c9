"""The process that `benchmarks.soak` watches: `python -m benchmarks.soaking PART AMOUNT FILE`.

It goes through the command line's own functions in one process, and writes one JSON line on the machine, and
one per sample: seconds since the start of the training, bytes of resident memory, and how much was done.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psutil
import typer

from benchmarks.machine import describe
from lmrun.cli import app

INTERVAL = 5.0
"""Seconds from one sample of the long run to the next."""
BATCHES = ("mnist-cnn", "training.max_epochs=1000000", "training.checkpoint_seconds=20")
"""Mini-batches of 500 images: a step, its rows of metrics.csv, an epoch's validation, checkpoints."""
SHORT: tuple[tuple[str, ...], ...] = (
    ("rosenbrock-curve",),
    ("rosenbrock-mlp", "training.max_steps=20"),
    ("rosenbrock-mlp", "optimizer=adam", "training.max_steps=100"),
    ("noisy-sine", "training.max_steps=20"),
    ("rosenbrock-curve", "optimizer=newton", "training.max_steps=10"),
    ("sinc", "dataset.points=2000", "training.max_steps=10"),
    ("sinc", "dataset.points=2000", "optimizer=sgd", "training.batch_size=500", "training.max_epochs=5"),
    ("rosenbrock-mlp", "loss=mae", "optimizer={name: lm, solver: cg}", "training.max_steps=3"),
    ("rosenbrock-mlp", "optimizer=rmsprop", "training.max_steps=50", "training.target_loss=null"),
    ("sinc", "dataset.points=500", "precision=float32", "training.max_steps=10"),
)
"""Runs that differ in all that makes memory: kernels in NumPy and compiled ones, optimizers, solvers."""
FIGURE_EVERY = 10
"""After so many runs one is drawn, and its model predicts."""
CALM = {1, 4}
"""Exit codes of the short runs beside 0: some are to end before they have improved."""

Sample = Callable[[int], None]


def sampler(file: IO[str]) -> Sample:
    """Return what writes a line, given what was done so far."""
    process, start = psutil.Process(), time.monotonic()

    def sample(done: int) -> None:
        line = {"seconds": time.monotonic() - start, "bytes": process.memory_info().rss, "done": done}
        file.write(json.dumps(line) + "\n")
        file.flush()

    return sample


def command(*arguments: str) -> int:
    """Call the command line in this process and return its exit code."""
    try:
        done: Any = typer.main.get_command(app)(list(arguments), standalone_mode=False)
    except SystemExit as end:
        done = end.code
    return int(done or 0)


def hour(seconds: float, sample: Sample, folder: Path) -> None:
    """One run, watched from a thread."""
    ended, run = threading.Event(), folder / "hour"

    def watch() -> None:
        while not ended.wait(INTERVAL):
            metrics = run / "metrics.csv"
            # Bytes that were written stand for the work done.
            sample(metrics.stat().st_size if metrics.exists() else 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        arguments = [*BATCHES, f"training.max_seconds={seconds}", "--quiet", "--runs-dir", str(folder)]
        code = command("train", *arguments, "--name", "hour")
    finally:
        ended.set()
        watcher.join()
    if code:
        raise SystemExit(f"the run of an hour ended with exit code {code}")


def short_runs(count: int, sample: Sample, folder: Path) -> None:
    """Many runs, one after the other, each with its own seed and figures now and then."""
    for number in range(count):
        with tempfile.TemporaryDirectory(dir=folder) as runs:
            arguments = [*SHORT[number % len(SHORT)], f"seed={number}", "--quiet", "--runs-dir", runs]
            code = command("train", *arguments, "--name", "short")
            if code not in {0, *CALM}:
                raise SystemExit(f"run {number} ended with exit code {code}: {arguments}")
            if number % FIGURE_EVERY == FIGURE_EVERY - 1:
                command("plot", "short", "--runs-dir", runs)
                command("show", "short", "--runs-dir", runs)
        sample(number + 1)


PARTS: dict[str, Callable[[Any, Sample, Path], None]] = {
    "hour": hour,
    "runs": lambda count, *rest: short_runs(int(count), *rest),
}


def main() -> None:
    """See the module."""
    part, amount, file = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        # One core each; lmrun counts them when it first computes.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[list(PARTS).index(part) % len(cores)]})
    with Path(file).open("w", encoding="utf-8") as lines, tempfile.TemporaryDirectory() as folder:
        lines.write(json.dumps(describe()) + "\n")
        PARTS[part](float(amount), sampler(lines), Path(folder))


if __name__ == "__main__":
    main()
