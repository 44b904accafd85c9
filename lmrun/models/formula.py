"""A parametric expression as a Keras layer, saved, restored and differentiated like a network."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.config.models import FormulaConfig
from lmrun.models.expressions import Expressions
from lmrun.models.interpret import interpret
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


def calls_in(dtype: str) -> Callable[..., Tensor]:
    """Return what calls the grammar's functions in a floating-point type."""

    def call(name: str, *arguments: Tensor) -> Tensor:
        return CALLS[name](*(tf.convert_to_tensor(argument, dtype) for argument in arguments))

    return call


def evaluate(node: ast.AST, values: Mapping[str, Tensor], dtype: str) -> Tensor:
    """Evaluate a checked expression tree.

    Args:
        node: A node of the tree that `config.expression.parse_expression` returned.
        values: The tensor of each column [rows] and parameter (scalar, or one value per row).
        dtype: The floating-point type of the constants.

    Returns:
        A tensor that broadcasts to [rows], or a Python float for a constant.
    """
    return interpret(node, values, calls_in(dtype))


@keras.saving.register_keras_serializable(package="lmrun")
class Formula(keras.layers.Layer):  # type: ignore[misc]
    """y = expression(columns; parameters), [rows, columns] to [rows, responses].

    Args:
        expression: The right-hand side, or one per response.
        columns: The names of the input columns in their order.
        parameters: Starting value of each parameter that is fitted.
        fixed: Values of those that are not.
        ties: Expressions of those that follow from others.
    """

    def __init__(
        self,
        expression: str | Sequence[str],
        columns: Sequence[str],
        parameters: Mapping[str, float],
        fixed: Mapping[str, float] | None = None,
        ties: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.expression = expression if isinstance(expression, str) else list(expression)
        self.columns = list(columns)
        self.starts = dict(parameters)
        responses = (expression,) if isinstance(expression, str) else tuple(expression)
        self.expressions = Expressions(
            responses, tuple(columns), tuple(parameters), dict(fixed or {}), dict(ties or {})
        )

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

    def values(self, parameters: Sequence[Tensor], inputs: Tensor) -> list[Tensor]:
        """Evaluate; parameters are scalars or [rows], inputs [rows, columns]; returns [rows] per response."""
        made = self.expressions.outputs(parameters, tf.unstack(inputs, axis=1), calls_in(self.compute_dtype))
        rows = tf.shape(inputs)[:1]
        return [tf.broadcast_to(tf.convert_to_tensor(value, self.compute_dtype), rows) for value in made]

    def call(self, inputs: Tensor) -> Tensor:
        """Evaluate with the layer's own parameters."""
        return tf.stack(
            self.values([tf.convert_to_tensor(scalar) for scalar in self.scalars], inputs), axis=1
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        """One value per response and row."""
        return (input_shape[0], len(self.expressions.responses))

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the layer again."""
        own = {
            "expression": self.expression,
            "columns": self.columns,
            "parameters": self.starts,
            "fixed": dict(self.expressions.fixed),
            "ties": dict(self.expressions.ties),
        }
        return {**super().get_config(), **own}


class FormulaNetwork(Network):
    """A network that consists of one formula."""

    def named_params(self) -> dict[str, float]:
        """Return all parameters by name, free, fixed and tied, as they are listed in the layer's config."""
        (layer,) = self.model.layers
        named = layer.expressions.parameters(list(self.params()), calls_in(layer.compute_dtype))
        return {name: float(value) for name, value in named.items()}


def build_formula(
    config: FormulaConfig, columns: Sequence[str], targets: Sequence[str] = ("y",), *, dtype: str
) -> Network:
    """Build the network that consists of one formula.

    Args:
        config: The model section.
        columns: The dataset's input columns.
        targets: The dataset's target columns, by which several expressions are put in order.
        dtype: `float32` or `float64`.
    """
    expression = config.expression
    layer = Formula(
        expression if isinstance(expression, str) else [expression[target] for target in targets],
        columns,
        {name: parameter.value for name, parameter in config.free.items()},
        {name: parameter.value for name, parameter in config.fixed.items()},
        {name: parameter.expression or "" for name, parameter in config.tied.items()},
        dtype=dtype,
        name="formula",
    )
    return FormulaNetwork(sequential([layer], (len(columns),), dtype))
