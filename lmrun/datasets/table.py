"""The user's own table: read, check, split, normalize."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
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
from lmrun.datasets.many_files import is_pattern, read_table
from lmrun.datasets.normalization import FITS
from lmrun.datasets.pool import ALONE, Pool
from lmrun.datasets.splits import split_rows
from lmrun.datasets.targets import Targets, encode
from lmrun.errors import DataError

Float64 = NDArray[np.float64]


def load(config: TableConfig, *, seed: int, targets: TargetKind, pool: Pool = ALONE) -> Dataset:
    """Inputs float64 [rows, inputs], targets as `targets` says, weights float64 [rows] in the user's units.

    The normalization is fitted on the training rows; only `values` have their targets normalized. A
    normalization that the config leaves open is `standard`, the default of networks. Of the files of a
    pattern, each worker of a pool reads its share; what depends on all rows is the same everywhere.

    Raises:
        DataError: The file cannot be read, or a row or column does not serve.
    """
    # A single file is read by all workers.
    pool = pool if is_pattern(config.path) else ALONE
    columns = read_table(config.path, config.samples, pool)
    inputs, outputs = columns.expand(config.inputs), columns.expand(config.targets)
    _refuse_twice(config.path, (*inputs, *outputs))
    weigh = WEIGHTS[config.sigma is not None]
    weight = [columns.single(name) for name in _weighing(config, outputs)]
    cells = numbers(columns, (*inputs, *outputs, *weight))
    x, y, w = np.split(cells, [len(inputs), len(inputs) + len(outputs)], axis=1)
    by_column = [weigh(columns, name, one) for name, one in zip(weight, w.T, strict=True)]
    weights = None
    if by_column:
        weights = by_column[0] if len(by_column) == 1 else np.stack(by_column, axis=1)
    encoded = encode(targets, columns, outputs, y, pool)
    rows = split_rows(config.split, columns, len(cells), seed, pool)
    _require_variation(config, targets, outputs, encoded, rows.train, pool)
    fit = FITS[config.normalization or "standard"]
    input_map = fit(x[rows.train], pool)
    target_map = fit(y[rows.train], pool) if targets == "values" else None
    counts = pool.counts(rows.train.size)

    def split(part: str, chosen: NDArray[np.intp]) -> Split | None:
        if not any(pool.counts(chosen.size)):
            return None
        chosen_weights = None if weights is None else weights[chosen]
        if chosen_weights is not None:
            require_some_weight(config.path, weight[0], part, chosen_weights, pool)
        if not chosen.size:
            # None of these rows is here: any row, without weight.
            none = (1,) if weights is None else (1, *weights.shape[1:])
            chosen, chosen_weights = np.zeros(1, np.intp), np.zeros(none)
        return Split(
            _forward(input_map, x[chosen]), _forward(target_map, encoded.values[chosen]), chosen_weights
        )

    train = split("training", rows.train)
    assert train is not None, "a split leaves rows to train"
    return Dataset(
        name=config.name,
        train=train,
        validation=split("validation", rows.validation),
        test=split("test", rows.test),
        input_names=inputs,
        target_names=outputs,
        task="regression" if targets == "values" else "classification",
        classes=encoded.classes,
        input_map=input_map,
        target_map=target_map,
        begin=sum(counts[: pool.index]),
        rows=sum(counts) if pool.workers > 1 else None,
        checksum=_checksum(columns, (*inputs, *outputs, *weight), cells, pool) if columns.files else "",
    )


def _checksum(columns: Columns, names: Sequence[str], cells: Float64, pool: Pool) -> str:
    """SHA-256 over the names and each file's numbers [rows, names]: the same however files are shared out."""
    starts = [begin for _, begin in columns.files]
    pieces = np.split(cells, starts[1:])
    own = [hashlib.sha256(np.ascontiguousarray(piece).data).hexdigest() for piece in pieces]
    digests = [digest for each in pool.exchange(own) for digest in each]
    return hashlib.sha256(json.dumps([list(names), digests]).encode()).hexdigest()


def _weighing(config: TableConfig, outputs: Sequence[str]) -> Sequence[str]:
    """The columns that say what rows weigh: none, one, or one for each target.

    Raises:
        DataError: There are some, and of another number.
    """
    if config.sigma is None:
        return () if config.sample_weight is None else (config.sample_weight,)
    names = (config.sigma,) if isinstance(config.sigma, str) else config.sigma
    if len(names) not in (1, len(outputs)):
        targets = f"{len(outputs)} target{'s' * (len(outputs) != 1)}"
        raise DataError(
            f"{config.path}: {len(names)} columns of sigma for {targets}; name one, or one for each."
        )
    return names


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


def _require_variation(  # noqa: PLR0917 - what is known of the targets
    config: TableConfig,
    targets: TargetKind,
    outputs: Sequence[str],
    encoded: Targets,
    train: NDArray[np.intp],
    pool: Pool,
) -> None:
    """Refuse targets that say nothing, see `require_variation`, but for those of implicit formulas.

    The target in 0 = f(x, y) is a constant in all rows. It can be fitted where it is not normalized, which
    targets of formulas are not by default.
    """
    values, names = encoded.values, outputs
    if targets == "values" and config.normalization == "none":
        varies = pool.lowest(values) != pool.highest(values)
        values, names = values[:, varies], [name for name, one in zip(outputs, varies, strict=True) if one]
    require_variation(config.path, names, values[train], encoded.classes, pool)


def _forward(affine: Affine | None, values: NDArray[Any]) -> NDArray[Any]:
    return values if affine is None else affine.forward(values)


def _refuse_twice(path: str, names: tuple[str, ...]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: the column '{twice[0]}' stands twice among inputs and targets.")
