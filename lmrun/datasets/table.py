"""The user's own table: read, check, split, normalize."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.config.datasets import TableConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Affine, Dataset, Split
from lmrun.datasets.checks import (
    numbers,
    require_deviations,
    require_some_weight,
    require_variation,
    require_weights,
)
from lmrun.datasets.columns import Columns
from lmrun.datasets.normalization import FITS
from lmrun.datasets.splits import split_rows
from lmrun.datasets.table_files import read_columns
from lmrun.datasets.targets import encode
from lmrun.errors import DataError

Float64 = NDArray[np.float64]


def load(config: TableConfig, *, seed: int, targets: TargetKind) -> Dataset:
    """Inputs float64 [rows, inputs], targets as `targets` says, weights float64 [rows] in the user's units.

    The normalization is fitted on the training rows; only `values` have their targets normalized. A
    normalization that the config leaves open is `standard`, the default of networks.

    Raises:
        DataError: The file cannot be read, or a row or column does not serve.
    """
    columns = read_columns(config.path, config.samples)
    inputs, outputs = columns.expand(config.inputs), columns.expand(config.targets)
    _refuse_twice(config.path, (*inputs, *outputs))
    weigh = WEIGHTS[config.sigma is not None]
    named = config.sigma or config.sample_weight
    weight = [columns.single(named)] if named else []
    cells = numbers(columns, (*inputs, *outputs, *weight))
    x, y, w = np.split(cells, [len(inputs), len(inputs) + len(outputs)], axis=1)
    weights = weigh(columns, weight[0], w[:, 0]) if weight else None
    encoded = encode(targets, columns, outputs, y)
    rows = split_rows(config.split, columns, len(cells), seed)
    require_variation(config.path, outputs, encoded.values[rows.train], encoded.classes)
    fit = FITS[config.normalization or "standard"]
    input_map = fit(x[rows.train])
    target_map = fit(y[rows.train]) if targets == "values" else None

    def split(part: str, chosen: NDArray[np.intp]) -> Split:
        chosen_weights = None if weights is None else weights[chosen]
        if chosen_weights is not None:
            require_some_weight(config.path, weight[0], part, chosen_weights)
        return Split(
            _forward(input_map, x[chosen]), _forward(target_map, encoded.values[chosen]), chosen_weights
        )

    return Dataset(
        name=config.name,
        train=split("training", rows.train),
        validation=split("validation", rows.validation) if rows.validation.size else None,
        test=split("test", rows.test) if rows.test.size else None,
        input_names=inputs,
        target_names=outputs,
        task="regression" if targets == "values" else "classification",
        classes=encoded.classes,
        input_map=input_map,
        target_map=target_map,
    )


def _given(columns: Columns, name: str, weights: Float64) -> Float64:
    """What the column says [rows]."""
    require_weights(columns, name, weights)
    return weights


def _by_deviations(columns: Columns, name: str, sigma: Float64) -> Float64:
    """1 / sigma^2 [rows]: the mean squared error is then, but for a factor, minus the log-likelihood."""
    require_deviations(columns, name, sigma)
    return 1 / np.square(sigma)


WEIGHTS = {False: _given, True: _by_deviations}
"""From a column of weights, or of standard deviations, to the weights of the rows."""


def _forward(affine: Affine | None, values: NDArray[Any]) -> NDArray[Any]:
    return values if affine is None else affine.forward(values)


def _refuse_twice(path: str, names: tuple[str, ...]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: the column '{twice[0]}' stands twice among inputs and targets.")
