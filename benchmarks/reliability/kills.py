"""SIGKILL at random moments, and before or after any operation on a file."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.reliability.children import Ended
from benchmarks.reliability.problems import PROBLEMS, Bench, Problem, differences
from benchmarks.reliability.table import Fault
from lmrun.errors import RunDirectoryError
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import last_row

OPERATIONS = frozenset(
    ("open", "write", "writelines", "flush", "fsync", "close", "truncate", "ftruncate", "replace", "rename")
) | {"unlink", "remove", "mkdir", "rmdir", "getbuffer", "write_bytes", "lockf", "flock"}
"""Functions in C that change files, by their names."""
COUNT_TO = 1 << 60
ATTEMPTS = 5
"""Kills of one run at most."""


class AtOperation:
    """Count the operations on files of a process, and end it at one of them.

    Args:
        place: Counted from 0; even ones lie before an operation, odd ones behind it.
        report: A file that gets the number of places when the process ends by itself.
    """

    def __init__(self, place: int, report: Path | None = None) -> None:
        self.place = place
        self.report = report
        self.seen = 0

    def __call__(self) -> None:
        """Begin to count, in the process that is to be killed."""
        sys.setprofile(self._look)

    def _look(self, frame: FrameType, event: str, function: Any) -> None:
        if event in {"c_call", "c_return", "c_exception"} and function.__name__ in OPERATIONS:
            if self.seen >= self.place:
                os.kill(os.getpid(), signal.SIGKILL)
            self.seen += 1
        elif self.report is not None and frame.f_code.co_name == "finish_manifest" and event == "return":
            # Nothing of the run follows.
            with os.fdopen(os.open(self.report, os.O_WRONLY | os.O_CREAT), "w") as file:
                file.write(str(self.seen))


def at_moments(bench: Bench, times: int) -> Fault:
    """Kill at moments that a clock draws."""
    fault = Fault("SIGKILL at a random moment", "a signal from another process, from start to end")

    def how(problem: Problem) -> dict[str, Any]:
        return {"kill_after": bench.random.uniform(0, bench.seconds[problem.name])}

    return _until(bench, fault, times, how)


def at_operations(bench: Bench, times: int) -> Fault:
    """Kill before or after any operation on a file that Python makes."""
    fault = Fault(
        "SIGKILL at a file operation", "before or after any open, write, sync, rename, … from Python"
    )
    places = places_of(bench)
    fault.notes.append(f"{min(places.values()):,} to {max(places.values()):,} places per run")

    def how(problem: Problem) -> dict[str, Any]:
        return {"setup": AtOperation(bench.random.randrange(places[problem.name]))}

    return _until(bench, fault, times, how)


def places_of(bench: Bench) -> dict[str, int]:
    """Return the number of places before and behind operations on files of each problem."""
    if not bench.places:
        for problem in PROBLEMS:
            report, run = bench.folder / "places.txt", RunDirectory(bench.folder / "counted")
            bench.train(problem, run.name, setup=AtOperation(COUNT_TO, report))
            bench.places[problem.name] = int(report.read_text())
            report.unlink()
            shutil.rmtree(run.path)
    return bench.places


def _until(bench: Bench, fault: Fault, times: int, how: Any) -> Fault:
    """Kill runs, each one some times in a row, until there were enough kills; then let each one end."""
    again, number = [], 0
    while fault.injected < times:
        problem = PROBLEMS[number % len(PROBLEMS)]
        name, number = f"killed-{fault.name.split()[-1]}-{number}", number + 1
        run = RunDirectory(bench.folder / name)
        for _ in range(bench.random.randint(1, ATTEMPTS)):
            ended = _go_on(bench, problem, run, **how(problem))
            if not ended.killed:
                break
            fault.injected += 1
            again.append(_made_again(run))
        ended = _go_on(bench, problem, run)
        fault.clumsy += ended.clumsy
        # Killed between its summary and its exit, it has ended.
        if ended.code != 0 and "there is nothing to resume" not in ended.said:
            fault.lost[f"a run that could not go on: {ended.said.strip()}"] += 1
            continue
        fault.said("" if ended.code else ended.said)
        for what in differences(run, bench.whole[problem.name]):
            fault.lost[what] += 1
    fault.notes.append(f"{number} runs; steps made again after a kill: {max(again)} at most")
    return fault


def _go_on(bench: Bench, problem: Problem, run: RunDirectory, **how: Any) -> Ended:
    ended: Ended = bench.resume(run, **how) if run.exists else bench.train(problem, run.name, **how)
    return ended


def _made_again(run: RunDirectory) -> int:
    """Steps since the newest checkpoint, the running one included."""
    try:
        checkpoint = read_checkpoint(run)
        step = last_row(run).get("step", 0.0)
    except RunDirectoryError:
        return 0
    return max(1, int(step) - (0 if checkpoint is None else checkpoint.step))
