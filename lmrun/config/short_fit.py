"""The short way to a fit: a table, a formula and starting values, turned into the config of a file."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from lmrun.config.document import scalar
from lmrun.config.dump import as_yaml
from lmrun.config.expression import (
    CONSTANTS,
    RESERVED,
    ExpressionError,
    is_name,
    names_in,
    parse_expression,
    refusal,
)
from lmrun.config.overrides import parse_override
from lmrun.config.suggest import did_you_mean, nearest
from lmrun.errors import UsageError

EXAMPLE = "y ~ b1*(1 - exp(-b2*x))"


class Given(NamedTuple):
    """What the command line says of parameters.

    Attributes:
        starts: Their starting values by name.
        ties: Expressions that some follow instead.
    """

    starts: Mapping[str, float]
    ties: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.starts, *(name for name in self.ties if name not in self.starts)]

    @property
    def read_by_ties(self) -> list[str]:
        """The names that ties read; what a tie is refused for, the config says."""
        good = [text for text in self.ties.values() if refusal(text) is None]
        return list(dict.fromkeys(name for text in good for name in names_in(parse_expression(text))))


def short_config(
    path: str,
    columns: Sequence[str],
    formula: str,
    starts: Sequence[str],
    *,
    sigma: str | None = None,
    loss: str | None = None,
    overrides: Sequence[str] = (),
    samples: str = "rows",
) -> str:
    """Return the YAML text of a fit.

    Names in the formula that are columns are inputs, all others are parameters.

    Args:
        path: The table, absolute.
        columns: The names of its columns.
        formula: Such as `y ~ b1*(1 - exp(-b2*x))`.
        starts: A `NAME=VALUE` for each parameter.
        sigma: A column of standard deviations of the target.
        loss: Its name; left out, the config's default.
        overrides: The `KEY=VALUE` that will be applied; a parameter to which one gives an expression needs no
            start, and does not keep one.
        samples: Where the samples of NPZ and MAT files lie, `rows` or `columns`.

    Raises:
        UsageError: Formula and starts do not fit the table or each other; the place in the formula is marked.
    """
    given = Given(read_starts(starts), ties_in(overrides))
    try:
        target, expression = _sides(formula, columns)
        inputs, parameters = _roles(formula, expression, target, columns, given)
    except ExpressionError as error:
        raise UsageError(f"formula: {error}") from None
    if sigma is not None and sigma not in columns:
        raise UsageError(f"--sigma: there is no column '{sigma}' in {path}.{did_you_mean(sigma, columns)}")
    dataset: dict[str, Any] = {"name": "table", "path": path, "inputs": inputs, "targets": [target]}
    if sigma is not None:
        dataset["sigma"] = sigma
    if samples != "rows":
        dataset["samples"] = samples
    text: dict[str, Any] = {
        "dataset": dataset,
        "model": {
            "name": "formula",
            "expression": expression.strip(),
            # As sections, so that an override can add a bound to one.
            "parameters": {
                name: {"expression": given.ties[name]}
                if name in given.ties
                else {"start": given.starts[name]}
                for name in parameters
            },
        },
    }
    if loss is not None:
        text["loss"] = {"name": loss}
    return as_yaml(text)


def read_starts(words: Sequence[str]) -> dict[str, float]:
    """Read `NAME=VALUE` words.

    Raises:
        UsageError: A word is no such thing, or a name comes twice.
    """
    values: dict[str, float] = {}
    for place, word in enumerate(words):
        before = sum(len(other) + 1 for other in words[:place])
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name:
            raise UsageError(f"--start: '{word}' is not NAME=VALUE; write for example --start b1=100 b2=0.5.")
        if not is_name(name):
            kind = "that of a function or constant" if name in RESERVED else "no name that a formula can use"
            refused = f"the name '{name}' is {kind}; rename the parameter."
            raise UsageError(f"--start: {ExpressionError(refused, ' '.join(words), before + 1)}")
        value = scalar(text)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"--start: the value of {name} should be a finite number, not '{text}'.")
        if name in values:
            raise UsageError(f"--start: {name} has two values, {values[name]:g} and {value:g}; remove one.")
        values[name] = float(value)
    return values


def ties_in(overrides: Sequence[str]) -> dict[str, str]:
    """Return the expressions that `KEY=VALUE` overrides give to parameters, by their names."""
    ties = {}
    for order, text in enumerate(overrides, start=1):
        override = parse_override(text, order)
        match override.path, override.value:
            case ("model", "parameters", str(name), "expression"), str(expression):
                ties[name] = expression
            case ("model", "parameters", str(name)), {"expression": str(expression)}:
                ties[name] = expression
    return ties


def _sides(formula: str, columns: Collection[str]) -> tuple[str, str]:
    """The target and the expression, both as written."""
    left, tilde, right = formula.partition("~")
    if not tilde:
        raise ExpressionError(
            f"no '~' between target and expression; write for example {EXAMPLE}", formula, 1
        )
    if "~" in right:
        raise ExpressionError("a second '~'", formula, len(left) + 2 + right.index("~"))
    target = left.strip()
    if not target:
        raise ExpressionError(f"no target in front of '~'; write for example {EXAMPLE}", formula, 1)
    if target not in columns:
        start = len(left) - len(left.lstrip()) + 1
        hint = did_you_mean(target, columns)
        raise ExpressionError(f"there is no column '{target}' to be the target.{hint}", formula, start)
    return target, right


def _roles(
    formula: str, expression: str, target: str, columns: Collection[str], given: Given
) -> tuple[list[str], list[str]]:
    """The names of the inputs and of the parameters, in the order of their first use."""
    values = given.names
    before = len(formula) - len(expression)
    try:
        tree = parse_expression(expression)
    except ExpressionError as error:
        word = re.match(r"\w*", expression[error.column - 1 :])
        hint = _shadowed(word.group() if word else "", columns)
        raise ExpressionError(error.message + hint, formula, before + error.column) from None
    used = names_in(tree)
    places = {
        node.id: before + node.col_offset + 1
        for node in sorted(ast.walk(tree), key=lambda node: -getattr(node, "col_offset", 0))
        if isinstance(node, ast.Name)
    }
    for name in CONSTANTS:
        if name in places and name in columns:
            words = f"'{name}' is a constant here, {CONSTANTS[name]:.6g}{_shadowed(name, columns)}"
            raise ExpressionError(words, formula, places[name])
    if target in used:
        raise ExpressionError(f"the target '{target}' cannot explain itself", formula, places[target])
    for name in used:
        if name in columns and name in values:
            words = f"'{name}' is a column and has a start; give the parameter another name"
            raise ExpressionError(words, formula, places[name])
    lost = [name for name in used if name not in columns and name not in values]
    if lost:
        raise ExpressionError(_lost(lost, used, columns, target), formula, places[lost[0]])
    known = [*used, *(name for name in given.read_by_ties if name not in used and name in values)]
    for name in given.starts:
        if name not in known:
            hint = did_you_mean(name, [other for other in known if other in values])
            raise UsageError(f"--start: {name} does not occur in the formula {formula.strip()}.{hint}")
    inputs = [name for name in used if name in columns]
    parameters = [name for name in known if name in values]
    if not inputs:
        free = ", ".join(column for column in columns if column != target)
        raise ExpressionError(f"no column in the formula; the table has {free}", formula, before + 1)
    if not parameters:
        words = "no parameters in the formula; whatever is no column of the table is one"
        raise ExpressionError(words, formula, before + 1)
    return inputs, parameters


def _shadowed(name: str, columns: Collection[str]) -> str:
    """What to do about a column that has the name of a function or constant."""
    if name not in columns or name not in RESERVED:
        return ""
    return f"; the column '{name}' has to be renamed first"


def _lost(lost: Sequence[str], used: Sequence[str], columns: Collection[str], target: str) -> str:
    """What to say of names that are no columns and have no start."""
    candidates = [column for column in columns if column not in used and column != target]
    near = nearest(lost[0], candidates)
    column = f" Did you mean the column '{near}'?" if near is not None else ""
    starts = " ".join(f"{name}=1" for name in lost)
    names = ", ".join(f"'{name}'" for name in lost)
    verb = "is no column and has no start" if len(lost) == 1 else "are no columns and have no starts"
    return f"{names} {verb}.{column} A parameter needs one, as near as you can guess: --start {starts}"
