"""Flipped bits and cut ends in every file of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.reliability.children import lmrun
from benchmarks.reliability.kills import AtOperation
from benchmarks.reliability.problems import PROBLEMS, TABLE, Bench, differences
from benchmarks.reliability.table import Fault
from lmrun.errors import RunDirectoryError
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import DAMAGED, read_entry

Place = Callable[[RunDirectory], Path]
STOPPED: dict[str, Place] = {
    "checkpoint": lambda run: max(run.checkpoints.iterdir()),
    "metrics": lambda run: run.metrics,
    "config": lambda run: run.config,
    "manifest": lambda run: run.manifest,
}
"""Files of a run that was killed half-way."""
ENDED: dict[str, Place] = {
    "best weights": lambda run: run.best_weights,
    "last weights": lambda run: run.last_weights,
    "model": lambda run: run.model,
    "summary": lambda run: run.summary,
}
"""Files that a run ends with."""
STEPS = 20


def of_stopped(bench: Bench, times: int, name: str) -> list[Fault]:
    """Damage a file of a run that was killed half-way, look at the run, and go on with it."""
    what = _stopped(bench), STOPPED[name]
    return [_damage(bench, f"{name} of a stopped run", what, kind, times) for kind in KINDS]


def of_ended(bench: Bench, times: int, name: str) -> list[Fault]:
    """Damage a file of a run that has ended, look at it, use it, and have it written again."""
    what = bench.whole[PROBLEMS[0].name], ENDED[name]
    return [_damage(bench, f"{name} of an ended run", what, kind, times) for kind in KINDS]


def _stopped(bench: Bench) -> RunDirectory:
    """A run that was killed some steps on its way."""
    run = RunDirectory(bench.folder / "stopped")
    for place in range(500, 10_000, 200):
        if run.exists:
            shutil.rmtree(run.path)
        bench.train(PROBLEMS[0], run.name, setup=AtOperation(place))
        checkpoint = read_checkpoint(run) if run.exists else None
        if checkpoint is not None and checkpoint.step >= STEPS:
            return run
    raise RuntimeError("no kill left a run half-way")


def _flip(bench: Bench, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[bench.random.randrange(len(content))] ^= 1 << bench.random.randrange(8)
    path.write_bytes(content)


def _cut(bench: Bench, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: bench.random.randrange(len(content))])


KINDS = {"a flipped bit": _flip, "truncated": _cut}


def _damage(bench: Bench, name: str, what: tuple[RunDirectory, Place], kind: str, times: int) -> Fault:
    fault = Fault(f"{name}: {kind}", "at a random place", may_lose_rows=name.startswith("metrics"))
    (run, place), harmless = what, 0
    for number in range(times):
        copy = RunDirectory(bench.folder / f"run-{number}")
        shutil.copytree(run.path, copy.path)
        path = place(copy)
        KINDS[kind](bench, path)
        fault.injected += 1
        seen = read_entry(copy, thorough=True).state == DAMAGED
        if name.startswith("model"):
            _refused(bench, copy, fault)
        done = bench.resume(copy)
        fault.clumsy += done.clumsy
        fault.said(done.said)
        whole = done.code == 0 or "there is nothing to resume" in done.said
        lost = _lost(copy, bench.whole[PROBLEMS[0].name]) if whole else ["the run"]
        fault.lost.update(lost)
        told = path.name in done.said
        fault.unsaid += bool(lost) and not (told and seen)
        harmless += not told
        shutil.rmtree(copy.path)
    if harmless:
        fault.notes.append(f"{harmless} times in what is not needed: rows after the checkpoint, unused bytes")
    return fault


def _lost(run: RunDirectory, whole: RunDirectory) -> list[str]:
    try:
        return differences(run, whole)
    except (RunDirectoryError, OSError) as error:
        return [str(error)]


def _refused(bench: Bench, run: RunDirectory, fault: Fault) -> None:
    """A damaged model neither predicts nor is exported."""
    output = bench.folder / "predicted.csv"
    for words in (
        ("predict", run.path, bench.folder / TABLE, "-o", output),
        ("export", run.path, "-f", "npz", "-o", bench.folder / "exported.npz"),
    ):
        ended = lmrun(*words)
        fault.clumsy += ended.clumsy
        fault.unsaid += ended.code == 0 or "damaged" not in ended.said


INJECTORS: dict[str, Callable[[Bench, int], list[Fault]]] = {
    **{name.replace(" ", "-"): partial(of_stopped, name=name) for name in STOPPED},
    **{name.replace(" ", "-"): partial(of_ended, name=name) for name in ENDED},
}
"""By the files that they damage."""
