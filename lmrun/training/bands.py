"""The bands of a run's predictions over its own rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.datasets.base import Split
from lmrun.inference.bands import Band, Bands, band, band_of, lengths_of
from lmrun.inference.effective import effective
from lmrun.inference.intervals import LEVEL, quantile
from lmrun.inference.undefined import Undefined
from lmrun.training.conclusions import NOT_FINITE, conclude, no_least_squares
from lmrun.training.linearized import solution_of, tables, unit_of

Float64 = NDArray[np.float64]

MOST_PARAMETERS = 2_000
"""Of a network: the singular values of as many take ten seconds."""


def no_bands(experiment: Experiment) -> str | None:
    """Return why the figure of a run has no bands whatever its fit; None where it has."""
    dataset, size = experiment.dataset, experiment.network.size
    if dataset.train.inputs.ndim != 2:
        return "they are drawn over one input, and there are images"
    if dataset.outputs != 1:
        return f"they are drawn of one target, and there are {dataset.outputs}"
    columns = dataset.train.inputs.shape[1]
    if columns != 1:
        return f"they are drawn over one input, and there are {columns}"
    if experiment.config.model.name != "formula" and size > MOST_PARAMETERS:
        return f"they are drawn of {MOST_PARAMETERS:,} parameters at most, and there are {size:,}"
    return None


def bands_of(
    experiment: Experiment, parts: Mapping[str, Split], level: float = LEVEL, *, known_sigma: bool = False
) -> Bands | Undefined:
    """Return the bands of splits in the user's units, or why there are none.

    Those of a formula are from the covariance of its parameters, those of a network from its Gauss-Newton
    matrix with the damping of its effective number of parameters.

    Args:
        experiment: Of one target; its network holds the final parameters.
        parts: The splits by name.
        level: Of the bands.
        known_sigma: Whether the weights of a formula's rows are 1 / sigma^2 of known standard deviations.
    """
    if experiment.config.model.name == "formula":
        return _formula(experiment, parts, level, known_sigma)
    reason = no_least_squares(experiment)
    return _network(experiment, parts, level) if reason is None else Undefined(reason)


def _formula(
    experiment: Experiment, parts: Mapping[str, Split], level: float, known_sigma: bool
) -> Bands | Undefined:
    answers = conclude(experiment, experiment.network.params(), level, known_sigma=known_sigma)
    if isinstance(answers, Undefined):
        return answers
    found: dict[str, Band] = {}
    for name, split in parts.items():
        # Of the one target, also where each has weights of its own.
        weights = None if split.weights is None else np.ravel(split.weights)
        one = band_of(answers, _lengths(experiment, split, partial(lengths_of, answers)), weights)
        if isinstance(one, Undefined):
            return one
        found[name] = one
    note = answers.noise.reason if isinstance(answers.noise, Undefined) else ""
    return Bands(level, found, f"no prediction band: {note}" if note else "")


def _network(experiment: Experiment, parts: Mapping[str, Split], level: float) -> Bands | Undefined:
    size = experiment.network.size
    if size > MOST_PARAMETERS:
        return Undefined(f"they are drawn of {MOST_PARAMETERS:,} parameters at most, and there are {size:,}")
    solution = solution_of(experiment, experiment.network.params())
    if not solution.finite:
        return Undefined(NOT_FINITE)
    known = effective(solution)
    if isinstance(known, Undefined):
        return known
    factor = quantile(level, known.degrees_of_freedom, known_sigma=False)
    deviation = known.residual_standard_deviation
    found = {
        name: band(_lengths(experiment, split, known.lengths), deviation, factor, split.weights)
        for name, split in parts.items()
    }
    return Bands(level, found, f"{known.parameters:.1f} of {size:,} parameters effective")


def _lengths(experiment: Experiment, split: Split, lengths: Callable[[Float64], Float64]) -> Float64:
    """The lengths of the gradients of a split's predictions, in the unit of `unit_of` [rows]."""
    scale = float(unit_of(experiment).scale[0])
    alone, params = replace(split, weights=None), experiment.network.params()
    with tf.device(experiment.device):
        pieces = [lengths(scale * rows[:-1].T) for rows in tables(experiment, alone, params)]
    return np.concatenate(pieces)[: split.rows]
