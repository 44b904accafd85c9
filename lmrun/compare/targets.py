"""Which losses a comparison counts the time to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lmrun.compare.groups import Group
from lmrun.compare.statistics import spread

MOST = 3


def targets(groups: Sequence[Group]) -> list[float]:
    """Return a few losses, the highest first, each reached by the median run of at least one group.

    The first is the lowest power of ten that the median runs of all groups reach, the last the lowest that
    any reaches; one stands in the middle between them. A config's own target is always among them where it is
    reached.
    """
    lowest = [_lowest(member) for member in groups]
    known = [loss for loss in lowest if loss is not None]
    if not known:
        return []
    best = _power_above(min(known))
    common = best if len(known) < len(groups) else _power_above(max(known))
    found = {common, best}
    if common - best >= 2:
        found.add((common + best) // 2)
    values = {10.0**power for power in found}
    asked = {
        float(target)
        for member in groups
        for result in member.results
        if (target := (result.config.get("training") or {}).get("target_loss")) is not None
    }
    values |= {target for target in asked if target >= min(known)}
    return _thinned(sorted(values, reverse=True), asked)


def _lowest(member: Group) -> float | None:
    """The median over the seeds of the lowest loss of a row; None where that is not positive."""
    losses = [float(result.loss[result.loss > 0].min(initial=math.inf)) for result in member.results]
    middle = spread(losses).median
    return middle if math.isfinite(middle) and middle > 0 else None


def _power_above(loss: float) -> int:
    """The exponent of the smallest power of ten that is at least the loss."""
    power = math.ceil(math.log10(loss))
    return power if 10.0**power >= loss else power + 1


def _thinned(values: list[float], asked: set[float]) -> list[float]:
    """Drop what is within a factor of 3 of a target that was asked for, and then from the middle."""
    kept = [
        value
        for value in values
        if value in asked or not any(max(value, goal) <= 3 * min(value, goal) for goal in asked)
    ]
    while len(kept) > MOST:
        inner = [value for value in kept[1:-1] if value not in asked]
        if not inner:
            break
        kept.remove(inner[len(inner) // 2])
    return kept
