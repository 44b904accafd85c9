"""The experiment and the directory of a run that begins, goes on or is looked at again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from lmrun.build import Experiment, build
from lmrun.config.dump import to_yaml
from lmrun.config.load import LoadedConfig, load_config
from lmrun.config.losses import reads_probabilities
from lmrun.config.user_code import checksums
from lmrun.distribution.reducer import Alone, Reducer, together
from lmrun.errors import ConfigError, RunDirectoryError
from lmrun.runs.create import create_run
from lmrun.runs.files import read_json
from lmrun.runs.layout import RunDirectory
from lmrun.runs.manifest import build_manifest
from lmrun.runs.mend import put_right
from lmrun.training.anew import begin_anew, leave_behind
from lmrun.training.loop import schedule_of
from lmrun.training.memory import refuse_if_too_large, refuse_impossible

APART = (
    "distribution: multi-worker is for lmrun train, which is started once for each worker; here one process "
    "trains a run. Leave it out."
)
LOGGER = logging.getLogger("lmrun")


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
        ConfigError: The config is for several workers, and there is one.
        LmrunError: Any of its kinds, see `build` and `create_run`.
    """
    config = loaded.config
    if config.distribution == "multi-worker" and reducer is None:
        raise ConfigError([APART])
    reducer = reducer or Alone()
    with together(reducer):
        refuse_impossible(config)
        begin_anew()
        experiment = build(config, reducer)
        leave_behind(experiment.dataset)
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
                "probabilities": None if config.loss is None else reads_probabilities(config.loss),
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
        put_right(run, tell)
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
