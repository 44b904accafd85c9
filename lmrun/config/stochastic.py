"""What Levenberg-Marquardt does with parts of the data or of the parameters: averages and subsets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lmrun.config.base import ByShortForm, NonNegativeFloat, PositiveInt, Section, ShortForm

Decay = Literal["none", "linear", "cosine"]


class NoAveraging(Section):
    """The model is where the last step led."""

    name: Literal["none"]


class PolynomialAveraging(Section):
    """Average all steps, the later ones the more (Shamir and Zhang 2013, section 4)."""

    name: Literal["polynomial"]
    power: NonNegativeFloat = 15.0
    """The weight of step t grows as t to this power: the average is over about the last (power + 1)th part of
    all steps; 0 is the plain mean (Polyak and Juditsky 1992)."""


class ExponentialAveraging(Section):
    """Average the latest steps."""

    name: Literal["exponential"]
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.98
    """Share of the average that is kept in each step: it is over about 1 / (1 - decay) steps."""


AveragingConfig = Annotated[
    Annotated[NoAveraging | PolynomialAveraging | ExponentialAveraging, Field(discriminator="name")],
    ShortForm,
]


class NoSubset(Section):
    """Every step is by all parameters."""

    by: Literal["none"]


class RandomSubset(Section):
    """Parameters drawn anew for each step."""

    by: Literal["random"]
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the parameters; the product J^T J costs its square."""
    count: PositiveInt | None = None
    """Number of parameters, in place of a share."""


class LayerSubset(Section):
    """One layer after the other."""

    by: Literal["layer"]
    order: Literal["cyclic", "random"] = "cyclic"
    """Which layer is next: in their order, or drawn anew for each step."""


SubsetConfig = Annotated[
    Annotated[
        NoSubset | RandomSubset | LayerSubset,
        Field(discriminator="by", json_schema_extra={"shortForm": "by"}),
    ],
    ByShortForm,
]
