"""Which losses a comparison counts the time to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lmrun.compare.groups import Group
from lmrun.compare.statistics import spread

MOST = 3


def targets(groups: Sequence[Group]) -> list[float]:
    """Return a few losses, the highest first, each reached by the median run of at least one group.

    The first is the lowest that the median runs of all groups reach, the last the lowest that any reaches,
    each rounded up to a power of ten or to 2 or 5 times one; a power of ten stands in the middle between
    them. A config's own target is among them where any run reaches it. None is as high as the loss that a run
    starts with.
    """
    lowest = [_lowest(member) for member in groups]
    known = [loss for loss in lowest if loss is not None]
    if not known:
        return []
    starts = [result.initial_loss for member in groups for result in member.results]
    ceiling = min((start for start in starts if not math.isnan(start)), default=math.inf)
    best = _rounded_up(min(known), ceiling)
    common = _rounded_up(max(known), ceiling) if len(known) == len(groups) else None
    found = {value for value in (best, common) if value is not None}
    if best is not None and common is not None and common >= 99 * best:
        found.add(10.0 ** round((math.log10(common) + math.log10(best)) / 2))
    every = [result for member in groups for result in member.results]
    wanted = {result.target_loss for result in every} - {None}
    asked = {
        target
        for target in wanted
        if target is not None
        and target < ceiling
        and any(math.isfinite(each.reached(target)[0]) for each in every)
    }
    return _thinned(sorted(found | asked, reverse=True), asked, common)


def _lowest(member: Group) -> float | None:
    """The median over the seeds of the lowest loss of a row; None where that is not positive."""
    losses = [float(result.loss[result.loss > 0].min(initial=math.inf)) for result in member.results]
    middle = spread(losses).median
    return middle if math.isfinite(middle) and middle > 0 else None


def _rounded_up(loss: float, ceiling: float) -> float | None:
    """The smallest power of ten, or 2 or 5 times one, from the loss on and below the ceiling, if any."""
    power = math.floor(math.log10(loss))
    steps = [factor * 10.0**exponent for exponent in (power, power + 1) for factor in (1, 2, 5)]
    fitting = [value for value in steps if loss <= value < ceiling]
    tens = [value for value in (10.0**power, 10.0 ** (power + 1)) if loss <= value < ceiling]
    return min(tens or fitting, default=None)


def _thinned(values: list[float], asked: set[float], common: float | None) -> list[float]:
    """Drop what is within a factor of 3 of a target that was asked for, and then from the middle."""

    def near(value: float) -> bool:
        # A group that reaches the common target reaches what is above it, too.
        goals = [goal for goal in asked if value != common or goal >= value]
        return any(max(value, goal) <= 3 * min(value, goal) for goal in goals)

    kept = [value for value in values if value in asked or not near(value)]
    while len(kept) > MOST:
        inner = [value for value in kept[1:-1] if value not in asked]
        if not inner:
            break
        kept.remove(inner[len(inner) // 2])
    return kept
