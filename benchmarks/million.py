"""A network of a million parameters: conjugate gradients against Adam at equal time.

    python -m benchmarks.million --seeds 3 --seconds 75
    python -m benchmarks.million --tune --seconds 45

Runs of `lmrun train million-parameters`, one after the other, all contestants in turn for each seed, so that
a slow minute of the machine hits them all. Writes a Markdown table to stdout: the smallest loss in
metrics.csv up to each time (Adam's rows are means over an epoch's batches), the loss over all rows at the
end, and the peak memory of the whole process.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from benchmarks.environments import ROOT
from benchmarks.machine import describe, seconds_of_others

CONFIG = ROOT / "configs" / "million-parameters.yaml"
CONTESTANTS = ("cg", "adam, 0.03, full", "adam, 0.01, full")
"""Learning rate and batch size of Adam."""
GRID = tuple(
    f"adam, {rate}, {batch}"
    for batch in ("full", "64", "32")
    for rate in (0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
)
MIB = 2**20

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Result(NamedTuple):
    """One run.

    Attributes:
        losses: The smallest so far at each of the asked times.
        loss: Over all rows, at the end.
        steps: Made.
        peak: Bytes of the process at most.
        others: Seconds of processor time that other processes took meanwhile.
    """

    losses: list[float]
    loss: float
    steps: int
    peak: int
    others: float


def overrides(contestant: str) -> Iterator[str]:
    """Yield what a contestant changes in the config."""
    if contestant != "cg":
        _, rate, batch = contestant.split(", ")
        yield f"optimizer={{name: adam, learning_rate: {rate}}}"
        yield f"training.batch_size={batch}"


def run(contestant: str, seed: int, seconds: float, marks: Sequence[float]) -> Result:
    """Train in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lmrun", "train", str(CONFIG), *overrides(contestant)]
        command += [
            f"seed={seed}",
            f"training.max_seconds={seconds}",
            "--json",
            "--quiet",
            "--runs-dir",
            folder,
        ]
        before = seconds_of_others()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        assert process.stdout is not None, "asked for"
        written = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        document = json.loads(written)
        with (Path(document["run"]) / "metrics.csv").open(encoding="utf-8") as file:
            rows = [(float(row["seconds"]), float(row["loss"])) for row in csv.DictReader(file)]
    losses = [min((loss for at, loss in rows if at <= mark), default=float("nan")) for mark in marks]
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Result(losses, document["loss"], document["steps"], peak, seconds_of_others() - before)


@app.command()
def main(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each contestant.")] = 3,
    seconds: Annotated[float, typer.Option(help="Of training, compilation included.")] = 75,
    tune: Annotated[bool, typer.Option("--tune", help="Adam's grid instead, one seed.")] = False,
) -> None:
    """Print the table."""
    marks = [seconds / 3, 2 * seconds / 3, seconds]
    known = describe()
    print(f"{known['processor']}, {known['cores']} cores, commit {known['commit']}, {known['started']}\n")
    print("| seed | contestant | " + " | ".join(f"{mark:.0f} s" for mark in marks), end="")
    print(" | all rows, end | steps | peak MiB | CPU seconds of others |\n|" + "---|" * (len(marks) + 6))
    for seed in range(10, 11 if tune else 10 + seeds):
        for contestant in GRID if tune else CONTESTANTS:
            found = run(contestant, seed, seconds, marks)
            cells = [str(seed), contestant, *(f"{loss:.1e}" for loss in found.losses), f"{found.loss:.1e}"]
            cells += [str(found.steps), f"{found.peak / MIB:,.0f}", f"{found.others:.0f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app()
