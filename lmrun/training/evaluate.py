"""Losses and metrics over whole splits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.build import Experiment
from lmrun.curvature.batch import Batch, chunk_rows, split_batch
from lmrun.datasets.base import Split

Tensor = Any


class Evaluator:
    """Evaluate one split again and again.

    Args:
        experiment: Gives model, loss and normalization.
        split: The rows.
    """

    def __init__(self, experiment: Experiment, split: Split) -> None:
        self.experiment = experiment
        self.split = split
        chunk = evaluated_rows(experiment, split)
        self.batch: Batch = split_batch(split, experiment.config.precision, chunk)

    def outputs(self, params: Tensor) -> NDArray[np.floating]:
        """Predict all rows [rows, outputs] in the units of the training."""
        kernels = self.experiment.kernels
        chunks = [np.asarray(kernels.outputs(params, chunk.inputs)) for chunk in self.batch.chunks]
        whole: NDArray[np.floating] = np.concatenate(chunks)
        return whole[: self.split.rows]

    def loss(self, params: Tensor) -> float:
        """Return the weighted mean loss."""
        kernels, summation = self.experiment.kernels, self.experiment.summation
        values = [float(kernels.value(params, *chunk)) for chunk in self.batch.chunks]
        return summation.mean(values, self.batch, self.experiment.reducer)

    def accuracy(self, params: Tensor) -> float | None:
        """Return the weighted share of rows (binary: of elements) predicted right; None for regression."""
        if self.experiment.dataset.task != "classification":
            return None
        outputs, targets = self.outputs(params), self.split.targets
        correct = (
            binary_hits(outputs, targets, getattr(self.experiment.loss, "threshold", 0.0))
            if self.experiment.targets == "binary"
            else class_hits(outputs, targets)
        )
        return float(self._mean(correct).mean())

    def metrics(self, params: Tensor) -> dict[str, float]:
        """Return the loss, and accuracy for classes or rmse and r2 in the user's units for values."""
        loss, accuracy = self.loss(params), self.accuracy(params)
        if accuracy is not None:
            return {"loss": loss, "accuracy": accuracy}
        outputs = np.asarray(self.outputs(params), np.float64)
        truth = np.asarray(self.split.targets, np.float64)
        back = self.experiment.dataset.target_map
        if back is not None:
            outputs, truth = back.inverse(outputs), back.inverse(truth)
        squares = self._mean((outputs - truth) ** 2)
        spread = self._mean((truth - self._mean(truth)) ** 2)
        metrics = {"loss": loss, "rmse": float(np.sqrt(np.mean(squares)))}
        if np.all(spread > 0):
            metrics["r2"] = float(1 - np.mean(squares / spread))
        return metrics

    def _mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The weighted mean of values [rows, ...] over the rows of all workers."""
        given = np.ones(len(values)) if self.split.weights is None else self.split.weights
        weights = given.reshape(given.shape + (1,) * (values.ndim - given.ndim)).astype(np.float64)
        tables = (weights * values, weights)
        sums, totals = self.experiment.summation.rows(tables, self.experiment.reducer)
        mean: NDArray[np.float64] = sums / totals
        return mean


def evaluated_rows(experiment: Experiment, split: Split) -> int:
    """Return the rows of a chunk: as in the training, for which functions are compiled already.

    A split that fills less than half of such a chunk has a size of its own, unless all chunks have one size.
    """
    rows = experiment.dataset.train.rows
    chunk = experiment.forms.chunk_rows(rows)
    if experiment.summation.fixed:
        return chunk
    return chunk if 2 * split.rows >= chunk else chunk_rows(split.rows, max(1, split.inputs[0].nbytes) * 64)


def class_hits(outputs: NDArray[np.floating], targets: NDArray[Any]) -> NDArray[np.bool_]:
    """Compare the largest output with the label, or with the largest of one-hot targets; [rows]."""
    labels = targets if targets.ndim == 1 else np.argmax(targets, axis=1)
    return np.asarray(np.argmax(outputs, axis=1) == labels)


def binary_hits(
    outputs: NDArray[np.floating], targets: NDArray[Any], threshold: float = 0.0
) -> NDArray[np.bool_]:
    """Compare each output, a logit or a probability, with its target; [rows, outputs]."""
    return np.asarray((outputs > threshold) == (targets > 0.5))
