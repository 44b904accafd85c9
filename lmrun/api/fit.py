"""`lmrun.fit`: a model fitted to arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lmrun.api.experiment import ARRAYS, Options, build_experiment, table_of
from lmrun.api.result import Result
from lmrun.api.tasks import Task
from lmrun.api.trainer import Trainer
from lmrun.build import Experiment
from lmrun.config.dump import to_yaml
from lmrun.datasets.npz import write_npz
from lmrun.runs.files import replacing
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.training.interrupt import listening
from lmrun.training.opening import open_run
from lmrun.training.progress import Progress, make_progress
from lmrun.training.session import execute


def fit(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    optimizer: Any = "lm",
    damping: Any = None,
    loss: Any = None,
    loss_weights: Any = None,
    validation_data: Any = None,
    validation_split: float = 0.0,
    sample_weight: Any = None,
    sigma: Any = None,
    parameters: Mapping[str, Any] | None = None,
    restarts: int = 0,
    precision: str | None = None,
    seed: int = 10,
    device: str = "auto",
    run_dir: str | Path | None = None,
    verbose: bool = False,
    **training: Any,
) -> Result:
    """Fit a model to arrays; a Keras model has its best weights afterwards.

    Args:
        model: A Keras model: Sequential, functional, with several inputs or outputs, or of a class of its
            own whose `call` Keras can trace. Or a formula: `y ~ b1*(1 - exp(-b2*x))`, its right side alone,
            or a mapping of several targets to their right sides.
        x: Inputs [rows, ...]; a list or mapping of several; a data frame; or a `tf.data.Dataset` of batches
            (x, y) or (x, y, weights), which is read once. For a formula, a mapping of columns or an array
            [rows, columns] in the order in which the formula first names them. A `keras.utils.PyDataset` and
            a generator of batches are read as well.
        y: Targets [rows, ...], class labels [rows], or a list of several. For a formula it may be left out
            where the targets are columns of x.
        optimizer: A name, or a mapping as in a config file; objects of your own may stand in it for the
            `damping`, its `update` and `scaling`, and the `acceptance`. Or an optimizer of Keras'.
        damping: Of `lm`: a name, a mapping, an object with `start`, `accepted` and `rejected`, a function of
            the damping and the gain ratio, or `lmrun.keras.DampingAlgorithm`.
        loss: A name of lmrun's or Keras', or a mapping as in a config file; a loss object of Keras'; a
            function of y_true and y_pred that returns a loss per row; or `lmrun.keras.Residuals`. For several
            outputs also a list, or a mapping by their names. Left out: the mean squared error.
            Cross-entropies see by the model's last layer whether it predicts probabilities or logits.
        loss_weights: Of a Keras model with several outputs, whose losses are added up: a list, or a mapping
            by the outputs' names.
        validation_data: (x, y), (x, y, sample_weight) or a `tf.data.Dataset`; the best parameters are then
            those of the lowest validation loss.
        validation_split: Share of the last rows that validate, where there is no `validation_data`.
        sample_weight: Non-negative weights [rows] of the rows in the loss.
        sigma: Standard deviations [rows] of the targets: each row weighs 1 / sigma^2.
        parameters: Of a formula: a starting value each, or a mapping with `start`, `min`, `max`, `range`,
            `fixed` or `expression`, as in a config file.
        restarts: Further starts; the best end is kept. Of a formula they are drawn from the parameters'
            ranges; of a Keras model from its layers' initializers, and they share `max_steps`.
        precision: `float32` or `float64`. Left out: that of the model's weights, `float64` for formulas. A
            model of another precision is trained as a copy and gets its weights rounded.
        seed: Decides the order of mini-batches, random subsets and further starts.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        run_dir: A run directory to make, with weights, metrics and model, for `lmrun show`, `compare`, `plot`
            and `predict`. Left out: nothing is written.
        verbose: Whether to show the progress on stderr.
        **training: Keys of a config file's `training` section, such as `batch_size`, `max_steps`,
            `max_epochs`, `max_seconds`, `target_loss`, `patience`.

    Returns:
        The summary, the metrics of every step, and `predict`.

    Raises:
        ConfigError: An option is not valid; all problems at once.
        DataError: The rows do not fit the model, or the model cannot be fitted.
        UsageError: The model is none, or the formula does not fit the columns.
        MemoryRefusedError: The training would not fit into memory.
        RunDirectoryError: `run_dir` exists or cannot be written.
    """
    options = Options(
        optimizer=optimizer,
        damping=damping,
        loss=loss,
        loss_weights=loss_weights,
        validation_data=validation_data,
        validation_split=validation_split,
        sample_weight=sample_weight,
        sigma=sigma,
        parameters=parameters,
        restarts=restarts,
        precision=precision,
        seed=seed,
        device=device,
        training=training,
        shown=verbose,
        path=ARRAYS if run_dir is None else str(RunDirectory(absolute(run_dir)).data),
    )
    experiment, task = build_experiment(model, x, y, options)
    progress = make_progress(not verbose, experiment.config.training.log_seconds)
    if run_dir is not None:
        return _in_directory(experiment, task, absolute(run_dir), progress)
    with listening() as interruption:
        trainer = Trainer.of(experiment, task, progress=progress, interruption=interruption)
        for _ in trainer:
            pass
        return trainer.result()


def absolute(run_dir: str | Path) -> Path:
    """Return the path of a run directory."""
    return Path(run_dir).expanduser().absolute()


def _in_directory(experiment: Experiment, task: Task, path: Path, progress: Progress) -> Result:
    source = "# This run was made by lmrun.fit in a Python program.\n" + to_yaml(experiment.config)
    run = open_run(experiment, path.parent, path.name, command=sys.argv, source=source)
    if experiment.config.model.name == "formula":
        # With its rows beside it, the run's config repeats the fit, and figures can be drawn of it.
        with replacing(run.data) as temporary, temporary.open("xb") as file:
            write_npz(file, table_of(experiment.dataset))
    summary = execute(experiment, run, progress)
    table = read_metrics(run)
    history = {
        str(name): np.asarray(table[name])
        if name in {"step", "epoch"}
        else table[name].to_numpy(float, na_value=np.nan)
        for name in table.columns
        if table[name].notna().any()
    }
    weights = experiment.network.params()
    return Result(**summary, history=history, weights=weights, experiment=experiment, task=task)
