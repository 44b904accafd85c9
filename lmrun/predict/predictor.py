"""What a trained model makes of new rows, as columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.read_arrays import Samples
from lmrun.errors import RunDirectoryError, UsageError
from lmrun.runs.files import read_json
from lmrun.runs.layout import RunDirectory
from lmrun.runs.summary import check_result


@dataclass(frozen=True)
class Predictor:
    """A model in the user's units.

    Attributes:
        model: The Keras model; its outputs are values, logits or probabilities of yes, or one per class.
        inputs: The columns that it reads, in their order; images have a single one.
        targets: What it predicts.
        classes: Number of exclusive classes, 0 where there are none.
        answers: Whether its outputs are of yes and no.
        probabilities: Whether its outputs are probabilities already, not logits.
        samples: Where the samples of NPZ and MAT files lie, as in its training data.
    """

    model: Any
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    classes: int
    answers: bool = False
    probabilities: bool = False
    samples: Samples = "rows"

    @cached_property
    def flat(self) -> Any:
        """The model with all its inputs side by side."""
        if len(self.model.inputs) == 1:
            return self.model
        from lmrun.models.adopted import with_flat_input

        inputs = self.model.inputs
        return with_flat_input(self.model, [one.shape[1:] for one in inputs], str(inputs[0].dtype))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(self.flat.input_shape[1:])

    def predict(self, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the predicted columns for inputs [rows, ...]."""
        return self.columns(self.outputs(values))

    def outputs(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values, or probabilities where there are classes, [rows, outputs] for inputs [rows, ...]."""
        import tensorflow as tf

        from lmrun.models.network import stacked

        # Not `predict`, which rounds its inputs to float32.
        given = tf.constant(values, self.flat.inputs[0].dtype)
        outputs = np.asarray(stacked(self.flat(given, training=False)))
        if self.probabilities:
            return outputs
        if self.classes:
            from scipy.special import softmax

            probabilities: NDArray[Any] = softmax(outputs.astype(np.float64), axis=1)
            return probabilities
        return np.asarray(tf.sigmoid(outputs)) if self.answers else outputs

    def columns(self, outputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Name outputs [rows, outputs]; exclusive classes are the likeliest and a probability each."""
        if not self.classes or len(self.targets) == self.classes:
            return dict(zip(self.targets, outputs.T, strict=True))
        name = self.targets[0]
        each = {f"{name}_{place}_probability": column for place, column in enumerate(outputs.T)}
        return {name: outputs.argmax(axis=1), **each}


@dataclass(frozen=True)
class Ensemble:
    """Several models of the same columns; what they predict is the mean of what each one does.

    Of classes it is the mean of the probabilities. Errors that the models do not share cancel.
    Source: Hansen and Salamon 1990, Neural network ensembles; Perrone and Cooper 1993.
    """

    members: tuple[Predictor, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that all read."""
        return self.members[0].inputs

    @property
    def samples(self) -> Samples:
        """Where the samples of NPZ and MAT files lie, as in the training data of the first."""
        return self.members[0].samples

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return self.members[0].input_shape

    def predict(self, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the predicted columns for inputs [rows, ...]."""
        outputs = [member.outputs(values) for member in self.members]
        return self.members[0].columns(np.mean(outputs, axis=0))


def load_ensemble(runs: Sequence[RunDirectory]) -> Predictor | Ensemble:
    """Load one model, or several whose predictions are averaged.

    Raises:
        UsageError: They read or predict different columns.
        RunDirectoryError: See `load_predictor`.
    """
    members = [load_predictor(run) for run in runs]
    first = members[0]
    for run, member in zip(runs, members, strict=True):
        for what in ("inputs", "targets", "classes", "answers", "input_shape"):
            one, other = getattr(first, what), getattr(member, what)
            if one != other:
                raise UsageError(
                    f"The runs {runs[0].name} and {run.name} cannot be averaged: their {what} are "
                    f"{_told(one)} and {_told(other)}. Name runs of the same data."
                )
    return first if len(members) == 1 else Ensemble(tuple(members))


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def load_predictor(run: RunDirectory) -> Predictor:
    """Load the model of a run that has ended.

    Raises:
        RunDirectoryError: There is none yet, or it is damaged.
    """
    import keras

    import lmrun.models.formula  # noqa: F401 - registers the layer of formulas
    from lmrun.models.adopted import ends_in

    if not run.model.is_file():
        raise RunDirectoryError(
            f"The run {run.name} has no model yet; it is written at its end. Go on with it: lmrun train "
            f"--resume {run.path}"
        )
    columns = read_json(run.manifest).get("columns")
    if not isinstance(columns, Mapping):
        raise RunDirectoryError(f"{run.manifest} does not say what the model reads. Train again.")
    check_result(run, run.model)
    try:
        model = keras.models.load_model(run.model, compile=False, safe_mode=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        unknown = re.search(r"Could not locate class '(\w+)'", str(error))
        if unknown:
            raise RunDirectoryError(
                f"{run.model} needs the class {unknown[1]} of a program's own, which this command does not "
                "know. Use the model where the class is: keras.models.load_model in that program."
            ) from error
        raise RunDirectoryError(f"{run.model} is damaged: {error}. Train again.") from error
    known = columns.get("probabilities")
    if known is None:
        known = ends_in(model, "softmax" if columns["classes"] else "sigmoid")
    return Predictor(
        model,
        inputs=tuple(columns["inputs"]),
        targets=tuple(columns["targets"]),
        classes=int(columns["classes"]),
        answers=columns["task"] == "classification" and not columns["classes"],
        probabilities=columns["task"] == "classification" and bool(known),
        samples=columns.get("samples", "rows"),
    )
