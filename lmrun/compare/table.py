"""The table of a comparison: one measure per row, one group per column; numbers first, words second."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lmrun.compare.groups import Group
from lmrun.compare.results import Result
from lmrun.compare.statistics import Spread, ratio_interval, spread
from lmrun.compare.targets import targets


@dataclass(frozen=True)
class Measure:
    """One row.

    Attributes:
        name: What is measured, with its unit.
        key: The same for programs.
        values: Median and quartiles of every group.
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
    rows = [
        Measure(
            "seeds",
            "seeds",
            tuple(Spread(n, n, n) for n in map(_count, groups)),
            tuple(map(_seeds, groups)),
            None,
        ),
        _measure("loss, last", "loss", groups, _summary("loss"), loss_text),
        _measure("loss, best", "best_loss", groups, _summary("best_loss"), loss_text),
    ]
    tests = dict.fromkeys(
        name for member in groups for result in member.results for name in result.summary.get("test") or {}
    )
    for name in tests:
        form = HIGH.get(name, loss_text)
        rows.append(
            _measure(f"test {name}", f"test_{name}", groups, _test(name), form, lower=name not in HIGH)
        )
    for target in targets(groups):
        rows.append(
            _reaching(groups, target, 0, f"s to {target:.3g}", f"seconds_to_{target:.3g}", seconds_text)
        )
        rows.append(
            _reaching(groups, target, 1, f"steps to {target:.3g}", f"steps_to_{target:.3g}", count_text)
        )
    rows.append(
        _measure(
            "ms per step",
            "step_milliseconds",
            groups,
            lambda result: 1e3 * result.step_seconds,
            "{:.3g}".format,
        )
    )
    rows.append(
        _measure(
            "first step, s",
            "first_step_seconds",
            groups,
            lambda result: result.first_step_seconds,
            seconds_text,
        )
    )
    rows.append(_measure("peak memory, MB", "peak_memory_megabytes", groups, _memory, "{:,.0f}".format))
    return [row for row in rows if not all(math.isnan(value.median) for value in row.values)]


def speed_ups(groups: Sequence[Group]) -> Measure | None:
    """Return how many times sooner than the first each group reaches the lowest common target, if any.

    Only seeds that both have are compared, in pairs.
    """
    common = [target for target in targets(groups) if all(_reached(member, target) for member in groups)]
    if len(groups) < 2 or not common:
        return None
    target, first = common[-1], groups[0]
    values, texts = [Spread(1.0, 1.0, 1.0)], ["1 ×"]
    for member in groups[1:]:
        slow, fast = paired(first, member, lambda result: result.reached(target)[0])
        center, low, high = ratio_interval(slow, fast)
        values.append(Spread(center, low, high))
        interval = "" if math.isnan(low) else f" ({ratio_text(low)}–{ratio_text(high)})"
        texts.append(f"{ratio_text(center)} ×{interval}")
    return Measure(f"speed-up to {target:.3g}", "speed_up", tuple(values), tuple(texts), False)


def paired(one: Group, other: Group, read: Callable[[Result], float]) -> tuple[list[float], list[float]]:
    """Return a number of the runs of both groups, seed by seed; of all runs where no seed is common."""
    common = [seed for seed in one.seeds if seed in other.seeds]
    if not common:
        count = min(len(one.results), len(other.results))
        return [read(result) for result in one.results[:count]], [
            read(result) for result in other.results[:count]
        ]
    first, second = ({result.seed: result for result in member.results} for member in (one, other))
    return [read(first[seed]) for seed in common], [read(second[seed]) for seed in common]


def _reached(member: Group, target: float) -> bool:
    return math.isfinite(spread([result.reached(target)[0] for result in member.results]).median)


def _measure(  # noqa: PLR0917 - the cells of a row
    name: str,
    key: str,
    groups: Sequence[Group],
    read: Callable[[Result], float],
    form: Callable[[float], str],
    lower: bool = True,
) -> Measure:
    values = tuple(spread([read(result) for result in member.results]) for member in groups)
    texts = tuple(_cell(value, member, form) for value, member in zip(values, groups, strict=True))
    return Measure(name, key, values, texts, lower)


def _reaching(  # noqa: PLR0917 - the cells of a row
    groups: Sequence[Group], target: float, part: int, name: str, key: str, form: Callable[[float], str]
) -> Measure:
    row = _measure(name, key, groups, lambda result: result.reached(target)[part], form)
    texts = []
    for text, member in zip(row.texts, groups, strict=True):
        count = sum(math.isfinite(result.reached(target)[0]) for result in member.results)
        all_of_them = count == len(member.results)
        texts.append(
            text if all_of_them else f"{text}, {count} of {len(member.results)}" if count else "never"
        )
    return Measure(name, key, row.values, tuple(texts))


def _cell(value: Spread, member: Group, form: Callable[[float], str]) -> str:
    if math.isnan(value.median):
        return ""
    text = form(value.median) if math.isfinite(value.median) else "never"
    if len(member.results) == 1 or value.low == value.high or not math.isfinite(value.median):
        return text
    high = form(value.high) if math.isfinite(value.high) else "never"
    return f"{text} ({form(value.low)}–{high})"


def _count(member: Group) -> float:
    return float(len(member.results))


def _seeds(member: Group) -> str:
    seeds = member.seeds
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{len(seeds)}: {seeds[0]}–{seeds[-1]}"
    return f"{len(seeds)}: {', '.join(map(str, seeds))}"


def _summary(name: str) -> Callable[[Result], float]:
    return lambda result: _number(result.summary.get(name))


def _test(name: str) -> Callable[[Result], float]:
    return lambda result: _number((result.summary.get("test") or {}).get(name))


def _memory(result: Result) -> float:
    return _number(result.summary.get("peak_memory_bytes")) / 1e6


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


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
    return f"{value:.2g}" if value < 100 else f"{value:,.0f}"


HIGH: dict[str, Callable[[float], str]] = {"accuracy": "{:.2%}".format, "r2": "{:.6f}".format}
"""Test metrics of which more is better."""


def as_csv(groups: Sequence[Group], rows: Sequence[Measure]) -> str:
    """One line per group: median and quartiles of every measure."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [f"{row.key}{part}" for row in rows for part in ("", "_low", "_high")]
    writer.writerow(["group", *names])
    for place, member in enumerate(groups):
        numbers = [f"{part:.10g}" for row in rows for part in row.values[place]]
        writer.writerow([member.label, *numbers])
    return file.getvalue()


def as_markdown(groups: Sequence[Group], rows: Sequence[Measure]) -> str:
    """The table with the best of each row in bold."""
    lines = ["| | " + " | ".join(member.label for member in groups) + " |", "|---" * (len(groups) + 1) + "|"]
    for row in rows:
        cells = [f"**{text}**" if place == row.best else text for place, text in enumerate(row.texts)]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
