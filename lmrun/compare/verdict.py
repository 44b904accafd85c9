"""Which group is better, by how much, and whether the seeds say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lmrun.compare.fairness import is_repeated
from lmrun.compare.groups import Group
from lmrun.compare.results import Result
from lmrun.compare.statistics import spread
from lmrun.compare.table import Measure, loss_text, paired, ratio_text, seconds_text

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
    """Judge by the time where all reach the target that was asked for, else by accuracy or lowest loss."""
    if len(groups) < 2:
        return Verdict("One group alone: nothing to compare it with.", None, False)
    target = _target_of_all(groups)
    if target is not None:
        return _by_time(groups, target)
    accuracy = all("accuracy" in result.test for member in groups for result in member.results)
    read: Callable[[Result], float] = _error if accuracy else _loss
    medians = [spread([read(result) for result in member.results]).median for member in groups]
    order = sorted(range(len(groups)), key=lambda place: medians[place])
    first, second = (groups[place] for place in order[:2])
    best, other = (medians[place] for place in order[:2])
    if not math.isfinite(best):
        return Verdict("No group has a finite loss: nothing is better than anything.", None, False)
    sooner = _sooner(order[0], order[1], groups, speed)
    if _alike(best, other, accuracy):
        what = "the same test accuracy" if accuracy else "the same loss"
        return Verdict(f"{first.label} and {second.label} end at {what}{sooner}.", None, False)
    mine, others = paired(first, second, read)
    text = f"{first.label} is better: {_by_how_much(second, best, other, accuracy)}{sooner}. "
    if is_repeated(first) and is_repeated(second):
        return Verdict(
            text + "Nothing in them is drawn, so another seed would change nothing.", first.label, False
        )
    wins = sum(a < b for a, b in zip(mine, others, strict=True))
    supported = wins == len(mine) and wins >= FEWEST_SEEDS
    return Verdict(text + _support(wins, len(mine)), first.label, supported)


def _target_of_all(groups: Sequence[Group]) -> float | None:
    """The loss at which all runs ended, because it was asked for: how far below they are is an accident."""
    results = [result for member in groups for result in member.results]
    asked = {result.target_loss for result in results}
    target = next(iter(asked))
    if len(asked) > 1 or target is None or "accuracy" in results[0].test:
        return None
    return target if all(math.isfinite(result.reached(target)[0]) for result in results) else None


def _by_time(groups: Sequence[Group], target: float) -> Verdict:
    def read(result: Result) -> float:
        return result.reached(target)[0]

    ordered = sorted(groups, key=lambda member: spread(list(map(read, member.results))).median)
    first, second = ordered[:2]
    mine, others = (_reaching(member, target) for member in (first, second))
    reach, early = f"all reach the target {target:.3g}", _starting((first, second), target)
    if others.seconds < ALIKE * mine.seconds:
        both = f"{mine.text}, {others.text}"
        return Verdict(f"{first.label} and {second.label} are as fast: {reach} ({both}).{early}", None, False)
    one, other = paired(first, second, read)
    wins = sum(a < b for a, b in zip(one, other, strict=True))
    sooner = f"{ratio_text(others.seconds / mine.seconds)} times sooner"
    text = (
        f"{first.label} is better: {reach}, it does so {sooner} "
        f"({mine.text} instead of {others.text} for {second.label}).{early} "
    )
    supported = wins == len(one) and wins >= FEWEST_SEEDS
    kind = "repetitions" if is_repeated(first) and is_repeated(second) else "seeds"
    return Verdict(text + _support(wins, len(one), kind), first.label, supported)


class Reaching(NamedTuple):
    """Medians of what a group takes to a target."""

    seconds: float
    steps: float

    @property
    def text(self) -> str:
        """In words."""
        return f"{seconds_text(self.seconds)} s and {self.steps:,.0f} step{'s' * (self.steps != 1)}"


def _reaching(member: Group, target: float) -> Reaching:
    every = [result.reached(target) for result in member.results]
    return Reaching(
        spread([seconds for seconds, _ in every]).median, spread([steps for _, steps in every]).median
    )


def _starting(groups: Sequence[Group], target: float) -> str:
    """Say where most of the time of any group passes before its first step is done: it compiles."""

    def share(result: Result) -> float:
        seconds, steps = result.reached(target)
        return result.first_row_seconds / seconds if steps > 1 else 0.0

    slow = [member.label for member in groups if spread(list(map(share, member.results))).median > 0.5]
    if not slow:
        return ""
    return f" Most of the time of {' and of '.join(slow)} is that of the first step, compilation included."


def _error(result: Result) -> float:
    return 1 - result.test["accuracy"]


def _loss(result: Result) -> float:
    return result.best_loss


def _alike(best: float, other: float, accuracy: bool) -> bool:
    if accuracy:
        return abs(best - other) < 5e-4
    return best == other or (best > 0 and math.isfinite(other) and other / best < ALIKE)


def _by_how_much(second: Group, best: float, other: float, accuracy: bool) -> str:
    if accuracy:
        return f"its test accuracy is {1 - best:.2%}, that of {second.label} {1 - other:.2%}"
    if not math.isfinite(other):
        return f"it ends at {loss_text(best)}, {second.label} at no finite loss"
    if best <= 0:
        return f"it ends at {loss_text(best)}, {second.label} at {loss_text(other)}"
    losses = f"({loss_text(best)} instead of {loss_text(other)})"
    return f"it ends {ratio_text(other / best)} times lower than {second.label} {losses}"


def _sooner(first: int, second: int, groups: Sequence[Group], speed: Measure | None) -> str:
    """The time to the lowest common target, of one group against another, by their places."""
    if speed is None:
        return ""
    mine, other = speed.values[first].median, speed.values[second].median
    target = speed.name.removeprefix("speed-up to ")
    if not (math.isfinite(mine) and math.isfinite(other) and mine > 0 and other > 0):
        return ""
    ratio = mine / other
    if 1 / ALIKE < ratio < ALIKE:
        return f"; both reach {target} after the same time"
    if ratio > 1:
        return f"; {groups[first].label} reaches {target} {ratio_text(ratio)} times sooner"
    return f"; {groups[second].label} reaches {target} {ratio_text(1 / ratio)} times sooner"


def _support(wins: int, count: int, kind: str = "seeds") -> str:
    if count == 0:
        return "They have no seed in common, so nothing speaks against luck: use the same seeds."
    if count == 1:
        return "That is one seed, which may be luck: --seeds 5 would tell."
    if wins == count and count >= FEWEST_SEEDS:
        return f"All {count} {kind} agree."
    if wins == count:
        return f"Both {kind} agree, which may still be luck: --seeds 5 would tell."
    return f"Only {wins} of {count} {kind} agree: they do not settle it."
