"""The `model` section: one class per kind, chosen by `name`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from lmrun.config.base import (
    AsTuple,
    FiniteFloat,
    PositiveInt,
    Problem,
    Section,
    ShortForm,
    raise_problems,
)
from lmrun.config.expression import RESERVED, is_name, parse_expression

Activation = Literal[
    "linear", "tanh", "sigmoid", "relu", "elu", "selu", "gelu", "silu", "softplus", "softsign", "exponential"
]
Initializer = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "random_normal",
    "random_uniform",
]
Pair = PositiveInt | Annotated[tuple[PositiveInt, PositiveInt], AsTuple]


class MlpConfig(Section):
    """A fully connected network; the output layer is linear and as wide as the dataset asks."""

    name: Literal["mlp"]
    hidden: Annotated[tuple[PositiveInt, ...], AsTuple] = (20,)
    """Units of each hidden layer; an empty list is a linear model."""
    activation: Activation = "tanh"
    """The hidden layers' activation."""
    initializer: Initializer = "glorot_uniform"
    """Initial kernels (Glorot and Bengio 2010 by default); biases start at zero."""
    bias: bool = True
    """Whether the layers have biases."""


class ConvConfig(Section):
    """A two-dimensional convolution."""

    name: Literal["conv"]
    filters: PositiveInt
    """Number of output channels."""
    kernel_size: Pair
    """Height and width of the kernel."""
    strides: Pair = 1
    """Steps of the kernel in pixels."""
    padding: Literal["valid", "same"] = "valid"
    """`valid`: inside the image only; `same`: padded with zeros."""
    activation: Activation | None = None
    """Overrides the model's activation for this layer."""


class PoolConfig(Section):
    """Pooling over windows."""

    name: Literal["pool"]
    kind: Literal["max", "average"] = "max"
    """What a window turns into."""
    size: Pair = 2
    """Height and width of the window in pixels."""
    strides: Pair | None = None
    """Steps of the window in pixels; left out, its size."""
    padding: Literal["valid", "same"] = "valid"
    """`valid`: whole windows only; `same`: padded."""


class FlattenConfig(Section):
    """All values of a sample in one row."""

    name: Literal["flatten"]


class DenseConfig(Section):
    """A fully connected layer."""

    name: Literal["dense"]
    units: PositiveInt
    """Number of outputs."""
    activation: Activation | None = None
    """Overrides the model's activation for this layer."""


LayerConfig = Annotated[
    Annotated[ConvConfig | PoolConfig | FlattenConfig | DenseConfig, Field(discriminator="name")], ShortForm
]


class CnnConfig(Section):
    """A convolutional network; a missing flatten and the linear output layer are added at its end."""

    name: Literal["cnn"]
    layers: Annotated[tuple[LayerConfig, ...], AsTuple, Field(min_length=1)]
    """The hidden layers in their order."""
    activation: Activation = "tanh"
    """The activation of the convolutions and dense layers."""
    initializer: Initializer = "glorot_uniform"
    """Initial kernels; biases start at zero."""
    bias: bool = True
    """Whether the layers have biases."""


class ParameterConfig(Section):
    """One parameter of a formula."""

    start: FiniteFloat
    """The value at which the fit starts."""


def _as_parameter(value: object) -> object:
    return {"start": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Parameter = Annotated[
    ParameterConfig, BeforeValidator(_as_parameter, json_schema_input_type=FiniteFloat | ParameterConfig)
]


class FormulaConfig(Section):
    """A parametric expression over the dataset's columns."""

    name: Literal["formula"]
    expression: str
    """The right-hand side, such as `b1*(1 - exp(-b2*x))`: + - * / **, numbers, pi, the elementary functions,
    columns and parameters."""
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    """Name and starting value of each parameter."""

    @field_validator("expression")
    @classmethod
    def _follows_the_grammar(cls, expression: str) -> str:
        parse_expression(expression)
        return expression

    @field_validator("parameters")
    @classmethod
    def _usable_names(cls, parameters: dict[str, ParameterConfig]) -> dict[str, ParameterConfig]:
        words = {True: "is the name of a function or constant", False: "is not a name that a formula can use"}
        raise_problems(
            [
                Problem((name,), f"'{name}' {words[name in RESERVED]}; rename the parameter", on_key=True)
                for name in parameters
                if not is_name(name)
            ]
        )
        return parameters


ModelConfig = Annotated[
    Annotated[MlpConfig | CnnConfig | FormulaConfig, Field(discriminator="name")], ShortForm
]
