"""From the arguments of Keras' `fit` to rows and limits of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lmrun.api.arrays import cut_off
from lmrun.api.hooks import Plan
from lmrun.api.keras_arguments import validation_part, weighted_by_class, whole
from lmrun.api.streams import Given
from lmrun.build import Experiment
from lmrun.errors import UsageError
from lmrun.models.adopted import AdoptedNetwork

LATER = 2**31 - 1
"""Epochs to the next validation where callbacks decide when that is."""


@dataclass(frozen=True)
class Epochs:
    """The epochs that are asked for.

    Attributes:
        first: The number of the first one, counted from 0.
        last: The number behind the last one.
        steps: Of an epoch; None for those of one pass over the rows.
        validation_freq: Epochs from one validation to the next.
    """

    first: int
    last: int
    steps: int | None
    validation_freq: int

    def __post_init__(self) -> None:
        whole(self.first, "initial_epoch", 0)
        whole(self.last, "epochs", self.first + 1)
        whole(self.validation_freq, "validation_freq", 1)
        if self.steps is not None:
            whole(self.steps, "steps_per_epoch", 1)

    def plan(self, batches: int) -> Plan:
        """Return the plan of the callbacks for so many batches in the rows."""
        return Plan(self.first, self.last, self.steps or batches, self.validation_freq)

    def limits(self) -> dict[str, Any]:
        """Return what the `training` section says of them."""
        count = self.last - self.first
        if self.steps is None:
            return {"max_epochs": count, "validation_interval": self.validation_freq}
        return {"max_steps": self.steps * count, "validation_interval": LATER}


@dataclass(frozen=True)
class Asked:
    """Rows and limits of a `fit`.

    Attributes:
        data: Training rows.
        validation: Validation rows, where there are any.
        training: The section of a config.
        epochs: The epochs.
    """

    data: Given
    validation: Given | None
    training: Mapping[str, Any]
    epochs: Epochs


def prepare(
    data: Given,
    validation: Given | None,
    epochs: Epochs,
    *,
    batch_size: int | None,
    shuffle: bool,
    class_weight: Mapping[int, float] | None,
    validation_split: float,
    validation_steps: int | None,
    validation_batch_size: int | None,
    training: Mapping[str, Any],
) -> Asked:
    """Return rows and limits; see `LMModel.fit` for the arguments.

    Raises:
        UsageError: The epochs are limited twice.
        DataError: Rows are weighted twice, or the split leaves none.
    """
    if "max_epochs" in training:
        raise UsageError("LMModel.fit: max_epochs: is what epochs says; leave it out.")
    if validation is None and validation_split:
        data, validation = cut_off(data, validation_split)
    validation = validation_part(validation, validation_steps, validation_batch_size, batch_size)
    data = weighted_by_class(data, class_weight)
    section = {**epochs.limits(), "batch_size": batch_size or data.batch_size or "full", "shuffle": shuffle}
    if validation is None:
        del section["validation_interval"]
    return Asked(data, validation, {**section, **training}, epochs)


def network_of(experiment: Experiment) -> AdoptedNetwork:
    """Return the network of an experiment with a Keras model."""
    assert isinstance(experiment.network, AdoptedNetwork), "of a Keras model"
    return experiment.network


def limited(experiment: Experiment, epochs: int, steps: int | None) -> Experiment:
    """Return the experiment for a number of epochs, each of so many steps where given."""
    training = experiment.config.training
    if steps is None:
        changed = training.model_copy(update={"max_epochs": min(epochs, training.max_epochs or epochs)})
    else:
        most = epochs * steps
        changed = training.model_copy(update={"max_steps": min(most, training.max_steps or most)})
    return replace(experiment, config=experiment.config.model_copy(update={"training": changed}))
