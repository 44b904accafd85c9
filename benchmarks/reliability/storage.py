"""A disk that fills up, and a directory that may no longer be written to."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.reliability.children import Ended, Setup, lmrun
from benchmarks.reliability.kills import AtOperation, places_of
from benchmarks.reliability.problems import PROBLEMS, Bench, Problem, differences
from benchmarks.reliability.table import Fault
from lmrun.runs.layout import RunDirectory

CAPABILITIES_VERSION = 0x20080522
DISK = 4 << 20
FILLER = "filler"
REASONS = ("No space left on device", "File too large", "Permission denied")


class When(AtOperation):
    """Do something else than to die at an operation on a file.

    Args:
        place: See `AtOperation`.
        begin: What to do first in the process.
        act: What to do there.
    """

    def __init__(self, place: int, begin: Any, act: Any) -> None:
        super().__init__(place)
        self.begin = begin
        self.act = act
        self.done = False

    def __call__(self) -> None:
        """Begin to count."""
        self.begin()
        super().__call__()

    def _look(self, frame: FrameType, event: str, function: Any) -> None:
        if not self.done and self.seen >= self.place:
            self.done = True
            self.act()
        if not self.done:
            super()._look(frame, event, function)


def full_disk(bench: Bench, times: int) -> Fault:
    """Fill the disk at any operation on a file; make room afterwards, and go on."""
    fault = Fault("the disk fills up", "a file system in memory, filled to its last byte at a file operation")
    places = places_of(bench)
    with _disk(bench.folder / "disk") as (disk, mounted):
        fill: Setup = partial(_fill, disk / FILLER) if mounted else _limit_files
        if not mounted:
            fault.how = "no file may grow any more (RLIMIT_FSIZE), from a file operation on; not root here"
        for number in range(times):
            problem = PROBLEMS[number % len(PROBLEMS)]
            run = RunDirectory(disk / f"run-{number}")
            at = When(bench.random.randrange(places[problem.name]), lambda: None, fill)
            ended = lmrun(*bench.words(problem, run.path), setup=at)
            (disk / FILLER).unlink(missing_ok=True)
            _judge(bench, fault, problem, run, ended)
            shutil.rmtree(run.path, ignore_errors=True)
    return fault


def read_only(bench: Bench, times: int) -> Fault:
    """Take the right to write from a run's folders at any operation on a file; give it back, and go on."""
    fault = Fault("the run's directory turns read-only", "chmod of its folders at a file operation")
    places = places_of(bench)
    for number in range(times):
        run = RunDirectory(bench.folder / f"run-{number}")

        def forbid(run: RunDirectory = run) -> None:
            for folder in (run.path, run.weights, run.checkpoints):
                if folder.is_dir():
                    folder.chmod(0o555)

        problem = PROBLEMS[number % len(PROBLEMS)]
        at = When(bench.random.randrange(places[problem.name]), without_privileges, forbid)
        ended = lmrun(*bench.words(problem, run.path), setup=at)
        if ended.code == 1 and number % 5 == 0:
            _still_readable(bench, run, fault)
        for folder in (run.path, run.weights, run.checkpoints):
            if folder.is_dir():
                folder.chmod(0o755)
        _judge(bench, fault, problem, run, ended)
        shutil.rmtree(run.path, ignore_errors=True)
    return fault


def without_privileges() -> None:
    """Let permissions count for root, too: drop its capabilities in this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _judge(bench: Bench, fault: Fault, problem: Problem, run: RunDirectory, ended: Ended) -> None:
    """Count what was said, go on where there is room again, and compare."""
    fault.injected += 1
    fault.clumsy += ended.clumsy
    if ended.code != 0:
        fault.said(ended.said)
        fault.unsaid += not any(reason in ended.said for reason in REASONS)
    if ended.code == 0 or run.summary.exists():
        # All that counts was written before.
        lost = differences(run, bench.whole[problem.name])
    else:
        again = bench.resume(run) if run.exists else bench.train(problem, run.name)
        moved = run if run.exists else RunDirectory(bench.folder / run.name)
        lost = differences(moved, bench.whole[problem.name]) if again.code == 0 else [again.said.strip()]
        fault.clumsy += again.clumsy
        if moved is not run:
            shutil.rmtree(moved.path, ignore_errors=True)
    fault.lost.update(lost)


def _still_readable(bench: Bench, run: RunDirectory, fault: Fault) -> None:
    """A run that may only be read is shown, and says what hinders it where it is to go on."""
    shown = lmrun("show", run.path, setup=without_privileges)
    resumed = lmrun("train", "--resume", run.path, "--quiet", setup=without_privileges)
    fault.clumsy += shown.clumsy + resumed.clumsy
    fault.unsaid += shown.code != 0 or (resumed.code == 0 and not run.summary.exists())
    fault.said(resumed.said)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 9, 1):
            try:
                while file.write(b"0" * size):
                    pass
            except OSError:
                continue


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@contextmanager
def _disk(path: Path) -> Iterator[tuple[Path, bool]]:
    """A file system of a few MB in memory, and whether that is what it is: mounting one takes root."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(path)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield path, mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(path)], check=True)
        path.rmdir() if mounted else shutil.rmtree(path)
