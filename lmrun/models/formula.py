"""A parametric expression as a Keras layer, saved, restored and differentiated like a network."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.config.expression import FUNCTIONS, parse_expression
from lmrun.config.models import FormulaConfig
from lmrun.models.network import Network, Tensor, sequential

LOG_2 = math.log(2.0)
LOG_10 = math.log(10.0)

CALLS: dict[str, Callable[..., Tensor]] = {
    "exp": tf.exp,
    "expm1": tf.math.expm1,
    "log": tf.math.log,
    "log1p": tf.math.log1p,
    "log2": lambda x: tf.math.log(x) / LOG_2,
    "log10": lambda x: tf.math.log(x) / LOG_10,
    "sqrt": tf.sqrt,
    "abs": tf.abs,
    "sin": tf.sin,
    "cos": tf.cos,
    "tan": tf.tan,
    "arcsin": tf.asin,
    "arccos": tf.acos,
    "arctan": tf.atan,
    "arctan2": tf.atan2,
    "sinh": tf.sinh,
    "cosh": tf.cosh,
    "tanh": tf.tanh,
    "arcsinh": tf.asinh,
    "arccosh": tf.acosh,
    "arctanh": tf.atanh,
    "erf": tf.math.erf,
}


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Return base ** exponent; by products for a constant of 0 to 4, which also differentiates twice at 0."""
    if isinstance(exponent, float) and exponent.is_integer() and 0 <= exponent <= 4:
        return math.prod([base] * int(exponent), start=1.0)
    return base**exponent


BINARY: dict[type[ast.operator], Callable[[Tensor, Tensor], Tensor]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: power,
}


def evaluate(node: ast.AST, values: Mapping[str, Tensor], dtype: str) -> Tensor:  # noqa: PLR0911 - one per kind
    """Evaluate a checked expression tree.

    Args:
        node: A node of the tree that `config.expression.parse_expression` returned.
        values: The tensor of each column [rows] and parameter (scalar, or one value per row).
        dtype: The floating-point type of the constants.

    Returns:
        A tensor that broadcasts to [rows], or a Python float for a constant.
    """
    match node:
        case ast.Expression(body=body):
            return evaluate(body, values, dtype)
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id="pi"):
            return math.pi
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -evaluate(operand, values, dtype)
        case ast.UnaryOp(operand=operand):
            return evaluate(operand, values, dtype)
        case ast.BinOp(left=left, op=op, right=right):
            operands = evaluate(left, values, dtype), evaluate(right, values, dtype)
            if all(isinstance(operand, float) for operand in operands):
                with np.errstate(all="ignore"):  # infinity or NaN, as for tensors, where Python would raise
                    return float(BINARY[type(op)](*map(np.float64, operands)))
            return BINARY[type(op)](*operands)
        case ast.Call(func=ast.Name(id=name), args=args):
            arguments = [tf.convert_to_tensor(evaluate(arg, values, dtype), dtype) for arg in args]
            return CALLS[FUNCTIONS[name]](*arguments)
    raise TypeError(f"unchecked expression node {ast.dump(node)}")


@keras.saving.register_keras_serializable(package="lmrun")
class Formula(keras.layers.Layer):  # type: ignore[misc]
    """y = expression(columns; parameters), [rows, columns] to [rows, 1].

    Args:
        expression: The right-hand side.
        columns: The names of the input columns in their order.
        parameters: Starting value of each parameter.
    """

    def __init__(
        self, expression: str, columns: Sequence[str], parameters: Mapping[str, float], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.expression = expression
        self.columns = list(columns)
        self.starts = dict(parameters)
        self._tree = parse_expression(expression, {*columns, *parameters})

    def build(self, input_shape: Any) -> None:
        """Create one scalar weight per parameter."""
        # As np.float64: Keras rounds a Python number to float32 on its way into a float64 weight.
        self.scalars = [
            self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(np.float64(value)),
                name=name,
                dtype=self.compute_dtype,
            )
            for name, value in self.starts.items()
        ]

    def values(self, parameters: Sequence[Tensor], inputs: Tensor) -> Tensor:
        """Evaluate; parameters are scalars or [rows], inputs [rows, columns]; returns [rows]."""
        named = dict(zip(self.columns, tf.unstack(inputs, axis=1), strict=True))
        named |= dict(zip(self.starts, parameters, strict=True))
        result = tf.convert_to_tensor(evaluate(self._tree, named, self.compute_dtype), self.compute_dtype)
        return tf.broadcast_to(result, tf.shape(inputs)[:1])

    def call(self, inputs: Tensor) -> Tensor:
        """Evaluate with the layer's own parameters."""
        return self.values([tf.convert_to_tensor(scalar) for scalar in self.scalars], inputs)[:, None]

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        """One value per row."""
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the layer again."""
        own = {"expression": self.expression, "columns": self.columns, "parameters": self.starts}
        return {**super().get_config(), **own}


def build_formula(config: FormulaConfig, columns: Sequence[str], *, dtype: str) -> Network:
    """Build the network that consists of one formula.

    Args:
        config: The model section.
        columns: The dataset's input columns.
        dtype: `float32` or `float64`.
    """
    starts = {name: parameter.start for name, parameter in config.parameters.items()}
    layer = Formula(config.expression, columns, starts, dtype=dtype, name="formula")
    return Network(sequential([layer], (len(columns),), dtype))
