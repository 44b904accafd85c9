"""How a sweep stands: its runs, settings by their losses, and what failed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import DAMAGED, Entry, read_entry
from lmrun.runs.summary import read_summary
from lmrun.status import FAILURES, Status
from lmrun.sweep.layout import SweepDirectory
from lmrun.sweep.plan import Plan, PlannedRun
from lmrun.sweep.space import flow
from lmrun.sweep.store import failures

WAITING = "waiting"
FAILED = "failed"
BAD = frozenset({*map(str, FAILURES), FAILED, DAMAGED})
"""States of runs that are listed with their reason."""


@dataclass(frozen=True)
class RunResult:
    """One run of a sweep.

    Attributes:
        planned: What it was to be.
        entry: What is known of it.
        state: That of `lmrun ls`, `waiting` or `failed`.
        reason: Why it failed; empty where it did not.
        code: The exit code that `lmrun train` would have had, where it could not be trained.
        validation_loss: The lowest one; None where nothing validates.
    """

    planned: PlannedRun
    entry: Entry
    state: str
    reason: str = ""
    code: int = 0
    validation_loss: float | None = None

    @property
    def score(self) -> float:
        """By what it is ranked: the lowest validation loss, or else the lowest loss; infinite for none."""
        value = self.entry.best_loss if self.validation_loss is None else self.validation_loss
        return value if value is not None and math.isfinite(value) and self.state not in BAD else math.inf

    @property
    def document(self) -> dict[str, Any]:
        """The run as JSON has it."""
        kept = ("run", "name", "steps", "seconds", "loss", "best_loss", "test")
        return {
            **{key: value for key, value in self.entry.document.items() if key in kept},
            "choices": dict(self.planned.choices),
            "seed": self.planned.seed,
            "status": self.state,
            "best_validation_loss": self.validation_loss,
            "reason": self.reason or None,
        }


@dataclass(frozen=True)
class Setting:
    """The runs of one point of the sweep: they differ in their seeds.

    Attributes:
        choices: What the sweep sets.
        runs: At least one.
    """

    choices: Mapping[str, Any]
    runs: tuple[RunResult, ...]

    @property
    def score(self) -> float:
        """The median over the seeds."""
        return median(run.score for run in self.runs)

    @property
    def words(self) -> str:
        """The choices as they would be typed."""
        return " ".join(f"{key}={flow(value)}" for key, value in self.choices.items()) or "as the base"


def read_results(sweep: SweepDirectory, plan: Plan) -> list[RunResult]:
    """Read how each run stands, in the plan's order."""
    failed = failures(sweep)
    found = []
    for run in plan.runs:
        directory = RunDirectory(sweep.runs_dir / run.name)
        entry = read_entry(directory) if directory.begun else Entry(directory, WAITING)
        result = _with_summary(RunResult(run, entry, entry.state, entry.problem))
        if run.name in failed and result.state not in set(map(str, Status)) - {Status.INTERRUPTED}:
            failure = failed[run.name]
            result = replace(result, state=FAILED, reason=failure.reason, code=failure.code)
        found.append(result)
    return found


def _with_summary(result: RunResult) -> RunResult:
    if result.state in {WAITING, DAMAGED}:
        return result
    summary = read_summary(result.entry.run) or {}
    loss = summary.get("best_validation_loss")
    loss = float(loss) if isinstance(loss, int | float) else None
    reason = str(summary.get("message") or "") if result.state in BAD else ""
    return replace(result, validation_loss=loss, reason=reason)


def ranked(results: Sequence[RunResult]) -> list[Setting]:
    """Put the runs of each point together, the best first."""
    points: dict[int, list[RunResult]] = {}
    for result in results:
        points.setdefault(result.planned.point, []).append(result)
    settings = [Setting(runs[0].planned.choices, tuple(runs)) for runs in points.values()]
    return sorted(settings, key=lambda setting: setting.score)


def as_csv(results: Sequence[RunResult]) -> str:
    """One line per run: what was chosen, and how it ended."""
    keys = list(dict.fromkeys(key for result in results for key in result.planned.choices))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = ("status", "steps", "seconds", "loss", "best_loss", "best_validation_loss", "reason")
    writer.writerow(["run", "seed", *keys, *columns])
    for result in results:
        document = result.document
        chosen = [flow(document["choices"][key]) if key in document["choices"] else "" for key in keys]
        rest = ["" if document[name] is None else document[name] for name in columns]
        writer.writerow([document["name"], result.planned.seed, *chosen, *rest])
    return file.getvalue()
