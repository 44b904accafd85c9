"""How long `lmrun ls` takes over thousands of runs: `python -m benchmarks.listing`.

The runs are made here, as `lmrun train` leaves them less their weights; the command is a process of its own,
from its start to its end. Prints a line of Markdown per kind of call.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from lmrun.runs.create import create_run
from lmrun.runs.metrics import MetricsWriter
from lmrun.runs.summary import write_summary

CALLS = (
    ("ls",),
    ("ls", "--json", "--limit", "0"),
    ("ls", "--sort", "loss", "--optimizer", "lm"),
    ("show", "latest"),
)


def make_runs(folder: Path, count: int) -> None:
    """Make runs, of which every hundredth is damaged and every tenth has not ended."""
    config = "dataset: {name: sinc}\noptimizer: {name: lm}\n"
    for number in range(count):
        run = create_run(
            folder,
            dataset="sinc",
            optimizer="lm",
            seed=number,
            name=f"run-{number:06}",
            config_yaml=config,
            source="",
            overrides=[],
            manifest={
                "started": f"2026-01-01T{number:08}",
                "dataset": "sinc",
                "optimizer": "lm",
                "seed": number,
            },
        )
        with MetricsWriter(run) as writer:
            writer.write(
                [{"step": step, "seconds": float(step), "loss": 1 / (step + 1)} for step in range(50)]
            )
        run.lock.touch()
        if number % 10:
            summary = {"status": "max_steps", "steps": 49, "seconds": 49.0, "loss": 0.02, "best_loss": 0.02}
            write_summary(run, summary)
        if number % 100 == 7:
            run.manifest.write_text("{")


def main(
    runs: Annotated[int, typer.Option(min=1, help="Number of runs.")] = 5000,
    repeats: Annotated[int, typer.Option(min=1, help="Calls of each kind.")] = 5,
) -> None:
    """Time the calls."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "runs"
        make_runs(folder, runs)
        print(f"| `lmrun` over {runs:,} runs | median, s | slowest, s |\n|---|---|---|")
        for call in CALLS:
            seconds = []
            for _ in range(repeats):
                started = time.perf_counter()
                command = [sys.executable, "-m", "lmrun", *call, "--runs-dir", str(folder)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                seconds.append(time.perf_counter() - started)
            if "--json" in call:
                listed = json.loads(done.stdout)["runs"]
                assert len(listed) == runs, "every run is listed, damaged ones too"
            print(f"| `{' '.join(call)}` | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    typer.run(main)
