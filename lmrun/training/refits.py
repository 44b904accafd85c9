"""Profile-likelihood intervals and the bootstrap of a run's formula, by the experiment's own kernels."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.curvature.batch import Rows as Chunk
from lmrun.inference.answers import Answers
from lmrun.inference.bootstrap import Rows, bootstrap
from lmrun.inference.documents import bootstrap_document, profile_document
from lmrun.inference.profile import profiles
from lmrun.inference.refit import Refit
from lmrun.training.linearized import chunks, unit_of
from lmrun.training.roles import bounds_of

Float64 = NDArray[np.float64]


class KernelModel:
    """The predictions of the training rows as a function of the parameters, in the unit of `unit_of`.

    All outputs stand one behind the other, each with all rows: [outputs rows].

    Args:
        experiment: Model and rows.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.kernels = experiment.kernels
        self.unit = unit_of(experiment)
        self.rows = experiment.dataset.train.rows
        self.width = experiment.dataset.outputs

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All rows, each of weight one."""
        with tf.device(self.experiment.device):
            whole = list(chunks(self.experiment, self.experiment.dataset.train))
            return [chunk._replace(weights=tf.ones_like(chunk.weights)) for chunk in whole]

    def values(self, params: Float64) -> Float64:
        """Predict [outputs rows]."""
        point = self._point(params)
        made = [np.asarray(self.kernels.outputs(point, chunk.inputs), np.float64) for chunk in self.chunks]
        return np.ravel(self.unit.inverse(np.concatenate(made)[: self.rows]).T)

    def jacobian(self, params: Float64) -> Float64:
        """The derivatives [outputs rows, n]."""
        point, size = self._point(params), self.experiment.network.size
        parts = []
        for chunk in self.chunks:
            table = np.asarray(self.kernels.jacobian_and_residual(point, *chunk).rows, np.float64)
            parts.append(table[:-1].reshape(size, self.width, -1))
        whole = np.concatenate(parts, axis=2)[:, :, : self.rows] * self.unit.scale[:, None]
        return whole.reshape(size, -1).T

    def of_rows(self, values: Any) -> Float64:
        """Lay values [rows, outputs] out as the predictions are."""
        return np.ravel(np.asarray(values, np.float64).T)

    def _point(self, params: Float64) -> Any:
        with tf.device(self.experiment.device):
            return self.kernels.point(np.asarray(params, self.experiment.config.precision))


class Refits:
    """What is asked for beyond the covariance.

    Args:
        experiment: A formula's, under mse.
        answers: At its final parameters.
    """

    def __init__(self, experiment: Experiment, answers: Answers) -> None:
        self.answers = answers
        self.seed = experiment.config.seed
        train, model = experiment.dataset.train, KernelModel(experiment)
        shape = (model.rows, model.width)
        weights = np.ones(shape)
        if train.weights is not None:
            given = np.asarray(train.weights, np.float64)
            weights = np.broadcast_to(given[:, None] if given.ndim == 1 else given, shape)
        targets = model.unit.inverse(np.asarray(train.targets, np.float64))
        self.model = model
        self.bounds = bounds_of(experiment)
        lower, upper = self.bounds or (None, None)
        self.refit = Refit(
            model, model.of_rows(targets), model.of_rows(weights), answers.solution.free, lower, upper,
            answers.solution.epsilon,
        )  # fmt: skip

    def profile(self) -> dict[str, Any]:
        """Return the document of the profile-likelihood intervals."""
        return profile_document(profiles(self.answers, self.refit, self.bounds), self.answers.level)

    def bootstrap(self, draws: int, kind: str = "residual") -> dict[str, Any]:
        """Return the document of a bootstrap."""
        best, places = self.answers.solution.params, list(self.answers.factored.places)
        rows = Rows(
            values=self.model.values(best),
            targets=self.refit.targets,
            weights=self.refit.weights,
            jacobian=self.model.jacobian(best)[:, places],
            responses=self.model.width,
        )
        drawn = bootstrap(self.answers, rows, self.refit, kind=kind, draws=draws, seed=self.seed)
        return bootstrap_document(drawn, self.answers.level, self.seed)
