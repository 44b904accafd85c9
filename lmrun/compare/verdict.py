"""Which group is better, by how much, and whether the seeds say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lmrun.compare.groups import Group
from lmrun.compare.results import Result
from lmrun.compare.statistics import spread
from lmrun.compare.table import Measure, loss_text, paired, ratio_text

FEWEST_SEEDS = 3
ALIKE = 1.1
"""Losses whose ratio is smaller are called alike."""


@dataclass(frozen=True)
class Verdict:
    """A sentence, and what it rests on.

    Attributes:
        text: For people.
        winner: The label of the better group; None where nobody is.
        supported: Whether every seed agrees and there are FEWEST_SEEDS of them.
    """

    text: str
    winner: str | None
    supported: bool


def verdict(groups: Sequence[Group], speed: Measure | None) -> Verdict:
    """Judge by the test accuracy where every run has one, else by the lowest loss."""
    if len(groups) < 2:
        return Verdict("One group alone: nothing to compare it with.", None, False)
    accuracy = all(
        "accuracy" in (result.summary.get("test") or {}) for one in groups for result in one.results
    )
    read = _accuracy if accuracy else _loss
    ordered = sorted(
        groups, key=lambda member: _worst_if_unknown(spread(list(map(read, member.results))).median)
    )
    first, second = ordered[:2]
    best, next_best = (spread(list(map(read, member.results))).median for member in (first, second))
    if not math.isfinite(best):
        return Verdict("No group has a finite loss: nothing is better than anything.", None, False)
    wins, count = _wins(first, second, read)
    if _alike(best, next_best, accuracy):
        return Verdict(_alike_text(ordered, speed, accuracy), None, False)
    supported = wins == count and count >= FEWEST_SEEDS
    text = f"{first.label} is better: {_by_how_much(first, second, (best, next_best), accuracy)}"
    text += _sooner(groups, first, second, speed) + ". "
    return Verdict(text + _support(first, wins, count), first.label, supported)


def _accuracy(result: Result) -> float:
    return 1 - float(result.summary["test"]["accuracy"])


def _loss(result: Result) -> float:
    value = result.summary.get("best_loss")
    return float("inf") if value is None else float(value)


def _worst_if_unknown(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _alike(best: float, other: float, accuracy: bool) -> bool:
    if accuracy:
        return abs(best - other) < 5e-4
    return best == other or (best > 0 and math.isfinite(other) and other / best < ALIKE)


def _alike_text(ordered: Sequence[Group], speed: Measure | None, accuracy: bool) -> str:
    what = "the same test accuracy" if accuracy else "the same loss"
    text = f"{ordered[0].label} and {ordered[1].label} end at {what}"
    if speed is None or speed.best is None:
        return text + "."
    return text + f"; the times to get there are in the table ({speed.name})."


def _by_how_much(first: Group, second: Group, values: tuple[float, float], accuracy: bool) -> str:
    best, other = values
    if accuracy:
        return f"its test accuracy is {1 - best:.2%}, that of {second.label} {1 - other:.2%}"
    if not math.isfinite(other):
        return f"it ends at {loss_text(best)}, {second.label} at no finite loss"
    if best <= 0:
        return f"it ends at a loss of zero, {second.label} at {loss_text(other)}"
    losses = f"({loss_text(best)} instead of {loss_text(other)})"
    return f"it ends {ratio_text(other / best)} times lower than {second.label} {losses}"


def _sooner(groups: Sequence[Group], first: Group, second: Group, speed: Measure | None) -> str:
    """The time to the lowest common target, of the better group against the next."""
    if speed is None:
        return ""
    places = {member.label: place for place, member in enumerate(groups)}
    mine, other = (speed.values[places[member.label]].median for member in (first, second))
    target = speed.name.removeprefix("speed-up to ")
    if not (math.isfinite(mine) and math.isfinite(other) and mine > 0 and other > 0):
        return ""
    if mine >= other:
        return f", and reaches {target} {ratio_text(mine / other)} times sooner"
    return f", though {second.label} reaches {target} {ratio_text(other / mine)} times sooner"


def _wins(first: Group, second: Group, read: Callable[[Result], float]) -> tuple[int, int]:
    one, other = paired(first, second, read)
    return sum(a < b for a, b in zip(one, other, strict=True)), len(one)


def _support(first: Group, wins: int, count: int) -> str:
    if count == 1:
        return "That is one seed, which may be luck: --seeds 5 would tell."
    if wins == count and count >= FEWEST_SEEDS:
        return f"All {count} seeds agree."
    if wins == count:
        return "Both seeds agree, which may still be luck: --seeds 5 would tell."
    return f"Only {wins} of {count} seeds agree: the seeds do not settle it."
