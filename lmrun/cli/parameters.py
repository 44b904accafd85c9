"""The parameter table of a fit: values with as many digits as they have, statistics, and reasons in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ERROR_DIGITS = 4
"""Of a standard error; two are meaningful, two more save those who calculate with them from rounding."""
DRAWN_DIGITS = 3
"""The same for what was drawn at random, whose own error is a few percent."""
WHOLE_DIGITS = 12
"""Of a value without an error."""
MOST_CORRELATED = 7
"""Parameters whose correlations are listed."""

Fit = Mapping[str, Any]


def show_parameters(fit: Any, console: Console) -> None:
    """Print the section `fit` of a summary, as much of it as there is."""
    for part in parameter_parts(fit):
        console.print(part, soft_wrap=isinstance(part, str))


def parameter_parts(fit: Any) -> Iterator[Any]:
    """Yield lines and tables of the section `fit` of a summary, as much of it as there is."""
    estimates = fit.get("estimates") if isinstance(fit, Mapping) else None
    if not isinstance(estimates, Mapping):
        return
    if not all(isinstance(one, Mapping) and "value" in one for one in estimates.values()):
        # A summary that somebody has edited; the rest of the run is worth showing.
        return
    yield ""
    yield parameter_table(fit)
    yield from statistics_lines(fit)
    yield from reason_lines(fit)
    tables = (profile_table(fit), bootstrap_table(fit), correlation_table(fit))
    yield from (table for table in tables if table is not None)


def effective_lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How many parameters of a network its data determine, as labels and texts; nothing for formulas.

    A run with Bayesian regularization has found that out itself; else the end of the run says it.
    """
    fit, own = summary.get("fit"), summary.get("regularization")
    if isinstance(own, Mapping):
        yield "effective", f"{own['effective_parameters']:.1f} of {summary['parameters']:,} parameters"
        yield "alpha, beta", f"{own['alpha']:.4g}, {own['beta']:.4g}"
    elif isinstance(fit, Mapping) and "effective_parameters" in fit:
        number, size = fit["effective_parameters"], fit["parameters"]
        reason = fit["reasons"].get("effective_parameters")
        text = f"not known: {reason}" if number is None else f"{number:.1f} of {size:,} parameters"
        yield "effective", text
        bands = fit.get("remarks", {}).get("bands")
        if bands:
            yield "bands", bands


def parameter_table(fit: Fit) -> Table:
    """A row per parameter: value, standard error and interval."""
    table = _table("parameter", "value", "standard error", f"{_percent(fit)} interval")
    for name, one in fit["estimates"].items():
        error = one.get("standard_error")
        table.add_row(
            name, rounded(one["value"], error), _error(error), _interval(one.get("interval"), error)
        )
    return table


def profile_table(fit: Fit) -> Table | None:
    """Profile-likelihood intervals; None where they were not asked for."""
    if not fit.get("profile"):
        return None
    table = _table("by profile", f"{_percent(fit)} interval")
    for name, one in fit["profile"]["intervals"].items():
        table.add_row(name, _interval(one["interval"], _error_of(fit, name)))
    return table


def bootstrap_table(fit: Fit) -> Table | None:
    """What a bootstrap says; None where it was not asked for."""
    if not fit.get("bootstrap"):
        return None
    percent = _percent(fit)
    table = _table("by bootstrap", "error", f"{percent} percentiles", f"{percent} BCa")
    for name, one in fit["bootstrap"]["estimates"].items():
        error = _error_of(fit, name)
        ends = (_interval(one[kind], error, DRAWN_DIGITS) for kind in ("percentile", "bca"))
        table.add_row(name, _error(one["standard_error"], DRAWN_DIGITS), *ends)
    return table


def _percent(fit: Fit) -> str:
    return f"{100 * fit.get('level', 0.95):g} %"


def _error_of(fit: Fit, name: str) -> float | None:
    error: float | None = fit["estimates"].get(name, {}).get("standard_error")
    return error


def statistics_lines(fit: Fit) -> Iterator[str]:
    """What holds for the whole fit; what is not defined is left to the reasons."""
    deviation, freedom = fit.get("residual_standard_deviation"), fit.get("degrees_of_freedom")
    if freedom is not None:
        text = "" if deviation is None else f"residual standard deviation {deviation:.6g}, "
        yield f"{text}{freedom:,} degrees of freedom"
        squares = fit["residual_sum_of_squares"]
        if squares is not None:
            yield f"residual sum of squares {squares:.6g}"
    if fit.get("known_sigma") and freedom:
        squares = fit["residual_sum_of_squares"]
        yield f"sigma is known: chi² {squares:.6g}, per degree of freedom {squares / freedom:.4g}"
    ratio = fit.get("r_squared")
    if ratio is not None:
        adjusted = fit.get("adjusted_r_squared")
        more = "" if adjusted is None else f", adjusted {near_one(adjusted)}"
        yield f"R² {near_one(ratio)}{more}"
    criteria = [(name, fit.get(name.lower())) for name in ("AIC", "AICc", "BIC")]
    if any(value is not None for _, value in criteria):
        yield ", ".join(f"{name} {value:.3f}" for name, value in criteria if value is not None)
    if len((fit.get("correlation") or {}).get("names", [])) > MOST_CORRELATED:
        yield "the correlations are in the run's summary, under fit.correlation"
    bootstrap = fit.get("bootstrap")
    if bootstrap:
        draws = f"{bootstrap['draws']:,} draws {DRAWN.get(bootstrap['kind'], bootstrap['kind'])}"
        yield f"bootstrap: {draws}, {bootstrap['failed']:,} without a fit, seed {bootstrap['seed']}"


def reason_lines(fit: Fit) -> Iterator[str]:
    """Each reason once, behind the names that it is about."""
    about: dict[str, list[str]] = {}
    for name, one in fit["estimates"].items():
        if one.get("reason"):
            about.setdefault(one["reason"], []).append(name)
    told = set(about)
    for name, reason in fit.get("reasons", {}).items():
        if reason not in told:
            about.setdefault(reason, []).append(LABELS.get(name, name))
    for name, one in (fit.get("profile") or {}).get("intervals", {}).items():
        for side, reason in zip(("lower", "upper"), one["reasons"], strict=True):
            if reason is not None and reason not in told:
                about.setdefault(reason, []).append(f"{name}'s {side} limit")
    for name, one in (fit.get("bootstrap") or {}).get("estimates", {}).items():
        if one["reason"] is not None and one["reason"] not in told:
            about.setdefault(one["reason"], []).append(f"{name}'s bootstrap")
    for name, remark in fit.get("remarks", {}).items():
        about.setdefault(remark, []).append(name)
    for reason, names in about.items():
        yield f"{', '.join(names)}: {reason}."


DRAWN = {"residual": "by residual", "case": "by case", "normal": "of normal errors"}

LABELS = {
    "residual_standard_deviation": "residual standard deviation",
    "residual_sum_of_squares": "residual sum of squares",
    "r_squared": "R²",
    "adjusted_r_squared": "adjusted R²",
    "log_likelihood": "log-likelihood",
    "relative_offset": "relative offset",
    **{name.lower(): name for name in ("AIC", "AICc", "BIC")},
}


def correlation_table(fit: Fit) -> Table | None:
    """The lower triangle of the correlations; None for a single parameter, or more than a terminal shows."""
    whole = fit.get("correlation") or {}
    names, matrix = whole.get("names", []), whole.get("matrix", [])
    known = [place for place, row in enumerate(matrix) if row[place] == 1]
    if not 1 < len(known) <= MOST_CORRELATED:
        return None
    table = _table("correlation", *(names[place] for place in known[:-1]))
    for number, place in enumerate(known[1:], start=1):
        cells = [f"{matrix[place][other]:.4f}" for other in known[:number]]
        table.add_row(names[place], *cells)
    return table


def _table(*headings: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", overflow="fold")
    return table


def _error(error: float | None, digits: int = ERROR_DIGITS) -> str:
    return "—" if error is None else f"{error:#.{digits}g}".removesuffix(".")


def _interval(ends: Sequence[float | None] | None, error: float | None, digits: int = ERROR_DIGITS) -> str:
    if ends is None or all(end is None for end in ends):
        return "—"
    low, high = ("none" if end is None else rounded(end, error, digits) for end in ends)
    return f"{low} … {high}"


def rounded(value: float | None, error: float | None, kept: int = ERROR_DIGITS) -> str:
    """Write a value to the place of the last of the `kept` digits of its standard error."""
    if value is None:
        return "not finite"
    if math.isinf(value):
        return f"{value:g}"
    if not error or not value or not math.isfinite(error):
        return f"{value:.{WHOLE_DIGITS}g}"
    digits = min(max(_exponent(value) - _exponent(error) + kept, 3), 17)
    if digits <= _exponent(value) < digits + kept:
        # `g` would turn to powers of ten for whole numbers that are rounded before the point.
        return f"{value:.0f}"
    return f"{value:#.{digits}g}".removesuffix(".")


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def near_one(value: float) -> str:
    """Write a share with as many digits as tell it from one."""
    missing = 1 - value
    digits = 4 if missing >= 0.01 else min(12, 1 - _exponent(missing)) if missing > 0 else 12
    return f"{value:.{digits}f}"
