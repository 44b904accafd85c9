"""What the tables of a race show, column by column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.problems import Problem


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        heading: Its head.
        value: The number of a run, None where it did not get there.
        text: How a number is written.
        limit: What a run that did not get there exceeded, None where that says nothing.
        compared: Whether the factor relative to the best peer is shown.
        same_rows: Whether only peers whose steps see as many rows are compared.
    """

    heading: str
    value: Callable[[dict[str, Any]], float | None]
    text: Callable[[float], str]
    limit: float | None = None
    compared: bool = True
    same_rows: bool = False


def plain(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def scientific(value: float) -> str:
    """Two digits and the exponent: 1.5e-8."""
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits}e{int(exponent)}"


def percent(value: float) -> str:
    """A share."""
    return f"{100 * value:.2f} %"


def columns(problem: Problem, results: dict[str, Any]) -> list[Column]:
    """Return the columns of a problem."""
    mse = problem.measure == "mse"
    made = [
        Column("ms per step", _step_milliseconds, plain, same_rows=True),
        Column("first step, s", lambda run: run["first_step_seconds"], plain, compared=False),
    ]
    for target in problem.targets:
        key, goal = str(target), scientific(target) if mse else f"{100 * target:.1f} %"
        made += [
            Column(f"s to {goal}", _seconds_to(key), plain, results["limit_seconds"]),
            Column(
                f"s to {goal}, without compilation",
                _without_compilation(key),
                plain,
                results["limit_seconds"],
            ),
        ]
    error = "MSE" if mse else "test error"
    made += [
        Column(
            f"lowest {error} in {results['budget_seconds']:g} s",
            lambda run: run["lowest_error"],
            scientific if mse else percent,
        ),
        Column("peak memory, MB", lambda run: run["peak_bytes"] / 1e6, lambda value: f"{value:,.0f}"),
    ]
    return made


def _step_milliseconds(run: dict[str, Any]) -> float | None:
    return None if run["step_seconds"] is None else 1e3 * run["step_seconds"]


def _seconds_to(target: str) -> Callable[[dict[str, Any]], float | None]:
    def value(run: dict[str, Any]) -> float | None:
        seconds: float | None = run["seconds_to"][target]
        return seconds

    return value


def _without_compilation(target: str) -> Callable[[dict[str, Any]], float | None]:
    """What the first step took longer than later ones is taken off."""

    def value(run: dict[str, Any]) -> float | None:
        seconds = run["seconds_to"][target]
        return None if seconds is None else max(0.0, seconds - (run["compile_seconds"] or 0.0))

    return value
