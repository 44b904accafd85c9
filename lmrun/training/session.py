"""One run from its config to its finished directory."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
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
from lmrun.datasets import Dataset
from lmrun.errors import RunDirectoryError
from lmrun.models.export import in_user_units
from lmrun.runs.create import create_run
from lmrun.runs.files import read_json, remove_leftovers, replacing
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone
from lmrun.runs.manifest import build_manifest, finish_manifest
from lmrun.runs.summary import read_summary, write_summary
from lmrun.status import Status
from lmrun.training.answers import answers_of
from lmrun.training.evaluate import Evaluator
from lmrun.training.loop import Outcome, schedule_of, train
from lmrun.training.memory import peak_memory_bytes, refuse_if_too_large, refuse_impossible
from lmrun.training.progress import Limits, Progress
from lmrun.training.remarks import remarks as remarks_of

_trained = itertools.count()
"""Runs that this process has trained."""
_data: list[weakref.ref[Dataset]] = []
"""Of the last run that was prepared here."""
LARGE_BYTES = 2**25
"""Of data that are worth the 0.1 s that the collector takes."""


def prepare(
    loaded: LoadedConfig, runs_dir: Path, name: str | None, command: Sequence[str]
) -> tuple[Experiment, RunDirectory]:
    """Build an experiment and make its run directory; nothing is written before the data is known to fit.

    Raises:
        LmrunError: Any of its kinds, see `build` and `create_run`.
    """
    config = loaded.config
    refuse_impossible(config)
    begin_anew()
    experiment = build(config)
    _data.append(weakref.ref(experiment.dataset))
    refuse_if_too_large(experiment, schedule_of(experiment))
    run = open_run(
        experiment, runs_dir, name, command=command, source=loaded.source, overrides=loaded.overrides
    )
    return experiment, run


def begin_anew() -> None:
    """Let go of what the run before has left in this process.

    Keras numbers its layers, and TensorFlow keeps something for every name of a variable: 0.2 MiB per run. So
    each run has the names that it would have in a process of its own. Experiments refer to themselves in
    circles, which Python's collector finds at some time; the data of the last one are not to wait for that.
    """
    left = [data for reference in _data if (data := reference()) is not None]
    large = any(
        split.inputs.nbytes > LARGE_BYTES for data in left for split in (data.train, data.test) if split
    )
    del left
    _data.clear()
    keras.backend.clear_session(free_memory=large)


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


def reopen(run: RunDirectory) -> Experiment:
    """Build the experiment of a run that was stopped.

    Raises:
        RunDirectoryError: The run has ended on its own.
        LmrunError: Any of its kinds, see `build`.
    """
    summary = read_summary(run)
    if summary is not None and summary.get("status") != Status.INTERRUPTED:
        raise RunDirectoryError(
            f"The run {run.name} has ended ({summary.get('status')}); there is nothing to resume. To train "
            f"further, start again with higher limits: lmrun train {run.config} training.max_steps=..."
        )
    experiment = rebuild(run, "a resumed run would mix two data sets")
    refuse_if_too_large(experiment, schedule_of(experiment))
    return experiment


def rebuild(run: RunDirectory, otherwise: str) -> Experiment:
    """Build the experiment of a run again, with its initial weights.

    Args:
        run: A run that was begun.
        otherwise: What would be wrong with other data than the run's, as the end of a sentence.

    Raises:
        RunDirectoryError: The data has changed.
        LmrunError: Any of its kinds, see `build`.
    """
    experiment = build(load_config(str(run.config)).config)
    if read_json(run.manifest).get("data_checksum") != experiment.dataset.checksum:
        raise RunDirectoryError(
            f"The data of the run {run.name} has changed since it started; {otherwise}. Put the old data "
            f"back, or train again: lmrun train {run.config}"
        )
    return experiment


def execute(experiment: Experiment, run: RunDirectory, progress: Progress) -> dict[str, Any]:
    """Train, write weights, model and summary, and return the summary.

    Raises:
        RunDirectoryError: Another process is training this run.
    """
    with alone(run):
        remove_leftovers(run.path)
        return _execute(experiment, run, progress)


def _execute(experiment: Experiment, run: RunDirectory, progress: Progress) -> dict[str, Any]:
    progress.start(title(experiment.config), limits(experiment.config))
    _log(run, f"training {title(experiment.config)} on {experiment.device}")
    said = ""
    try:
        outcome = train(experiment, run, progress)
        said = to_come(experiment.config, outcome.status)
    finally:
        progress.finish(said)
    save_models(experiment, run, outcome)
    # What ends the process in here leaves a run that can be resumed, and then has its answers too.
    summary = summarize(experiment, run, outcome, alone_so_far=next(_trained) == 0)
    write_summary(run, summary)
    finish_manifest(run)
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
        "regularization": state.estimates,
        "peak_memory_bytes": peak_memory_bytes() if alone_so_far else None,
        "params": experiment.network.named_params(),
        "fit": answers_of(experiment, state.best_params, asked),
    }


def save_models(experiment: Experiment, run: RunDirectory, outcome: Outcome) -> None:
    """Write last and best weights, and the model of the best in the user's units."""
    network, dataset = experiment.network, experiment.dataset
    for params, path in (
        (outcome.model, run.last_weights),
        (outcome.state.best_params, run.best_weights),
    ):
        network.assign(np.asarray(params))
        with replacing(path) as temporary:
            network.model.save_weights(temporary)
    whole = in_user_units(network, dataset.input_map, dataset.target_map, experiment.config.precision)
    with replacing(run.model) as temporary:
        whole.save(temporary)


def _log(run: RunDirectory, line: str) -> None:
    with run.log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
