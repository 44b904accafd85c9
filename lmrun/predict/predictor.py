"""What a trained model makes of new rows, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.checks import numbers
from lmrun.datasets.npz import open_npz
from lmrun.datasets.read_arrays import Samples
from lmrun.datasets.table_files import read_parts
from lmrun.errors import DataError, RunDirectoryError
from lmrun.runs.files import read_json
from lmrun.runs.layout import RunDirectory

ROWS = 65_536
"""Of a part: large enough for the processor, small enough for any memory."""


@dataclass(frozen=True)
class Predictor:
    """A model in the user's units.

    Attributes:
        model: The Keras model; its outputs are values, logits of yes, or a logit per class.
        inputs: The columns that it reads, in their order; images have a single one.
        targets: What it predicts.
        classes: Number of exclusive classes, 0 where there are none.
        answers: Whether its outputs are logits of yes and no.
        samples: Where the samples of NPZ and MAT files lie, as in its training data.
    """

    model: Any
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    classes: int
    answers: bool = False
    samples: Samples = "rows"

    def predict(self, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the predicted columns for inputs [rows, ...]."""
        import tensorflow as tf

        # Not `predict`, which rounds its inputs to float32.
        outputs = np.asarray(self.model(tf.constant(values, self.model.inputs[0].dtype), training=False))
        if self.classes:
            return self._classes(outputs)
        if self.answers:
            outputs = np.asarray(tf.sigmoid(outputs))
        return dict(zip(self.targets, outputs.T, strict=True))

    def _classes(self, logits: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The likeliest class, or a column per class, and the probabilities."""
        from scipy.special import softmax

        probabilities = softmax(logits.astype(np.float64), axis=1)
        if len(self.targets) == self.classes:
            return dict(zip(self.targets, probabilities.T, strict=True))
        name = self.targets[0]
        each = {f"{name}_{place}_probability": column for place, column in enumerate(probabilities.T)}
        return {name: logits.argmax(axis=1), **each}


def load_predictor(run: RunDirectory) -> Predictor:
    """Load the model of a run that has ended.

    Raises:
        RunDirectoryError: There is none yet, or it is damaged.
    """
    import keras

    import lmrun.models.formula  # noqa: F401 - registers the layer of formulas

    if not run.model.is_file():
        raise RunDirectoryError(
            f"The run {run.name} has no model yet; it is written at its end. Go on with it: lmrun train "
            f"--resume {run.path}"
        )
    columns = read_json(run.manifest).get("columns")
    if not isinstance(columns, Mapping):
        raise RunDirectoryError(f"{run.manifest} does not say what the model reads. Train again.")
    try:
        model = keras.models.load_model(run.model, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(f"{run.model} is damaged: {error}. Train again.") from error
    return Predictor(
        model,
        inputs=tuple(columns["inputs"]),
        targets=tuple(columns["targets"]),
        classes=int(columns["classes"]),
        answers=columns["task"] == "classification" and not columns["classes"],
        samples=columns.get("samples", "rows"),
    )


def predicted(predictor: Predictor, path: str, rows: int = ROWS) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns of a file with those that are predicted, part by part; of images, only the latter.

    A predicted column whose name the file has already ends in `_predicted`.

    Raises:
        DataError: The file cannot be read, a column is missing, or a row does not serve.
    """
    shape = predictor.model.input_shape[1:]
    if len(shape) > 1:
        images = read_images(path, predictor.inputs[0], shape)
        for start in range(0, len(images), rows):
            yield predictor.predict(images[start : start + rows])
        return
    for columns in read_parts(path, rows, predictor.samples):
        made = predictor.predict(numbers(columns, [columns.single(name) for name in predictor.inputs]))
        named = {f"{name}_predicted" if name in columns.values else name: made[name] for name in made}
        yield {**columns.values, **named}


def read_images(path: str, name: str, shape: Sequence[int]) -> NDArray[Any]:
    """Read images [rows, height, width, channels] from an NPZ file; bytes are divided by 255, as MNIST's are.

    Args:
        path: The file.
        name: Of the array; an only array may have any name.
        shape: Height, width and channels; the file may leave out a single channel.

    Raises:
        DataError: The file cannot be read, or has no such array.
    """
    if Path(path).suffix.lower() != ".npz":
        raise DataError(
            f"{path}: images come from an NPZ file; save them with numpy.savez(file, {name}=...)."
        )
    with open_npz(Path(path), path) as archive:
        names = archive.files
        found = name if name in names else names[0] if len(names) == 1 else None
        if found is None:
            raise DataError(f"{path}: there is no array '{name}'. It has: {', '.join(names)}.")
        images: NDArray[Any] = archive[found]
    if images.ndim == 3 and shape[-1] == 1:
        images = images[..., np.newaxis]
    if images.shape[1:] != tuple(shape) or not len(images):
        wanted = ", ".join(map(str, shape))
        raise DataError(
            f"{path}: the array '{found}' is {list(images.shape)}; the model reads [rows, {wanted}]."
        )
    return images / 255.0 if images.dtype == np.uint8 else images
