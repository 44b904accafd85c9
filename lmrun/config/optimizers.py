"""The `optimizer` section: one class per optimizer, chosen by `name`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from lmrun.config.base import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Problem,
    Section,
    ShortForm,
    raise_problems,
)
from lmrun.config.suggest import did_you_mean

Momentum = Annotated[float, Field(ge=0, lt=1)]


class SgdConfig(Section):
    """Gradient descent: v <- momentum v - learning_rate g; theta <- theta + v."""

    name: Literal["sgd"]
    learning_rate: PositiveFloat = 0.01
    """Length of a step per gradient (0.01: Keras)."""
    momentum: Momentum = 0.0
    """Share of the last step that is kept (Polyak 1964)."""
    nesterov: bool = False
    """Take the gradient ahead of the step (Nesterov 1983); needs a momentum."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise_problems([Problem(("nesterov",), "needs a momentum above 0; set momentum: 0.9")])
        return self


class AdamConfig(Section):
    """Adam (Kingma and Ba 2015, algorithm 1)."""

    name: Literal["adam"]
    learning_rate: PositiveFloat = 0.001
    """Length of a step (0.001: the paper)."""
    beta_1: Momentum = 0.9
    """Decay of the mean of gradients (the paper)."""
    beta_2: Momentum = 0.999
    """Decay of the mean of squared gradients (the paper)."""
    epsilon: PositiveFloat = 1e-7
    """Added to the root of the mean square (1e-7: Keras)."""
    amsgrad: bool = False
    """Use the largest mean square seen (Reddi, Kale and Kumar 2018)."""


KERAS_OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "adadelta": ("rho", "epsilon"),
    "adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
    "adagrad": ("initial_accumulator_value", "epsilon"),
    "adamax": ("beta_1", "beta_2", "epsilon"),
    "adamw": ("weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad"),
    "ftrl": (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
    "lamb": ("beta_1", "beta_2", "epsilon"),
    "lion": ("beta_1", "beta_2"),
    "muon": (
        "adam_beta_1",
        "adam_beta_2",
        "adam_weight_decay",
        "epsilon",
        "weight_decay",
        "rms_rate",
        "momentum",
        "ns_steps",
        "nesterov",
    ),
    "nadam": ("beta_1", "beta_2", "epsilon"),
    "rmsprop": ("rho", "momentum", "epsilon", "centered"),
    "schedulefreeadamw": ("beta_1", "beta_2", "epsilon", "warmup_steps", "weight_decay"),
}
"""The other optimizers of Keras and their arguments besides `learning_rate`; a test holds this equal to
Keras."""


class KerasOptimizerConfig(Section):
    """Any other Keras optimizer, with its own arguments as keys."""

    model_config = ConfigDict(extra="allow")

    name: Literal[
        "adadelta",
        "adafactor",
        "adagrad",
        "adamax",
        "adamw",
        "ftrl",
        "lamb",
        "lion",
        "muon",
        "nadam",
        "rmsprop",
        "schedulefreeadamw",
    ]
    learning_rate: PositiveFloat = 0.001
    """Length of a step (0.001: Keras)."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class besides its learning rate."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _known_arguments(self) -> Self:
        known = KERAS_OPTIMIZERS[self.name]
        problems = []
        for key, value in self.arguments.items():
            if key not in known:
                near = did_you_mean(key, ("learning_rate", *known))
                problems.append(Problem((key,), f"unknown key of {self.name}.{near}", on_key=True))
            elif not isinstance(value, int | float) or not math.isfinite(value):
                problems.append(Problem((key,), f"should be a finite number, true or false, not {value!r}"))
        raise_problems(problems)
        return self


class NewtonConfig(Section):
    """Newton's method with the full Hessian: theta <- theta - H^-1 g, each step taken whole."""

    name: Literal["newton"]


class GaussNewtonConfig(Section):
    """Gauss-Newton: theta <- theta - (J^T J)^-1 J^T r, each step taken whole."""

    name: Literal["gauss-newton"]


class DampingLimits(Section):
    """What every damping update shares."""

    minimum: NonNegativeFloat = 1e-20
    """The damping never falls below this."""
    maximum: PositiveFloat = 1e20
    """A damping above this ends the step: no direction makes progress."""
    max_attempts: PositiveInt = 40
    """Trial steps with growing damping before a step is given up."""
    scaling: Literal["identity", "marquardt"] = "identity"
    """The diagonal D of the damped matrix J^T J + damping D: `identity` (Levenberg 1944) or `marquardt`,
    the diagonal
    of J^T J (Marquardt 1963)."""

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.minimum > self.maximum:
            words = f"should be at most the maximum, {self.maximum:g}, not {self.minimum:g}"
            raise_problems([Problem(("minimum",), words)])
        return self


class FactorDamping(DampingLimits):
    """Multiply after a rejected trial, divide after an accepted step (Marquardt 1963)."""

    update: Literal["factor"]
    initial: PositiveFloat = 1e-3
    """The first damping, an absolute number (1e-3: MATLAB `trainlm`)."""
    increase: Annotated[float, Field(gt=1)] = 10.0
    """Factor after a rejected trial (10: MATLAB `trainlm`)."""
    decrease: Annotated[float, Field(ge=1)] = 10.0
    """Divisor after an accepted step (10: MATLAB `trainlm`)."""


class NielsenDamping(DampingLimits):
    """Follow the gain ratio smoothly (Madsen, Nielsen and Tingleff 2004, algorithm 3.16)."""

    update: Literal["nielsen"] = "nielsen"
    initial: PositiveFloat = 1e-3
    """The first damping as a multiple of the largest diagonal element of the scaled J^T J (1e-3: the same
    source)."""


def _damping_tag(value: Any) -> str:
    update = (
        value.get("update", "nielsen") if isinstance(value, dict) else getattr(value, "update", "nielsen")
    )
    return update if isinstance(update, str) else "nielsen"


DampingConfig = Annotated[
    Annotated[FactorDamping, Tag("factor")] | Annotated[NielsenDamping, Tag("nielsen")],
    Discriminator(_damping_tag),
]


class LmConfig(Section):
    """Levenberg-Marquardt: (J^T J + damping D) step = -J^T r, accepted when the loss falls."""

    name: Literal["lm"]
    damping: DampingConfig = NielsenDamping()
    """The update of the damping, its start and its scaling."""
    acceleration: Literal["none", "geodesic"] = "none"
    """`geodesic` bends the step along the second derivative of the residuals (Transtrum, Machta and Sethna
    2011)."""


def _optimizer_tag(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "keras" if isinstance(name, str) and name in KERAS_OPTIMIZERS else name


OptimizerConfig = Annotated[
    Annotated[
        Annotated[SgdConfig, Tag("sgd")]
        | Annotated[AdamConfig, Tag("adam")]
        | Annotated[NewtonConfig, Tag("newton")]
        | Annotated[GaussNewtonConfig, Tag("gauss-newton")]
        | Annotated[LmConfig, Tag("lm")]
        | Annotated[KerasOptimizerConfig, Tag("keras")],
        Discriminator(_optimizer_tag),
    ],
    ShortForm,
]

SECOND_ORDER = ("newton", "gauss-newton", "lm")
OPTIMIZER_NAMES = ("sgd", "adam", *SECOND_ORDER, *KERAS_OPTIMIZERS)
