"""Where a run stands between two calls of the optimizer, and its way into a checkpoint and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.distribution.messages import packed, unpacked
from lmrun.distribution.reducer import Reducer
from lmrun.errors import RunDirectoryError
from lmrun.optimizers.base import State
from lmrun.runs.checkpoints import Checkpoint
from lmrun.training.driver import Driver

Tensor = Any


@dataclass
class LoopState:
    """All that the next step depends on, and what the summary needs.

    Attributes:
        params: Present parameters [n].
        optimizer: The optimizer's state.
        initial_loss: The training loss before the first step.
        loss: The latest loss; in mini-batches the mean over the last epoch.
        best_params: Parameters of the lowest monitored loss [n].
        best_loss: That loss: validation where there is one, else training.
        best_step: The step it was reached at.
        since_best: Validations since then.
        validation_loss: The latest one.
        step: Steps made.
        seconds: Training time of earlier processes.
        rows: Rows of metrics.csv.
        rows_checksum: SHA-256 of the file with these rows; None where an earlier version wrote them.
        epoch_sum: Sum of loss times weight over the batches of the unfinished epoch.
        epoch_weight: Sum of the sample weights of those batches.
        idle_batches: Mini-batches in a row that offered no progress.
        status: How the run ended; None while it has not, or was interrupted.
        estimates: What regularization estimated by the best parameters, by the names of its columns.
    """

    params: Tensor
    optimizer: State
    initial_loss: float
    loss: float
    best_params: Tensor
    best_loss: float
    best_step: int = 0
    since_best: int = 0
    validation_loss: float = math.nan
    step: int = 0
    seconds: float = 0.0
    rows: int = 0
    rows_checksum: str | None = None
    epoch_sum: float = 0.0
    epoch_weight: float = 0.0
    idle_batches: int = 0
    status: str | None = None
    estimates: dict[str, float] | None = None

    def copy(self) -> LoopState:
        """Return another one with the same values; once a step, so without the 25 microseconds of `copy`."""
        other = object.__new__(LoopState)
        other.__dict__.update(self.__dict__)
        return other


NUMBERS = (
    "initial_loss",
    "loss",
    "best_loss",
    "best_step",
    "since_best",
    "validation_loss",
    "step",
    "seconds",
    "rows",
    "rows_checksum",
    "epoch_sum",
    "epoch_weight",
    "idle_batches",
    "status",
    "estimates",
)
PREFIX = "optimizer."
MISFIT = (
    "The checkpoint does not fit the run's config.yaml, which was changed after the run began. Put the old "
    "config back, or start again: lmrun train CONFIG."
)


def pack(state: LoopState, driver: Driver) -> tuple[dict[str, NDArray[Any]], Mapping[str, Any]]:
    """Turn the state into the arrays and the metadata of a checkpoint."""
    arrays = {"params": np.asarray(state.params), "best_params": np.asarray(state.best_params)}
    arrays |= {PREFIX + name: np.asarray(value) for name, value in driver.pack(state.optimizer).items()}
    return arrays, {name: getattr(state, name) for name in NUMBERS}


def shared_checkpoint(checkpoint: Checkpoint | None, reducer: Reducer) -> Checkpoint | None:
    """Return the first worker's checkpoint, or None where it has none."""
    if reducer.workers == 1:
        return checkpoint
    own = b""
    if checkpoint is not None:
        own = packed([checkpoint.step, checkpoint.metadata], checkpoint.arrays)
    (first, *_) = reducer.gather(own)
    if not first:
        return None
    (step, metadata), arrays = unpacked(first)
    return Checkpoint(step, arrays, metadata)


def unpack(checkpoint: Checkpoint, driver: Driver, parameters: int) -> LoopState:
    """Turn a checkpoint back into the state, bit for bit.

    Raises:
        RunDirectoryError: The checkpoint is not one of this model and optimizer.
    """
    arrays = checkpoint.arrays
    if arrays["params"].shape != (parameters,):
        raise RunDirectoryError(MISFIT)
    optimizer = {
        name.removeprefix(PREFIX): value for name, value in arrays.items() if name.startswith(PREFIX)
    }
    try:
        return LoopState(
            params=tf.constant(arrays["params"]),
            best_params=tf.constant(arrays["best_params"]),
            optimizer=driver.unpack(optimizer),
            **checkpoint.metadata,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(MISFIT) from error
