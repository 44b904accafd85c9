"""One run from its config to its finished directory."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.build import Experiment, build
from lmrun.config.dump import to_yaml
from lmrun.config.load import LoadedConfig, load_config
from lmrun.config.schema import Config
from lmrun.config.user_code import checksums
from lmrun.distribution.reducer import Alone, Reducer, together
from lmrun.errors import RunDirectoryError, StorageError
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.checksums import FILES, checksums_of
from lmrun.runs.create import create_run
from lmrun.runs.files import read_json, remove_leftovers
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone
from lmrun.runs.manifest import build_manifest, finish_manifest
from lmrun.runs.mend import mend
from lmrun.runs.summary import write_summary
from lmrun.status import Status
from lmrun.training.answers import answers_of
from lmrun.training.evaluate import Evaluator
from lmrun.training.interrupt import Interruption
from lmrun.training.loop import Outcome, schedule_of, train
from lmrun.training.memory import peak_memory_bytes, refuse_if_too_large, refuse_impossible
from lmrun.training.progress import Limits, Progress
from lmrun.training.remarks import remarks as remarks_of
from lmrun.training.saving import save_models

LOGGER = logging.getLogger("lmrun")

_trained = itertools.count()
"""Runs that this process has trained."""


def prepare(
    loaded: LoadedConfig,
    runs_dir: Path,
    name: str | None,
    command: Sequence[str],
    reducer: Reducer | None = None,
) -> tuple[Experiment, RunDirectory]:
    """Build an experiment and make its run directory; nothing is written before the data is known to fit.

    Args:
        loaded: The config.
        runs_dir: The folder of all runs.
        name: The run's name; None draws one.
        command: What the user typed.
        reducer: The workers of the fit, of which this is the first; left out, there is one.

    Raises:
        LmrunError: Any of its kinds, see `build` and `create_run`.
    """
    config, reducer = loaded.config, reducer or Alone()
    with together(reducer):
        refuse_impossible(config)
        # Keras numbers its layers, TensorFlow keeps something for every name of a variable: a fifth of a MiB per
        # run of one process. Each run has the names that it would have in a process of its own.
        keras.backend.clear_session(free_memory=False)
        experiment = build(config, reducer)
        refuse_if_too_large(experiment, schedule_of(experiment))
        run = open_run(
            experiment, runs_dir, name, command=command, source=loaded.source, overrides=loaded.overrides
        )
    return experiment, run


def open_run(
    experiment: Experiment,
    runs_dir: Path,
    name: str | None,
    *,
    command: Sequence[str],
    source: str,
    overrides: Sequence[str] = (),
) -> RunDirectory:
    """Make the directory of an experiment.

    Args:
        experiment: What will be trained.
        runs_dir: The folder of all runs.
        name: The run's name; None draws one.
        command: What the user typed.
        source: The user's config as it was.
        overrides: Of it.

    Raises:
        LmrunError: See `create_run`.
    """
    config = experiment.config
    return create_run(
        runs_dir,
        dataset=config.dataset.name,
        optimizer=config.optimizer.name,
        seed=config.seed,
        name=name,
        config_yaml=to_yaml(config),
        source=source,
        overrides=overrides,
        manifest=build_manifest(
            command=command,
            dataset=config.dataset.name,
            optimizer=config.optimizer.name,
            device=experiment.device,
            data_checksum=experiment.dataset.checksum,
            seed=config.seed,
            precision=config.precision,
            user_code=checksums(config.model_dump(mode="json")),
            columns={
                "inputs": list(experiment.dataset.input_names),
                "targets": list(experiment.dataset.target_names),
                "task": experiment.dataset.task,
                "classes": experiment.dataset.classes,
                "samples": getattr(config.dataset, "samples", "rows"),
            },
        ),
    )


def reopen(
    run: RunDirectory, reducer: Reducer | None = None, tell: Callable[[str], None] = LOGGER.warning
) -> Experiment:
    """Build the experiment of a run that was stopped, or of one that is to be ended again (see `mend`).

    Args:
        run: The run.
        reducer: Of the first worker; left out, there is only one.
        tell: Is told what was damaged, and what is used in its place.

    Raises:
        RunDirectoryError: The run has ended and nothing is damaged, or another process is training it.
        LmrunError: Any of its kinds, see `build`.
    """
    reducer = reducer or Alone()
    with together(reducer):
        with alone(run):
            for sentence in mend(run):
                _log(run, sentence)
                tell(sentence)
        experiment = rebuild(run, "a resumed run would mix two data sets", reducer)
        refuse_if_too_large(experiment, schedule_of(experiment))
    return experiment


def rebuild(run: RunDirectory, otherwise: str, reducer: Reducer | None = None) -> Experiment:
    """Build the experiment of a run again, with its initial weights.

    Args:
        run: A run that was begun.
        otherwise: What would be wrong with other data than the run's, as the end of a sentence.
        reducer: The workers of the fit, of which this is the first; left out, there is one.

    Raises:
        RunDirectoryError: The data has changed.
        LmrunError: Any of its kinds, see `build`.
    """
    experiment = build(load_config(str(run.config)).config, reducer)
    if read_json(run.manifest).get("data_checksum") != experiment.dataset.checksum:
        raise RunDirectoryError(
            f"The data of the run {run.name} has changed since it started; {otherwise}. Put the old data "
            f"back, or train again: lmrun train {run.config}"
        )
    return experiment


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
    """
    with alone(run):
        try:
            remove_leftovers(run.path)
            return _execute(experiment, run, progress, interruption)
        except StorageError as error:
            raise StorageError(f"{error} {_ways_on(run)}") from error


def _ways_on(run: RunDirectory) -> str:
    """Say what is left of a run whose files can no longer be written."""
    checkpoint = read_checkpoint(run)
    if checkpoint is None:
        return "The run had no checkpoint yet: train again."
    return (
        f"The run is good up to its checkpoint of step {checkpoint.step:,}; once that is mended, go on with: "
        f"lmrun train --resume {run.path}"
    )


def _execute(
    experiment: Experiment, run: RunDirectory, progress: Progress, interruption: Interruption | None
) -> dict[str, Any]:
    progress.start(title(experiment.config), limits(experiment.config))
    _log(run, f"training {title(experiment.config)} on {experiment.device}")
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
    _log(run, f"{outcome.status}: {outcome.message}")
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


def _log(run: RunDirectory, line: str) -> None:
    # What a run needs is in other files, which say so where they cannot be written.
    with suppress(OSError), run.log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
