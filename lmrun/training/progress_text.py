"""What a progress display says, as pure functions: sparkline, time left, numbers, lines that fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.,-~=*#"
SEPARATOR = " · "


@dataclass(frozen=True)
class Limits:
    """What ends a run; None is no limit.

    Attributes:
        max_steps: Steps in all.
        max_epochs: Epochs in all.
        max_seconds: Seconds of training.
        target_loss: The loss that is asked for.
    """

    max_steps: int | None = None
    max_epochs: int | None = None
    max_seconds: float | None = None
    target_loss: float | None = None


def sparkline(values: Sequence[float | None], width: int, blocks: str = BLOCKS) -> str:
    """Draw values on a logarithmic scale, one character per value or, beyond `width`, per run of values.

    A character is the geometric mean of its values, scaled so that the line spans all levels; a line without
    variation lies in the middle. None and values that are not finite are gaps; zero and below, which have no
    logarithm, are at the lowest level.

    Args:
        values: In the order of time.
        width: Most characters of the line.
        blocks: The levels, lowest first.
    """
    count = min(width, len(values))
    edges = [index * len(values) // count for index in range(count + 1)] if count > 0 else []
    cells = [_log_mean(values[begin:end]) for begin, end in pairwise(edges)]
    finite = [cell for cell in cells if cell is not None and math.isfinite(cell)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    top = len(blocks) - 1

    def level(cell: float | None) -> str:
        if cell is None:
            return " "
        if cell == -math.inf:
            return blocks[0]
        return blocks[round(top * (cell - low) / (high - low))] if high > low else blocks[top // 2]

    return "".join(level(cell) for cell in cells)


def _log_mean(values: Sequence[float | None]) -> float | None:
    """The mean logarithm; -inf where no value is positive, None where none is finite."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    positive = [math.log10(value) for value in finite if value > 0]
    if positive:
        return sum(positive) / len(positive)
    return -math.inf if finite else None


def seconds_left(
    limits: Limits,
    *,
    step: int,
    epoch: int,
    seconds: float,
    steps_per_second: float | None,
    epochs_per_second: float | None,
    age: float = 0.0,
) -> float | None:
    """Estimate the seconds to the nearest limit, at least 0; None where nothing limits the time.

    The target loss is no part of it: second-order methods reach it in leaps that no trend foretells.

    Args:
        limits: The limits.
        step: Steps done.
        epoch: The current epoch.
        seconds: Training seconds now.
        steps_per_second: Recent rate, None where it is not known yet.
        epochs_per_second: The same for epochs.
        age: Seconds since `step` and `epoch` were true.
    """
    left = [
        (limit - done) / rate - age
        for limit, done, rate in (
            (limits.max_steps, step, steps_per_second),
            (limits.max_epochs, epoch, epochs_per_second),
        )
        if limit is not None and rate
    ]
    if limits.max_seconds is not None:
        left.append(limits.max_seconds - seconds)
    return max(0.0, min(left)) if left else None


def clock(seconds: float) -> str:
    """Return `m:ss`, `h:mm:ss` or `D d h:mm:ss`, rounded down."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{hours}:{minutes:02}:{rest:02}"
    return f"{days} d {text}" if days else text


def number(value: float | None, digits: int = 4) -> str:
    """Return a float with a few significant digits and a stable width, `-` for a missing one."""
    if value is None:
        return "-"
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    return f"{value:.{digits - 1}e}" if not 1e-2 <= abs(value) < 1e4 else f"{value:#.{digits}g}".rstrip(".")


def rate(value: float) -> str:
    """Return steps per second in a text that does not tremble."""
    return f"{value:,.0f} steps/s" if value >= 100 else f"{value:.3g} steps/s"


def fit(items: Sequence[str], width: int, separator: str = SEPARATOR) -> list[str]:
    """Return the leading items that fit into `width` characters when joined; the first one always, cut."""
    kept: list[str] = []
    used = -len(separator)
    for item in items:
        used += len(separator) + len(item)
        if used > width:
            break
        kept.append(item)
    return kept or [item[: max(width, 0)] for item in items[:1]]
