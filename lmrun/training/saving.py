"""Weights and model of a run at its end, written so that a full disk is an error and nothing worse."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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
OUT_OF_TIME = re.compile("timestamps before|ushort|format requires 0 <= number")
"""What `zipfile` and `struct` say of a year that a ZIP archive has no place for."""


def save_models(experiment: Experiment, run: RunDirectory, outcome: Outcome) -> None:
    """Write last and best weights, and the model of the best in the user's units.

    Raises:
        StorageError: They cannot be written, or the clock's year is none that an archive can hold.
    """
    with _clock_in_words():
        _save(experiment, run, outcome)


def _save(experiment: Experiment, run: RunDirectory, outcome: Outcome) -> None:
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


@contextmanager
def _clock_in_words() -> Iterator[None]:
    """Say in words that the clock is beyond an archive's times: a board without a battery starts in 1970."""
    try:
        yield
    except (ValueError, struct.error) as error:
        if not OUT_OF_TIME.search(str(error)):
            raise
        raise StorageError(
            "The clock of this machine is beyond the years 1980 to 2107, and the archive of a model has "
            "a place for no others. Set the clock."
        ) from error


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
