"""Which settings go on, by the losses of all when they have come equally far.

All runs come to the same point before any is judged. So the judgement depends neither on which run was the
faster one nor on how many are trained side by side, and a sweep that was killed judges again as it did.
Settings are judged, not runs: by the median over their seeds, so that all seeds of a setting go on together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lmrun.config.sweep import HalvingConfig, MedianConfig


@dataclass(frozen=True)
class Course:
    """A run so far.

    Attributes:
        best: The lowest loss, of the validation rows where there are any; infinite where none is finite.
        mean: The mean of the losses; infinite where one is not finite.
    """

    best: float
    mean: float


COLUMNS = {"steps": "step", "epochs": "epoch", "seconds": "seconds"}
"""Of metrics.csv, by the unit of a rule."""
READ = (*COLUMNS.values(), "loss", "validation_loss")
"""The columns that a judgement rests on."""
NEVER = Course(math.inf, math.inf)
"""Of a run that failed."""


def course(rows: Sequence[Mapping[str, Any]], unit: str, until: float) -> Course:
    """Look at the rows of a run up to a point.

    Args:
        rows: With the columns of metrics.csv, NaN for what is missing.
        unit: `steps`, `epochs` or `seconds`.
        until: The point.
    """
    seen = [row for row in rows if row[COLUMNS[unit]] <= until]
    validated = [row["validation_loss"] for row in seen if not math.isnan(row["validation_loss"])]
    losses = validated or [row["loss"] for row in seen]
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        return NEVER
    return Course(min(finite), math.fsum(losses) / len(losses) if len(finite) == len(losses) else math.inf)


def checks(rule: HalvingConfig | MedianConfig | None, candidates: int) -> list[float]:
    """Return the points at which runs are judged, in the unit of the rule.

    Halving judges until one setting is left; the median rule as long as there may be any run.
    """
    if rule is None:
        return []
    count = MOST_CHECKS
    if isinstance(rule, HalvingConfig):
        count = 0
        while candidates > 1:
            candidates = kept_by_halving(candidates, rule.factor)
            count += 1
    return [rule.first * rule.factor**place for place in range(count)]


MOST_CHECKS = 20
"""The last one by the median comes after a million times as many steps as the first."""


def kept_by_halving(candidates: int, factor: int) -> int:
    """How many of so many go on: one of `factor`, and at least one."""
    return max(1, candidates // factor)


def halving(rule: HalvingConfig, courses: Mapping[int, Sequence[Course]], alive: Sequence[int]) -> list[int]:
    """Return which of the settings that are left go on: the best 1 / factor of them.

    Source: successive halving (Jamieson and Talwalkar 2016, algorithm 1), synchronous, as one bracket of
    Hyperband (Li et al. 2018).
    """
    ranked = sorted(alive, key=lambda point: (_best(courses[point]), point))
    return sorted(ranked[: kept_by_halving(len(alive), rule.factor)])


def below_median(
    rule: MedianConfig, courses: Mapping[int, Sequence[Course]], alive: Sequence[int]
) -> list[int]:
    """Return which go on: those whose best loss is not above the median of all settings' mean losses.

    Source: the median stopping rule (Golovin et al. 2017, section 3.2.2); the running averages are those of
    all settings that have come to this point, as all of them wait here.
    """
    means = [median(course.mean for course in courses[point]) for point in alive]
    bar = median(means)
    return [point for point in alive if _best(courses[point]) <= bar and math.isfinite(_best(courses[point]))]


def _best(runs: Sequence[Course]) -> float:
    return median(run.best for run in runs)


Rule = Callable[[Any, Mapping[int, Sequence[Course]], Sequence[int]], list[int]]
RULES: Mapping[str, Rule] = {"halving": halving, "median": below_median}
"""Each rule by its name: which of the settings that are left go on."""
