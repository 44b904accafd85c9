"""The strategies that Levenberg-Marquardt is composed of: damping with its scaling, and acceptance."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from lmrun.config.base import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Problem,
    Section,
    ShortForm,
    raise_problems,
)
from lmrun.config.user_code import UserArguments, UserName


class UserStrategy(UserArguments):
    """A class of the user's own; further keys are its keyword arguments."""

    name: UserName


def _name_tag(value: Any) -> Any:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "user" if isinstance(name, str) and ":" in name else name


class IdentityScaling(Section):
    """D = 1 (Levenberg 1944)."""

    name: Literal["identity"]


class MarquardtScaling(Section):
    """D = diag(J^T J), bounded (Marquardt 1963)."""

    name: Literal["marquardt"]


class MoreScaling(Section):
    """D = the largest diag(J^T J) so far, element by element (Moré 1978)."""

    name: Literal["more"]


class TypicalScaling(Section):
    """Moré's, and no less than what would change a parameter by its own size for the present residuals."""

    name: Literal["typical"]


ScalingConfig = Annotated[
    Annotated[
        Annotated[IdentityScaling, Tag("identity")]
        | Annotated[MarquardtScaling, Tag("marquardt")]
        | Annotated[MoreScaling, Tag("more")]
        | Annotated[TypicalScaling, Tag("typical")]
        | Annotated[UserStrategy, Tag("user")],
        Discriminator(_name_tag),
    ],
    ShortForm,
]


class ScaledDamping(Section):
    """What all dampings share."""

    scaling: ScalingConfig = IdentityScaling(name="identity")
    """The diagonal D of the damped matrix J^T J + damping D: `identity` (Levenberg 1944), `marquardt`, the
    diagonal of J^T J (Marquardt 1963), `more`, the largest such diagonal so far (Moré 1978), `typical`, the
    same and at least |r|^2 / params^2 of the start, or `module:attribute`, a class of your own. Left out:
    `typical` for formulas over all rows."""


class RepeatedDamping(ScaledDamping):
    """What all dampings share that change after a rejected trial."""

    max_attempts: PositiveInt = 40
    """Trial steps with growing damping before a step is given up."""


class DampingLimits(RepeatedDamping):
    """What all dampings share that move a number."""

    minimum: NonNegativeFloat = 1e-20
    """The damping never falls below this."""
    maximum: PositiveFloat = 1e20
    """A damping above this ends the step: no direction makes progress."""

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.minimum > self.maximum:
            words = f"should be at most the maximum, {self.maximum:g}, not {self.minimum:g}"
            raise_problems([Problem(("minimum",), words)])
        return self


class DampingByFactors(DampingLimits):
    """Multiply after a rejected trial, divide after an accepted step."""

    initial: PositiveFloat = 1e-3
    """The first damping, an absolute number (1e-3: MATLAB `trainlm`)."""


class FactorDamping(DampingByFactors):
    """Multiply after a rejected trial, divide after an accepted step (Marquardt 1963)."""

    update: Literal["factor"]
    increase: Annotated[float, Field(gt=1)] = 10.0
    """Factor after a rejected trial (10: MATLAB `trainlm`)."""
    decrease: Annotated[float, Field(ge=1)] = 10.0
    """Divisor after an accepted step (10: MATLAB `trainlm`)."""


class DelayedGratificationDamping(DampingByFactors):
    """Raise the damping no more than needed, so that steps follow the valley (Transtrum and Sethna 2012)."""

    update: Literal["delayed-gratification"]
    increase: Annotated[float, Field(gt=1)] = 2.0
    """Factor after a rejected trial (2: Transtrum and Sethna 2012)."""
    decrease: Annotated[float, Field(ge=1)] = 5.0
    """Divisor after an accepted step (5: Transtrum and Sethna 2012)."""


class NielsenDamping(DampingLimits):
    """Follow the gain ratio smoothly (Madsen, Nielsen and Tingleff 2004, algorithm 3.16)."""

    update: Literal["nielsen"] = "nielsen"
    initial: PositiveFloat = 1e-3
    """The first damping as a multiple of the largest diagonal element of the scaled J^T J (1e-3: the same
    source)."""


class TrustRegionDamping(RepeatedDamping):
    """Bound the scaled step by a radius, and find the damping whose step is that long (Moré 1978)."""

    update: Literal["trust-region"]
    initial_radius: PositiveFloat = 100.0
    """The first bound of |D^(1/2) step| as a multiple of |D^(1/2) params|, or absolute where all parameters
    are 0 (100: MINPACK `lmder`)."""


class ConstantDamping(ScaledDamping):
    """Leave the damping as it is; a rejected trial, which no other would follow, ends the step."""

    update: Literal["constant"]
    value: NonNegativeFloat
    """The damping, an absolute number; 0 is Gauss-Newton that never goes uphill."""


class UserDamping(RepeatedDamping, UserArguments):
    """An update of the user's own; further keys are its keyword arguments."""

    update: UserName


def _damping_tag(value: Any) -> str:
    update = (
        value.get("update", "nielsen") if isinstance(value, dict) else getattr(value, "update", "nielsen")
    )
    if not isinstance(update, str):
        return "nielsen"
    return "user" if ":" in update else update


DampingConfig = Annotated[
    Annotated[FactorDamping, Tag("factor")]
    | Annotated[NielsenDamping, Tag("nielsen")]
    | Annotated[DelayedGratificationDamping, Tag("delayed-gratification")]
    | Annotated[TrustRegionDamping, Tag("trust-region")]
    | Annotated[ConstantDamping, Tag("constant")]
    | Annotated[UserDamping, Tag("user")],
    Discriminator(_damping_tag),
]


class DecreaseAcceptance(Section):
    """Take a step that lowers the loss."""

    name: Literal["decrease"]


class GainRatioAcceptance(Section):
    """Take a step that lowers the cost by more than a share of what the quadratic model predicted."""

    name: Literal["gain-ratio"]
    threshold: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    """The share that a step has to exceed (1e-4: Moré 1978, algorithm 7.1; MINPACK `lmder`)."""


AcceptanceConfig = Annotated[
    Annotated[
        Annotated[DecreaseAcceptance, Tag("decrease")]
        | Annotated[GainRatioAcceptance, Tag("gain-ratio")]
        | Annotated[UserStrategy, Tag("user")],
        Discriminator(_name_tag),
    ],
    ShortForm,
]
