"""The parameters of a formula: where they start, within which bounds, which stay fixed or follow others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from lmrun.config.base import AsTuple, FiniteFloat, Problem, Section, raise_problems
from lmrun.config.expression import ExpressionError, names_in, parse_expression, refusal
from lmrun.config.order import CircularError, in_order

Range = Annotated[tuple[FiniteFloat, FiniteFloat], AsTuple]


class ParameterConfig(Section):
    """One parameter of a formula."""

    start: FiniteFloat | None = None
    """The value at which the fit starts, or, with `fixed`, stays; left out, the middle of the range."""
    min: FiniteFloat | None = None
    """The parameter never falls below this."""
    max: FiniteFloat | None = None
    """The parameter never rises above this."""
    range: Range | None = None
    """Where `model.restarts` draws further starting values, uniformly; left out, from `min` to `max`, or else
    the start alone."""
    fixed: bool = False
    """Whether the parameter stays at its start."""
    expression: str | None = None
    """An expression of other parameters that this one follows, such as `2*b1 + b2`; it has no start then."""

    @property
    def value(self) -> float:
        """The start of a parameter that does not follow others."""
        assert self.start is not None, "only a parameter with an expression has none"
        return self.start

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return self.min is not None or self.max is not None

    @property
    def drawn_from(self) -> tuple[float, float] | None:
        """Where further starting values are drawn; None for the start alone."""
        if self.range is not None:
            return self.range
        return None if self.min is None or self.max is None else (self.min, self.max)

    @model_validator(mode="before")
    @classmethod
    def _starts_in_the_middle(cls, data: object) -> object:
        """A range without a start has one."""
        drawn = data.get("range") if isinstance(data, dict) else None
        if isinstance(data, dict) and data.get("start") is None and isinstance(drawn, list | tuple):
            ends = [end for end in drawn if isinstance(end, int | float)]
            if len(ends) == len(drawn) == 2 and data.get("expression") is None:
                return {**data, "start": 0.5 * ends[0] + 0.5 * ends[1]}
        return data

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        raise_problems(list(self._misfits()))
        return self

    def _misfits(self) -> Iterator[Problem]:
        given = [name for name in ("start", "min", "max", "range") if getattr(self, name) is not None]
        if self.expression is not None:
            words = refusal(self.expression)
            if words is not None:
                yield Problem(("expression",), words)
            for name in (*given, *(["fixed"] if self.fixed else [])):
                words = "does not go with 'expression', which decides the value; remove one of them"
                yield Problem((name,), words, on_key=True)
            return
        if self.start is None:
            yield Problem((), "needs a 'start', a 'range' or an 'expression'")
        if self.fixed:
            for name in given:
                if name != "start":
                    yield Problem((name,), "does not go with 'fixed'; remove one of them", on_key=True)
            return
        yield from self._disorder()

    def _disorder(self) -> Iterator[Problem]:
        low = float("-inf") if self.min is None else self.min
        high = float("inf") if self.max is None else self.max
        if not low < high:
            yield Problem(("max",), f"should be above min, {low:g}, not {high:g}; or write fixed: true")
            return
        if self.start is not None and not low <= self.start <= high:
            yield Problem(("start",), f"should be {_within(low, high)}, not {self.start:g}")
        if self.range is not None:
            first, last = self.range
            if not first < last:
                yield Problem(("range",), f"should rise, not go from {first:g} to {last:g}")
            elif first < low or last > high:
                yield Problem(("range",), f"should stay within the bounds, {_within(low, high)}")


def _within(low: float, high: float) -> str:
    """What bounds ask for, in words."""
    if math.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if math.isinf(low) else f"from {low:g} to {high:g}"


def _as_parameter(value: object) -> object:
    return {"start": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Parameter = Annotated[
    ParameterConfig, BeforeValidator(_as_parameter, json_schema_input_type=FiniteFloat | ParameterConfig)
]


def problems_of_ties(parameters: Mapping[str, ParameterConfig]) -> list[Problem]:
    """Return what is wrong between the parameters of a formula: unknown names, circles, nothing to fit."""
    problems, reads = [], {}
    for name, parameter in parameters.items():
        if parameter.expression is None:
            continue
        try:
            reads[name] = names_in(parse_expression(parameter.expression, set(parameters)))
        except ExpressionError as error:
            problems.append(Problem((name, "expression"), str(error)))
    try:
        in_order(reads)
    except CircularError as circle:
        words = f"follows itself: {' -> '.join(circle.way)}; one of these needs a start of its own"
        problems.append(Problem((circle.way[0], "expression"), words))
    if all(parameter.fixed or parameter.expression is not None for parameter in parameters.values()):
        problems.append(Problem((), "has none that is free; there is nothing to fit"))
    return problems
