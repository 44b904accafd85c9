"""The `loss` section: one class per loss, chosen by `name`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmrun.config.base import PositiveFloat, PositiveInt, Problem, Section, ShortForm, raise_problems
from lmrun.config.user_code import UserFunction

TargetKind = Literal["values", "binary", "one_hot", "labels"]
"""`values`: numbers [rows, targets]; `binary`: 0 or 1, floating [rows, targets]; `one_hot`: a single 1 per
row, floating [rows, classes]; `labels`: int64 [rows]."""


class MseConfig(Section):
    """Mean squared error."""

    targets: ClassVar[TargetKind] = "values"
    name: Literal["mse"]


class MaeConfig(Section):
    """Mean absolute error."""

    targets: ClassVar[TargetKind] = "values"
    name: Literal["mae"]


class HuberConfig(Section):
    """Huber's loss: quadratic up to `delta`, linear beyond (Huber 1964)."""

    targets: ClassVar[TargetKind] = "values"
    name: Literal["huber"]
    delta: PositiveFloat = 1.0
    """Where quadratic turns into linear, in the unit of the (normalized) target, or with `dataset.sigma` in
    standard deviations."""


class RobustLoss(Section):
    """What the robust losses share: scale^2 rho(z), z = (error / scale)^2, as in SciPy's `least_squares`."""

    targets: ClassVar[TargetKind] = "values"
    scale: PositiveFloat = 1.0
    """The error from which on rows count less, in the unit of the (normalized) target, or with
    `dataset.sigma` in standard deviations."""


class SoftL1Config(RobustLoss):
    """rho = 2 (sqrt(1 + z) - 1): a smooth absolute value."""

    name: Literal["soft_l1"]


class CauchyConfig(RobustLoss):
    """rho = log(1 + z): outliers count less the farther they are."""

    name: Literal["cauchy"]


class ArctanConfig(RobustLoss):
    """rho = arctan(z): outliers count the same wherever they are."""

    name: Literal["arctan"]


class ExactCurvature(Section):
    """The second derivative of the loss by the outputs (Schraudolph 2002)."""

    name: Literal["exact"]


class ProjectedCurvature(Section):
    """Random projections of the exact curvature, fresh in every step (Martens et al. 2012)."""

    name: Literal["projected"]
    projections: PositiveInt = 1
    """Projections per sample: each costs a backward pass, where the exact curvature costs one per class."""


class SquareRootCurvature(Section):
    """That of the square roots of the loss as residuals."""

    name: Literal["square-root"]


CurvatureConfig = Annotated[
    Annotated[ExactCurvature | ProjectedCurvature | SquareRootCurvature, Field(discriminator="name")],
    ShortForm,
]


class Crossentropy(Section):
    """What the cross-entropies share."""

    curvature: CurvatureConfig = ExactCurvature(name="exact")
    """The Gauss-Newton matrix of second-order optimizers: `exact`, the second derivative by the outputs;
    `projected`, a few random projections of it per sample; `square-root`, that of the residuals
    sqrt(loss)."""


class BinaryCrossentropyConfig(Crossentropy):
    """Cross-entropy of independent yes/no targets, from logits."""

    targets: ClassVar[TargetKind] = "binary"
    name: Literal["binary_crossentropy"]


class CategoricalCrossentropyConfig(Crossentropy):
    """Cross-entropy of one-hot targets, from logits."""

    targets: ClassVar[TargetKind] = "one_hot"
    name: Literal["categorical_crossentropy"]


class SparseCategoricalCrossentropyConfig(Crossentropy):
    """Cross-entropy of integer class labels, from logits."""

    targets: ClassVar[TargetKind] = "labels"
    name: Literal["sparse_categorical_crossentropy"]


class CustomConfig(Section):
    """A loss of your own in Python: `residual`, or `value` and `factor`.

    TensorFlow functions of outputs [rows, outputs] and targets, which treat each row by itself.
    """

    name: Literal["custom"]
    residual: UserFunction | None = None
    """`module:attribute` or `file.py:attribute` of a function that returns residuals [rows, q]; the loss of a
    row is the mean of their squares."""
    value: UserFunction | None = None
    """The same of a function that returns the loss of each row [rows]."""
    factor: UserFunction | None = None
    """The same of a function that returns F [rows, outputs, q], where F F^T is the second derivative of the
    value by the outputs, or what is to stand for it."""
    targets: TargetKind = "values"
    """What the functions get: `values`, numbers [rows, targets]; `binary`, 0 or 1 [rows, targets]; `one_hot`,
    a single 1 per row [rows, classes]; `labels`, integers [rows]."""

    @model_validator(mode="after")
    def _residual_or_value_and_factor(self) -> Self:
        raise_problems(list(self._misfits()))
        return self

    def _misfits(self) -> Iterator[Problem]:
        given = [name for name in ("value", "factor") if getattr(self, name) is not None]
        if self.residual is not None:
            for name in given:
                yield Problem((name,), "does not go with 'residual'; remove one of them", on_key=True)
        elif not given:
            yield Problem((), "custom needs 'residual', or 'value' and 'factor'")
        elif len(given) == 1:
            other = "factor" if given == ["value"] else "value"
            yield Problem((given[0],), f"needs '{other}' beside it", on_key=True)


LossConfig = Annotated[
    Annotated[
        MseConfig
        | MaeConfig
        | HuberConfig
        | SoftL1Config
        | CauchyConfig
        | ArctanConfig
        | BinaryCrossentropyConfig
        | CategoricalCrossentropyConfig
        | SparseCategoricalCrossentropyConfig
        | CustomConfig,
        Field(discriminator="name"),
    ],
    ShortForm,
]


OF_PROBABILITIES = "lmrun.losses.probabilities"
"""The module of the cross-entropies of models that end in probabilities."""


def reads_probabilities(loss: LossConfig) -> bool | None:
    """Return whether a loss takes outputs for probabilities; None where a user's function decides."""
    if not isinstance(loss, CustomConfig):
        return False
    return True if str(loss.value).startswith(f"{OF_PROBABILITIES}:") else None
