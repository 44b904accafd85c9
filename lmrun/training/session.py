"""One run, from its directory as it was opened to the finished one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.build import Experiment
from lmrun.config.schema import Config
from lmrun.errors import StorageError
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.checksums import FILES, checksums_of
from lmrun.runs.files import remove_leftovers
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone
from lmrun.runs.log import log_line
from lmrun.runs.manifest import finish_manifest
from lmrun.runs.summary import write_summary
from lmrun.status import Status
from lmrun.training.answers import answers_of
from lmrun.training.company import LEFT_ALONE
from lmrun.training.evaluate import Evaluator
from lmrun.training.interrupt import Interruption
from lmrun.training.loop import train
from lmrun.training.memory import peak_memory_bytes
from lmrun.training.outcome import Outcome
from lmrun.training.progress import Limits, Progress
from lmrun.training.remarks import remarks as remarks_of
from lmrun.training.saving import save_models

_trained = itertools.count()
"""Runs that this process has trained."""


def execute(
    experiment: Experiment, run: RunDirectory, progress: Progress, interruption: Interruption | None = None
) -> dict[str, Any]:
    """Train, write weights, model and summary, and return the summary.

    Args:
        experiment: What to train.
        run: Where.
        progress: The display.
        interruption: Asks for an end; left out, signals do.

    Raises:
        RunDirectoryError: Another process is training this run.
        StorageError: The disk is full, or nothing may be written any more; the checkpoints are still there.
        WorkerLostError: Another worker is gone; a checkpoint of the last accepted step was written.
    """
    with alone(run):
        try:
            remove_leftovers(run.path)
            return _execute(experiment, run, progress, interruption)
        except StorageError as error:
            raise StorageError(f"{error} {_ways_on(run)}") from error
        except LEFT_ALONE as error:
            raise type(error)(f"{error} {_together_again(run)}") from None


def _ways_on(run: RunDirectory) -> str:
    """Say what is left of a run whose files can no longer be written."""
    checkpoint = read_checkpoint(run)
    if checkpoint is None:
        return "The run had no checkpoint yet: train again."
    return (
        f"The run is good up to its checkpoint of step {checkpoint.step:,}; once that is mended, go on with: "
        f"lmrun train --resume {run.path}"
    )


def _together_again(run: RunDirectory) -> str:
    """Say how the workers of a run go on with it."""
    checkpoint = read_checkpoint(run)
    stands = (
        "The run had no checkpoint yet. To begin it again"
        if checkpoint is None
        else f"The run stands at step {checkpoint.step:,}, in a checkpoint. To go on from there"
    )
    return f"{stands}, start all workers again: lmrun train --resume {run.path} --workers host:port,..."


def _execute(
    experiment: Experiment, run: RunDirectory, progress: Progress, interruption: Interruption | None
) -> dict[str, Any]:
    progress.start(title(experiment.config), limits(experiment.config))
    log_line(run, f"training {title(experiment.config)} on {experiment.device}")
    said = ""
    try:
        outcome = train(experiment, run, progress, interruption)
        said = to_come(experiment.config, outcome.status)
    finally:
        progress.finish(said)
    save_models(experiment, run, outcome)
    # What ends the process in here leaves a run that can be resumed, and then has its answers too.
    summary = summarize(experiment, run, outcome, alone_so_far=next(_trained) == 0)
    write_summary(run, {**summary, FILES: checksums_of(run, run.results)})
    finish_manifest(run)
    experiment.reducer.gather(b"")
    log_line(run, f"{outcome.status}: {outcome.message}")
    return summary


def title(config: Config) -> str:
    """Name an experiment in a few words."""
    return f"{config.dataset.name} · {config.optimizer.name} · seed {config.seed}"


def to_come(config: Config, status: Status) -> str:
    """Say what takes a while after the training; nothing for runs that go on first."""
    draws = config.answers.bootstrap
    return f"{draws:,} fits to data drawn anew follow." if draws and status != Status.INTERRUPTED else ""


def limits(config: Config) -> Limits:
    """Return what the progress display counts towards."""
    training = config.training
    return Limits(
        max_steps=training.max_steps,
        max_epochs=training.max_epochs,
        max_seconds=training.max_seconds,
        target_loss=training.target_loss,
    )


def summarize(
    experiment: Experiment, run: RunDirectory | None, outcome: Outcome, *, alone_so_far: bool = True
) -> dict[str, Any]:
    """Collect what summary.json and `train --json` say; metrics are those of the best parameters.

    Args:
        experiment: What was trained.
        run: Where; None for a training without a directory.
        outcome: How it ended.
        alone_so_far: Whether the process has trained nothing else: its peak memory is then that of the run.
    """
    state, dataset = outcome.state, experiment.dataset
    with tf.device(experiment.device):
        accuracy = Evaluator(experiment, dataset.train).accuracy(state.best_params)
        test = (
            None if dataset.test is None else Evaluator(experiment, dataset.test).metrics(state.best_params)
        )
        remarks = remarks_of(experiment, state.best_params)
    experiment.network.assign(np.asarray(state.best_params))
    asked = experiment.config.answers
    if outcome.status == Status.INTERRUPTED:
        asked = asked.plain
    return {
        "run": None if run is None else str(run.path),
        "status": str(outcome.status),
        "message": outcome.message,
        "remarks": remarks,
        "improved": outcome.improved,
        "steps": state.step,
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        "initial_loss": state.initial_loss,
        "loss": outcome.loss,
        "best_loss": outcome.best_loss,
        "best_step": state.best_step,
        "validation_loss": state.validation_loss if dataset.validation is not None else None,
        "best_validation_loss": state.best_loss if dataset.validation is not None else None,
        "accuracy": accuracy,
        "test": test,
        "parameters": experiment.network.size,
        "distribution": outcome.distribution,
        "regularization": state.estimates,
        "peak_memory_bytes": peak_memory_bytes() if alone_so_far else None,
        "params": experiment.network.named_params(),
        "fit": answers_of(experiment, state.best_params, asked),
    }
