"""A task of a program: a model and the way from its rows to those of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmrun.api.arrays import Array
from lmrun.api.losses import Chosen
from lmrun.api.streams import Given
from lmrun.config.schema import Config
from lmrun.datasets.base import Dataset, Split
from lmrun.datasets.finish import finish
from lmrun.models.network import Network


class Task(Protocol):
    """Model and data of a program.

    Attributes:
        section: The `model` section of the config.
        precision: Of the training.
        input_names: Of the columns.
        target_names: Of the columns.
        width: Values that the model predicts per row.
        loss: The loss.
    """

    section: Mapping[str, Any]
    precision: str
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    width: int
    loss: Chosen

    def network(self, config: Config) -> Network:
        """Return the network."""
        ...

    def inputs(self, x: Any, precision: str, what: str = "x") -> Array:
        """Return rows as the network reads them.

        Raises:
            DataError: They do not fit the model.
        """
        ...

    def split(self, data: Given, precision: str, what: str = "") -> Split:
        """Return rows with targets and weights.

        Raises:
            DataError: They do not fit the model or the loss.
        """
        ...

    def outputs(self, outputs: NDArray[np.floating]) -> Any:
        """Return predictions [rows, outputs] in the shapes that the user's model has."""
        ...


def dataset_of(task: Task, train: Split, validation: Split | None, precision: str) -> Dataset:
    """Put a dataset together."""
    kind = task.loss.kind
    dataset = Dataset(
        name="python",
        train=train,
        validation=validation,
        test=None,
        input_names=task.input_names,
        target_names=task.target_names,
        task="regression" if kind == "values" else "classification",
        classes=task.width if kind in {"labels", "one_hot"} else 0,
    )
    return finish(dataset, "float32" if precision == "float32" else "float64")
