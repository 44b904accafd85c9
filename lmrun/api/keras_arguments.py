"""What Keras' `compile` and `fit` take besides data: checked, and turned into what lmrun knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from lmrun.api.arrays import Array, numbers, several
from lmrun.api.streams import Given, first_rows
from lmrun.config.suggest import did_you_mean
from lmrun.errors import DataError, UsageError

ROWS = 32
"""Rows of a batch where Keras is told nothing."""
COMPILED = "lmrun decides what is compiled"
CHUNKS = "lmrun holds as many rows of J at a time as are fast, never J as a whole"
RULES = "lmrun has a rule for each type of layer"
NO_PLACE = {
    "auto_scale_loss": COMPILED,
    "experimental_use_pfor": RULES,
    "jacobian_max_num_rows": CHUNKS,
    "jit_compile": COMPILED,
    "learning_rate": "optimizer={'name': 'lm', 'learning_rate': 0.5} has it",
    "max_batch_size": CHUNKS,
    "param_selection_strategy": "optimizer={'name': 'lm', 'subset': 'layer'} has it",
    "run_eagerly": COMPILED,
    "solver": "optimizer={'name': 'lm', 'solver': 'qr'} has it, or solve_method",
    "steps_per_execution": COMPILED,
    "use_vmap": RULES,
}
"""Arguments of other `compile`s, and why there is no such argument here."""
KNOWN = ("optimizer", "loss", "metrics", "loss_weights", "weighted_metrics", "damping", "solve_method")
SPECIAL = {"accuracy", "acc", "crossentropy", "ce"}
"""Names of metrics that Keras only understands beside a loss."""


def refuse_arguments(others: Mapping[str, Any]) -> None:
    """Refuse arguments of `compile` that would do nothing with a UsageError that says why."""
    for name in others:
        if name in NO_PLACE:
            raise UsageError(f"LMModel.compile: {name}: {NO_PLACE[name]}; leave it out.")
        raise UsageError(f"LMModel.compile: unknown argument '{name}'.{did_you_mean(name, KNOWN)}")


def one_damping(damping: Any, damping_algorithm: Any) -> Any:
    """Return the damping under either of its names; both are a UsageError."""
    if damping is not None and damping_algorithm is not None:
        raise UsageError("LMModel.compile: damping and damping_algorithm are the same; give one.")
    return damping_algorithm if damping is None else damping


def metrics_of(metrics: Any, what: str) -> Any:
    """Return metrics as Keras takes them.

    Raises:
        UsageError: Keras knows none of such a name.
    """
    if metrics is None or (isinstance(metrics, list | tuple) and not metrics):
        return None
    for one in keras.tree.flatten(metrics):
        if isinstance(one, str) and one not in SPECIAL:
            try:
                keras.metrics.get(one)
            except ValueError:
                raise UsageError(f"{what}: Keras has no metric '{one}'.") from None
    return [metrics] if isinstance(metrics, str) or callable(metrics) else metrics


def whole(value: Any, what: str, least: int) -> int:
    """Return a whole number, or refuse it with a UsageError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"LMModel.fit: {what}: should be a whole number of at least {least}, not {value!r}.")
    return int(value)


def verbosity(verbose: Any) -> Any:
    """Return Keras' `verbose`: 0, 1, 2 or auto.

    Raises:
        UsageError: It is none of these.
    """
    if verbose != "auto" and not (isinstance(verbose, int) and verbose in {0, 1, 2}):
        raise UsageError(f"verbose: should be 0, 1, 2 or 'auto', not {verbose!r}.")
    return verbose


def weighted_by_class(data: Given, class_weight: Mapping[int, float] | None) -> Given:
    """Return rows with the weights of their classes.

    Args:
        data: The rows; targets are labels, one-hot rows or 0 and 1.
        class_weight: The weight of each class; those that it does not name have 1.

    Raises:
        DataError: There are weights of rows as well, or several outputs.
    """
    if class_weight is None:
        return data
    if data.weights is not None:
        raise DataError("class_weight: does not go with sample_weight: both decide what a row weighs.")
    targets = [] if data.y is None else list(several(data.y).values())
    if len(targets) != 1:
        raise DataError("class_weight: is for models with one output; use sample_weight.")
    labels: Array = numbers(targets[0], "y")
    flat = labels.reshape(len(labels), -1)
    classes = (np.argmax(flat, axis=1) if flat.shape[1] > 1 else np.rint(flat[:, 0])).astype(np.int64)
    found, places = np.unique(classes, return_inverse=True)
    weights = np.array([float(class_weight.get(int(one), 1.0)) for one in found])
    return data._replace(weights=weights[places])


def validation_part(
    validation: Given | None, steps: int | None, validation_batch_size: int | None, batch_size: int | None
) -> Given | None:
    """Return the validation rows that Keras would look at in `steps` batches; None for all of them."""
    if validation is None or steps is None:
        return validation
    rows = validation.batch_size or validation_batch_size or batch_size or ROWS
    return first_rows(validation, whole(steps, "validation_steps", 1) * rows)
