"""Weights and model of a run at its end, written so that a full disk is an error and nothing worse."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lmrun.build import Experiment
from lmrun.errors import StorageError
from lmrun.models.export import in_user_units
from lmrun.runs.files import replacing, temporary_name
from lmrun.runs.layout import RunDirectory
from lmrun.training.outcome import Outcome

WEIGHTS = "model.weights.h5"
"""The weights in Keras' archive of a model: the very file that `save_weights` writes."""
FIRST_YEAR, LAST_YEAR = 1980, 2107
"""Of a ZIP archive's times."""


def save_models(experiment: Experiment, run: RunDirectory, outcome: Outcome) -> None:
    """Write last and best weights, and the model of the best in the user's units.

    Raises:
        StorageError: They cannot be written, or the clock's year is none that an archive can hold.
    """
    _check_clock()
    network, dataset = experiment.network, experiment.dataset
    for params, path in (
        (outcome.model, run.last_weights),
        (outcome.state.best_params, run.best_weights),
    ):
        network.assign(np.asarray(params))
        _save_weights(network.model, path)
    whole = in_user_units(network, dataset.input_map, dataset.target_map, experiment.config.precision)
    with replacing(run.model) as temporary:
        whole.save(temporary)


def _check_clock() -> None:
    # A board without a battery starts in 1970.
    year = time.localtime().tm_year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise StorageError(
            f"The clock of this machine says {year}, and the archive of a model has a place for the years "
            f"{FIRST_YEAR} to {LAST_YEAR} only. Set the clock."
        )


def _save_weights(model: Any, path: Path) -> None:
    """Write a model's weights by way of Keras' archive.

    HDF5 ends the process with a segmentation fault where its own file meets a full disk (HDF5 1.14, h5py
    3). For an archive Keras has it write to memory.
    """
    with replacing(path) as temporary:
        archive = path.with_name(temporary_name(f"{path.stem}.keras"))
        try:
            model.save(archive)
            with zipfile.ZipFile(archive) as file:
                temporary.write_bytes(file.read(WEIGHTS))
        finally:
            archive.unlink(missing_ok=True)
