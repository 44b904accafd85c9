"""The `model` section: one class per kind, chosen by `name`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lmrun.config.base import (
    AsTuple,
    NonNegativeInt,
    PositiveInt,
    Problem,
    Section,
    ShortForm,
    raise_problems,
)
from lmrun.config.expression import RESERVED, is_name, parse_expression, refusal
from lmrun.config.parameters import Parameter, ParameterConfig, problems_of_ties

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
    restarts: NonNegativeInt = 0
    """How often the training begins again, with other initial weights; the best end is kept. The starts share
    `training.max_steps`."""


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
    restarts: NonNegativeInt = 0
    """How often the training begins again, with other initial weights; the best end is kept. The starts share
    `training.max_steps`."""


class FormulaConfig(Section):
    """A parametric expression over the dataset's columns."""

    name: Literal["formula"]
    expression: Annotated[str | dict[str, str], Field(min_length=1)]
    """The right-hand side, such as `b1*(1 - exp(-b2*x))`: + - * / **, numbers, pi, the elementary functions,
    columns and parameters. For several targets one each, by the targets' names; they share the parameters."""
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    """Each parameter by its name: a starting value, or a section with its start, bounds, range of starting
    values, or with `fixed`, or an expression of others."""

    restarts: NonNegativeInt = 0
    """How often the fit begins again, with starting values drawn from the parameters' ranges; the best end is
    kept."""

    @property
    def expressions(self) -> dict[tuple[str, ...], str]:
        """Each right-hand side by the path of its key in this section."""
        if isinstance(self.expression, str):
            return {("expression",): self.expression}
        return {("expression", target): text for target, text in self.expression.items()}

    @property
    def free(self) -> dict[str, ParameterConfig]:
        """The parameters that are fitted, in the order of the flat vector."""
        return {
            name: parameter
            for name, parameter in self.parameters.items()
            if not parameter.fixed and parameter.expression is None
        }

    @property
    def fixed(self) -> dict[str, ParameterConfig]:
        """The parameters that stay as they are."""
        return {name: parameter for name, parameter in self.parameters.items() if parameter.fixed}

    @property
    def tied(self) -> dict[str, ParameterConfig]:
        """The parameters that follow from others."""
        return {name: one for name, one in self.parameters.items() if one.expression is not None}

    @field_validator("expression")
    @classmethod
    def _follows_the_grammar(cls, expression: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(expression, str):
            parse_expression(expression)
            return expression
        raise_problems(
            [
                Problem((target,), words)
                for target, text in expression.items()
                if (words := refusal(text)) is not None
            ]
        )
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

    @model_validator(mode="after")
    def _restarts_have_ranges(self) -> Self:
        if self.restarts and all(parameter.drawn_from is None for parameter in self.free.values()):
            words = "draws starting values from ranges; give a parameter one, such as {range: [0, 10]}"
            raise_problems([Problem(("restarts",), words)])
        return self

    @field_validator("parameters")
    @classmethod
    def _ties_can_be_followed(cls, parameters: dict[str, ParameterConfig]) -> dict[str, ParameterConfig]:
        raise_problems(problems_of_ties(parameters))
        return parameters


ModelConfig = Annotated[
    Annotated[MlpConfig | CnnConfig | FormulaConfig, Field(discriminator="name")], ShortForm
]
