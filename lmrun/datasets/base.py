"""What a dataset is once it is loaded: arrays, their names, and the affine maps back to the user's units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Split:
    """Rows of a dataset, in the units that the model trains in.

    Attributes:
        inputs: [rows, inputs] or [rows, height, width, channels], in the config's precision.
        targets: [rows, targets] in the config's precision (classes as 0 and 1 included), or class labels
            [rows] int64.
        weights: [rows] non-negative weights in the config's precision, or None for equal ones; for formulas
            also [rows, targets].
    """

    inputs: NDArray[np.floating]
    targets: NDArray[np.generic]
    weights: NDArray[np.floating] | None = None

    @property
    def rows(self) -> int:
        """Number of samples."""
        return len(self.inputs)


@dataclass(frozen=True)
class Affine:
    """The map `trained = (user - shift) / scale` per column; arrays [columns], float64.

    `scale` is positive.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def forward(
        self, values: NDArray[np.floating], *, out: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """From the user's units to those of the training; [rows, columns] to [rows, columns].

        Args:
            values: In the user's units.
            out: Where the result goes; `values` themselves where nobody needs them any more.
        """
        centred: NDArray[np.float64] = np.subtract(np.asarray(values, np.float64), self.shift, out=out)
        centred /= self.scale
        return centred

    def inverse(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """From the units of the training to the user's; [rows, columns] to [rows, columns]."""
        return np.asarray(values, np.float64) * self.scale + self.shift


@dataclass(frozen=True)
class Dataset:
    """Training rows, and validation and test rows where there are any.

    Attributes:
        name: The dataset's name in the config.
        train: Rows that the optimizer sees.
        validation: Rows that decide when to stop, or None.
        test: Rows that are looked at once, at the end, or None.
        input_names: One name per input column (images: a single name).
        target_names: One name per target column (class labels: a single name).
        task: `regression` or `classification`.
        classes: Number of exclusive classes, 0 for regression and for independent yes/no targets.
        input_map: The normalization of the inputs, None where there is none.
        target_map: The normalization of the targets, None where there is none.
        begin: Number of the first training row that is here among those of all workers of a fit.
        rows: Training rows of all workers, where some are elsewhere.
        checksum: SHA-256 over names, shapes and bytes of all arrays: equal checksums mean equal data.
    """

    name: str
    train: Split
    validation: Split | None
    test: Split | None
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    task: Literal["regression", "classification"] = "regression"
    classes: int = 0
    input_map: Affine | None = None
    target_map: Affine | None = None
    begin: int = 0
    rows: int | None = None
    checksum: str = field(default="", compare=False)

    @property
    def training_rows(self) -> int:
        """Number of training rows, wherever they are."""
        return self.train.rows if self.rows is None else self.rows

    @property
    def outputs(self) -> int:
        """Number of values that a model predicts per row."""
        return self.classes or len(self.target_names)
