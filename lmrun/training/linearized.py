"""The training rows linearized at final parameters, and the units in which residuals are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.curvature.batch import Rows, split_batch
from lmrun.datasets.base import Affine, Split
from lmrun.inference.solution import Solution, joined, observe, triangle_of
from lmrun.training.roles import held_of

Float64 = NDArray[np.float64]


def names_of(experiment: Experiment) -> tuple[str, ...]:
    """Return the names of the parameters in the flat vector; numbers for networks."""
    variables = experiment.network.model.trainable_variables
    if experiment.config.model.name == "formula":
        return tuple(variable.name for variable in variables)
    return tuple(map(str, range(experiment.network.size)))


def unit_of(experiment: Experiment) -> Affine:
    """Return the map from the user's units of the targets to those in which residuals are told.

    Those are the user's where that is one unit. Several targets that are normalized have one unit in the
    training only.
    """
    dataset = experiment.dataset
    outputs = dataset.outputs
    if dataset.target_map is not None and outputs == 1:
        return dataset.target_map
    return Affine(np.zeros(outputs), np.ones(outputs))


def solution_of(experiment: Experiment, params: Any, *, known_sigma: bool = False) -> Solution:
    """Linearize the training rows at params [n], chunk by chunk; J is never whole."""
    train, unit = experiment.dataset.train, unit_of(experiment)
    with tf.device(experiment.device):
        own = triangle_of((rows[:-1].T, rows[-1]) for rows in tables(experiment, train, params))
    triangle = joined(experiment.reducer.stack(own))
    return Solution(
        names=names_of(experiment),
        params=np.asarray(params, np.float64),
        triangle=float(unit.scale[0]) * triangle,
        observed=observe(
            unit.inverse(np.asarray(train.targets, np.float64)), train.weights, experiment.reducer.total
        ),
        held=held_of(experiment, params),
        known_sigma=known_sigma,
        epsilon=float(np.finfo(experiment.config.precision).eps),
    )


def tables(experiment: Experiment, split: Split, params: Any) -> Iterator[Float64]:
    """Yield [J, r]^T of a split's rows on the experiment's device, piece by piece [n + 1, some].

    A piece is only valid until the next one. Rows that fill a chunk up are zeros.
    """
    kernels = experiment.kernels
    point = kernels.point(np.asarray(params))
    for chunk in chunks(experiment, split):
        for linear in kernels.tables(point, *chunk):
            yield np.asarray(linear.rows, np.float64)


def chunks(experiment: Experiment, split: Split) -> Iterator[Rows]:
    """Cut a split as the training is cut, for which functions are compiled already."""
    rows = experiment.forms.chunk_rows(experiment.dataset.train.rows)
    yield from split_batch(split, experiment.config.precision, rows).chunks
