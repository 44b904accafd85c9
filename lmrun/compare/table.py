"""The table of a comparison: one measure per row, one group per column; numbers first, words second."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lmrun.compare.groups import Group, differences
from lmrun.compare.results import Result
from lmrun.compare.statistics import Spread, ratio_interval, spread
from lmrun.compare.targets import targets

BOOKKEEPING = frozenset(
    f"training.{name}" for name in ("validation_interval", "checkpoint_seconds", "log_seconds", "tensorboard")
)
"""Settings that change what is written, not what is found."""
MOST_SETTINGS = 8
"""Runs that differ in more are of different kinds; the report of a comparison lists everything."""


@dataclass(frozen=True)
class Measure:
    """One row.

    Attributes:
        name: What is measured, with its unit.
        key: The same for programs.
        values: Median and quartiles of every group; none for what is no number.
        texts: The same in words.
        lower_is_better: Whether the smallest median is the best; None where nobody wins.
    """

    name: str
    key: str
    values: tuple[Spread, ...]
    texts: tuple[str, ...]
    lower_is_better: bool | None = True

    @property
    def best(self) -> int | None:
        """The place of the best group, where there is one."""
        medians = [value.median for value in self.values]
        if self.lower_is_better is None or len(medians) < 2 or any(map(math.isnan, medians)):
            return None
        ordered = sorted(
            range(len(medians)), key=lambda place: medians[place], reverse=not self.lower_is_better
        )
        return ordered[0] if medians[ordered[0]] != medians[ordered[1]] else None


def measures(groups: Sequence[Group]) -> list[Measure]:
    """Return the rows; one that says nothing about any group is left out."""
    counts = tuple(Spread(*(float(len(member.results)),) * 3) for member in groups)
    rows = [
        Measure("seeds", "seeds", counts, tuple(map(_seeds, groups)), None),
        _measure(groups, "loss, last", "loss", lambda result: result.last_loss, loss_text),
        _measure(groups, "loss, best", "best_loss", lambda result: result.best_loss, loss_text),
    ]
    tests = dict.fromkeys(name for member in groups for result in member.results for name in result.test)
    rows += [_tested(groups, name) for name in tests]
    for target in targets(groups):
        rows += _reaching(groups, target)
    rows += [_measure(groups, *cells) for cells in RUNNING]
    return [row for row in rows if not all(math.isnan(value.median) for value in row.values)]


def settings(groups: Sequence[Group]) -> list[Measure]:
    """Return what was set differently outside the optimizers, whose settings are hardly ever comparable."""
    found = [
        (key, texts)
        for key, texts in differences(groups)
        if not key.startswith("optimizer.") and key not in BOOKKEEPING
    ]
    rows = [Measure(key, key, (), tuple(texts), None) for key, texts in found[:MOST_SETTINGS]]
    if len(found) > MOST_SETTINGS:
        more = f"and {len(found) - MOST_SETTINGS} more"
        rows.append(Measure(more, "more_settings", (), ("",) * len(groups), None))
    return rows


def speed_ups(groups: Sequence[Group]) -> Measure | None:
    """Return how many times sooner than the first each group reaches the lowest common target, if any.

    Seeds that both have are compared in pairs; where there are none, all runs of one with all of the other.
    """
    common = [target for target in targets(groups) if all(_reached(member, target) for member in groups)]
    if len(groups) < 2 or not common:
        return None
    target, first = common[-1], groups[0]
    values, texts = [Spread(1.0, 1.0, 1.0)], ["1 ×"]
    for member in groups[1:]:
        slow, fast = paired(first, member, lambda result: result.reached(target)[0])
        together = bool(slow)
        if not together:
            slow, fast = ([result.reached(target)[0] for result in one.results] for one in (first, member))
        center, low, high = ratio_interval(slow, fast, paired=together)
        values.append(Spread(center, low, high))
        interval = "" if math.isnan(low) else f" ({ratio_text(low)}–{ratio_text(high)})"
        texts.append(f"{ratio_text(center)} ×{interval}")
    return Measure(f"speed-up to {target:.3g}", "speed_up", tuple(values), tuple(texts), False)


def paired(one: Group, other: Group, read: Callable[[Result], float]) -> tuple[list[float], list[float]]:
    """Return a number of the runs of both groups, seed by seed; nothing where no seed is common."""
    first, second = ({result.seed: result for result in member.results} for member in (one, other))
    common = [seed for seed in first if seed in second]
    return [read(first[seed]) for seed in common], [read(second[seed]) for seed in common]


def _reached(member: Group, target: float) -> bool:
    return math.isfinite(spread([result.reached(target)[0] for result in member.results]).median)


def _measure(  # noqa: PLR0917 - the cells of a row
    groups: Sequence[Group],
    name: str,
    key: str,
    read: Callable[[Result], float],
    form: Callable[[float], str],
    missing: str = "not finite",
) -> Measure:
    values = tuple(spread([read(result) for result in member.results]) for member in groups)
    return Measure(name, key, values, tuple(_cell(value, form, missing) for value in values))


def _tested(groups: Sequence[Group], name: str) -> Measure:
    """A test metric; one that a run does not have, or not as a finite number, is not counted."""
    form = HIGH.get(name, loss_text)
    row = _measure(
        groups, f"test {name}", f"test_{name}", lambda result: result.test.get(name, math.nan), form
    )
    return replace(row, lower_is_better=name not in HIGH)


def _reaching(groups: Sequence[Group], target: float) -> list[Measure]:
    """Seconds and steps to a target, with the number of runs that get there where not all do."""
    counts = [sum(math.isfinite(result.reached(target)[0]) for result in member.results) for member in groups]
    rows = []
    for part, (unit, form) in enumerate((("s", seconds_text), ("steps", count_text))):
        key = f"{'seconds' if part == 0 else 'steps'}_to_{target:.3g}"
        read = partial(_reached_part, target, part)
        row = _measure(groups, f"{unit} to {target:.3g}", key, read, form, "never")
        texts = tuple(
            text if count in {0, len(member.results)} else f"{text}, {count} of {len(member.results)}"
            for text, count, member in zip(row.texts, counts, groups, strict=True)
        )
        rows.append(replace(row, texts=texts))
    return rows


def _reached_part(target: float, part: int, result: Result) -> float:
    return result.reached(target)[part]


def _cell(value: Spread, form: Callable[[float], str], missing: str) -> str:
    if math.isnan(value.median):
        return ""
    median, low, high = (form(part) if math.isfinite(part) else missing for part in value)
    return median if low == high or not math.isfinite(value.median) else f"{median} ({low}–{high})"


def _seeds(member: Group) -> str:
    seeds = member.seeds
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{len(seeds)}: {seeds[0]}–{seeds[-1]}"
    return f"{len(seeds)}: {', '.join(map(str, seeds))}"


def loss_text(value: float) -> str:
    """A loss in two digits."""
    return f"{value:.1e}"


def seconds_text(value: float) -> str:
    """Seconds in three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def count_text(value: float) -> str:
    """Steps."""
    return f"{value:,.0f}"


def ratio_text(value: float) -> str:
    """A ratio in two digits."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "?"
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


RUNNING: tuple[tuple[str, str, Callable[[Result], float], Callable[[float], str]], ...] = (
    ("ms per step", "step_milliseconds", lambda result: 1e3 * result.step_seconds, "{:.3g}".format),
    ("first row, s", "first_row_seconds", lambda result: result.first_row_seconds, seconds_text),
    ("peak memory, MB", "peak_memory_megabytes", lambda result: result.peak_memory / 1e6, "{:,.0f}".format),
)
"""What the runs took: name, key, number and words."""

HIGH: dict[str, Callable[[float], str]] = {"accuracy": "{:.2%}".format, "r2": "{:.6f}".format}
"""Test metrics of which more is better."""


def as_csv(groups: Sequence[Group], rows: Sequence[Measure]) -> str:
    """One line per group: median and quartiles of every measure."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    rows = [row for row in rows if row.values]
    names = [f"{row.key}{part}" for row in rows for part in ("", "_low", "_high")]
    writer.writerow(["group", *names])
    for place, member in enumerate(groups):
        numbers = [f"{part:.10g}" for row in rows for part in row.values[place]]
        writer.writerow([member.label, *numbers])
    return file.getvalue()


def as_markdown(groups: Sequence[Group], rows: Sequence[Measure]) -> str:
    """The table with the best of each row in bold."""
    names = [member.label.replace("|", "\\|") for member in groups]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(groups) + 1) + "|"]
    for row in rows:
        cells = [f"**{text}**" if place == row.best else text for place, text in enumerate(row.texts)]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
