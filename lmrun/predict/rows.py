"""The rows of a file, part by part, and what a trained model makes of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.checks import numbers
from lmrun.datasets.columns import Columns
from lmrun.datasets.npz_parts import members_of, stream_of
from lmrun.datasets.read_arrays import Samples
from lmrun.datasets.table_files import read_parts
from lmrun.errors import DataError
from lmrun.predict.predictor import Ensemble, Predictor

LOGGER = logging.getLogger("lmrun")
ROWS = 65_536
"""Of a part: large enough for the processor."""
NUMBERS = 2**22
"""That the model reads of a part at most: small enough for any memory."""
LISTED = 5
"""Names that a message lists at most."""


def predicted(
    predictor: Predictor | Ensemble,
    path: str,
    samples: Samples | None = None,
    rows: int = ROWS,
    *,
    as_text: bool = False,
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns of a file with those that are predicted, part by part; of images, only the latter.

    A predicted column whose name the file has already ends in `_predicted`. Arrays of other lengths than
    those that the model reads are left out.

    Args:
        predictor: The model.
        path: The file.
        samples: Where the samples of NPZ and MAT files lie; as in the training data if not given.
        rows: Of a part, at most.
        as_text: Whether the columns of a CSV file that the model does not read stay the text that they are,
            such as a serial number 0012.

    Raises:
        DataError: The file cannot be read, a column is missing, or a row does not serve.
    """
    shape = predictor.input_shape
    rows = max(1, min(rows, NUMBERS // math.prod(shape)))
    if len(shape) > 1:
        yield from map(predictor.predict, read_images(path, predictor.inputs[0], shape, rows))
        return

    def is_text(name: str) -> bool:
        return as_text and name not in predictor.inputs

    for columns in read_parts(path, rows, samples or predictor.samples, is_text):
        names = _read(columns, predictor.inputs, shape[0])
        if columns.before and not len(columns.values[names[0]]):
            # Only arrays that are left out go on.
            return
        made = predictor.predict(numbers(columns, names))
        beside = {
            name: column
            for name, column in columns.values.items()
            if columns.length(name) == columns.length(names[0])
        }
        if not columns.before:
            _tell_left_out(columns, beside, names[0])
        named = {f"{name}_predicted" if name in beside else name: made[name] for name in made}
        yield {**beside, **named}


def _tell_left_out(columns: Columns, kept: Mapping[str, Any], read: str) -> None:
    """Say which arrays are no columns of the table that is written."""
    lost = [name for name in columns.values if name not in kept]
    if lost:
        LOGGER.warning(
            "%s: left out %s: the model's column '%s' has %d rows, and '%s' %d.",
            columns.path,
            ", ".join(f"'{name}'" for name in lost[:LISTED]) + ", …" * (len(lost) > LISTED),
            read,
            columns.length(read),
            lost[0],
            columns.length(lost[0]),
        )


def _read(columns: Columns, names: Sequence[str], width: int) -> Sequence[str]:
    """The columns that a model of some width reads; of very many, an array of the file has all."""
    if len(names) == width:
        return [columns.single(name) for name in names]
    found = columns.expand(names)
    if len(found) != width:
        raise DataError(
            f"{columns.path}: {', '.join(names)} are {len(found)} numbers per row; the model reads {width}."
        )
    return found


def read_images(path: str, name: str, shape: Sequence[int], rows: int) -> Iterator[NDArray[Any]]:
    """Read images by parts of at most `rows` from an NPZ file; bytes are divided by 255, as MNIST's are.

    Args:
        path: The file.
        name: Of the array; an only array may have any name.
        shape: Height, width and channels; the file may leave out a single channel.
        rows: Of a part.

    Yields:
        [rows, height, width, channels].

    Raises:
        DataError: The file cannot be read, or has no such array.
    """
    if Path(path).suffix.lower() != ".npz":
        raise DataError(
            f"{path}: images come from an NPZ file; save them with numpy.savez(file, {name}=...)."
        )
    with members_of(path) as (members, unusable, files):
        found = name if name in members else next(iter(members)) if len(members) == 1 else None
        if found is None:
            why = f" ('{name}' is there, but {unusable[name]}.)" if name in unusable else ""
            raise DataError(f"{path}: there is no array '{name}'. It has: {', '.join(members)}.{why}")
        has, reads = list(members[found].shape), list(shape)
        without = has[1:] == reads[:-1] and reads[-1] == 1
        if not (has[1:] == reads or without) or not has[0]:
            wanted = ", ".join(map(str, shape))
            raise DataError(f"{path}: the array '{found}' is {has}; the model reads [rows, {wanted}].")
        stream = stream_of(members[found], 0, files)
        for _ in range(0, stream.length, rows):
            images = stream.take(rows)
            images = images[..., np.newaxis] if without else images
            yield images / 255.0 if images.dtype == np.uint8 else images
