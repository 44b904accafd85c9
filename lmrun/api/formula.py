"""A formula and starting values of a program: which of its names are columns, which parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lmrun.config.expression import ExpressionError, names_in, parse_expression
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError

EXAMPLE = 'lmrun.fit("y ~ b1*(1 - exp(-b2*x))", x, y, parameters={"b1": 100, "b2": 0.5})'


class Roles(NamedTuple):
    """What a formula reads and predicts.

    Attributes:
        expression: The right-hand side, or one per target.
        inputs: The names of the columns.
        targets: The names of what is predicted.
    """

    expression: str | dict[str, str]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]


def roles(
    formula: str | Mapping[str, str], parameters: Mapping[str, Any] | None, columns: Sequence[str] | None
) -> Roles:
    """Take a formula apart.

    Args:
        formula: `target ~ expression`, an expression alone, or an expression per target.
        parameters: Those of the formula; all other names in it are columns.
        columns: The names of the data's columns; None where they have none.

    Raises:
        UsageError: The formula is none, or its names are neither parameters nor columns.
    """
    sides = dict(formula) if isinstance(formula, Mapping) else dict([_sides(formula)])
    if not parameters:
        raise UsageError(f"parameters: give each parameter of the formula a starting value: {EXAMPLE}")
    names: dict[str, None] = {}
    for text in sides.values():
        try:
            names |= dict.fromkeys(names_in(parse_expression(text)))
        except ExpressionError as error:
            raise UsageError(f"formula: {error}") from None
    inputs = [name for name in names if name not in parameters]
    lost = [name for name in inputs if columns is not None and name not in columns]
    if lost:
        known = [name for name in columns or () if name not in names]
        raise UsageError(
            f"formula: '{lost[0]}' is no column of x and has no starting value."
            f"{did_you_mean(lost[0], known)} Give it one: parameters={{..., '{lost[0]}': 1.0}}"
        )
    if not inputs:
        raise UsageError("formula: it reads no column; every name in it is a parameter.")
    expression = sides if isinstance(formula, Mapping) else next(iter(sides.values()))
    return Roles(expression, tuple(inputs), tuple(sides))


def _sides(formula: str) -> tuple[str, str]:
    left, tilde, right = formula.partition("~")
    if not tilde:
        return "y", formula.strip()
    if "~" in right or not left.strip():
        raise UsageError(f"formula: should be 'target ~ expression', not '{formula}'; for example {EXAMPLE}")
    return left.strip(), right.strip()
