"""Fits by several workers on one machine: the same steps, a lost worker, and a model of the time per step.

    python -m benchmarks.distribution [steps|lost|speed|sums|page]...

`steps` compares two and four workers with one process, `lost` kills workers and resumes, `speed` measures
the parts of the model, `sums` what reproducible sums cost, and `page` writes docs/scaling.md from what was
measured (docs/scaling.json).
Without a word it does all of them. Nothing else should run meanwhile, or the times say nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import lmrun  # noqa: F401 - first: it sets what NumPy reads
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.runs.summary import read_summary

RESULTS = Path("docs/scaling.json")
FULL = ("training.batch_size=full", "training.target_loss=null")
CASES: dict[str, tuple[str, ...]] = {
    "formula, 2 parameters, qr": ("rosenbrock-curve", "dataset.noise=0.1", "training.max_steps=10"),
    "sinc, 61 parameters": ("sinc", "dataset.points=4000", *FULL, "training.max_steps=25"),
    "Rosenbrock 6-D, 311 parameters": (
        "rosenbrock-nd",
        "dataset.points=4000",
        *FULL,
        "training.max_steps=20",
    ),
    "sinc, 61 parameters, longer": ("sinc", "dataset.points=4000", *FULL, "training.max_steps=80"),
}
EXACT = "training.summation=reproducible"
REPRODUCIBLE: dict[str, tuple[str, ...]] = {
    "formula, 2 parameters": (
        "rosenbrock-curve",
        "dataset.points=400",
        "dataset.noise=0.1",
        "training.max_steps=10",
        EXACT,
    ),
    "sinc, 61 parameters": (*CASES["sinc, 61 parameters, longer"], EXACT),
    "sinc, 61 parameters, longer": (*CASES["sinc, 61 parameters"], "training.max_steps=500", EXACT),
    "Rosenbrock 6-D, 311 parameters": (
        *CASES["Rosenbrock 6-D, 311 parameters"],
        "training.max_steps=100",
        EXACT,
    ),
}
LOST = ("sinc", "dataset.points=2000", *FULL, "training.max_steps=60", "training.checkpoint_seconds=1000")
SPEED: dict[str, tuple[str, ...]] = {
    "sinc, 61 parameters": ("sinc",),
    "Rosenbrock 6-D, 311 parameters": ("rosenbrock-nd",),
}
ROWS = (20_000, 80_000)
SUMMED_ROWS = (4_000, *ROWS)
SIZES = (4, 2_000, 50_000, 200_000, 800_000)
"""Numbers of an all-reduce: of a loss, and of matrices of up to 1,264 parameters."""
REPEATS = 30


def addresses(count: int) -> str:
    """Return free addresses of the loopback as `--workers` takes them."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def start(arguments: Sequence[str], workers: int, folder: Path) -> list[subprocess.Popen[bytes]]:
    """Start `lmrun train`, once per worker; those of several workers are in the order of their indices."""
    command = [sys.executable, "-P", "-m", "lmrun", "train", "--quiet", "--runs-dir", str(folder), *arguments]
    if workers == 1:
        return [subprocess.Popen(command)]
    names = addresses(workers)
    # Told which worker it is by TF_CONFIG, so that the one to kill is known.
    return [
        subprocess.Popen(
            [*command, "distribution=multi-worker"], env={**os.environ, "TF_CONFIG": task(names, k)}
        )
        for k in range(workers)
    ]


def task(names: str, index: int) -> str:
    """Return TensorFlow's description of a worker."""
    return json.dumps({"cluster": {"worker": names.split(",")}, "task": {"type": "worker", "index": index}})


def train(arguments: Sequence[str], workers: int, folder: Path, name: str) -> RunDirectory:
    """Train to the end."""
    codes = [process.wait() for process in start([*arguments, "--name", name], workers, folder)]
    assert not any(codes), f"{name} ended with {codes}"
    return RunDirectory(folder / name)


def apart(one: RunDirectory, other: RunDirectory) -> float:
    """Return the largest difference of the losses of two runs."""
    losses = [read_metrics(run)["loss"].to_numpy(np.float64) for run in (one, other)]
    return float(np.max(np.abs(losses[0] - losses[1])))


def same_steps(folder: Path, cases: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Train each case by one, two and four workers, and by one process on a single core."""
    found = []
    cores = os.sched_getaffinity(0)
    for number, (title, arguments) in enumerate(cases.items()):
        single = train(arguments, 1, folder, f"one-{number}")
        os.sched_setaffinity(0, {min(cores)})
        control = train(arguments, 1, folder, f"core-{number}")
        os.sched_setaffinity(0, cores)
        shared = {
            workers: train(arguments, workers, folder, f"workers-{workers}-{number}") for workers in (2, 4)
        }
        summary = read_summary(shared[2])
        assert summary is not None
        found.append(
            {
                "title": title,
                "parameters": summary["parameters"],
                "steps": summary["steps"],
                "first_loss": summary["initial_loss"],
                "apart": {workers: apart(single, run) for workers, run in shared.items()},
                "apart_by_cores": apart(single, control),
                "numbers": summary["distribution"]["numbers_per_step"],
            }
        )
    return found


def lost_workers(folder: Path) -> list[dict[str, Any]]:
    """Kill each of two workers in the middle of a run, and go on from what is left."""
    whole, found = train(LOST, 2, folder, "whole"), []
    for victim in range(2):
        run = RunDirectory(folder / f"lost-{victim}")
        processes = start([*LOST, "--name", run.name], 2, folder)
        while not run.metrics.exists() or len(run.metrics.read_bytes().splitlines()) < 20:
            time.sleep(0.02)
        processes[victim].send_signal(signal.SIGKILL)
        begun = time.monotonic()
        code = processes[1 - victim].wait()
        seconds = time.monotonic() - begun
        processes[victim].wait()
        checkpoint = read_checkpoint(run)
        assert checkpoint is not None
        codes = [process.wait() for process in resumed(run)]
        assert not any(codes), f"resumed {codes}"
        found.append(
            {
                "victim": victim,
                "exit_code": code,
                "seconds": seconds,
                "step": checkpoint.step,
                "apart": apart(whole, run),
            }
        )
    return found


def resumed(run: RunDirectory) -> list[subprocess.Popen[bytes]]:
    """Go on with a run by two workers, as the message of the first one says."""
    command = [sys.executable, "-P", "-m", "lmrun", "train", "--quiet", "--resume", str(run.path)]
    names = addresses(2)
    return [subprocess.Popen([*command, "--workers", names]) for _ in range(2)]


def parts_of_a_step(folder: Path) -> list[dict[str, Any]]:
    """Return the seconds per row and those that no row counts for, by one process on one core."""
    found, cores = [], os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    for number, (title, arguments) in enumerate(SPEED.items()):
        seconds, parameters = [], 0
        for rows in ROWS:
            more = (f"dataset.points={rows}", *FULL, "training.max_steps=12")
            run = train([*arguments, *more], 1, folder, f"rows-{rows}-{number}")
            table = read_metrics(run)
            seconds.append(float(table["seconds"].diff()[table["attempts"] == 1].median()))
            parameters = int((read_summary(run) or {})["parameters"])
        row = (seconds[1] - seconds[0]) / (ROWS[1] - ROWS[0])
        fixed = max(0.0, seconds[0] - row * ROWS[0])
        found.append({"title": title, "parameters": parameters, "row": row, "fixed": fixed})
    os.sched_setaffinity(0, cores)
    return found


def cost_of_sums(folder: Path) -> list[dict[str, Any]]:
    """Return the seconds of a step of one process with plain and with reproducible sums."""
    found = []
    for number, (title, arguments) in enumerate(SPEED.items()):
        for rows in SUMMED_ROWS:
            case: dict[str, Any] = {"title": title, "rows": rows}
            for summation in ("plain", "reproducible"):
                more = (f"dataset.points={rows}", *FULL, "training.max_steps=12")
                words = (*arguments, *more, f"training.summation={summation}")
                table = read_metrics(train(words, 1, folder, f"{summation}-{rows}-{number}"))
                case[summation] = float(table["seconds"].diff()[table["attempts"] == 1].median())
            found.append(case)
    return found


def all_reduces(folder: Path) -> dict[str, Any]:
    """Return the median seconds of all-reduces by two and four workers, by size."""
    found: dict[str, Any] = {}
    for workers in (2, 4):
        names, output = addresses(workers), folder / f"reduce {workers}.json"
        command = [sys.executable, "-m", "benchmarks.distribution", "reduce", names, str(output)]
        codes = [process.wait() for process in [subprocess.Popen(command) for _ in range(workers)]]
        assert not any(codes), f"all-reduce ended with {codes}"
        found[str(workers)] = json.loads(output.read_text())
    return found


def reduce(names: str, output: str) -> None:
    """Time sums as one of the workers; the first one writes them."""
    from lmrun.cli.workers import join, meet, take_place
    from lmrun.quiet import load_tensorflow

    place = take_place(names)
    assert place is not None
    meet(place, {}, quiet=True)
    load_tensorflow()
    reducer, medians = join(place.cluster, "cpu"), {}
    for size in SIZES:
        vector, seconds = np.ones(size), []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            reducer.total(vector)
            seconds.append(time.perf_counter() - begun)
        medians[size] = float(np.median(seconds[3:]))
    if reducer.index == 0:
        Path(output).write_text(json.dumps(medians))


def main(words: Sequence[str]) -> None:
    """Do what the words say, and keep what was measured."""
    if words[:1] == ["reduce"]:
        reduce(*words[1:])
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for word in words or ("steps", "lost", "speed", "sums", "page"):
            match word:
                case "steps":
                    results["steps"] = same_steps(Path(folder, "plain"), CASES)
                    results["reproducible"] = same_steps(Path(folder, "reproducible"), REPRODUCIBLE)
                case "lost":
                    results["lost"] = lost_workers(Path(folder))
                case "speed":
                    results["parts"] = parts_of_a_step(Path(folder))
                    results["all_reduces"] = all_reduces(Path(folder))
                case "sums":
                    results["sums"] = cost_of_sums(Path(folder, "sums"))
                case "page":
                    from benchmarks.distribution_page import write

                    write(json.loads(RESULTS.read_text()))
                case _:
                    sys.exit(f"{word} is none of steps, lost, speed, sums and page.")
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
