"""The `dataset` section: one class per dataset, chosen by `name`."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lmrun.config.base import (
    AsTuple,
    FiniteFloat,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    Path,
    PositiveFloat,
    PositiveInt,
    Problem,
    Section,
    ShortForm,
    raise_problems,
)

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Names = Annotated[tuple[str, ...], AsTuple, Field(min_length=1)]
Value = int | float | str | bool
Values = Annotated[tuple[Value, ...], AsTuple]


class RosenbrockCurveConfig(Section):
    """z = (a - x)^2 + b (y - x^2)^2 over the plane: the curve whose a and b a formula has to find."""

    name: Literal["rosenbrock-curve"]
    a: FiniteFloat = 2.5
    """The true value of a."""
    b: FiniteFloat = 2.5
    """The true value of b."""
    points: Annotated[int, Field(gt=1)] = 9
    """Number of training points; a square number when they lie on a grid."""
    sampling: Literal["grid", "random"] = "grid"
    """`grid`: evenly spaced, the corners of the square included; `random`: uniform."""
    limit: PositiveFloat = 2.0
    """The points lie in the square [-limit, limit] x [-limit, limit]."""
    noise: NonNegativeFloat = 0.0
    """Standard deviation of the normal noise added to z."""
    seed: Seed | None = None
    """Seed of the random points and the noise; left out, the config's `seed` decides them."""

    @model_validator(mode="after")
    def _grid_is_square(self) -> Self:
        side = math.isqrt(self.points)
        if self.sampling == "grid" and side**2 != self.points:
            near = side**2 if side > 1 and self.points - side**2 <= side else (side + 1) ** 2
            words = (
                f"a grid needs a square number of points, not {self.points}; write {near} or sampling: random"
            )
            raise_problems([Problem(("points",), words)])
        return self


class RosenbrockConfig(Section):
    """The N-dimensional Rosenbrock function, sum of b (x[i+1] - x[i]^2)^2 + (a - x[i])^2, at random."""

    name: Literal["rosenbrock"]
    dimension: Annotated[int, Field(ge=2)] = 2
    """The number N of inputs."""
    a: FiniteFloat = 1.0
    """The coefficient a of (a - x[i])^2."""
    b: PositiveFloat = 100.0
    """The coefficient b of (x[i+1] - x[i]^2)^2."""
    points: PositiveInt = 10_000
    """Number of training points, uniform in [-2, 2]^N."""
    validation_points: NonNegativeInt = 0
    """Number of separate validation points."""
    normalize: bool = True
    """Scale the inputs as x/2 and the target as y/max(y) - 0.5, the maximum being that of the training
    points."""
    include_minima: bool = False
    """Put the two known minima of the function among the training points (one for N = 2 and 3, which have
    one)."""
    seed: Seed | None = None
    """Seed of the random points; left out, the config's `seed` decides them."""


class SincConfig(Section):
    """y = sin(pi f x) / (pi f x), evenly spaced on [-1, 1]."""

    name: Literal["sinc"]
    frequency: PositiveFloat = 10.0
    """The frequency f."""
    points: Annotated[int, Field(gt=1)] = 20_000
    """Number of training points."""
    validation_points: NonNegativeInt = 0
    """Number of separate validation points, uniformly random on [-1, 1]."""
    noise: NonNegativeFloat = 0.0
    """Standard deviation of the normal noise added to y."""
    seed: Seed | None = None
    """Seed of the noise and the validation points; left out, the config's `seed` decides them."""


class SineConfig(Section):
    """y = sin(2 pi f x), evenly spaced on [-1, 1], with noise."""

    name: Literal["sine"]
    frequency: PositiveFloat = 1.0
    """The frequency f."""
    points: Annotated[int, Field(gt=1)] = 50
    """Number of training points."""
    noise: NonNegativeFloat = 0.1
    """Standard deviation of the normal noise added to y; the test points have none."""
    validation_points: NonNegativeInt = 0
    """Number of separate validation points, uniformly random on [-1, 1]."""
    test_points: NonNegativeInt = 0
    """Number of separate test points, evenly spaced on [-1, 1]."""
    seed: Seed | None = None
    """Seed of the noise and the validation points; left out, the config's `seed` decides them."""


class MnistConfig(Section):
    """Handwritten digits, carried inside the package: 60,000 training and 10,000 test images, 28 x 28."""

    name: Literal["mnist"]
    path: str | None = None
    """An NPZ file with x_train, y_train, x_test and y_test that replaces the packaged one."""
    points: Annotated[int, Field(gt=0)] | None = None
    """Train on the first `points` images only; left out, on all."""
    validation: Fraction = 0.0
    """Share of the training images held out for validation, drawn at random."""
    seed: Seed | None = None
    """Seed of the validation draw; left out, the config's `seed` decides it."""


def leaves_rows_to_train(split: RandomSplit | BlockSplit) -> None:
    """Raise `SectionError` where validation and test together take every row."""
    if split.validation + split.test >= 1:
        total = f"{split.validation:g} + {split.test:g}"
        raise_problems([Problem((), f"validation and test ({total}) leave no rows to train on")])


class RandomSplit(Section):
    """Rows drawn at random."""

    by: Literal["random"]
    validation: Fraction = 0.15
    """Share of the rows for validation (0.15: MATLAB's `dividerand`)."""
    test: Fraction = 0.15
    """Share of the rows for the test (0.15: MATLAB's `dividerand`)."""
    seed: Seed | None = None
    """Seed of the draw; left out, the config's `seed` decides it."""

    @model_validator(mode="after")
    def _some_rows_train(self) -> Self:
        leaves_rows_to_train(self)
        return self


class BlockSplit(Section):
    """Contiguous blocks in the order of the file: training first, then validation, then test."""

    by: Literal["blocks"]
    validation: Fraction = 0.15
    """Share of the rows for validation (0.15: MATLAB's `divideblock`)."""
    test: Fraction = 0.15
    """Share of the rows for the test (0.15: MATLAB's `divideblock`)."""

    @model_validator(mode="after")
    def _some_rows_train(self) -> Self:
        leaves_rows_to_train(self)
        return self


class ColumnSplit(Section):
    """Rows told apart by the values of a column; what is in neither list trains."""

    by: Literal["column"]
    column: str
    """The column that says where a row belongs."""
    validation: Values = ()
    """The values whose rows validate."""
    test: Values = ()
    """The values whose rows test."""

    @model_validator(mode="after")
    def _each_value_once(self) -> Self:
        words = "{!r} is a value for validation already; a row can be in one part only"
        raise_problems(
            [
                Problem(("test", i), words.format(value))
                for i, value in enumerate(self.test)
                if value in self.validation
            ]
        )
        return self


SplitConfig = Annotated[RandomSplit | BlockSplit | ColumnSplit, Field(discriminator="by")]


class TableConfig(Section):
    """The user's own table: CSV, Parquet, NPZ or MAT, in one file or many."""

    name: Literal["table"]
    path: str
    """The file, or a pattern such as `data/part-*.parquet` of files that are read one below the other, in
    the order of their names; of several workers each reads its share of them. A relative path starts at the
    folder of the config."""
    inputs: Names
    """The columns that the model reads."""
    targets: Names
    """The columns that the model has to predict."""
    samples: Literal["rows", "columns"] = "rows"
    """Where the samples of NPZ and MAT files lie: `rows`, one per row; `columns`, one per column, as MATLAB's
    toolbox has them."""
    sample_weight: str | None = None
    """A column of non-negative weights of the rows in the loss."""
    sigma: str | Names | None = None
    """A column of standard deviations of the rows' targets, in their unit: every row weighs 1/sigma^2; for
    the targets of a formula also a list of columns, one for each. The loss is the weighted mean; times the
    sum of the weights it is chi^2. Robust losses see error/sigma, so that their scale is a number of standard
    deviations."""
    split: SplitConfig | None = None
    """How validation and test rows are chosen; left out, every row trains."""
    normalization: Literal["standard", "minmax", "none"] | None = None
    """Of inputs and regression targets, fitted on the training rows: `standard` to mean 0 and standard
    deviation 1,
    `minmax` to [-1, 1]. Left out: `standard` for networks, `none` for formulas."""

    @model_validator(mode="after")
    def _only_arrays_lie_across(self) -> Self:
        if self.samples == "columns" and not self.path.lower().endswith((".npz", ".mat")):
            words = "columns is for NPZ and MAT files; the rows of other files are samples, remove it"
            raise_problems([Problem(("samples",), words)])
        return self

    @model_validator(mode="after")
    def _each_column_has_one_role(self) -> Self:
        if self.sample_weight is not None and self.sigma is not None:
            words = "does not go with 'sample_weight': both decide what a row weighs; remove one of them"
            raise_problems([Problem(("sigma",), words, on_key=True)])
        listed = () if self.sigma is None or isinstance(self.sigma, str) else self.sigma
        weights = {"sample_weight": self.sample_weight, "sigma": None if listed else self.sigma}
        weight: list[tuple[Path, str]] = [
            *(((key,), str(column)) for key, column in weights.items() if column is not None),
            *((("sigma", i), column) for i, column in enumerate(listed)),
        ]
        roles = [
            *((("inputs", i), column) for i, column in enumerate(self.inputs)),
            *((("targets", i), column) for i, column in enumerate(self.targets)),
            *weight,
        ]
        seen: Counter[str] = Counter()
        problems = []
        for path, column in roles:
            if seen[column]:
                problems.append(
                    Problem(path, f"the column '{column}' is named twice; it can have one role only")
                )
            seen[column] += 1
        raise_problems(problems)
        return self


DatasetConfig = Annotated[
    Annotated[
        RosenbrockCurveConfig | RosenbrockConfig | SincConfig | SineConfig | MnistConfig | TableConfig,
        Field(discriminator="name"),
    ],
    ShortForm,
]
