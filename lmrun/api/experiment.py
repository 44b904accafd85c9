"""From a program's arguments to an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.api.arrays import cut_off, given, given_validation, several
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
    loss_weights: Any = None
    solver: str | None = None
    attempts: int | None = None
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
    shown: bool = False
    """Whether the progress is shown."""


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
    refuse_idle(model, options, label)
    data, validation = rows_of(x, y, options)
    if isinstance(model, keras.Model):
        task: Task = KerasTask(
            model, data, options.loss, options.precision, options.loss_weights, options.restarts
        )
    elif isinstance(model, str | Mapping):
        task = FormulaTask(
            roles(model, options.parameters, columns_of(data.x)), options.parameters or {}, options
        )
    else:
        hint = " Give its attribute `model`." if hasattr(model, "model") else ""
        raise UsageError(f"model: should be a Keras model or a formula, not {type(model).__name__}.{hint}")
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
        "optimizer": optimizer_section(
            options.optimizer,
            options.damping,
            solver=options.solver,
            attempts=options.attempts,
            rows=rows_of_batch(data, training.get("batch_size")),
        ),
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


OF_MODEL = "is an argument of lmrun.keras.LMModel"
ELSEWHERE = {
    "attempts_per_step": "is max_attempts of the damping: damping={'update': 'factor', 'max_attempts': 10}",
    "callbacks": f"{OF_MODEL}.fit; lmrun.Trainer looks at each step",
    "class_weight": f"{OF_MODEL}.fit; here sample_weight weighs rows",
    "damping_algorithm": "is damping here",
    "epochs": "is max_epochs here",
    "initial_epoch": f"{OF_MODEL}.fit",
    "jacobian_max_num_rows": "lmrun holds as many rows of J at a time as are fast; leave it out",
    "metrics": f"{OF_MODEL}.compile; result.predict gives what they are computed of",
    "run_dir": "is an argument of lmrun.fit",
    "solve_method": "is optimizer={'name': 'lm', 'solver': 'qr'}",
    "steps_per_epoch": f"{OF_MODEL}.fit; here max_steps limits the steps",
    "verbose": "is an argument of lmrun.fit",
}
"""What people look for among the keys of `training`, and where it is."""


def refuse_idle(model: Any, options: Options, label: str) -> None:
    """Refuse, with a UsageError, options that would do nothing."""
    formula = isinstance(model, str | Mapping)
    for name in options.training:
        if name in ELSEWHERE:
            raise UsageError(f"{label}: {name}: {ELSEWHERE[name]}.")
    validates = options.validation_data is not None or options.validation_split
    if options.training.get("patience") and not validates:
        raise UsageError(
            f"{label}: patience: counts validations; give validation_data or validation_split, too."
        )
    if options.parameters and not formula:
        raise UsageError("parameters: are those of a formula; a Keras model starts from the weights it has.")
    if options.loss_weights is not None and formula:
        raise UsageError("loss_weights: are for the outputs of a Keras model; weigh rows by sample_weight.")
    in_run = [key for key in ("tensorboard", "checkpoint_seconds") if options.training.get(key)]
    if in_run and options.path == ARRAYS:
        raise UsageError(
            f"{in_run[0]}: is about what is written into a run directory; give lmrun.fit a run_dir, or "
            "leave it out."
        )
    if options.training.get("log_seconds") and not options.shown:
        raise UsageError(
            "log_seconds: is about the progress lines of lmrun.fit(..., verbose=True); leave it out."
        )


def rows_of_batch(data: Given, batch_size: Any) -> int:
    """Return the rows of a batch; all of them where no number is given."""
    rows = max((len(one) for one in several(data.x).values() if one.ndim), default=1)
    return min(batch_size, rows) if isinstance(batch_size, int) and batch_size > 0 else rows


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
