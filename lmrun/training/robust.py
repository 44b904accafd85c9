"""The observations of a robust fit, as its sandwich covariance needs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.config.datasets import TableConfig
from lmrun.curvature.batch import Rows
from lmrun.inference.sandwich import Bent
from lmrun.losses.elementwise import Elementwise
from lmrun.training.linearized import chunks, unit_of

Float64 = NDArray[np.float64]

STRAIGHT_LOSSES = {"mae": "bends nowhere: its standard errors depend on the density of errors at zero"}
"""Why some losses of errors have no sandwich covariance."""


def is_robust(experiment: Experiment) -> bool:
    """Whether a run's loss is a sum over errors that bends."""
    loss = experiment.loss
    return isinstance(loss, Elementwise) and loss.name not in STRAIGHT_LOSSES


def observations(experiment: Experiment, params: Any) -> Iterator[Bent]:
    """Yield the training rows at params [n], chunk by chunk, in the unit of `unit_of`."""
    kernels, scale = experiment.kernels, float(unit_of(experiment).scale[0])
    with tf.device(experiment.device):
        point = kernels.point(np.asarray(params))
        for chunk in chunks(experiment, experiment.dataset.train):
            rows = scale * np.asarray(kernels.jacobian_and_residual(point, *chunk).rows, np.float64)
            yield Bent(rows[:-1].T, rows[-1], _bends(experiment, point, chunk))


def _bends(experiment: Experiment, point: Any, chunk: Rows) -> Float64:
    """Rho'' / (2 v) of every error, v = F^2 being the weight of reweighted least squares [responses rows]."""
    loss = experiment.loss
    assert isinstance(loss, Elementwise), "a sum over errors"
    outputs = np.asarray(experiment.kernels.outputs(point, chunk.inputs))
    errors = outputs - np.asarray(chunk.targets)
    dataset = experiment.config.dataset
    if isinstance(dataset, TableConfig) and dataset.sigma is not None:
        # The loss sees them in standard deviations.
        errors = (errors.T * np.sqrt(np.asarray(chunk.weights)).T).T
    here, zeros = tf.constant(errors), tf.zeros_like(errors)
    with tf.GradientTape() as outer:
        outer.watch(here)
        with tf.GradientTape() as inner:
            inner.watch(here)
            values = loss.scale(errors.shape[1]) * loss.values(here, zeros)
        slope = inner.gradient(values, here)
    bend = outer.gradient(slope, here, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    weight = tf.square(loss.root(here, zeros))
    return np.ravel(np.asarray(0.5 * bend / weight, np.float64).T)
