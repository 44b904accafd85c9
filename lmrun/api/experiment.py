"""From a program's arguments to an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.api.arrays import cut_off, given, given_validation
from lmrun.api.formula import roles
from lmrun.api.formula_task import FormulaTask
from lmrun.api.keras_task import KerasTask
from lmrun.api.optimizers import optimizer_section
from lmrun.api.streams import Given
from lmrun.api.tasks import Task, dataset_of
from lmrun.build import Experiment, assemble, choose_device
from lmrun.config.python import from_python
from lmrun.datasets.base import Dataset
from lmrun.errors import DataError, UsageError
from lmrun.training.loop import schedule_of
from lmrun.training.memory import refuse_if_too_large
from lmrun.user_code import handed_over

ARRAYS = "arrays of a Python program"
"""What stands for the file of a table."""


@dataclass(frozen=True)
class Options:
    """What a program asks for besides model and data; see `lmrun.fit`."""

    optimizer: Any = "lm"
    damping: Any = None
    loss: Any = None
    validation_data: Any = None
    validation_split: float = 0.0
    sample_weight: Any = None
    sigma: Any = None
    parameters: Mapping[str, Any] | None = None
    restarts: int = 0
    precision: str | None = None
    seed: int = 10
    device: str = "auto"
    training: Mapping[str, Any] = field(default_factory=dict)
    path: str = ARRAYS
    """The file that the arrays will be found in, where a run is to be written."""


def build_experiment(
    model: Any, x: Any, y: Any, options: Options, label: str = "lmrun.fit"
) -> tuple[Experiment, Task]:
    """Build an experiment whose model and data a program hands over.

    Args:
        model: A Keras model; or a formula.
        x: Inputs, or a stream of batches.
        y: Targets.
        options: What else is asked for.
        label: What messages about the options begin with.

    Raises:
        ConfigError: An option is not valid.
        DataError: The rows do not fit the model, or the model cannot be fitted.
        UsageError: The model is none, or the formula does not fit the columns.
        MemoryRefusedError: The training would not fit into memory.
    """
    require_tensorflow()
    data, validation = rows_of(x, y, options)
    if isinstance(model, keras.Model):
        task: Task = KerasTask(model, data, options.loss, options.precision)
    elif isinstance(model, str | Mapping):
        task = FormulaTask(
            roles(model, options.parameters, columns_of(data.x)), options.parameters or {}, options
        )
    else:
        raise UsageError(f"model: should be a Keras model or a formula, not {type(model).__name__}.")
    if options.sigma is not None and task.loss.section["name"] != "mse":
        name = task.loss.section["name"]
        raise UsageError(f"sigma: weighs squared errors, of which {name} has none; use sample_weight.")
    training = dict(options.training)
    if data.batch_size is not None:
        training.setdefault("batch_size", data.batch_size)
    sections = {
        "seed": options.seed,
        "precision": task.precision,
        "device": options.device,
        "dataset": dataset_section(task, options.path, data, validation),
        "model": task.section,
        "loss": task.loss.section,
        "optimizer": optimizer_section(options.optimizer, options.damping),
        "training": training,
    }
    with handed_over(sections) as named:
        config = from_python(named, label)
        train = task.split(data, config.precision)
        checked = None if validation is None else task.split(validation, config.precision, "validation ")
        device = choose_device(config.device)
        with tf.device(device):
            network = task.network(config)
        dataset = dataset_of(task, train, checked, config.precision)
        experiment = assemble(config, device, dataset, network)
    refuse_if_too_large(experiment, schedule_of(experiment))
    return experiment, task


def require_tensorflow() -> None:
    """Refuse, with a UsageError, a Keras that computes with something else."""
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"Keras computes with {backend}, and lmrun with TensorFlow; set KERAS_BACKEND=tensorflow before "
            "Keras is imported, or import lmrun first."
        )


def rows_of(x: Any, y: Any, options: Options) -> tuple[Given, Given | None]:
    """Read training and validation rows.

    Raises:
        DataError: See `arrays`.
    """
    data = given(x, y, options.sample_weight)
    if options.sigma is not None:
        if data.weights is not None:
            raise DataError("sigma: does not go with sample_weight: both decide what a row weighs.")
        deviations = np.asarray(options.sigma, np.float64)
        if not (deviations > 0).all():
            raise DataError("sigma: standard deviations are positive.")
        data = data._replace(weights=1 / np.square(deviations))
    validation = given_validation(options.validation_data)
    if validation is None and options.validation_split:
        return cut_off(data, options.validation_split)
    return data, validation


def columns_of(x: Any) -> list[str] | None:
    """Return the names of a table's columns; None for arrays without names."""
    if isinstance(x, Mapping):
        return [str(name) for name in x]
    return [str(name) for name in x.columns] if hasattr(x, "columns") else None


WEIGHT, PART = "sample weight", "part of the data"
"""Further columns of that table."""


def dataset_section(task: Task, path: str, data: Given, validation: Given | None) -> dict[str, Any]:
    """Return the section of the table that the arrays are."""
    section: dict[str, Any] = {
        "name": "table",
        "path": path,
        "inputs": list(task.input_names),
        "targets": list(task.target_names),
        "normalization": "none",
    }
    if data.weights is not None:
        section["sample_weight"] = WEIGHT
    if validation is not None:
        section["split"] = {"by": "column", "column": PART, "validation": [1]}
    return section


def table_of(dataset: Dataset) -> dict[str, NDArray[Any]]:
    """Return the columns of the table that a section above describes: training rows first."""
    parts = [part for part in (dataset.train, dataset.validation) if part is not None]
    inputs, targets = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("inputs", "targets")
    )
    targets = targets.reshape(len(targets), -1)
    table = dict(zip(dataset.input_names, inputs.T, strict=True))
    table |= dict(zip(dataset.target_names, targets.T, strict=True))
    if dataset.train.weights is not None:
        own = [np.ones(part.rows) if part.weights is None else part.weights for part in parts]
        table[WEIGHT] = np.concatenate(own)
    table[PART] = np.repeat(np.arange(len(parts)), [part.rows for part in parts])
    return table
