"""Evaluate a checked expression over whatever numbers have the operators: tensors, arrays or jets."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lmrun.config.expression import FUNCTIONS

Value = Any
"""A number, or whatever has Python's operators: + - * / **."""


def power(base: Value, exponent: Value) -> Value:
    """Return base ** exponent; by products for a constant of 0 to 4, which also differentiates twice at 0."""
    if isinstance(exponent, float) and exponent.is_integer() and 0 <= exponent <= 4:
        return math.prod([base] * int(exponent), start=1.0)
    return base**exponent


BINARY: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: power,
}


def interpret(node: ast.AST, values: Mapping[str, Value], call: Callable[..., Value]) -> Value:  # noqa: PLR0911 - one per kind
    """Evaluate a checked expression tree.

    Args:
        node: A node of the tree that `config.expression.parse_expression` returned.
        values: The value of each column and parameter.
        call: From a function's canonical name and its arguments to its value.

    Returns:
        A value, or a Python float for a constant.
    """
    match node:
        case ast.Expression(body=body):
            return interpret(body, values, call)
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id="pi"):
            return math.pi
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -interpret(operand, values, call)
        case ast.UnaryOp(operand=operand):
            return interpret(operand, values, call)
        case ast.BinOp(left=left, op=op, right=right):
            operands = interpret(left, values, call), interpret(right, values, call)
            if all(isinstance(operand, float) for operand in operands):
                with np.errstate(all="ignore"):  # infinity or NaN, as for tensors, where Python would raise
                    return float(BINARY[type(op)](*map(np.float64, operands)))
            return BINARY[type(op)](*operands)
        case ast.Call(func=ast.Name(id=name), args=args):
            return call(FUNCTIONS[name], *(interpret(arg, values, call) for arg in args))
    raise TypeError(f"unchecked expression node {ast.dump(node)}")
