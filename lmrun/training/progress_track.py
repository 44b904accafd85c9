"""What a progress display remembers of a run: little, however long it is."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lmrun.training.progress_text import Limits, clock, number, rate, seconds_left

Row = Mapping[str, float | int | bool | None]

_HISTORY = 1024
_RATE_SAMPLES = 12
_RATE_SPACING = 0.5
"""Seconds: the rate is that of the last few seconds, or of the last dozen of slow steps."""


class History:
    """Values at even distances from the beginning to now: when there are too many, every second one goes."""

    def __init__(self, capacity: int = _HISTORY) -> None:
        self.values: list[float | None] = []
        self._capacity = capacity
        self._stride = 1
        self._seen = 0

    def extend(self, values: Sequence[float | None]) -> None:
        """Append values that came in this order."""
        kept = self.values + list(values[-self._seen % self._stride :: self._stride])
        self._seen += len(values)
        while len(kept) > self._capacity:
            kept = kept[::2]
            self._stride *= 2
        # Bound at once: another thread may be drawing.
        self.values = kept


class Track:
    """The state of a run as its rows tell it.

    Args:
        now: A clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._updated = now()
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_RATE_SAMPLES)
        self.limits = Limits()
        self.latest: dict[str, Any] = {"step": 0, "epoch": 0, "seconds": 0.0}
        self.best = math.inf
        self.history = History()
        self._finished = False

    def start(self, limits: Limits) -> None:
        """Set the limits and the time from which seconds count until the first row comes."""
        self.limits = limits
        self._updated = self._now()

    def finish(self) -> None:
        """Say no more of the time left."""
        self._finished = True

    def update(self, rows: Sequence[Row]) -> None:
        """Take new rows in."""
        if not rows:
            return
        losses = [row.get("loss") for row in rows]
        self.history.extend(losses)
        self.best = min((loss for loss in losses if loss is not None and loss < self.best), default=self.best)
        last = {name: value for name, value in rows[-1].items() if value is not None}
        # The last known value stays: validation, say, does not happen at each step.
        self.latest = {**self.latest, **last}
        self._updated = self._now()
        sample = (self.latest["seconds"], self.latest["step"], self.latest["epoch"])
        if not self._samples or sample[0] >= self._samples[-1][0] + _RATE_SPACING:
            self._samples.append(sample)

    @property
    def age(self) -> float:
        """Seconds since the last row."""
        return self._now() - self._updated

    @property
    def seconds(self) -> float:
        """Training seconds until now."""
        return float(self.latest["seconds"]) + self.age

    def _rate(self, column: int, done: int) -> float | None:
        samples = list(self._samples)
        if not samples or self.latest["seconds"] <= samples[0][0] or done <= samples[0][column]:
            return None
        return float((done - samples[0][column]) / (self.latest["seconds"] - samples[0][0]))

    @property
    def steps_per_second(self) -> float | None:
        """Recent rate, None before two rows."""
        return self._rate(1, self.latest["step"])

    @property
    def left(self) -> float | None:
        """Seconds to the nearest limit, None where that is not known or nothing is left to come."""
        if self._finished:
            return None
        return seconds_left(
            self.limits,
            step=self.latest["step"],
            epoch=self.latest["epoch"],
            seconds=self.seconds,
            steps_per_second=self.steps_per_second,
            epochs_per_second=self._rate(2, self.latest["epoch"]),
            age=self.age,
        )

    def losses(self) -> list[tuple[str, str]]:
        """Label and text of the losses, the most important first."""
        found = [
            ("loss", number(self.latest.get("loss"))),
            ("best", number(None if self.best == math.inf else self.best)),
        ]
        if "validation_loss" in self.latest:
            found.append(("validation", number(self.latest["validation_loss"])))
        if self.limits.target_loss is not None:
            found.append(("target", f"{self.limits.target_loss:g}"))
        for name, label in (("validation_accuracy", "validation accuracy"),):
            if name in self.latest:
                found.append((label, f"{self.latest[name]:.2%}"))
        return found

    def course(self) -> list[tuple[str, str]]:
        """Label and text of where the run is and how it moves, the most important first."""
        limits, latest = self.limits, self.latest
        found = [("step", _of(latest["step"], limits.max_steps))]
        if limits.max_epochs is not None or latest["epoch"] != latest["step"]:
            found.append(("epoch", _of(latest["epoch"], limits.max_epochs)))
        if (steps_per_second := self.steps_per_second) is not None:
            found.append(("", rate(steps_per_second)))
        for name in ("damping", "gain_ratio"):
            if name in latest:
                found.append((name.replace("_", " "), number(latest[name], 3)))
        return found

    def times(self) -> list[tuple[str, str]]:
        """Label and text of the time spent and the time left."""
        left = self.left
        return [("", clock(self.seconds))] + ([] if left is None else [("", f"{clock(left)} left")])


def _of(done: int, limit: int | None) -> str:
    return f"{done:,}" if limit is None else f"{done:,} of {limit:,}"
