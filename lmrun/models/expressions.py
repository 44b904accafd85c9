"""The expressions of a formula: from free parameters and columns to one value per response."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lmrun.config.expression import names_in, parse_expression
from lmrun.config.order import in_order
from lmrun.models.interpret import interpret

Value = Any
"""A number, a tensor or array that broadcasts to [rows], or a jet."""
Call = Callable[..., Value]
"""From a function's name and its arguments to its value."""


@dataclass(frozen=True)
class Expressions:
    """What a formula computes.

    Attributes:
        responses: The right-hand side of each response.
        columns: The names of the inputs.
        free: The names of the parameters that are fitted, in the order of the flat vector.
        fixed: Parameters that are not, and their values.
        ties: Parameters that follow from others, and how.
    """

    responses: tuple[str, ...]
    columns: tuple[str, ...]
    free: tuple[str, ...]
    fixed: Mapping[str, float]
    ties: Mapping[str, str]

    @cached_property
    def trees(self) -> list[ast.Expression]:
        """Of the responses."""
        parameters = {*self.free, *self.fixed, *self.ties}
        return [parse_expression(text, {*self.columns, *parameters}) for text in self.responses]

    @cached_property
    def tied(self) -> list[tuple[str, ast.Expression]]:
        """The ties, each behind those that it reads."""
        trees = {name: parse_expression(text) for name, text in self.ties.items()}
        return [
            (name, trees[name]) for name in in_order({name: names_in(tree) for name, tree in trees.items()})
        ]

    def parameters(self, values: Sequence[Value], call: Call) -> dict[str, Value]:
        """Return all parameters by name, given the free ones."""
        named = {**dict(zip(self.free, values, strict=True)), **self.fixed}
        for name, tree in self.tied:
            named[name] = interpret(tree, named, call)
        return named

    def outputs(self, values: Sequence[Value], inputs: Sequence[Value], call: Call) -> list[Value]:
        """Return the value of each response.

        Args:
            values: Of the free parameters.
            inputs: The columns.
            call: Calls the grammar's functions.
        """
        named = {**self.parameters(values, call), **dict(zip(self.columns, inputs, strict=True))}
        return [interpret(tree, named, call) for tree in self.trees]
